"""Rotation of a city's keys: new ones, everything sealed and indexed again, the old ones destroyed. See ADR 21.

Nobody waits for it and no read fails: a new key is known to every process before one seals with it (`LEAD`), what
either key sealed is opened, what either indexed is found, and rows that somebody holds are passed over until later.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, or_, select, text

from cityloom.core.crypto import LEAD, Purpose
from cityloom.core.events import AuditEntry
from cityloom.core.sealed import sealed_tables
from cityloom.core.transactions import older_transactions
from cityloom.privacy import events, permissions
from cityloom.privacy import models as m
from cityloom.privacy.errors import RotationRunning
from cityloom.privacy.settings import settings_of
from cityloom.tenancy.keys import KeyRing, stated_algorithm

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import ColumnElement

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.sealed import SealedTable
    from cityloom.core.work import Work

#: Rows that one transaction seals again: some 20 ms of work for the processor, during which the rows are locked.
BATCH: Final = 300
#: Where the id of the key stands in an envelope (`core.crypto.keys`): after version and algorithm, 16 bytes.
_KEY_AT, _KEY_BYTES = 3, 16
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('cityloom.rotation:' || :key, 0))")


async def start_rotation(work: Work) -> m.KeyRotation:
    """Begin to rotate the city's keys, by the cipher of its settings; refuses (`Forbidden`, `RotationRunning`)."""
    work.authorise(permissions.START_ROTATIONS)
    await work.session.execute(_ALONE, {"key": str(work.tenant_id)})
    if await _running(work) is not None:
        raise RotationRunning
    ring: KeyRing = work.services[KeyRing]
    await ring.of(work.tenant_id)  # a city without keys gets its first, which are then rotated like any others
    algorithm = await stated_algorithm(work)
    made = await ring.within(work).rotate(work.tenant_id, algorithm)
    rotation = m.KeyRotation(
        started_at=work.now(),
        active_at=work.now() + LEAD,
        algorithm=algorithm.value,
        field_key_id=made[Purpose.FIELD],
        index_key_id=made[Purpose.INDEX],
        total=await _left(work, made[Purpose.FIELD]),
        done=0,
        place=0,
        old_provider_keys=[],
    )
    work.session.add(rotation)
    await work.session.flush()
    work.audit(
        AuditEntry(
            action=permissions.START_ROTATIONS,
            object_tag=events.ROTATION,
            object_id=rotation.id,
            after={"algorithm": algorithm.value, "rows": rotation.total},
        )
    )
    work.emit(events.KeyRotationStarted(subject_id=rotation.id, algorithm=algorithm.value))
    return rotation


async def carry_on(work: Work) -> int:
    """The job: the next step of a rotation; how many rows were sealed again, `BATCH` where there may be more.

    Begins one where an erasure has waited long enough to be closed in backups too, and destroys the key-encryption keys
    of earlier ones when no backup is kept that they open.
    """
    await _shred(work)
    rotation = await _running(work, is_locked=True)
    if rotation is None:
        if await _running(work) is None and await _is_due(work):
            await start_rotation(work)
        return 0
    if work.now() < rotation.active_at:
        return 0
    ring: KeyRing = work.services[KeyRing]
    keys = await ring.of(work.tenant_id)
    if keys.field_key_id != rotation.field_key_id:
        ring.forget(work.tenant_id)
        keys = await ring.of(work.tenant_id)
    tables = sealed_tables()
    while rotation.place < len(tables):
        count = await _reseal(work, keys, tables[rotation.place], rotation)
        if count:
            rotation.done += count
            return BATCH
        rotation.place, rotation.cursor = rotation.place + 1, None
    if await _left(work, rotation.field_key_id):
        # Somebody held rows, or sealed with the old key meanwhile: through everything once more, later.
        rotation.place = 0
        return 0
    if await _may_finish(work, rotation):
        await _finish(work, rotation)
    return 0


async def _reseal(work: Work, keys: TenantKeys, sealed: SealedTable, rotation: m.KeyRotation) -> int:
    """The next rows of one table; rows that are locked are passed over."""
    table = sealed.table
    query = (
        select(table.c.id, table.c[sealed.row].label("sealed_row"), *(table.c[name] for name in sealed.columns))
        .where(table.c.tenant_id == work.tenant_id, _is_old(sealed, rotation.field_key_id))
        .order_by(table.c.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    if rotation.cursor is not None:
        query = query.where(table.c.id > rotation.cursor)
    rows = (await work.session.execute(query)).all()
    if not rows:
        return 0
    written = (*sealed.columns, *sealed.indexes.values())
    columns: dict[str, list[bytes | None]] = {name: [] for name in written}
    for row in rows:
        for name in sealed.columns:
            envelope = row._mapping[name]  # noqa: SLF001 - SQLAlchemy's public way to a column by its name
            value = None if envelope is None else keys.open_bytes(sealed.place, name, row.sealed_row, envelope)
            columns[name].append(None if value is None else keys.seal_bytes(sealed.place, name, row.sealed_row, value))
            if name in sealed.indexes:
                index = None if value is None else keys.blind_index(sealed.place, name, value.decode())
                columns[sealed.indexes[name]].append(index)
    connection = await work.connection()
    sets = ", ".join(f"{name} = v.{name}" for name in written)
    arrays = ", ".join(f"${at}::bytea[]" for at in range(3, 3 + len(written)))
    await connection.execute(
        f"UPDATE {table.name} AS t SET {sets} FROM unnest($2::uuid[], {arrays}) AS v(id, {', '.join(written)})"  # noqa: S608 - names of models
        " WHERE t.tenant_id = $1 AND t.id = v.id",
        work.tenant_id,
        [row.id for row in rows],
        *(columns[name] for name in written),
    )
    rotation.cursor = rows[-1].id
    return len(rows)


def _is_old(sealed: SealedTable, key_id: UUID) -> ColumnElement[bool]:
    """Whether a row has an envelope that another key sealed."""
    columns = (sealed.table.c[name] for name in sealed.columns)
    return or_(*(func.substring(column, _KEY_AT, _KEY_BYTES) != key_id.bytes for column in columns))


async def _left(work: Work, key_id: UUID) -> int:
    """How many rows hold envelopes of other keys."""
    left = 0
    for sealed in sealed_tables():
        query = select(func.count()).select_from(sealed.table)
        mine = sealed.table.c.tenant_id == work.tenant_id
        left += await work.session.scalar(query.where(mine, _is_old(sealed, key_id))) or 0
    return left


async def _may_finish(work: Work, rotation: m.KeyRotation) -> bool:
    """Whether nobody can seal with the old key any more: no process knows it as current, and no transaction does."""
    if work.now() < rotation.active_at + LEAD:
        return False
    # Those may still seal with the old key: they began while some process knew no other.
    return not await older_transactions(work.session, rotation.active_at + LEAD / 2)


async def _finish(work: Work, rotation: m.KeyRotation) -> None:
    ring: KeyRing = work.services[KeyRing]
    now, settings = work.now(), await settings_of(work)
    successors = (rotation.field_key_id, rotation.index_key_id)
    rotation.old_provider_keys = await ring.within(work).retire(work.tenant_id, successors)
    rotation.finished_at, rotation.shred_at = now, now + timedelta(days=settings.backup_days)
    work.audit(
        AuditEntry(
            action="privacy.rotation.finish",
            object_tag=events.ROTATION,
            object_id=rotation.id,
            after={"resealed": rotation.done, "shred_at": rotation.shred_at.isoformat()},
        )
    )
    work.emit(events.KeyRotationFinished(subject_id=rotation.id, resealed=rotation.done))


async def _shred(work: Work) -> None:
    """Destroy key-encryption keys that open nothing but backups that are no longer kept."""
    query = select(m.KeyRotation).where(m.KeyRotation.shred_at <= work.now(), m.KeyRotation.shredded_at.is_(None))
    for rotation in (await work.session.scalars(query.with_for_update(skip_locked=True))).all():
        keyring = work.services[KeyRing].within(work)
        for name in rotation.old_provider_keys:
            await keyring.shred(work.tenant_id, name)
        rotation.shredded_at = work.now()
        work.audit(
            AuditEntry(
                action="privacy.rotation.shred",
                object_tag=events.ROTATION,
                object_id=rotation.id,
                after={"keys": rotation.old_provider_keys},
            )
        )


async def _is_due(work: Work) -> bool:
    """Whether an erasure since the last rotation is as old as the city lets it be."""
    last = await work.session.scalar(select(func.max(m.KeyRotation.started_at)))
    first = select(func.min(m.Erasure.erased_at))
    oldest = await work.session.scalar(first if last is None else first.where(m.Erasure.erased_at > last))
    if oldest is None:
        return False
    return bool(oldest <= work.now() - timedelta(days=(await settings_of(work)).rotate_after_days))


async def _running(work: Work, *, is_locked: bool = False) -> m.KeyRotation | None:
    query = select(m.KeyRotation).where(m.KeyRotation.finished_at.is_(None))
    if is_locked:
        query = query.with_for_update(skip_locked=True).execution_options(populate_existing=True)
    found: m.KeyRotation | None = await work.session.scalar(query)
    return found

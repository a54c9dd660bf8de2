"""Changes that were made where there was no network: each stands on its own, is made once, and never over another's.

A handset sends what it did with ids of its own. A change under an id that was carried out before is not made again; one
of something that has changed meanwhile is not made, and both versions are told; the others of the batch are made.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select, text

from cityloom.core.crypto import mask_identity_number, mask_phone
from cityloom.core.errors import Forbidden, Refusal
from cityloom.core.principal import FieldAccess
from cityloom.modules.areas.errors import ChangedMeanwhile
from cityloom.modules.registry import models as m
from cityloom.modules.registry import papers, people
from cityloom.modules.registry.errors import ChangesTooMany, ClientIdWrong
from cityloom.modules.registry.service import chain, custom

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Work

SUBMIT = "registry.fieldwork.submit"
MOST_CHANGES = 100
#: A handset that was away longer starts from what the server has.
LONGEST_AWAY = timedelta(days=30)
_CLOCKS_DIFFER = timedelta(hours=1)
_VERSION = 7
_TABLE = m.FieldChange.__tablename__
#: Protected fields: the column that is shown instead, the field permission, and how what was sent is masked.
_PROTECTED: dict[str, tuple[str, str, Callable[[str], str]]] = {
    "identity_number": ("identity_masked", "registry.resident.identity_number", mask_identity_number),
    "phone": ("phone_masked", "registry.resident.phone", mask_phone),
    "plate": ("plate_masked", "registry.vehicle.plate", papers.mask_plate),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One change as a handset tells it.

    `carry_out(row id)` makes it and answers the row; what it records gets that id. `sent` is what was sent of the
    thing `model` with the row id `subject_id`, for whoever has to decide a conflict.
    """

    client_id: UUID
    action: str
    made_at: datetime
    content: bytes
    carry_out: Callable[[UUID], Awaitable[Any]]
    model: type[Any]
    subject_id: UUID | None
    sent: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The SHA-256 of what was sent, which tells a repetition from another use of the id."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of which the server has another value than was sent; both as the caller may see them."""

    field: str
    server: object
    sent: object


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change: APPLIED, REPEATED (it was carried out before), CONFLICT or REFUSED."""

    client_id: UUID
    outcome: str
    subject: tuple[str, UUID] | None = None
    version: int | None = None
    refusal: Refusal | None = None
    differences: tuple[Difference, ...] = field(default=())


async def submit(work: Work, changes: Sequence[Change]) -> list[Outcome]:
    """Carry changes out in their order, each for itself.

    Refuses (`Forbidden`, `ChangesTooMany`, `ClientIdWrong`) the batch as a whole: of nobody, too long, an id twice.
    """
    work.authorise(SUBMIT)
    account_id = work.principal.account_id
    if account_id is None:
        raise Forbidden(permission=SUBMIT)
    if not 0 < len(changes) <= MOST_CHANGES:
        raise ChangesTooMany(path=("changes",), limit=MOST_CHANGES)
    ids = [one.client_id for one in changes]
    if len(set(ids)) < len(ids):
        raise ClientIdWrong(path=("changes",))
    # A batch that is sent twice at a time is carried out once: the second waits for the first.
    key = {"key": f"registry.fieldwork.{work.tenant_id}.{account_id}"}
    await work.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)
    before = await work.session.scalars(select(m.FieldChange).where(m.FieldChange.id.in_(ids)))
    known = {one.id: one for one in before}
    keys = await people.keys_of(work)
    outcomes: list[Outcome] = []
    for change in changes:
        if change.client_id in known:
            outcomes.append(_repeated(keys, known[change.client_id], account_id, change))
        else:
            digest = keys.seal(_TABLE, "input_hash", change.client_id, change.digest)
            outcomes.append(await _carried_out(work, change, account_id, digest))
    return outcomes


async def _carried_out(work: Work, change: Change, account_id: UUID, digest: bytes) -> Outcome:
    emitted, audited = len(work.outbox), len(work.audited)
    try:
        async with work.session.begin_nested():
            row = await change.carry_out(change.client_id)
            work.session.add(
                m.FieldChange(
                    id=change.client_id,
                    account_id=account_id,
                    action=change.action,
                    input_hash=digest,
                    subject_tag=chain.TAGS[type(row)],
                    subject_id=row.id,
                    subject_version=row.version,
                    made_at=change.made_at,
                    received_at=work.now(),
                )
            )
    except Refusal as refusal:
        # What was to be told of this change has not happened.
        del work.outbox[emitted:], work.audited[audited:]
        if isinstance(refusal, ChangedMeanwhile):
            return await _conflict(work, change, refusal)
        return Outcome(change.client_id, "REFUSED", refusal=refusal)
    return Outcome(change.client_id, "APPLIED", (chain.TAGS[type(row)], row.id), row.version)


def _repeated(keys: TenantKeys, known: m.FieldChange, account_id: UUID, change: Change) -> Outcome:
    if known.input_hash is None:
        # Carried out before hashes were sealed, at most `LONGEST_AWAY` ago.
        is_same = known.action == change.action
    else:
        is_same = keys.open(_TABLE, "input_hash", known.id, known.input_hash) == change.digest
    if known.account_id != account_id or not is_same:
        return Outcome(known.id, "REFUSED", refusal=ClientIdWrong(path=("clientId",)))
    return Outcome(known.id, "REPEATED", (known.subject_tag, known.subject_id), known.subject_version)


async def _conflict(work: Work, change: Change, refusal: ChangedMeanwhile) -> Outcome:
    row: Any = await work.session.scalar(
        select(change.model).where(change.model.id == change.subject_id).execution_options(populate_existing=True)
    )
    subject = (chain.TAGS[change.model], row.id)
    found: list[Difference] = []
    for name, value in change.sent.items():
        if name == "custom":
            found += await _custom_differences(work, row, value)
            continue
        server, sent = _shown(work, row, name, value)
        if server != sent:
            found.append(Difference(name, server, sent))
    return Outcome(change.client_id, "CONFLICT", subject, row.version, refusal, tuple(found))


def _shown(work: Work, row: Any, name: str, value: Any) -> tuple[object, object]:  # noqa: ANN401 - one of six models
    """A field on the server, and as it was sent, as far as the caller may see it."""
    if name in _PROTECTED:
        column, permission, mask = _PROTECTED[name]
        level = work.rights.field(permission)
        seen = None if level is FieldAccess.ABSENT else getattr(row, column)
        return seen, None if value is None else mask(str(value))
    if name == "birth_on":
        return row.birth_year, None if value is None else value.year
    if name == "position":
        return (row.longitude, row.latitude), value
    server = getattr(row, name)
    return server, value if isinstance(value, str | int | None) else str(value)


async def _custom_differences(work: Work, row: Any, value: object) -> list[Difference]:  # noqa: ANN401 - one of six models
    if not isinstance(value, dict):
        return []
    present = await custom.answered(work, row)
    return [
        Difference(f"custom.{code}", present.get(code), sent)
        for code, sent in value.items()
        if present.get(code) != sent
    ]


def checked_client_id(work: Work, value: str, *path: str | int) -> UUID:
    """An id that a handset made: a UUIDv7 of the time in which it can have been away; refuses (`ClientIdWrong`)."""
    with suppress(ValueError):
        found = UUID(value)
        if found.version == _VERSION:
            made_at = datetime.fromtimestamp((found.int >> 80) / 1_000, UTC)
            if work.now() - LONGEST_AWAY <= made_at <= work.now() + _CLOCKS_DIFFER:
                return found
    raise ClientIdWrong(path=path)

"""Disclosures: protected data are shown for a purpose, within a quota, and it is written down who saw what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text

from cityloom.core.clock import CIVIL_TIME
from cityloom.core.errors import Forbidden
from cityloom.core.events import AuditEntry
from cityloom.core.ids import NEW_ID_SQL, new_id
from cityloom.core.subjects import protected_rows
from cityloom.core.work import Works
from cityloom.privacy import events, permissions
from cityloom.privacy import models as m
from cityloom.privacy.errors import ConsentMissing, FieldUnknown, PurposeCoversNot, UnmaskingQuotaReached
from cityloom.privacy.service.consents import consent_of
from cityloom.privacy.service.purposes import purpose_in_force
from cityloom.privacy.service.reaching import checked_words, covers, is_own, reach_person
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.limits import limit_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from cityloom.core.principal import Principal
    from cityloom.core.subjects import Person
    from cityloom.core.work import Work

NOTE_LIMIT = 200
#: Searches of one caller that find the same person count as one disclosure for so long.
SAME_SEARCH = timedelta(hours=1)
#: Whoever was noted for the same within `SAME_SEARCH` is not noted again; set against set, because the planner may know
#: nothing of either. Answers how many were noted, and who they are as one hash of their ids in order, by which the one
#: entry in the audit log proves each row of the ledger.
_NOTE = f"""
WITH fresh AS (
  SELECT unnest($2::text::uuid[]) AS id
  EXCEPT
  SELECT subject_id FROM disclosures
  WHERE tenant_id = $1 AND caller_id = $4 AND disclosed_at > $12 AND kind = 'SEARCH' AND subject_tag = $3
    AND purpose_id = $8
), noted AS (
  INSERT INTO disclosures (tenant_id, id, kind, subject_tag, subject_id, caller_id, actor_kind, account_id, client_id,
    purpose_id, fields, is_counted, disclosed_at, expires_at)
  SELECT $1, {NEW_ID_SQL}, 'SEARCH', $3, id, $4, $5, $6, $7, $8, jsonb_build_array($9::text), false, $10, $11 FROM fresh
)
SELECT count(*) AS count, encode(sha256(coalesce(string_agg(uuid_send(id), ''::bytea ORDER BY id), ''::bytea)), 'hex')
  AS people
FROM fresh
"""  # noqa: S608 - an expression of our own
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('cityloom.unmask:' || :key, 0))")


@dataclass(frozen=True, slots=True)
class Unmasked:
    """Protected values in clear, by field; `remaining` is what is left of today's quota."""

    disclosure: m.Disclosure
    purpose: m.Purpose
    values: dict[str, str | None]
    remaining: int


async def unmask(
    work: Work, person_id: str, *, fields: Sequence[str], purpose: str, note: str | None = None
) -> Unmasked:
    """Show protected fields of a person in clear, for a purpose of the register.

    Asked again by the same caller for the same person, purpose and fields, it is not counted again for as long as the
    purpose says that a disclosure lasts. Refuses what `reach_person` refuses, `PurposeUnknown`, `FieldUnknown`,
    `PurposeCoversNot`, `ConsentMissing`, `UnmaskingQuotaReached`, `TextUnfit`.
    """
    person = await reach_person(work, person_id, permissions.UNMASK)
    register = await purpose_in_force(work, purpose)
    wanted = _fields(work, person, register, fields)
    note = None if note is None or not note.strip() else checked_words(note, "note", NOTE_LIMIT)
    tag = person.__person__.tag
    if register.basis == "CONSENT" and await consent_of(work, tag, person.id, register.id) is None:
        raise ConsentMissing(path=("purpose",), purpose=register.code)
    remaining, is_counted = await _count(work, register, person, wanted)
    ring: KeyRing = work.services[KeyRing]
    keys = await ring.of(work.tenant_id)
    table = str(type(person).__table__.name)  # type: ignore[attr-defined] # every person is a mapped class
    values = {}
    for name in wanted:
        field = person.__person__.field(name)
        if field is None:
            values[name] = await protected_rows(tag)[name].told(work, person)
            continue
        envelope = getattr(person, field.column)
        values[name] = None if envelope is None else keys.open(table, field.column, person.id, envelope)
    disclosure = disclose(
        work,
        person,
        kind="UNMASK",
        action=permissions.UNMASK,
        fields=wanted,
        purpose=register,
        note=note,
        is_counted=is_counted,
    )
    return Unmasked(disclosure, register, values, remaining)


def disclose(
    work: Work,
    person: Person,
    *,
    kind: str,
    action: str,
    fields: Sequence[str],
    purpose: m.Purpose | None = None,
    note: str | None = None,
    is_counted: bool = False,
) -> m.Disclosure:
    """Write down, in the ledger and in the audit log, that the caller is shown protected data of a person."""
    now, tag = work.now(), person.__person__.tag
    row = m.Disclosure(
        id=new_id(),
        kind=kind,
        subject_tag=tag,
        subject_id=person.id,
        caller_id=_caller(work),
        actor_kind=work.principal.kind.value,
        account_id=work.principal.account_id,
        client_id=work.principal.client_id,
        purpose_id=None if purpose is None else purpose.id,
        fields=list(fields),
        note=note,
        is_counted=is_counted,
        disclosed_at=now,
        expires_at=None if purpose is None else now + timedelta(minutes=purpose.lasts_minutes),
    )
    work.session.add(row)
    code = None if purpose is None else purpose.code
    # Fields as the state after: the log then names what was shown, and holds no value.
    shown = dict.fromkeys(fields, "shown")
    work.audit(AuditEntry(action=action, object_tag=tag, object_id=person.id, purpose=code or kind, after=shown))
    work.emit(
        events.DisclosureMade(
            subject_id=row.id, area_path=person.area_path, kind=kind, purpose=code, shown=tuple(fields)
        )
    )
    return row


async def note_search(
    works: Works, principal: Principal, model: type[Person], indexes: Sequence[bytes], *, column: str, field: str
) -> None:
    """Write down whom a caller finds by a whole protected value, which tells them that it is this person's.

    In a transaction of its own, because reads have none; whoever is not found by the caller's rights is not noted, nor
    is a resident who finds themself, nor the same person by the same caller within `SAME_SEARCH`.
    """
    async with works.begin(principal) as work:
        query = select(model).where(getattr(model, column) == func.any(list(indexes)))
        for person in await work.session.scalars(query):
            if is_own(work, person) or not covers(work, work.rights.scope(person.__person__.read), person):
                continue
            await _note_found(work, person, field=field)


async def _note_found(work: Work, person: Person, *, field: str) -> None:
    again = (
        select(m.Disclosure.id)
        .where(
            m.Disclosure.subject_tag == person.__person__.tag,
            m.Disclosure.subject_id == person.id,
            m.Disclosure.caller_id == _caller(work),
            m.Disclosure.kind == "SEARCH",
            m.Disclosure.disclosed_at > work.now() - SAME_SEARCH,
            # Found for a purpose is another thing to know.
            m.Disclosure.purpose_id.is_(None),
        )
        .limit(1)
    )
    if await work.session.scalar(again) is None:
        disclose(work, person, kind="SEARCH", action=person.__person__.read, fields=[field])


async def note_found(work: Work, tag: str, found: str, *, field: str, purpose: m.Purpose) -> None:
    """Write down that the caller is told, for a purpose, which people have something protected.

    `found` are their ids as PostgreSQL writes an array: there may be very many, and nothing here needs each of them.
    Each has it in their record, once for a caller, a purpose and `SAME_SEARCH`, by one statement; the event and the
    audit entry are the search's.
    """
    now, principal = work.now(), work.principal
    noted = await (await work.connection()).fetchrow(
        _NOTE,
        work.tenant_id,
        found,
        tag,
        _caller(work),
        principal.kind.value,
        principal.account_id,
        principal.client_id,
        purpose.id,
        field,
        now,
        now + timedelta(minutes=purpose.lasts_minutes),
        now - SAME_SEARCH,
    )
    if noted is None or not noted["count"]:
        return
    after = {field: "shown", "count": noted["count"], "people": noted["people"]}
    work.audit(
        AuditEntry(
            action="privacy.purpose.search",
            object_tag=events.PURPOSE,
            object_id=purpose.id,
            purpose=purpose.code,
            after=after,
        )
    )
    work.emit(events.PurposeSearched(subject_id=purpose.id, purpose=purpose.code, shown=(field,), count=noted["count"]))


def _fields(work: Work, person: Person, purpose: m.Purpose, fields: Sequence[str]) -> list[str]:
    rows = protected_rows(person.__person__.tag)
    known = {one.name for one in person.__person__.fields} | rows.keys()
    for name in fields:
        if name not in known:
            raise FieldUnknown(path=("fields",), field=name[:80], known=", ".join(sorted(known)))
    if not fields:
        raise FieldUnknown(path=("fields",), field="", known=", ".join(sorted(known)))
    demand_covered(purpose, fields, path=("fields",))
    for name in rows.keys() & set(fields):
        work.authorise(rows[name].permission, area_path=person.area_path)
    return sorted(set(fields))


def demand_covered(purpose: m.Purpose, fields: Sequence[str], *, path: tuple[str, ...]) -> None:
    """Refuse (`PurposeCoversNot`) what the purpose is not registered for."""
    outside = sorted(set(fields) - set(purpose.fields))
    if outside:
        raise PurposeCoversNot(path=path, purpose=purpose.code, fields=", ".join(outside))


def _caller(work: Work) -> UUID:
    return work.principal.account_id or work.principal.client_id or work.tenant_id


async def _count(work: Work, purpose: m.Purpose, person: Person, fields: Sequence[str]) -> tuple[int, bool]:
    """What is left of today's quota, and whether this disclosure is counted; one caller counts at a time."""
    caller = _caller(work)
    if caller == work.tenant_id:
        # Without somebody to account for it nothing is shown.
        raise Forbidden(permission=permissions.UNMASK)
    await work.session.execute(_LOCK, {"key": f"{work.tenant_id}:{caller}"})
    now = work.now()
    today = datetime.combine(now.astimezone(CIVIL_TIME).date(), time(), CIVIL_TIME)
    mine = (m.Disclosure.caller_id == caller, m.Disclosure.disclosed_at >= today, m.Disclosure.is_counted)
    for_this = func.count().filter(m.Disclosure.purpose_id == purpose.id)
    counted, all_counted = (await work.session.execute(select(for_this, func.count()).where(*mine))).one()
    overall = await limit_of(work, "unmaskings_per_day")
    remaining = min(purpose.daily_quota - counted, overall - all_counted)
    lasting = await work.session.scalars(
        select(m.Disclosure.fields).where(
            m.Disclosure.caller_id == caller,
            m.Disclosure.subject_tag == person.__person__.tag,
            m.Disclosure.subject_id == person.id,
            m.Disclosure.purpose_id == purpose.id,
            m.Disclosure.kind == "UNMASK",
            m.Disclosure.is_counted,
            m.Disclosure.expires_at > now,
        )
    )
    if any(set(fields) <= set(shown) for shown in lasting):
        return remaining, False
    if remaining <= 0:
        limit = purpose.daily_quota if counted >= purpose.daily_quota else overall
        renews = today + timedelta(days=1)
        raise UnmaskingQuotaReached(purpose=purpose.code, limit=limit, renewsAt=renews.isoformat())
    return remaining - 1, True

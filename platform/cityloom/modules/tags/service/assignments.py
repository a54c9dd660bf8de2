"""Who has which tag: assigned and withdrawn by people and imports, one resident or many."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.core.database import beyond_wall
from cityloom.core.events import AuditEntry
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry.models import Resident
from cityloom.modules.tags import events
from cityloom.modules.tags import models as m
from cityloom.modules.tags.errors import (
    ConsentNeeded,
    ResidentNotHere,
    TagEndedAlready,
    TagIsByRule,
    TagPurposeMissing,
    TooManyResidents,
    ValidityWrong,
    not_found,
)
from cityloom.modules.tags.permissions import ASSIGN, GUARDED, READ
from cityloom.modules.tags.service.catalogue import LONGEST_VALIDITY_DAYS, demand_guard, reach_tag
from cityloom.privacy.models import Purpose
from cityloom.privacy.service import give_consents, who_consents

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from cityloom.core.subjects import Person
    from cityloom.core.work import Work

PERSON = Resident.__person__.tag

#: Residents of one call.
MOST_RESIDENTS = 500
#: Stands in the audit log for what is sensitive.
_HIDDEN = "●"


@dataclass(frozen=True, slots=True)
class Assigned:
    """What a call for many came to."""

    changed: int
    unchanged: int


async def assign_tag(
    work: Work,
    *,
    resident_id: UUID | None,
    tag_id: UUID | None,
    valid_until: date | None = None,
    consent_evidence: str | None = None,
    source: str = "PERSON",
) -> m.ResidentTag:
    """Give a resident a tag until a day (exclusive), the tag's own validity where none is given.

    Who has it with the same validity keeps it as it is; else a new period begins, also in place of a rule's. Where the
    tag needs a consent that the ledger has not, `consent_evidence` says where it is to be read, and it is entered.
    Refuses (`Forbidden`, `NotFound`, `ResidentNotHere`, `ValidityWrong`, and what `_demand_consent` refuses).
    """
    tag = await reach_tag(work, tag_id, path=("tagId",))
    (resident,) = await _residents(work, [resident_id], tag, ("residentId",))
    until = _until(work, tag, valid_until)
    await _demand_consent(work, tag, [resident], consent_evidence)
    made, _ = await _assign(work, tag, [resident], until, source=source)
    return made[0]


async def assign_tag_to_many(
    work: Work,
    *,
    resident_ids: Sequence[UUID | None],
    tag_id: UUID | None,
    valid_until: date | None = None,
    consent_evidence: str | None = None,
    source: str = "PERSON",
) -> Assigned:
    """Give up to 500 residents a tag; refuses as `assign_tag`, `TooManyResidents`, and then changes nothing."""
    tag = await reach_tag(work, tag_id, path=("tagId",))
    residents = await _residents(work, resident_ids, tag, ("residentIds",))
    until = _until(work, tag, valid_until)
    await _demand_consent(work, tag, residents, consent_evidence)
    _, changed = await _assign(work, tag, residents, until, source=source)
    return Assigned(changed, len(residents) - changed)


async def withdraw_tag(work: Work, resident_tag_id: UUID | None) -> m.ResidentTag:
    """Take a tag back that a person or an import assigned.

    Refuses (`Forbidden`, `NotFound`, `TagIsByRule`, `TagEndedAlready`).
    """
    found = await work.session.scalar(
        select(m.ResidentTag)
        .where(m.ResidentTag.id == resident_tag_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None or not _sees(work, found.area_path, found.sensitivity):
        work.authorise(ASSIGN)
        raise not_found("resident_tags", ("id",))
    work.authorise(ASSIGN, area_path=found.area_path)
    if found.ended_at is not None:
        raise TagEndedAlready(path=("id",))
    if found.source == "RULE":
        raise TagIsByRule(path=("id",))
    _end(work, found, "WITHDRAWN")
    await work.session.flush()
    return found


async def withdraw_from_many(work: Work, *, resident_ids: Sequence[UUID | None], tag_id: UUID | None) -> Assigned:
    """Take a tag back from up to 500 residents; who does not have it, or by a rule, stays unchanged.

    Refuses (`Forbidden`, `NotFound`, `TooManyResidents`), and then changes nothing.
    """
    tag = await reach_tag(work, tag_id, path=("tagId",))
    residents = await _residents(work, resident_ids, tag, ("residentIds",))
    changed = 0
    for row in (await _current(work, tag, residents)).values():
        if row.source != "RULE":
            _end(work, row, "WITHDRAWN")
            changed += 1
    await work.session.flush()
    return Assigned(changed, len(residents) - changed)


def _sees(work: Work, area_path: str, sensitivity: str) -> bool:
    needed = [READ, *([GUARDED[sensitivity]] if sensitivity in GUARDED else [])]
    scopes = [work.rights.scope(permission) for permission in needed]
    return all(scope is not None and scope.covers(area_path) for scope in scopes)


async def _residents(
    work: Work, resident_ids: Sequence[UUID | None], tag: m.Tag, path: tuple[str, ...]
) -> list[Resident]:
    """The residents in the given order, kept where they are until the work ends, for a caller who may tag them all."""
    if not 0 < len(resident_ids) <= MOST_RESIDENTS or len({*resident_ids} - {None}) < len(
        [i for i in resident_ids if i]
    ):
        raise TooManyResidents(path=path, most=MOST_RESIDENTS)
    query = select(Resident).where(Resident.id.in_(resident_ids)).order_by(Resident.id)
    # Whose consent is asked for cannot withdraw it, nor give it twice, until the work ends.
    query = query.with_for_update(read=not tag.needs_consent)
    found = {row.id: row for row in await work.session.scalars(query.execution_options(populate_existing=True))}
    seen = work.rights.scope("registry.resident.read")
    chosen: list[Resident] = []
    for at, resident_id in enumerate(resident_ids):
        place: tuple[str | int, ...] = (*path, at) if path == ("residentIds",) else path
        resident = None if resident_id is None else found.get(resident_id)
        if resident is None or seen is None or not seen.covers(resident.area_path):
            work.authorise(ASSIGN)
            raise not_found("residents", place)
        work.authorise(ASSIGN, area_path=resident.area_path)
        demand_guard(work, tag.sensitivity, area_path=resident.area_path)
        chosen.append(resident)
    return chosen


async def _demand_consent(work: Work, tag: m.Tag, residents: Sequence[Resident], evidence: str | None) -> None:
    """Refuse (`TagPurposeMissing`, `ConsentNeeded`) a tag that needs a consent which the ledger does not have.

    With evidence of it, it is entered: refuses what `give_consents` refuses.
    """
    if not tag.needs_consent:
        return
    if tag.purpose_id is None:
        raise TagPurposeMissing(path=("tagId",))
    known = await who_consents(work, PERSON, [resident.id for resident in residents], tag.purpose_id)
    missing = [resident for resident in residents if resident.id not in known]
    if not missing:
        return
    if evidence is None:
        code = await work.session.scalar(select(Purpose.code).where(Purpose.id == tag.purpose_id))
        raise ConsentNeeded(path=("consentEvidence",), purpose=code)
    await give_consents(work, missing, tag.purpose_id, evidence=evidence)


async def end_with_consent(work: Work, person: Person, purpose_id: UUID) -> None:
    """End what a resident has by their consent to a purpose, whoever or what assigned it: they have withdrawn it."""
    query = (
        select(m.ResidentTag)
        .join(m.Tag, m.Tag.id == m.ResidentTag.tag_id)
        .where(m.Tag.needs_consent, m.Tag.purpose_id == purpose_id)
        .where(m.ResidentTag.resident_id == person.id, m.ResidentTag.ended_at.is_(None))
        .order_by(m.ResidentTag.id)
        .with_for_update(of=m.ResidentTag)
    )
    async with beyond_wall(work.session):
        for row in await work.session.scalars(query.execution_options(populate_existing=True)):
            _end(work, row, "CONSENT_WITHDRAWN")
        await work.session.flush()


def _until(work: Work, tag: m.Tag, valid_until: date | None) -> date | None:
    today = civil_day(work.now())
    if valid_until is None:
        return None if tag.validity_days is None else today + timedelta(days=tag.validity_days)
    if not today < valid_until <= today + timedelta(days=LONGEST_VALIDITY_DAYS):
        raise ValidityWrong(path=("validUntil",))
    return valid_until


async def _current(work: Work, tag: m.Tag, residents: Sequence[Resident]) -> dict[UUID, m.ResidentTag]:
    query = select(m.ResidentTag).where(
        m.ResidentTag.tag_id == tag.id,
        m.ResidentTag.resident_id.in_([resident.id for resident in residents]),
        m.ResidentTag.ended_at.is_(None),
    )
    rows = await work.session.scalars(
        query.order_by(m.ResidentTag.id).with_for_update().execution_options(populate_existing=True)
    )
    return {row.resident_id: row for row in rows}


async def _assign(
    work: Work, tag: m.Tag, residents: Sequence[Resident], until: date | None, *, source: str
) -> tuple[list[m.ResidentTag], int]:
    """The current assignment of each resident, and how many of them are new."""
    current = await _current(work, tag, residents)
    made: list[m.ResidentTag] = []
    begun: list[m.ResidentTag] = []
    for resident in residents:
        if resident.status != "LIVING":
            raise ResidentNotHere(path=("residentId",))
        before = current.get(resident.id)
        if before is not None and (before.source, before.valid_until, before.has_consent) == (
            source,
            until,
            tag.needs_consent,
        ):
            made.append(before)
            continue
        if before is not None:
            _end(work, before, "REPLACED", is_told=False)
        row = m.ResidentTag(
            tag_id=tag.id,
            code=tag.code,
            resident_id=resident.id,
            sensitivity=tag.sensitivity,
            source=source,
            valid_from=civil_day(work.now()),
            valid_until=until,
            has_consent=tag.needs_consent,
            assigned_at=work.now(),
            assigned_by_id=work.principal.account_id,
            area_id=resident.area_id,
            area_path=resident.area_path,
        )
        begun.append(row)
        made.append(row)
    # What ends has to have ended before the same tag begins again: a resident has it once at a time.
    await work.session.flush()
    work.session.add_all(begun)
    await work.session.flush()
    for row in begun:
        hidden = row.sensitivity == "SENSITIVE"
        after = {"tag": _HIDDEN if hidden else tag.code, "source": source, "valid_until": str(until) if until else None}
        work.audit(AuditEntry(action=ASSIGN, object_tag="rtag", object_id=row.id, after=after))
        work.emit(
            events.TagAssigned(
                subject_id=row.id,
                area_path=row.area_path,
                resident_id=None if hidden else row.resident_id,
                tag_id=None if hidden else row.tag_id,
                source=source,
            )
        )
    return made, len(begun)


def _end(work: Work, row: m.ResidentTag, ending: str, *, is_told: bool = True) -> None:
    row.ended_at, row.ended_by_id, row.ending = work.now(), work.principal.account_id, ending
    hidden = row.sensitivity == "SENSITIVE"
    work.audit(AuditEntry(action=ASSIGN, object_tag="rtag", object_id=row.id, after={"ending": ending}))
    if is_told:
        work.emit(
            events.TagWithdrawn(
                subject_id=row.id,
                area_path=row.area_path,
                resident_id=None if hidden else row.resident_id,
                tag_id=None if hidden else row.tag_id,
                source=row.source,
                ending=ending,
            )
        )

"""Holding residents against the rules again: after a change within seconds, every night, and when a rule is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from cityloom.core.events import AuditEntry
from cityloom.core.ids import split_id
from cityloom.events import stream
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry.imports.organisations import ORGANISATIONS
from cityloom.modules.registry.imports.vehicles import VEHICLES
from cityloom.modules.registry.models import Household, Resident
from cityloom.modules.tags import events
from cityloom.modules.tags import models as m
from cityloom.modules.tags.service.evaluation import Touched, apply_rule, apply_rule_to_all, slices_of
from cityloom.modules.tags.service.rulebook import Rulebook, rulebook

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Update

    from cityloom.core.work import Work
    from cityloom.events.stream import StreamedEvent

#: Events of one transaction.
BATCH = 500
#: Whose rows tell nothing of their own: everybody may be touched, but by what no rule asks about.
_IMPORTED = "imports.import.completed.v1"
_BESIDE_PEOPLE = frozenset({ORGANISATIONS.name, VEHICLES.name})
#: What may change who fulfils a rule. Where somebody lives is no fact of rules, so moves of houses are not among it.
CHANGES = (
    "registry.resident.created.v1",
    "registry.resident.changed.v1",
    "registry.resident.moved.v1",
    "registry.resident.left.v1",
    "registry.household.changed.v1",
    "registry.household.moved.v1",
    "registry.household.split.v1",
    "registry.household.merged.v1",
    "registry.dwelling.changed.v1",
    "registry.dwelling.use_changed.v1",
    "registry.dwelling.split.v1",
    "registry.dwelling.merged.v1",
    _IMPORTED,
    "tags.tag.assigned.v1",
    "tags.tag.withdrawn.v1",
)
#: Facts that name others who are touched.
_NAMED = {
    "householdId": "hshd",
    "formerHouseholdId": "hshd",
    "newHouseholdId": "hshd",
    "intoHouseholdId": "hshd",
    "newDwellingId": "dwel",
    "intoDwellingId": "dwel",
}


async def review_changes(work: Work) -> int:
    """Hold everybody who is touched by the next events of the stream against all rules; answers how many events.

    The stream misses nothing that was committed, so neither does this, however it was changed or when it stopped.
    """
    place = await _place(work)
    found = await stream.read(await work.connection(), work.tenant_id, place.position, BATCH, types=CHANGES)
    if not found:
        return 0
    place.position = found[-1].position
    told = [event for event in found if event.type != _IMPORTED]
    imported = {event.facts["target"] for event in found if event.type == _IMPORTED}
    touched = await _touched(work, told)
    if touched:
        await _end_departed(work, touched)
    if imported - _BESIDE_PEOPLE:
        await review_everybody(work)
    elif touched:
        book = await rulebook(work, is_locked=True)
        for code in book.order:
            await _hold(work, book, code, touched)
    return len(found)


async def apply_pending(work: Work) -> int:
    """Hold everybody against all rules if one of them is new or changed; answers how many rules there are then."""
    if await work.session.scalar(select(m.TagRule.id).where(m.TagRule.is_pending).limit(1)) is None:
        return 0
    return await review_everybody(work)


async def review_everybody(work: Work) -> int:
    """Hold everybody in the city against all rules, for example because a year has begun; answers how many rules."""
    book = await rulebook(work, is_locked=True)
    tag_ids, slices = book.tag_ids, await slices_of(work)
    for code in book.order:
        tag, rule = book.tags[code], book.rows[code]
        assigned, withdrawn = await apply_rule_to_all(work, tag, book.conditions[code], tag_ids, slices)
        rule.is_pending, rule.evaluated_at = False, work.now()
        if assigned or withdrawn:
            _note(work, rule, assigned, withdrawn)
            hidden = tag.sensitivity == "SENSITIVE"
            work.emit(
                events.RuleApplied(
                    subject_id=rule.id,
                    tag_id=tag.id,
                    assigned=None if hidden else assigned,
                    withdrawn=None if hidden else withdrawn,
                )
            )
    await work.session.flush()
    return len(book.order)


async def end_expired(work: Work) -> int:
    """End every tag whose time is up today; answers how many."""
    ended = update(m.ResidentTag).where(
        m.ResidentTag.ended_at.is_(None), m.ResidentTag.valid_until <= civil_day(work.now())
    )
    return await _end(work, ended.values(ended_at=work.now(), ending="EXPIRED"), "EXPIRED")


async def _place(work: Work) -> m.TagReview:
    """How far the stream was read, locked: one process of the city reads on."""
    values = {"tenant_id": work.tenant_id, "id": work.tenant_id, "position": 0}
    await work.session.execute(insert(m.TagReview).values(values).on_conflict_do_nothing())
    return await work.session.get_one(m.TagReview, (work.tenant_id, work.tenant_id), with_for_update=True)


async def _touched(work: Work, found: Sequence[StreamedEvent]) -> Touched:
    residents: set[UUID] = set()
    households: set[UUID] = set()
    dwellings: set[UUID] = set()
    assignments: set[UUID] = set()
    for event in found:
        # What rules have changed was held against those that stand on it at once.
        if event.type.startswith("tags.") and event.facts.get("source") == "RULE":
            continue
        {"resd": residents, "hshd": households, "dwel": dwellings, "rtag": assignments}[event.subject_tag].add(
            event.subject_id
        )
        for name, tag in _NAMED.items():
            told = event.facts.get(name)
            if told is not None and (row_id := split_id(told, work.tenant_id)[1]) is not None:
                (households if tag == "hshd" else dwellings).add(row_id)
    if assignments:
        query = select(m.ResidentTag.resident_id).where(m.ResidentTag.id.in_(assignments))
        residents.update(await work.session.scalars(query))
    if dwellings:
        households.update(await work.session.scalars(select(Household.id).where(Household.dwelling_id.in_(dwellings))))
    if residents:
        homes = select(Household.id).join(Resident, Resident.household_id == Household.id)
        households.update(await work.session.scalars(homes.where(Resident.id.in_(residents))))
    return Touched(frozenset(households), frozenset(residents))


async def _hold(work: Work, book: Rulebook, code: str, touched: Touched) -> None:
    tag = book.tags[code]
    hidden = tag.sensitivity == "SENSITIVE"
    changes = await apply_rule(work, tag, book.conditions[code], book.tag_ids, touched)
    if changes:
        assigned = sum(change.is_assigned for change in changes)
        _note(work, book.rows[code], assigned, len(changes) - assigned)
    for change in changes:
        who = None if hidden else change.resident_id
        which = None if hidden else tag.id
        work.emit(
            events.TagAssigned(
                subject_id=change.id, area_path=change.area_path, resident_id=who, tag_id=which, source="RULE"
            )
            if change.is_assigned
            else events.TagWithdrawn(
                subject_id=change.id,
                area_path=change.area_path,
                resident_id=who,
                tag_id=which,
                source="RULE",
                ending="RULE",
            )
        )


def _note(work: Work, rule: m.TagRule, assigned: int, withdrawn: int) -> None:
    after = {"edition": rule.edition, "assigned": assigned, "withdrawn": withdrawn}
    work.audit(AuditEntry(action="tags.rule.apply", object_tag="trul", object_id=rule.id, after=after))


async def _end_departed(work: Work, touched: Touched) -> None:
    """Whoever has moved away or died has no tags any more, whoever assigned them."""
    if not touched.residents:
        return
    departed = select(Resident.id).where(Resident.id.in_(touched.residents), Resident.status != "LIVING")
    ended = update(m.ResidentTag).where(
        m.ResidentTag.resident_id.in_(departed.scalar_subquery()), m.ResidentTag.ended_at.is_(None)
    )
    await _end(work, ended.values(ended_at=work.now(), ending="LEFT"), "LEFT")


async def _end(work: Work, statement: Update, ending: str) -> int:
    rows = await work.session.execute(
        statement.returning(
            m.ResidentTag.id,
            m.ResidentTag.area_path,
            m.ResidentTag.resident_id,
            m.ResidentTag.tag_id,
            m.ResidentTag.sensitivity,
            m.ResidentTag.source,
        ).execution_options(synchronize_session=False)
    )
    found = rows.all()
    for row in found:
        hidden = row.sensitivity == "SENSITIVE"
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
    return len(found)

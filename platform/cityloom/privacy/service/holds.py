"""Legal holds (依法保留): what must not be erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.core.constraints import refusing
from cityloom.core.events import AuditEntry
from cityloom.privacy import events, permissions
from cityloom.privacy import models as m
from cityloom.privacy.errors import HeldAlready, HoldLifted, absent
from cityloom.privacy.service.reaching import checked_words, lock_person, reach_person

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

REASON_LIMIT = 300
_TAKEN = {"uq_legal_holds_standing": lambda: HeldAlready(path=("id",))}


async def place_hold(work: Work, person_id: str, *, reason: str) -> m.LegalHold:
    """Forbid the erasure of a person's data; refuses what `reach_person` refuses, `TextUnfit`, `HeldAlready`."""
    person = await reach_person(work, person_id, permissions.CHANGE_HOLDS, is_changed=True)
    hold = m.LegalHold(
        subject_tag=person.__person__.tag,
        subject_id=person.id,
        reason=checked_words(reason, "reason", REASON_LIMIT),
        placed_at=work.now(),
        account_id=work.principal.account_id,
    )
    async with refusing(work, _TAKEN):
        work.session.add(hold)
    _tell(work, hold, {"standing": False}, {"standing": True, "reason": hold.reason})
    return hold


async def lift_hold(work: Work, hold_id: UUID | None, *, reason: str) -> m.LegalHold:
    """End a hold; refuses (`Forbidden`, `NotFound`, `TextUnfit`, `HoldLifted`)."""
    work.authorise(permissions.CHANGE_HOLDS)
    hold = await work.session.scalar(select(m.LegalHold).where(m.LegalHold.id == hold_id).with_for_update())
    person = None if hold is None else await lock_person(work, hold.subject_tag, hold.subject_id)
    if hold is None or person is None:
        raise absent("legal hold", "依法保留", "id")
    work.authorise(permissions.CHANGE_HOLDS, area_path=person.area_path)
    if hold.lifted_at is not None:
        raise HoldLifted(path=("id",))
    hold.lifted_at, hold.lift_reason = work.now(), checked_words(reason, "reason", REASON_LIMIT)
    _tell(work, hold, {"standing": True}, {"standing": False, "reason": hold.lift_reason})
    return hold


async def is_held(work: Work, tag: str, row_id: UUID) -> bool:
    """Whether a hold stands on what is stored of a person."""
    query = select(m.LegalHold.id).where(m.LegalHold.subject_tag == tag, m.LegalHold.subject_id == row_id)
    return await work.session.scalar(query.where(m.LegalHold.lifted_at.is_(None))) is not None


def _tell(work: Work, hold: m.LegalHold, before: dict[str, object], after: dict[str, object]) -> None:
    work.audit(
        AuditEntry(
            action=permissions.CHANGE_HOLDS,
            object_tag=hold.subject_tag,
            object_id=hold.subject_id,
            before=before,
            after=after,
        )
    )
    work.emit(events.HoldChanged(subject_id=hold.id, is_standing=hold.lifted_at is None))

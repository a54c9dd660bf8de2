"""Erasure (清除): what is stored of a person is destroyed, and stays so when a backup is restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.privacy import events, ledger, permissions
from cityloom.privacy import models as m
from cityloom.privacy.errors import ErasedAlready, HeldByLaw
from cityloom.privacy.service.holdings import destroy_rows
from cityloom.privacy.service.holds import is_held
from cityloom.privacy.service.reaching import checked_words, lock_person, reach_person

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.subjects import Person
    from cityloom.core.work import Work

REASON_LIMIT = 300
#: Erasures that one transaction notes outside, or carries out again.
BATCH = 200


async def erase(work: Work, person_id: str, *, reason: str) -> m.Erasure:
    """Destroy what is stored of a person but what a law keeps.

    Refuses what `reach_person` refuses, `HeldByLaw`, `ErasedAlready`, `TextUnfit`.
    """
    person = await reach_person(work, person_id, permissions.ERASE, is_changed=True)
    reason = checked_words(reason, "reason", REASON_LIMIT)
    tag = person.__person__.tag
    if await is_held(work, tag, person.id):
        raise HeldByLaw(path=("id",))
    before = await _erasure_of(work, tag, person.id)
    if before is not None:
        raise ErasedAlready(path=("id",), at=before.erased_at.isoformat(timespec="seconds"))
    return await erase_person(work, person, new_id(), reason)


async def erase_person(work: Work, person: Person, erasure_id: UUID, reason: str) -> m.Erasure:
    """The same for a person who is reached and locked, whoever asked for it."""
    tag, area_path = person.__person__.tag, person.area_path
    row_id = person.id
    counts = await destroy_rows(work, person)
    erasure = m.Erasure(
        id=erasure_id,
        subject_tag=tag,
        subject_id=row_id,
        reason=reason,
        account_id=work.principal.account_id,
        erased_at=work.now(),
        counts=counts,
    )
    work.session.add(erasure)
    await work.session.flush()
    work.audit(AuditEntry(action=permissions.ERASE, object_tag=tag, object_id=row_id, after={"rows": counts}))
    work.emit(events.SubjectErased(subject_id=erasure.id, area_path=area_path, person=tag))
    return erasure


async def note_erasures(work: Work) -> int:
    """The job: write erasures down outside of the database that are not yet there."""
    query = select(m.Erasure).where(m.Erasure.noted_at.is_(None)).order_by(m.Erasure.id).limit(BATCH)
    waiting = (await work.session.scalars(query.with_for_update(skip_locked=True))).all()
    for erasure in waiting:
        await ledger.note(work, erasure)
        erasure.noted_at = work.now()
    return len(waiting)


async def reapply(work: Work) -> int:
    """Carry out again what the ledger outside has and this database has not: it was restored from a backup.

    Answers how many people were erased; `BATCH` says that there may be more. A legal hold does not stop it: the erasure
    was lawful when it was made.
    """
    known = set(await work.session.scalars(select(m.Erasure.id)))
    done = 0
    for entry in await ledger.noted(work):
        if entry.erasure_id in known or done == BATCH:
            continue
        person = await lock_person(work, entry.tag, entry.person_id)
        if person is None:
            continue
        erasure = await erase_person(work, person, entry.erasure_id, entry.reason)
        erasure.noted_at = work.now()
        done += 1
    return done


async def _erasure_of(work: Work, tag: str, row_id: UUID) -> m.Erasure | None:
    query = select(m.Erasure).where(m.Erasure.subject_tag == tag, m.Erasure.subject_id == row_id)
    found: m.Erasure | None = await work.session.scalar(query)
    return found

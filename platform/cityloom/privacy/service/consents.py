"""The ledger of consents: what people agreed to, and what they withdrew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ARRAY, Uuid, func, literal, select, true
from sqlalchemy.dialects.postgresql import distinct_on

from cityloom.core.events import AuditEntry
from cityloom.privacy import events, permissions
from cityloom.privacy import models as m
from cityloom.privacy.catalogue import catalogue_of
from cityloom.privacy.errors import ConsentUnchanged, PurposeUnknown
from cityloom.privacy.service.purposes import purpose_in_force
from cityloom.privacy.service.reaching import checked_words, reach_person

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement, SQLColumnExpression

    from cityloom.core.subjects import Person
    from cityloom.core.work import Work

EVIDENCE_LIMIT = 200


async def record_consent(work: Work, person_id: str, *, purpose: str, is_given: bool, evidence: str) -> m.Consent:
    """Note that a person gave consent to a purpose, or withdrew it; `evidence` says where that is to be read.

    What stands on a consent ends with it, in the same transaction. Refuses what `reach_person` refuses,
    `PurposeUnknown`, `TextUnfit`, and `ConsentUnchanged` for what holds already.
    """
    person = await reach_person(work, person_id, permissions.RECORD_CONSENTS, is_changed=True)
    evidence = checked_words(evidence, "evidence", EVIDENCE_LIMIT)
    register = await purpose_in_force(work, purpose)
    tag = person.__person__.tag
    if (await consent_of(work, tag, person.id, register.id) is not None) == is_given:
        raise ConsentUnchanged(path=("purpose",))
    entry = await _enter(work, person, register, is_given=is_given, evidence=evidence)
    if not is_given:
        for end in catalogue_of(work).consent_ends:
            await end(work, person, register.id)
    return entry


async def give_consents(work: Work, people: Sequence[Person], purpose_id: UUID, *, evidence: str) -> None:
    """Note that people, whom the caller has reached and locked, gave consent to a purpose.

    Refuses (`Forbidden`, `TextUnfit`, `PurposeUnknown`).
    """
    evidence = checked_words(evidence, "consentEvidence", EVIDENCE_LIMIT)
    register = await work.session.scalar(select(m.Purpose).where(m.Purpose.id == purpose_id, m.Purpose.is_active))
    if register is None:
        raise PurposeUnknown(path=("consentEvidence",), code="")
    for person in people:
        work.authorise(permissions.RECORD_CONSENTS, area_path=person.area_path)
        await _enter(work, person, register, is_given=True, evidence=evidence)


async def _enter(work: Work, person: Person, register: m.Purpose, *, is_given: bool, evidence: str) -> m.Consent:
    tag = person.__person__.tag
    entry = m.Consent(
        subject_tag=tag,
        subject_id=person.id,
        purpose_id=register.id,
        is_given=is_given,
        evidence=evidence,
        account_id=work.principal.account_id,
        recorded_at=work.now(),
    )
    work.session.add(entry)
    await work.session.flush()
    work.audit(
        AuditEntry(
            action=permissions.RECORD_CONSENTS,
            object_tag=tag,
            object_id=person.id,
            purpose=register.code,
            after={"is_given": is_given, "evidence": evidence},
        )
    )
    work.emit(
        events.ConsentRecorded(
            subject_id=entry.id, area_path=person.area_path, purpose=register.code, is_given=is_given
        )
    )
    return entry


async def who_consents(work: Work, tag: str, row_ids: Collection[UUID], purpose_id: UUID) -> set[UUID]:
    """Those of these people who consent to a purpose now."""
    newest = (
        select(m.Consent.subject_id, m.Consent.is_given)
        .where(
            m.Consent.subject_tag == tag,
            m.Consent.subject_id == func.any(literal(list(row_ids), ARRAY(Uuid))),
            m.Consent.purpose_id == purpose_id,
        )
        .ext(distinct_on(m.Consent.subject_id))
        .order_by(m.Consent.subject_id, m.Consent.id.desc())
    )
    return {row.subject_id for row in await work.session.execute(newest) if row.is_given}


def consents_to(person_id: SQLColumnExpression[UUID], tag: str, purpose_id: UUID) -> ColumnElement[bool]:
    """Whether a person of a statement consents to a purpose now."""
    newest = (
        select(m.Consent.is_given)
        .where(m.Consent.subject_tag == tag, m.Consent.subject_id == person_id, m.Consent.purpose_id == purpose_id)
        .order_by(m.Consent.id.desc())
        .limit(1)
    )
    return newest.scalar_subquery().is_(true())


async def consent_of(work: Work, tag: str, row_id: UUID, purpose_id: UUID) -> m.Consent | None:
    """The consent of a person to a purpose that holds now; None where it was never given, or was withdrawn."""
    newest = await work.session.scalar(
        select(m.Consent)
        .where(m.Consent.subject_tag == tag, m.Consent.subject_id == row_id, m.Consent.purpose_id == purpose_id)
        .order_by(m.Consent.id.desc())
        .limit(1)
    )
    return newest if newest is not None and newest.is_given else None

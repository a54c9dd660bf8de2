"""The mutations of privacy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.ids import decode_id, encode_id
from cityloom.core.work import Work
from cityloom.graph import bound as b
from cityloom.graph.given import given
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.privacy import events, service
from cityloom.privacy import models as m
from cityloom.privacy.api import inputs as i
from cityloom.privacy.api.shapes import (
    Consent,
    Erasure,
    KeyRotation,
    LegalHold,
    PrivacyPurpose,
    UnmaskedField,
    Unmasking,
)

if TYPE_CHECKING:
    from uuid import UUID

_NEVER_NULL = (
    "title_zh",
    "title_en",
    "basis",
    "basis_text",
    "fields",
    "daily_quota",
    "lasts_minutes",
    "is_active",
)


def _id(work: Work, value: str, tag: str) -> UUID | None:
    return decode_id(value, work.tenant_id, tag, path=("id",))


async def _create_purpose(work: Work, input: i.PurposeCreateInput) -> m.Purpose:  # noqa: A002 - the argument's name in GraphQL
    return await service.create_purpose(work, **given(input))


async def _change_purpose(work: Work, input: i.PurposeChangeInput) -> m.Purpose:  # noqa: A002 - the argument's name in GraphQL
    values = given(input, without=("id",), never_null=_NEVER_NULL)
    return await service.change_purpose(work, _id(work, input.id, events.PURPOSE), **values)


async def _unmask(work: Work, input: i.SubjectUnmaskInput) -> Unmasking:  # noqa: A002 - the argument's name in GraphQL
    made = await service.unmask(work, input.id, fields=input.fields, purpose=input.purpose, note=input.note)
    return Unmasking(
        disclosure_id=b.ID(encode_id(events.DISCLOSURE, work.tenant_id, made.disclosure.id)),
        fields=[UnmaskedField(field=name, value=value) for name, value in made.values.items()],
        expires_at=made.disclosure.expires_at or work.now(),
        remaining_today=made.remaining,
    )


async def _give(work: Work, input: i.ConsentRecordInput) -> m.Consent:  # noqa: A002 - the argument's name in GraphQL
    return await service.record_consent(work, input.id, purpose=input.purpose, is_given=True, evidence=input.evidence)


async def _withdraw(work: Work, input: i.ConsentWithdrawInput) -> m.Consent:  # noqa: A002 - the argument's name in GraphQL
    return await service.record_consent(work, input.id, purpose=input.purpose, is_given=False, evidence=input.evidence)


async def _place(work: Work, input: i.LegalHoldPlaceInput) -> m.LegalHold:  # noqa: A002 - the argument's name in GraphQL
    return await service.place_hold(work, input.id, reason=input.reason)


async def _lift(work: Work, input: i.LegalHoldLiftInput) -> m.LegalHold:  # noqa: A002 - the argument's name in GraphQL
    return await service.lift_hold(work, _id(work, input.id, events.HOLD), reason=input.reason)


async def _erase(work: Work, input: i.SubjectEraseInput) -> m.Erasure:  # noqa: A002 - the argument's name in GraphQL
    return await service.erase(work, input.id, reason=input.reason)


async def _rotate(work: Work) -> m.KeyRotation:
    return await service.start_rotation(work)


@mutation_root(module="privacy")
class PrivacyMutation:
    """Changes of privacy."""

    purpose_create: PrivacyPurpose = mutation(_create_purpose, "Add a purpose to the register.")
    purpose_change: PrivacyPurpose = mutation(_change_purpose, "Change a purpose, or put it out of force.")
    subject_unmask: Unmasking = mutation(
        _unmask,
        "Show protected fields of a person in clear, for a purpose of the register. Counted against the caller's quota"
        " and written down: the person can see it. A repetition under the same key is refused: values are not kept.",
    )
    consent_record: Consent = mutation(_give, "Note that a person agreed to a purpose.")
    consent_withdraw: Consent = mutation(_withdraw, "Note that a person withdrew their consent to a purpose.")
    legal_hold_place: LegalHold = mutation(_place, "Forbid the erasure of what is stored of a person.")
    legal_hold_lift: LegalHold = mutation(_lift, "End a legal hold.")
    subject_erase: Erasure = mutation(
        _erase,
        "Erase a person: protected fields and what names them are destroyed, here and when a backup is restored. What a"
        " law keeps stays under a pseudonym. It cannot be undone.",
    )
    key_rotation_start: KeyRotation = mutation(
        _rotate, "Begin to rotate the city's keys, by the cipher of its settings; it goes on in the background."
    )

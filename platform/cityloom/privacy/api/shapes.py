"""The GraphQL types of privacy."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import ColumnElement, and_, exists, or_, true
from sqlalchemy.orm import aliased

from cityloom.access.api.shapes import Account, ApiClient
from cityloom.audit.api import ActorKind
from cityloom.core.subjects import people
from cityloom.graph import bound as b
from cityloom.privacy import events, permissions
from cityloom.privacy import models as m
from cityloom.privacy.api.words import DisclosureKind, KeyAlgorithm, LegalBasis

_PERSON = "Whose data they are; null where they are gone, or may not be seen."


def _of_people(row: Any, reach: b.Reach) -> ColumnElement[bool]:  # noqa: ANN401 - the tables below have it alike
    """Rows about people in the scope's areas, and about the caller themself."""
    ways = []
    for tag, model in people().items():
        person = aliased(model)
        near = or_(reach.areas(person.area_path), reach.caller(person.account_id))
        ways.append(and_(row.subject_tag == tag, exists().where(person.id == row.subject_id, near)))
    return or_(*ways) if ways else true()


def _tags() -> frozenset[str]:
    return frozenset(people())


@b.bound(
    m.Purpose,
    tag=events.PURPOSE,
    module="privacy",
    read=permissions.READ_PURPOSES,
    orderings={"CODE": b.Ordering((m.Purpose.code,), "By `code`.", is_unique=True)},
)
class PrivacyPurpose(b.Node):
    """A purpose (使用目的) in the city's register: what protected data may be asked for, on which basis, how often."""

    code: str = b.column(m.Purpose.code, "What it is named by, for example HOME_VISIT.", filters=b.EXACT)
    title_zh: str = b.column(m.Purpose.title_zh, "Its name in Chinese.")
    title_en: str = b.column(m.Purpose.title_en, "Its name in English.")
    basis: LegalBasis = b.column(m.Purpose.basis, "What the law allows it for.")
    basis_text: str = b.column(m.Purpose.basis_text, "The law, regulation or document that it stands on.")
    fields: b.JSON = b.column(m.Purpose.fields, "Names of the protected fields that it covers.")
    daily_quota: int = b.column(m.Purpose.daily_quota, "How many unmaskings an account has for it a day.")
    lasts_minutes: int = b.column(
        m.Purpose.lasts_minutes, "For how many minutes a shown value may be kept on a screen, and asked for uncounted."
    )
    is_active: bool = b.column(m.Purpose.is_active, "Whether it is in force.")
    created_at: datetime = b.column(m.Purpose.created_at, "When it was registered.")
    changed_at: datetime = b.column(m.Purpose.changed_at, "When it was last changed.")


@b.bound(
    m.Disclosure,
    tag=events.DISCLOSURE,
    module="privacy",
    read=permissions.READ_DISCLOSURES,
    scope=b.ScopeRule(rows=_of_people),
    orderings={"DISCLOSED": b.Ordering((m.Disclosure.disclosed_at,), "By `disclosedAt`.")},
)
class Disclosure(b.Node):
    """Somebody was shown protected data of a person (查阅记录): who, which fields, when, and for what.

    Auditors see all, residents those of their own record.
    """

    kind: DisclosureKind = b.column(m.Disclosure.kind, "How they were shown.")
    person: b.Node | None = b.any_node(
        tag=m.Disclosure.subject_tag, row=m.Disclosure.subject_id, description=_PERSON, tags=_tags
    )
    fields: b.JSON = b.column(m.Disclosure.fields, "Names of the protected fields.")
    purpose: PrivacyPurpose | None = b.one(
        m.Disclosure.purpose_id, "What for; null for searches, and for residents who export their own record."
    )
    note: str | None = b.column(m.Disclosure.note, "What the caller wrote about it.")
    actor_kind: ActorKind = b.column(m.Disclosure.actor_kind, "What sort of caller it was.")
    account: Account | None = b.one(
        lambda disclosure, account: account.id == disclosure.account_id,
        "Whose account it was; null where there is none, or it may not be seen.",
    )
    client: ApiClient | None = b.one(
        lambda disclosure, client: client.id == disclosure.client_id,
        "By which API client; null where by none, or where it may not be seen.",
    )
    disclosed_at: datetime = b.column(m.Disclosure.disclosed_at, "When it was.", filters=b.RANGE)
    expires_at: datetime | None = b.column(m.Disclosure.expires_at, "Until when the values may be kept on a screen.")


@b.bound(
    m.Consent,
    tag=events.CONSENT,
    module="privacy",
    read=permissions.READ_CONSENTS,
    scope=b.ScopeRule(rows=_of_people),
    orderings={"RECORDED": b.Ordering((m.Consent.id,), "In the order in which they were recorded.", is_unique=True)},
)
class Consent(b.Node):
    """An entry of the ledger of consents (同意记录): a person agreed to a purpose, or withdrew that; never changed."""

    person: b.Node | None = b.any_node(
        tag=m.Consent.subject_tag, row=m.Consent.subject_id, description=_PERSON, tags=_tags
    )
    purpose: PrivacyPurpose | None = b.one(m.Consent.purpose_id, "What they agreed to.")
    is_given: bool = b.column(m.Consent.is_given, "True: given. False: withdrawn.")
    evidence: str = b.column(m.Consent.evidence, "Where that is to be read, for example the number of a signed form.")
    account: Account | None = b.one(
        lambda consent, account: account.id == consent.account_id, "Who recorded it; null where that may not be seen."
    )
    recorded_at: datetime = b.column(m.Consent.recorded_at, "When it was recorded.")


@b.bound(
    m.LegalHold,
    tag=events.HOLD,
    module="privacy",
    read=permissions.READ_HOLDS,
    scope=b.ScopeRule(rows=_of_people),
    orderings={"PLACED": b.Ordering((m.LegalHold.id,), "In the order in which they were placed.", is_unique=True)},
)
class LegalHold(b.Node):
    """A legal hold (依法保留): what is stored of a person must not be erased while it stands."""

    person: b.Node | None = b.any_node(
        tag=m.LegalHold.subject_tag, row=m.LegalHold.subject_id, description=_PERSON, tags=_tags
    )
    reason: str = b.column(m.LegalHold.reason, "Why: the court's or authority's reference.")
    placed_at: datetime = b.column(m.LegalHold.placed_at, "When it was placed.")
    lifted_at: datetime | None = b.column(m.LegalHold.lifted_at, "When it was lifted; null while it stands.")
    lift_reason: str | None = b.column(m.LegalHold.lift_reason, "Why it was lifted.")


@b.bound(
    m.Erasure,
    tag=events.ERASURE,
    module="privacy",
    read=permissions.READ_ERASURES,
    scope=b.ScopeRule(rows=_of_people),
    orderings={"ERASED": b.Ordering((m.Erasure.erased_at,), "By `erasedAt`.")},
)
class Erasure(b.Node):
    """A person's data were erased (清除); the entry says that, and nothing of the person."""

    person: b.Node | None = b.any_node(
        tag=m.Erasure.subject_tag, row=m.Erasure.subject_id, description="What is left in their place.", tags=_tags
    )
    reason: str = b.column(m.Erasure.reason, "Why.")
    counts: b.JSON = b.column(m.Erasure.counts, "How many rows of which table were deleted or cleared.")
    erased_at: datetime = b.column(m.Erasure.erased_at, "When it was done.")
    noted_at: datetime | None = b.column(
        m.Erasure.noted_at,
        "When it was noted outside of the database, so that it holds for restored backups; null for a minute at most.",
    )


@b.bound(
    m.KeyRotation,
    tag=events.ROTATION,
    module="privacy",
    read=permissions.READ_ROTATIONS,
    scope=b.ScopeRule(),
    orderings={"STARTED": b.Ordering((m.KeyRotation.started_at,), "By `startedAt`.")},
)
class KeyRotation(b.Node):
    """A rotation of the city's keys (密钥轮换): everything is sealed again, then the old keys are destroyed."""

    algorithm: KeyAlgorithm = b.column(m.KeyRotation.algorithm, "What the new keys are for.")
    started_at: datetime = b.column(m.KeyRotation.started_at, "When it was begun.")
    active_at: datetime = b.column(m.KeyRotation.active_at, "From when on the new keys are used.")
    total: b.BigInt = b.column(m.KeyRotation.total, "How many rows were to be sealed again when it began.")
    done: b.BigInt = b.column(m.KeyRotation.done, "How many have been.")
    finished_at: datetime | None = b.column(
        m.KeyRotation.finished_at, "When the old data keys were destroyed; null while it runs."
    )
    shred_at: datetime | None = b.column(
        m.KeyRotation.shred_at, "When the old key-encryption keys are destroyed, and with them all backups of before."
    )
    shredded_at: datetime | None = b.column(m.KeyRotation.shredded_at, "When they were.")


@b.output_type(description="One protected field in clear.")
class UnmaskedField:
    """See `service.unmask`."""

    field: str = strawberry.field(description="Its name, for example `registry.resident.phone`.")
    value: str | None = strawberry.field(description="The whole value; null where none is stored.")


@b.output_type(description="Protected fields of a person in clear. Show them, and store them nowhere.")
class Unmasking:
    """See `service.unmask`."""

    disclosure_id: b.ID = strawberry.field(description="The entry in the ledger of disclosures.")
    fields: list[UnmaskedField] = strawberry.field(description="The fields that were asked for.")
    expires_at: datetime = strawberry.field(
        description="Until when they may be kept on a screen; asked for again until then, they are not counted again."
    )
    remaining_today: int = strawberry.field(description="How many unmaskings for this purpose are left today.")

"""The GraphQL inputs of privacy."""

from __future__ import annotations

import strawberry
from strawberry.types.unset import UNSET

from cityloom.graph import bound as b
from cityloom.privacy.api.words import LegalBasis

_PERSON = "The person: the id of a resident."
_FIELDS = "Names of protected fields, for example `registry.resident.phone`."
_QUOTA = "How many unmaskings an account has for it a day, 1 to 100000."
_LASTS = "For how many minutes a shown value may be kept on a screen, 1 to 1440."


@b.input_type(description="A new purpose in the register.")
class PurposeCreateInput:
    """See `service.create_purpose`."""

    code: str = strawberry.field(description="What it is named by: capital letters, digits and underscores.")
    title_zh: str = strawberry.field(description="Its name in Chinese, 1 to 60 characters.")
    title_en: str = strawberry.field(description="Its name in English, 1 to 60 characters.")
    basis: LegalBasis = strawberry.field(description="What the law allows it for.")
    basis_text: str = strawberry.field(default="", description="The law or document, at most 300 characters.")
    fields: list[str] = strawberry.field(description=_FIELDS)
    daily_quota: int = strawberry.field(default=50, description=_QUOTA)
    lasts_minutes: int = strawberry.field(default=30, description=_LASTS)


@b.input_type(description="A change of a purpose; what is not sent stays as it is.")
class PurposeChangeInput:
    """See `service.change_purpose`."""

    id: b.ID = strawberry.field(description="The purpose.")
    title_zh: str | None = strawberry.field(default=UNSET, description="Its name in Chinese, 1 to 60 characters.")
    title_en: str | None = strawberry.field(default=UNSET, description="Its name in English, 1 to 60 characters.")
    basis: LegalBasis | None = strawberry.field(default=UNSET, description="What the law allows it for.")
    basis_text: str | None = strawberry.field(default=UNSET, description="The law or document.")
    fields: list[str] | None = strawberry.field(default=UNSET, description=_FIELDS)
    daily_quota: int | None = strawberry.field(default=UNSET, description=_QUOTA)
    lasts_minutes: int | None = strawberry.field(default=UNSET, description=_LASTS)
    is_active: bool | None = strawberry.field(default=UNSET, description="False: not in force any more.")


@b.input_type(description="Protected fields that somebody needs to see.")
class SubjectUnmaskInput:
    """See `service.unmask`."""

    id: b.ID = strawberry.field(description=_PERSON)
    fields: list[str] = strawberry.field(description=_FIELDS)
    purpose: str = strawberry.field(description="The code of a purpose in the register that covers them.")
    note: str | None = strawberry.field(
        default=None, description="A word about it for the ledger, at most 200 characters, without numbers of people."
    )


@b.input_type(description="A person agreed to a purpose.")
class ConsentRecordInput:
    """See `service.record_consent`."""

    id: b.ID = strawberry.field(description=_PERSON)
    purpose: str = strawberry.field(description="The code of the purpose.")
    evidence: str = strawberry.field(description="Where that is to be read, for example the number of a signed form.")


@b.input_type(description="A person withdrew their consent to a purpose.")
class ConsentWithdrawInput:
    """See `service.record_consent`."""

    id: b.ID = strawberry.field(description=_PERSON)
    purpose: str = strawberry.field(description="The code of the purpose.")
    evidence: str = strawberry.field(description="How that was stated.")


@b.input_type(description="A legal hold on what is stored of a person.")
class LegalHoldPlaceInput:
    """See `service.place_hold`."""

    id: b.ID = strawberry.field(description=_PERSON)
    reason: str = strawberry.field(description="Why: the court's or authority's reference, 1 to 300 characters.")


@b.input_type(description="The end of a legal hold.")
class LegalHoldLiftInput:
    """See `service.lift_hold`."""

    id: b.ID = strawberry.field(description="The hold.")
    reason: str = strawberry.field(description="Why, 1 to 300 characters.")


@b.input_type(description="A person whose data are to be erased. It cannot be undone.")
class SubjectEraseInput:
    """See `service.erase`."""

    id: b.ID = strawberry.field(description=_PERSON)
    reason: str = strawberry.field(description="Why, for example the number of their request, 1 to 300 characters.")

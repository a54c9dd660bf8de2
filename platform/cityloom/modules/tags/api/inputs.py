"""The GraphQL inputs of tags."""

from __future__ import annotations

from datetime import date

import strawberry
from strawberry.types.unset import UNSET

from cityloom.graph import bound as b
from cityloom.modules.tags.api.words import TagClass, TagSensitivity

_VERSION = "The `version` that you read; the change is refused as STALE if it is not the current one. Or nothing."
_DAYS = "How long it is valid where nothing else is said, in days, 1 to 36500; null: until it is withdrawn."
_UNTIL = "The first day on which it is not valid any more; the tag's own validity where nothing is sent."
_CONSENT = (
    "Where the consent is to be read, for example the number of a signed form, 1 to 200 characters. Needed for tags"
    " with `needsConsent`, of residents whose consent to the tag's purpose is not in the ledger yet: there it is put."
)
_PURPOSE = "The code of the purpose in the register to which residents consent; needed with `needsConsent`."
_DEFINITION = "The condition; see `TagRule.definition`."


@b.input_type(description="A new tag of the city's catalogue.")
class TagCreateInput:
    """See `service.create_tag`."""

    code: str = strawberry.field(description="Its code, for good: 1 to 40 lower-case letters, digits and underscores.")
    title_zh: str = strawberry.field(description="What it is called in Chinese, 1 to 100 characters.")
    title_en: str = strawberry.field(description="What it is called in English, 1 to 100 characters.")
    tag_class: TagClass = strawberry.field(description="What kind of thing it says.")
    sensitivity: TagSensitivity = strawberry.field(description="Who may see it.")
    validity_days: int | None = strawberry.field(default=UNSET, description=_DAYS)
    needs_consent: bool = strawberry.field(default=False, description="Whether the resident has to consent to it.")
    purpose: str | None = strawberry.field(default=UNSET, description=_PURPOSE)


@b.input_type(description="A change of a tag; what is not sent stays as it is.")
class TagChangeInput:
    """See `service.change_tag`."""

    id: b.ID = strawberry.field(description="The tag.")
    version: int | None = strawberry.field(default=None, description=_VERSION)
    title_zh: str | None = strawberry.field(default=UNSET, description="What it is called in Chinese.")
    title_en: str | None = strawberry.field(default=UNSET, description="What it is called in English.")
    tag_class: TagClass | None = strawberry.field(default=UNSET, description="What kind of thing it says.")
    sensitivity: TagSensitivity | None = strawberry.field(default=UNSET, description="Who may see it.")
    validity_days: int | None = strawberry.field(default=UNSET, description=_DAYS)
    needs_consent: bool | None = strawberry.field(
        default=UNSET, description="Whether the resident has to consent to it; assignments stay as they are."
    )
    purpose: str | None = strawberry.field(default=UNSET, description=_PURPOSE)


@b.input_type(description="A tag for a resident.")
class ResidentTagAssignInput:
    """See `service.assign_tag`."""

    resident_id: b.ID = strawberry.field(description="Who.")
    tag_id: b.ID = strawberry.field(description="The tag.")
    valid_until: date | None = strawberry.field(default=None, description=_UNTIL)
    consent_evidence: str | None = strawberry.field(default=None, description=_CONSENT)


@b.input_type(description="A tag for many residents.")
class ResidentTagAssignManyInput:
    """See `service.assign_tag_to_many`."""

    resident_ids: list[b.ID] = strawberry.field(description="Who: 1 to 500 residents.")
    tag_id: b.ID = strawberry.field(description="The tag.")
    valid_until: date | None = strawberry.field(default=None, description=_UNTIL)
    consent_evidence: str | None = strawberry.field(default=None, description=_CONSENT)


@b.input_type(description="A tag that a resident has, to be taken back.")
class ResidentTagWithdrawInput:
    """See `service.withdraw_tag`."""

    id: b.ID = strawberry.field(description="The resident's tag, as in `Resident.tags`.")


@b.input_type(description="A tag to be taken back from many residents.")
class ResidentTagWithdrawManyInput:
    """See `service.withdraw_from_many`."""

    resident_ids: list[b.ID] = strawberry.field(description="From whom: 1 to 500 residents.")
    tag_id: b.ID = strawberry.field(description="The tag.")


@b.input_type(description="A rule that decides who has a tag.")
class TagRulePublishInput:
    """See `service.publish_rule`."""

    tag_id: b.ID = strawberry.field(description="The tag.")
    definition: b.JSON = strawberry.field(description=_DEFINITION)


@b.input_type(description="A rule that is tried, changing nothing.")
class TagRulePreviewInput:
    """See `service.preview_rule`."""

    tag_id: b.ID = strawberry.field(description="The tag.")
    definition: b.JSON = strawberry.field(description=_DEFINITION)


@b.input_type(description="A rule that decides nothing any more.")
class TagRuleRetireInput:
    """See `service.retire_rule`."""

    id: b.ID = strawberry.field(description="The rule.")

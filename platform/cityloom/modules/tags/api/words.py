"""The enums of tags."""

from __future__ import annotations

from enum import Enum

import strawberry


@strawberry.enum(description="What kind of thing a tag says.")
class TagClass(Enum):
    """See `models.TAG_CLASSES`."""

    IDENTITY = strawberry.enum_value("IDENTITY", description="What somebody is (身份): a veteran, an elderly person.")
    SERVICE = strawberry.enum_value(
        "SERVICE", description="What somebody needs or gets (服务): home care, an allowance."
    )
    BEHAVIOUR = strawberry.enum_value("BEHAVIOUR", description="What somebody does (行为): a volunteer, a blood donor.")


@strawberry.enum(description="Who may see a tag. To others it is as if it did not exist.")
class TagSensitivity(Enum):
    """See `models.SENSITIVITIES`."""

    OPEN = strawberry.enum_value("OPEN", description="Whoever sees tags at all: `tags.tag.read`.")
    RESTRICTED = strawberry.enum_value(
        "RESTRICTED", description="Who works with residents: `tags.restricted.read` besides."
    )
    SENSITIVE = strawberry.enum_value(
        "SENSITIVE", description="Few: `tags.sensitive.read` besides. Small counts are not told even to them."
    )


@strawberry.enum(description="Who or what assigned a tag.")
class TagSource(Enum):
    """See `models.SOURCES`."""

    PERSON = strawberry.enum_value("PERSON", description="Somebody, by hand. A rule never takes it back.")
    IMPORT = strawberry.enum_value("IMPORT", description="An import of data.")
    RULE = strawberry.enum_value("RULE", description="The rule of the tag, which takes it back by itself.")


@strawberry.enum(description="Why somebody does not have a tag any more.")
class TagEnding(Enum):
    """See `models.ENDINGS`."""

    WITHDRAWN = strawberry.enum_value("WITHDRAWN", description="It was taken back.")
    RULE = strawberry.enum_value("RULE", description="The rule that assigned it does not hold any more.")
    EXPIRED = strawberry.enum_value("EXPIRED", description="Its validity ended.")
    LEFT = strawberry.enum_value("LEFT", description="The resident moved away or died.")
    REPLACED = strawberry.enum_value("REPLACED", description="The same tag was assigned again, otherwise.")
    CONSENT_WITHDRAWN = strawberry.enum_value(
        "CONSENT_WITHDRAWN", description="The resident withdrew the consent that it stood on."
    )

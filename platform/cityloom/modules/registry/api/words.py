"""The enums of the registry, stored as the texts of their values."""

from __future__ import annotations

from enum import Enum

import strawberry


@strawberry.enum(description="What a dwelling (房屋) is used for.")
class DwellingUse(Enum):
    """See `models.DWELLING_USES`."""

    OWNED = strawberry.enum_value("OWNED", description="Its owner lives there (自住).")
    RENTED = strawberry.enum_value("RENTED", description="It is let (出租).")
    HOMESTAY = strawberry.enum_value("HOMESTAY", description="It is let to guests by the day (民宿).")
    VACANT = strawberry.enum_value("VACANT", description="Nobody lives there (空置).")
    BUSINESS = strawberry.enum_value("BUSINESS", description="It is used for business (经营).")


@strawberry.enum(description="What kind of household (户) it is.")
class HouseholdKind(Enum):
    """See `models.HOUSEHOLD_KINDS`."""

    FAMILY = strawberry.enum_value("FAMILY", description="A family household (家庭户).")
    COLLECTIVE = strawberry.enum_value("COLLECTIVE", description="A collective household (集体户), as in dormitories.")


@strawberry.enum(description="A resident's sex as in their papers.")
class Sex(Enum):
    """See `models.SEXES`."""

    MALE = strawberry.enum_value("MALE", description="Male (男).")
    FEMALE = strawberry.enum_value("FEMALE", description="Female (女).")
    UNKNOWN = strawberry.enum_value("UNKNOWN", description="Not recorded.")


@strawberry.enum(description="What a resident is to the head of the household (与户主关系).")
class Relationship(Enum):
    """See `models.RELATIONSHIPS`."""

    HEAD = strawberry.enum_value("HEAD", description="The head of the household (户主); at most one.")
    SPOUSE = strawberry.enum_value("SPOUSE", description="Husband or wife (配偶).")
    CHILD = strawberry.enum_value("CHILD", description="Son or daughter (子女).")
    PARENT = strawberry.enum_value("PARENT", description="Father or mother (父母).")
    GRANDCHILD = strawberry.enum_value("GRANDCHILD", description="Grandchild (孙子女、外孙子女).")
    GRANDPARENT = strawberry.enum_value("GRANDPARENT", description="Grandparent (祖父母、外祖父母).")
    SIBLING = strawberry.enum_value("SIBLING", description="Brother or sister (兄弟姐妹).")
    OTHER = strawberry.enum_value("OTHER", description="Anything else, or not recorded.")


@strawberry.enum(description="Whether somebody lives here.")
class ResidentStatus(Enum):
    """See `models.RESIDENT_STATUSES`."""

    LIVING = strawberry.enum_value("LIVING", description="Lives in a household of the city.")
    MOVED_AWAY = strawberry.enum_value("MOVED_AWAY", description="Has moved away from the city (迁出).")
    DECEASED = strawberry.enum_value("DECEASED", description="Has died.")


@strawberry.enum(description="How somebody left.")
class Departure(Enum):
    """The statuses of those who do not live here any more."""

    MOVED_AWAY = strawberry.enum_value("MOVED_AWAY", description="Moved away from the city.")
    DECEASED = strawberry.enum_value("DECEASED", description="Died.")

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


@strawberry.enum(description="What kind of organisation (法人、商户、企业) it is.")
class OrganisationKind(Enum):
    """See `models.ORGANISATION_KINDS`."""

    COMPANY = strawberry.enum_value("COMPANY", description="A company (企业).")
    SHOP = strawberry.enum_value("SHOP", description="A shop or workshop of its owner (个体工商户).")
    INSTITUTION = strawberry.enum_value(
        "INSTITUTION", description="A public institution or authority (机关、事业单位)."
    )
    ASSOCIATION = strawberry.enum_value("ASSOCIATION", description="An association or foundation (社会组织).")
    OTHER = strawberry.enum_value("OTHER", description="Anything else.")


@strawberry.enum(description="What kind of vehicle it is.")
class VehicleKind(Enum):
    """See `models.VEHICLE_KINDS`."""

    CAR = strawberry.enum_value("CAR", description="A car (小型汽车).")
    TRUCK = strawberry.enum_value("TRUCK", description="A lorry or coach (大型汽车).")
    MOTORCYCLE = strawberry.enum_value("MOTORCYCLE", description="A motorcycle (摩托车).")
    ELECTRIC_BICYCLE = strawberry.enum_value("ELECTRIC_BICYCLE", description="An electric bicycle (电动自行车).")
    OTHER = strawberry.enum_value("OTHER", description="Anything else.")


@strawberry.enum(description="What ties somebody to a dwelling.")
class TieRole(Enum):
    """See `models.TIE_ROLES`."""

    OWNER = strawberry.enum_value("OWNER", description="They own it (产权人); several may, each once.")
    TENANT = strawberry.enum_value("TENANT", description="They rent it (承租人); several may, each once.")
    HOST = strawberry.enum_value("HOST", description="They let it to guests by the day (民宿经营者); one at a time.")


@strawberry.enum(description="What can have fields of the city's own.")
class CustomThing(Enum):
    """See `models.CUSTOM_THINGS`."""

    BUILDING = strawberry.enum_value("BUILDING", description="A building (楼栋).")
    DWELLING = strawberry.enum_value("DWELLING", description="A dwelling (房屋).")
    HOUSEHOLD = strawberry.enum_value("HOUSEHOLD", description="A household (户).")
    RESIDENT = strawberry.enum_value("RESIDENT", description="A resident (人).")
    ORGANISATION = strawberry.enum_value("ORGANISATION", description="An organisation (单位).")
    VEHICLE = strawberry.enum_value("VEHICLE", description="A vehicle (车辆).")


@strawberry.enum(description="What an answer to a field of the city's own is.")
class CustomKind(Enum):
    """See `core.questions.KINDS`."""

    TEXT = strawberry.enum_value("TEXT", description="A text of 500 characters at most.")
    NUMBER = strawberry.enum_value("NUMBER", description="A number.")
    YES_NO = strawberry.enum_value("YES_NO", description="True or false.")
    CHOICE = strawberry.enum_value("CHOICE", description="One of the choices.")
    CHOICES = strawberry.enum_value("CHOICES", description="Some of the choices.")
    DAY = strawberry.enum_value("DAY", description="A day, YYYY-MM-DD.")


@strawberry.enum(description="Who may see answers to a field of the city's own.")
class CustomSensitivity(Enum):
    """See `models.SENSITIVITIES`."""

    PLAIN = strawberry.enum_value("PLAIN", description="Whoever sees the thing.")
    RESTRICTED = strawberry.enum_value(
        "RESTRICTED", description="Roles with the field permission `registry.custom.restricted` only."
    )

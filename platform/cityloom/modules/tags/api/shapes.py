"""The GraphQL types of tags, and what they add to residents."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import strawberry
from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, cast, exists, func, true
from sqlalchemy.orm import aliased

from cityloom.access.api.shapes import Account
from cityloom.core.ids import decode_id
from cityloom.core.work import Works
from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import Area
from cityloom.modules.registry.api.shapes import Resident
from cityloom.modules.registry.models import Resident as ResidentModel
from cityloom.modules.tags import models as m
from cityloom.modules.tags.api.words import TagClass, TagEnding, TagSensitivity, TagSource
from cityloom.modules.tags.permissions import GUARDED, READ
from cityloom.modules.tags.service import find_holders
from cityloom.modules.tags.settings import settings_of
from cityloom.privacy.api.shapes import PrivacyPurpose

if TYPE_CHECKING:
    from cityloom.core.principal import Principal

#: Who has such a tag is told for a purpose alone.
SENSITIVE = "SENSITIVE"
_VERSION = "Counts changes: send it with a change, which is then refused if somebody was faster."


async def _smallest(principal: Principal, services: dict[type, Any]) -> int:
    return (await settings_of(principal.tenant_id, services)).smallest_count


@b.bound(
    m.Tag,
    tag="ctag",
    module="tags",
    read=READ,
    # The catalogue is the whole city's; what is kept from a caller is kept by its sensitivity.
    scope=b.ScopeRule(rows=lambda _tag, _reach: true(), guard=b.Guard(m.Tag.sensitivity, GUARDED)),
    orderings={"CODE": b.Ordering((m.Tag.code,), "By `code`.", is_unique=True)},
)
class Tag(b.Node):
    """A tag (标签) of the city's own catalogue, which residents can have."""

    code: str = b.column(m.Tag.code, "Its code, unique in the city, for example `lives_alone_65`.", filters=b.TEXT)
    title_zh: str = b.column(m.Tag.title_zh, "What it is called in Chinese.")
    title_en: str = b.column(m.Tag.title_en, "What it is called in English.")
    tag_class: TagClass = b.column(m.Tag.tag_class, "What kind of thing it says.", filters=b.EXACT)
    sensitivity: TagSensitivity = b.column(m.Tag.sensitivity, "Who may see it.", filters=b.EXACT)
    validity_days: int | None = b.column(
        m.Tag.validity_days, "How long it is valid where nothing else is said, in days; null: until it is withdrawn."
    )
    needs_consent: bool = b.column(m.Tag.needs_consent, "Whether the resident has to consent to having it.")
    purpose: PrivacyPurpose | None = b.one(m.Tag.purpose_id, "What they consent to; null where no consent is needed.")
    rule: TagRule | None = b.one(
        lambda tag, rule: rule.tag_id == tag.id, "The rule that decides who has it; null where people do."
    )
    version: int = b.column(m.Tag.version, _VERSION)
    created_at: datetime = b.column(m.Tag.created_at, "When it was added.")
    changed_at: datetime = b.column(m.Tag.changed_at, "When it was last changed.")


@b.bound(m.TagRule, tag="trul", module="tags", read="tags.rule.publish", orderings={"RECORDED": (m.TagRule.id,)})
class TagRule(b.Node):
    """A rule that decides who has a tag, and is held against everybody again whenever their data changes."""

    tag: Tag | None = b.one(m.TagRule.tag_id, "The tag.")
    definition: b.JSON = b.column(
        m.TagRule.definition,
        'The condition, for example `{"all": [{"age": {"from": 65}}, {"lives_alone": true}]}`: one key each of `all`,'
        " `any`, `not`, `age`, `household_size`, `lives_alone`, `sex`, `relationship`, `household_kind`,"
        " `dwelling_use`, `tag`, `cohabitants`.",
    )
    edition: int = b.column(m.TagRule.edition, "Counts what was published, from 1.")
    is_pending: bool = b.column(m.TagRule.is_pending, "Whether everybody has still to be held against it.")
    evaluated_at: datetime | None = b.column(m.TagRule.evaluated_at, "When everybody was held against it last.")
    version: int = b.column(m.TagRule.version, _VERSION)


@b.bound(
    m.ResidentTag,
    tag="rtag",
    module="tags",
    read=READ,
    scope=b.ScopeRule(
        area=m.ResidentTag.area_path,
        guard=b.Guard(
            m.ResidentTag.sensitivity,
            GUARDED,
            area=m.ResidentTag.area_path,
            suppression=b.Suppression(("SENSITIVE",), _smallest, unless="registry.resident.read"),
        ),
    ),
    orderings={"ASSIGNED": (m.ResidentTag.assigned_at,)},
)
class ResidentTag(b.Node):
    """A resident has, or had, a tag: one period, and where it comes from."""

    tag: Tag | None = b.one(m.ResidentTag.tag_id, "The tag.", filterable=False)
    resident: Resident | None = b.one(
        lambda row, resident: (resident.id == row.resident_id) & (row.sensitivity != SENSITIVE),
        "Who has it; null for a sensitive tag: see `ResidentFilter.hasSensitiveTag` and `subjectUnmask`.",
        filterable=False,
    )
    area: Area | None = b.one(m.ResidentTag.area_id, "Where the resident lives.", filterable=False)
    source: TagSource = b.column(m.ResidentTag.source, "Who or what assigned it.", filters=b.EXACT)
    valid_from: date = b.column(m.ResidentTag.valid_from, "Since which day.")
    valid_until: date | None = b.column(
        m.ResidentTag.valid_until, "The first day on which it is not valid any more; null: until it is withdrawn."
    )
    has_consent: bool = b.column(
        m.ResidentTag.has_consent,
        "Whether it was assigned on the resident's consent: the ledger has it, see `consents`.",
    )
    assigned_by: Account | None = b.one(
        m.ResidentTag.assigned_by_id, "Who assigned it; null for rules and API clients.", filterable=False
    )
    assigned_at: datetime = b.column(m.ResidentTag.assigned_at, "When it was assigned.")
    ended_by: Account | None = b.one(m.ResidentTag.ended_by_id, "Who withdrew it.", filterable=False)
    ended_at: datetime | None = b.column(m.ResidentTag.ended_at, "When it ended; null while the resident has it.")
    ending: TagEnding | None = b.column(m.ResidentTag.ending, "Why it ended.")


#: The id of no area: what is no id of the city's finds as much as one that nothing has.
_NO_AREA: Final = UUID(int=0)


def _has(resident: type[ResidentModel], codes: ColumnElement[Any]) -> ColumnElement[bool]:
    row = aliased(m.ResidentTag)
    # By a value that the planner knows, it begins with those who have the tag where they are few: ops/decisions/0036.
    held = (row.code == func.any(codes), row.ended_at.is_(None), row.sensitivity != SENSITIVE)
    return exists().where(row.resident_id == resident.id, *held)


async def _holders(given: dict[str, Any], principal: Principal, services: dict[type, Any]) -> str:
    area = given.get("areaId")
    area_id = None if area is None else decode_id(area, principal.tenant_id, "area", path=("areaId",)) or _NO_AREA
    return await find_holders(services[Works], principal, given["codes"], purpose=given["purpose"], area_id=area_id)


@b.input_type(description="Residents with sensitive tags, asked for with a purpose of the register.")
class SensitiveTagHeld:
    """See `service.find_holders`."""

    codes: list[str] = strawberry.field(description="One of the tags with these codes.")
    purpose: str = strawberry.field(description="The code of a purpose in force that covers `tags.resident.sensitive`.")
    area_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Only those who live in this area, at any depth: nobody else is looked for, nor has it in their"
        " record that you asked. Null: everywhere that you may see.",
    )


@b.extend(
    Resident,
    module="tags",
    matches={
        "has_tag": b.Match(
            list[str],
            _has,
            "Who has one of the tags with these codes now. A tag that you may not see is as one that does not exist,"
            " and so is a sensitive one: that is asked for by `hasSensitiveTag`.",
            sql_type=ARRAY(Text),
        ),
        "has_sensitive_tag": b.Match(
            SensitiveTagHeld,
            lambda resident, value: resident.id == func.any(cast(value, ARRAY(Uuid))),
            "Who has one of these sensitive tags now. Each of them whom you may see is told in their own record that"
            " you asked, and what for, once an hour; of a purpose that stands on consent, those who consent to it.",
            prepare=_holders,
            sql_type=Text(),
        ),
    },
)
class ResidentTags:
    """The tags of a resident."""

    tags: list[ResidentTag] = b.many(
        lambda resident, row: (
            (row.resident_id == resident.id) & row.ended_at.is_(None) & (row.sensitivity != SENSITIVE)
        ),
        "The tags that they have now, as far as the caller may see them; the oldest first. Sensitive ones are told by"
        " `subjectUnmask` alone, as the field `tags.resident.sensitive`.",
        filterable=False,
    )
    tag_history: b.Connection[ResidentTag] = b.connection(
        lambda resident, row: (row.resident_id == resident.id) & (row.sensitivity != SENSITIVE),
        "All tags that they have or had, as periods, but sensitive ones.",
        filterable=False,
    )

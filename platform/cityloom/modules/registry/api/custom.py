"""A city's own fields in GraphQL: what there is, what a thing answers, and finding things by their answers."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import ARRAY, ColumnElement, Date, Double, LargeBinary, Text, and_, case, cast, func, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased
from strawberry.types.unset import UNSET

from cityloom.core.work import Works
from cityloom.graph import bound as b
from cityloom.modules.registry import models as m
from cityloom.modules.registry.api.words import CustomKind, CustomSensitivity, CustomThing
from cityloom.modules.registry.service.custom import (
    RESTRICTED,
    TABLE,
    answers_of,
    demand_comparable,
    may_restricted,
    told,
)
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from cityloom.core.database import TenantTable
    from cityloom.core.principal import Principal

ANSWERS = (
    "Answers to the city's own fields, by their codes (`customFields` lists them): texts, numbers, true or false, "
    "dates as YYYY-MM-DD, choices as lists. Restricted fields are in `customRestricted`."
)
GIVEN = (
    "Answers to the city's own fields, by their codes (`customFields` lists them); a code that is not sent stays as it "
    "is, null takes its answer away."
)


@b.input_type(description="Things that answer one of the city's own fields so.")
class CustomAnswer:
    """See `custom_matches`."""

    field: str = strawberry.field(description="The field's code.")
    eq: str = strawberry.field(
        description="The whole text, the choice, one of the choices, or `true` or `false`, letter case as written."
    )


@b.input_type(description="Things that answer one of the city's own fields with a number in a range.")
class CustomNumber:
    """See `custom_matches`."""

    field: str = strawberry.field(description="The field's code.")
    gte: float | None = strawberry.field(default=UNSET, description="This or more.")
    lte: float | None = strawberry.field(default=UNSET, description="This or less.")


@b.input_type(description="Things that answer one of the city's own fields with a day in a range.")
class CustomDay:
    """See `custom_matches`."""

    field: str = strawberry.field(description="The field's code.")
    gte: date | None = strawberry.field(default=UNSET, description="This day or later.")
    lte: date | None = strawberry.field(default=UNSET, description="This day or earlier.")


#: Sets apart what one argument of the statement carries; nobody types it.
_UNIT = "\x1f"


async def _answer(given: dict[str, Any], principal: Principal, services: dict[type, Any]) -> str:
    """The field, the level, the answer, and the indexes of the answer as it is sealed."""
    keys = await services[KeyRing].of(principal.tenant_id)
    indexes = keys.blind_indexes(TABLE, "sealed", told(given["field"], given["eq"]))
    return _told(given["field"], _level(principal), given["eq"], ",".join(f"\\x{index.hex()}" for index in indexes))


def _range(thing: str) -> Any:  # noqa: ANN401 - as `Match.prepare`
    async def prepared(given: dict[str, Any], principal: Principal, services: dict[type, Any]) -> str:
        if may_restricted(principal.rights):
            # Others are told nothing of the field, and find nothing by it.
            async with services[Works].begin(principal) as work:
                await demand_comparable(work, thing, given["field"])
        ends = (given.get("gte"), "-infinity"), (given.get("lte"), "infinity")
        return _told(given["field"], _level(principal), *(open_ if end is None else str(end) for end, open_ in ends))

    return prepared


def _told(*texts: str) -> str:
    return _UNIT.join(text.replace(_UNIT, "\ufffd") for text in texts)


def _part(value: ColumnElement[str], number: int) -> ColumnElement[str]:
    return func.split_part(value, _UNIT, number)


def _level(principal: Principal) -> str:
    return "RESTRICTED" if may_restricted(principal.rights) else "PLAIN"


def _equal(answer: Any, value: ColumnElement[str]) -> ColumnElement[bool]:  # noqa: ANN401 - an alias
    """The answer in clear, or as it is sealed by the keys that there are."""
    indexes = cast(func.string_to_array(_part(value, 4), ","), ARRAY(LargeBinary))
    found: ColumnElement[bool] = or_(answer.word == _part(value, 3), answer.sealed_index == func.any(indexes))
    return found


def _between(column: str, kind: Any) -> Any:  # noqa: ANN401 - a SQL type, and a function of aliases
    def sql(answer: Any, value: ColumnElement[str]) -> ColumnElement[bool]:  # noqa: ANN401 - an alias
        found = getattr(answer, column)
        return and_(found >= cast(_part(value, 3), kind), found <= cast(_part(value, 4), kind))

    return sql


def _having(thing: str, condition: Any) -> Any:  # noqa: ANN401 - functions of aliases
    def sql(row: Any, value: ColumnElement[str]) -> ColumnElement[bool]:  # noqa: ANN401 - an alias
        answer, asked = aliased(m.CustomValue), aliased(m.CustomField)
        known = select(asked.id).where(
            asked.thing == thing, asked.code == _part(value, 1), asked.sensitivity.in_(["PLAIN", _part(value, 2)])
        )
        found = select(answer.row_id).where(answer.field_id == known.scalar_subquery(), condition(answer, value))
        return row.id.in_(found)  # type: ignore[no-any-return] # an SQL condition

    return sql


def custom_matches(thing: str) -> dict[str, b.Match]:
    """The filters of a kind of thing by the city's own fields; each finds an index behind row-level security."""
    return {
        "custom": b.Match(
            CustomAnswer,
            _having(thing, _equal),
            "By a text, a choice, or yes and no among the city's own fields; restricted ones by whatever they are"
            " answered. Name several with `and`.",
            prepare=_answer,
            sql_type=Text(),
        ),
        "custom_number": b.Match(
            CustomNumber,
            _having(thing, _between("number", Double)),
            "By a number among the city's own fields that are not restricted.",
            prepare=_range(thing),
            sql_type=Text(),
        ),
        "custom_day": b.Match(
            CustomDay,
            _having(thing, _between("day", Date)),
            "By a day among the city's own fields that are not restricted.",
            prepare=_range(thing),
            sql_type=Text(),
        ),
    }


def _answers(row: Any) -> ColumnElement[Any]:  # noqa: ANN401 - an alias
    """One JSON object of a thing's answers to plain fields, by code."""
    first, field, every = aliased(m.CustomValue), aliased(m.CustomField), aliased(m.CustomValue)
    words = (
        select(func.json_agg(aggregate_order_by(every.word, every.position)))
        .where(every.row_id == first.row_id, every.field_id == first.field_id)
        .scalar_subquery()
    )
    value = case(
        (field.kind == "CHOICES", words),
        (field.kind == "NUMBER", func.to_json(first.number)),
        (field.kind == "DAY", func.to_json(first.day)),
        (field.kind == "YES_NO", func.to_json(first.word == "true")),
        else_=func.to_json(first.word),
    )
    return func.coalesce(
        select(func.json_object_agg(field.code, value))
        .where(first.row_id == row.id, first.position == 0)
        .where(field.id == first.field_id, field.sensitivity == "PLAIN")
        .where(field.is_retired.is_(False))
        .scalar_subquery(),
        func.json_build_object(),
    )


def _sealed(row: Any) -> ColumnElement[Any]:  # noqa: ANN401 - an alias
    """A thing's answers to restricted fields as a JSON list, sealed; those in clear that wait to be."""
    answer, field = aliased(m.CustomValue), aliased(m.CustomField)
    written = func.json_build_object(
        *(part for name in ("id", "word", "number", "day", "sealed") for part in (name, getattr(answer, name))),
        "code",
        field.code,
        "kind",
        field.kind,
    )
    return func.coalesce(
        select(func.json_agg(aggregate_order_by(written, answer.field_id, answer.position)))
        .where(answer.row_id == row.id)
        .where(field.id == answer.field_id, field.sensitivity == "RESTRICTED")
        .where(field.is_retired.is_(False))
        .scalar_subquery(),
        func.json_build_array(),
    )


async def _opened(rows: list[Any], services: dict[type, Any]) -> list[dict[str, Any]]:
    keys = await services[KeyRing].of(rows[0].tenant_id)
    return [answers_of(keys, row.found) for row in rows]


def custom() -> Any:  # noqa: ANN401 - stands for the type of its annotation
    """The field `custom`."""
    return b.expression(_answers, ANSWERS)


def custom_restricted(model: type[TenantTable]) -> Any:  # noqa: ANN401 - stands for the type of its annotation
    """The field `customRestricted`."""
    return b.resolved(
        _opened,
        needs=(model.tenant_id,),
        found=_sealed,
        description="Answers to those of the city's own fields that few roles may see; see `custom`.",
        field=RESTRICTED,
    )


@b.bound(
    m.CustomField,
    tag="cfld",
    module="registry",
    read="registry.field.read",
    orderings={"POSITION": (m.CustomField.position,)},
)
class CustomField(b.Node):
    """A field (自定义字段) that the city itself has added to a kind of thing."""

    thing: CustomThing = b.column(m.CustomField.thing, "What has it.")
    code: str = b.column(m.CustomField.code, "Its code: the key in `custom`.")
    title_zh: str = b.column(m.CustomField.title_zh, "Its title in Chinese.")
    title_en: str = b.column(m.CustomField.title_en, "Its title in English.")
    kind: CustomKind = b.column(m.CustomField.kind, "What an answer is.")
    is_required: bool = b.column(m.CustomField.is_required, "Whether a thing is not recorded without an answer.")
    choices: list[str] = b.column(m.CustomField.choices, "What is chosen from; empty for other kinds.")
    sensitivity: CustomSensitivity = b.column(m.CustomField.sensitivity, "Who may see answers.")
    position: int = b.column(m.CustomField.position, "Its place among the fields of the thing.")
    is_retired: bool = b.column(m.CustomField.is_retired, "Whether it is asked no more; answers are kept.")
    version: int = b.column(
        m.CustomField.version,
        "Counts changes: send it with a change, which is then refused if somebody was faster.",
    )


def of_thing(
    field: type[m.CustomField],
    thing: Annotated[CustomThing, b.argument("Of what.")],
    with_retired: Annotated[bool | None, b.argument("Whether to list those that are asked no more, too.")] = None,
) -> ColumnElement[bool]:
    """The fields of one kind of thing."""
    found = field.thing == thing
    if with_retired is None:
        return found & field.is_retired.is_(False)
    return found & (field.is_retired.is_(False) | with_retired)

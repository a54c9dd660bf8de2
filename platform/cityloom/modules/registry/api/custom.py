"""A city's own fields in GraphQL: what there is, what a thing answers, and finding things by their answers."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import ColumnElement, Date, Double, Text, case, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased
from strawberry.types.unset import UNSET

from cityloom.graph import bound as b
from cityloom.modules.registry import models as m
from cityloom.modules.registry.api.words import CustomKind, CustomSensitivity, CustomThing
from cityloom.modules.registry.service.custom import RESTRICTED, may_restricted

if TYPE_CHECKING:
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


def _answer(given: dict[str, Any], principal: Principal, _services: dict[type, Any]) -> str:
    return _told(given["field"], _level(principal), given["eq"])


def _range(given: dict[str, Any], principal: Principal, _services: dict[type, Any]) -> str:
    ends = (given.get("gte"), "-infinity"), (given.get("lte"), "infinity")
    return _told(given["field"], _level(principal), *(open_ if end is None else str(end) for end, open_ in ends))


def _told(*texts: str) -> str:
    return _UNIT.join(text.replace(_UNIT, "\ufffd") for text in texts)


def _part(value: ColumnElement[str], number: int) -> ColumnElement[str]:
    return func.split_part(value, _UNIT, number)


def _level(principal: Principal) -> str:
    return "RESTRICTED" if may_restricted(principal.rights) else "PLAIN"


def _having(thing: str, column: str, condition: Any) -> Any:  # noqa: ANN401 - functions of aliases
    def sql(row: Any, value: ColumnElement[str]) -> ColumnElement[bool]:  # noqa: ANN401 - an alias
        answer, asked = aliased(m.CustomValue), aliased(m.CustomField)
        known = select(asked.id).where(
            asked.thing == thing, asked.code == _part(value, 1), asked.sensitivity.in_(["PLAIN", _part(value, 2)])
        )
        found = select(answer.row_id).where(
            answer.field_id == known.scalar_subquery(), *condition(getattr(answer, column), value)
        )
        return row.id.in_(found)  # type: ignore[no-any-return] # an SQL condition

    return sql


def custom_matches(thing: str) -> dict[str, b.Match]:
    """The filters of a kind of thing by the city's own fields; each finds an index behind row-level security."""

    def between(kind: Any) -> Any:  # noqa: ANN401 - a SQL type
        return lambda column, value: (column >= cast(_part(value, 3), kind), column <= cast(_part(value, 4), kind))

    return {
        "custom": b.Match(
            CustomAnswer,
            _having(thing, "word", lambda column, value: (column == _part(value, 3),)),
            "By a text, a choice, or yes and no among the city's own fields. Name several with `and`.",
            prepare=_answer,
            sql_type=Text(),
        ),
        "custom_number": b.Match(
            CustomNumber,
            _having(thing, "number", between(Double)),
            "By a number among the city's own fields.",
            prepare=_range,
            sql_type=Text(),
        ),
        "custom_day": b.Match(
            CustomDay,
            _having(thing, "day", between(Date)),
            "By a day among the city's own fields.",
            prepare=_range,
            sql_type=Text(),
        ),
    }


def _answers(row: Any, sensitivity: str) -> ColumnElement[Any]:  # noqa: ANN401 - an alias
    """One JSON object of a thing's answers, by code."""
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
        .where(field.id == first.field_id, field.sensitivity == sensitivity)
        .where(field.is_retired.is_(False))
        .scalar_subquery(),
        func.json_build_object(),
    )


def custom() -> Any:  # noqa: ANN401 - stands for the type of its annotation
    """The field `custom`."""
    return b.expression(lambda row: _answers(row, "PLAIN"), ANSWERS)


def custom_restricted() -> Any:  # noqa: ANN401 - stands for the type of its annotation
    """The field `customRestricted`."""
    return b.expression(
        lambda row: _answers(row, "RESTRICTED"),
        "Answers to those of the city's own fields that few roles may see; see `custom`.",
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

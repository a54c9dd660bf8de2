"""A city's own fields of things of the registry: declared as data, typed, and written with the thing itself.

What a restricted field is answered is sealed, here and nowhere else: as `code=answer`, so that an answer is told with
what it answers, and equal answers to two fields have two indexes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Unpack
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, true

from cityloom.core.constraints import refusing
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.core.principal import FieldAccess
from cityloom.core.questions import CHOICE, CHOICES, DAY, NUMBER, YES_NO, Question, checked_answers
from cityloom.modules.areas.service import demand_version
from cityloom.modules.registry import events
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import (
    REFUSALS,
    FieldChoicesWrong,
    FieldCodeMalformed,
    FieldRestricted,
    FieldSealed,
    FieldsTooMany,
    not_found,
)
from cityloom.modules.registry.people import keys_of
from cityloom.modules.registry.service.checks import checked_choice, checked_number, checked_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.principal import Rights
    from cityloom.core.work import Work
    from cityloom.modules.registry.service.values import FieldValues

DEFINE = "registry.field.define"
#: The level of this field permission says who reads and writes restricted fields.
RESTRICTED = "registry.custom.restricted"
MOST_FIELDS, MOST_CHOICES, LONGEST_CHOICE, LAST_POSITION = 100, 200, 100, 9_999
_CODE_LIMIT = 40
#: Answers that one transaction seals.
BATCH = 500
TABLE = m.CustomValue.__tablename__
_PLAIN_COLUMNS = ("word", "number", "day")
THINGS: dict[type[Any], str] = {
    m.Building: "BUILDING",
    m.Dwelling: "DWELLING",
    m.Household: "HOUSEHOLD",
    m.Resident: "RESIDENT",
    m.Organisation: "ORGANISATION",
    m.Vehicle: "VEHICLE",
}


def may_restricted(rights: Rights) -> bool:
    """Whether restricted fields are read and written."""
    return rights.field(RESTRICTED) is FieldAccess.FULL


def _checked(values: FieldValues) -> dict[str, Any]:
    rules: dict[str, Any] = {
        "title_zh": lambda v: checked_text(v, "titleZh", 100),
        "title_en": lambda v: checked_text(v, "titleEn", 100),
        "is_required": bool,
        "choices": list,
        "position": lambda v: checked_number(v, "position", 0, LAST_POSITION),
        "is_retired": bool,
    }
    return {key: rules[key](value) for key, value in values.items()}


def demand_choices(kind: str, choices: Sequence[str], *, kept: Sequence[str] = ()) -> None:
    """Refuse (`FieldChoicesWrong`) choices of a field that has none, the reverse, or without those that are kept."""
    has_any = kind in {CHOICE, CHOICES}
    fits = len(set(choices)) == len(choices) <= MOST_CHOICES and all(0 < len(one) <= LONGEST_CHOICE for one in choices)
    # A pack sets choices apart by `|`.
    fits = fits and not any("|" in one for one in choices)
    if bool(choices) is not has_any or not fits or not set(kept) <= set(choices):
        raise FieldChoicesWrong(path=("choices",), limit=MOST_CHOICES)


async def define_field(
    work: Work, *, thing: str, code: str, kind: str, sensitivity: str = "PLAIN", **values: Unpack[FieldValues]
) -> m.CustomField:
    """Give a kind of thing a field of the city's own.

    Refuses (`Forbidden`, `FieldCodeMalformed`, `FieldCodeTaken`, `FieldChoicesWrong`, `FieldsTooMany`, `TextMalformed`,
    `NumberOutOfRange`, `ValueUnknown`).
    """
    work.authorise(DEFINE)
    checked_choice(thing, "thing", tuple(m.CUSTOM_THINGS))
    checked_choice(sensitivity, "sensitivity", m.SENSITIVITIES)
    if not (code.isascii() and code.replace("_", "a").isalnum() and code[:1].islower() and code.islower()) or (
        len(code) > _CODE_LIMIT
    ):
        raise FieldCodeMalformed(path=("code",))
    checked = {"is_required": False, "choices": [], "position": 0, **_checked(values)}
    demand_choices(kind, checked["choices"])
    count = await work.session.scalar(select(func.count()).where(m.CustomField.thing == thing))
    if (count or 0) >= MOST_FIELDS:
        raise FieldsTooMany(path=("thing",), limit=MOST_FIELDS)
    made = m.CustomField(
        thing=thing,
        code=code,
        kind=kind,
        sensitivity=sensitivity,
        version=1,
        created_at=work.now(),
        changed_at=work.now(),
        **checked,
    )
    async with refusing(work, REFUSALS):
        work.session.add(made)
    after = {"thing": thing, "code": code, "kind": kind, "sensitivity": sensitivity}
    work.audit(AuditEntry(action=DEFINE, object_tag="cfld", object_id=made.id, after=after))
    work.emit(events.FieldDefined(subject_id=made.id, thing=thing, code=code, kind=kind))
    return made


async def change_field(
    work: Work, field_id: UUID | None, *, version: int | None = None, **values: Unpack[FieldValues]
) -> m.CustomField:
    """Change titles, place, choices (those that there are stay), whether it is required, or retire a field.

    What things have answered stays. Refuses what defining refuses, `NotFound` and `ChangedMeanwhile`.
    """
    work.authorise(DEFINE)
    found: m.CustomField | None = await work.session.scalar(
        select(m.CustomField)
        .where(m.CustomField.id == field_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise not_found("custom_fields", ("id",))
    demand_version(version, found.version)
    checked = {key: value for key, value in _checked(values).items() if getattr(found, key) != value}
    if "choices" in checked:
        demand_choices(found.kind, checked["choices"], kept=found.choices)
    if not checked:
        return found
    before = {key: str(getattr(found, key)) for key in checked}
    for key, value in checked.items():
        setattr(found, key, value)
    found.version += 1
    found.changed_at = work.now()
    await work.session.flush()
    after = {key: str(value) for key, value in checked.items()}
    work.audit(AuditEntry(action=DEFINE, object_tag="cfld", object_id=found.id, before=before, after=after))
    work.emit(events.FieldChanged(subject_id=found.id, fields=tuple(sorted(checked)), is_retired=found.is_retired))
    return found


@dataclass(slots=True)
class Answers:
    """What changes of a thing's own fields: for the audit log by code, and in rows."""

    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    gone: list[UUID] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.gone or self.rows)


async def answers(work: Work, thing: Any, given: object, *, is_new: bool) -> Answers:  # noqa: ANN401 - one of six models
    """What is to be written of the answers to a city's own fields, by their codes; null takes one away.

    Refuses (`AnswersWrong`, `FieldRestricted`) what does not fit, and a thing without what is required.
    """
    fields = await fields_of(work, THINGS[type(thing)])
    if not fields and not given:
        return Answers()
    writable = [one for one in fields if may(work, one)]
    if isinstance(given, dict):
        _demand_writable(fields, writable, given)
    present = {} if is_new else await _present(work, thing, writable)
    wanted = {**present, **given} if isinstance(given, dict) else given
    kept = checked_answers(
        [question_of(one) for one in writable], wanted, is_complete=True, name="custom", longest=m.LONGEST_WORD
    )
    found = Answers()
    keys = await keys_of(work)
    for one in writable:
        old, new = present.get(one.code), kept.get(one.code)
        if old == new:
            continue
        key, is_hidden = f"custom.{one.code}", one.sensitivity != "PLAIN"
        if old is not None:
            found.gone.append(one.id)
            found.before[key] = "●" if is_hidden else str(old)
        if new is not None:
            found.rows += kept_rows(keys, one, new)
            found.after[key] = "●" if is_hidden else str(new)
    return found


async def write_answers(work: Work, thing: Any, found: Answers) -> None:  # noqa: ANN401 - one of six models
    """Write what `answers` found."""
    if found.gone:
        own = m.CustomValue.row_id == thing.id, m.CustomValue.field_id.in_(found.gone)
        await work.session.execute(delete(m.CustomValue).where(*own).execution_options(synchronize_session=False))
    column = m.CUSTOM_THINGS[THINGS[type(thing)]]
    work.session.add_all(m.CustomValue(**{column: thing.id}, **row) for row in found.rows)
    await work.session.flush()


async def fields_of(work: Work, thing: str) -> Sequence[m.CustomField]:
    """The fields that a kind of thing has now, in their order."""
    rows = await work.session.scalars(
        select(m.CustomField)
        .where(m.CustomField.thing == thing, m.CustomField.is_retired.is_(False))
        .order_by(m.CustomField.position, m.CustomField.id)
    )
    return rows.all()


async def answered(work: Work, thing: Any) -> dict[str, Any]:  # noqa: ANN401 - one of six models
    """What a thing answers to the city's own fields, by code, as far as the caller may see it."""
    fields = await fields_of(work, THINGS[type(thing)])
    return await _present(work, thing, [one for one in fields if may(work, one)])


def may(work: Work, one: m.CustomField) -> bool:
    """Whether the caller reads and writes a field."""
    return one.sensitivity == "PLAIN" or may_restricted(work.rights)


def _demand_writable(
    fields: Sequence[m.CustomField], writable: Sequence[m.CustomField], given: Mapping[str, Any]
) -> None:
    hidden = {one.code for one in fields} - {one.code for one in writable}
    for code in given:
        if code in hidden:
            raise FieldRestricted(path=("custom", code), field=code)


async def _present(work: Work, thing: Any, fields: Sequence[m.CustomField]) -> dict[str, Any]:  # noqa: ANN401 - one of six models
    kinds = {one.id: one for one in fields}
    keys = await keys_of(work)
    rows = await work.session.scalars(
        select(m.CustomValue)
        .where(m.CustomValue.row_id == thing.id, m.CustomValue.field_id.in_(kinds))
        .order_by(m.CustomValue.field_id, m.CustomValue.position)
    )
    found: dict[str, Any] = {}
    for row in rows:
        one = kinds[row.field_id]
        answer = opened(keys, one.kind, row.id, row.sealed) if row.sealed is not None else _plain(one.kind, row)
        if one.kind == CHOICES:
            found.setdefault(one.code, []).append(answer)
        else:
            found[one.code] = answer
    return found


def _plain(kind: str, row: m.CustomValue) -> Any:  # noqa: ANN401 - an answer
    if kind == NUMBER:
        return row.number
    if kind == DAY:
        return None if row.day is None else row.day.isoformat()
    return row.word == "true" if kind == YES_NO else row.word


def rows_of(one: m.CustomField, value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as `checked_answers` lets through
    """The rows of `custom_values` that an answer is, without the thing that gives it, in the clear."""
    values: list[dict[str, Any]]
    if one.kind == NUMBER:
        values = [{"number": float(value)}]
    elif one.kind == DAY:
        values = [{"day": date.fromisoformat(value)}]
    elif one.kind == YES_NO:
        values = [{"word": "true" if value else "false"}]
    else:
        values = [{"word": word} for word in (value if one.kind == CHOICES else [value])]
    return [{"id": new_id(), "field_id": one.id, "position": at, **answer} for at, answer in enumerate(values)]


def kept_rows(keys: TenantKeys, one: m.CustomField, value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as above
    """The same as they are kept: sealed where the field is restricted."""
    rows = rows_of(one, value)
    return rows if one.sensitivity == "PLAIN" else [_sealed(keys, one.code, row) for row in rows]


def _sealed(keys: TenantKeys, code: str, row: dict[str, Any]) -> dict[str, Any]:
    """The same row with its answer sealed."""
    kept = {name: value for name, value in row.items() if name not in _PLAIN_COLUMNS}
    (answer,) = (row[name] for name in _PLAIN_COLUMNS if row.get(name) is not None)
    text = told(code, answer)
    sealed = keys.seal(TABLE, "sealed", row["id"], text)
    return {**kept, "sealed": sealed, "sealed_index": keys.blind_index(TABLE, "sealed", text)}


def told(code: str, answer: float | date | str) -> str:
    """An answer as it is sealed: whole numbers without a fraction, days as YYYY-MM-DD."""
    text = f"{answer:.15g}" if isinstance(answer, float) else str(answer)
    return f"{code}={text}"


def opened(keys: TenantKeys, kind: str, row_id: UUID, sealed: bytes) -> Any:  # noqa: ANN401 - an answer
    """A sealed answer; of several choices each is sealed for itself."""
    answer = keys.open(TABLE, "sealed", row_id, sealed).partition("=")[2]
    if kind == NUMBER:
        return float(answer)
    return answer == "true" if kind == YES_NO else answer


def answers_of(keys: TenantKeys, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Answers to restricted fields by code, of rows as JSON tells them: `id`, `code`, `kind`, and what was answered."""
    answers: dict[str, Any] = {}
    for row in found:
        if row["sealed"] is not None:
            answer = opened(keys, row["kind"], UUID(row["id"]), bytes.fromhex(row["sealed"][2:]))
        else:
            answer = next(row[name] for name in _PLAIN_COLUMNS if row[name] is not None)
            answer = answer == "true" if row["kind"] == YES_NO else answer
        if row["kind"] == CHOICES:
            answers.setdefault(row["code"], []).append(answer)
        else:
            answers[row["code"]] = answer
    return answers


async def demand_comparable(work: Work, thing: str, code: str) -> None:
    """Refuse (`FieldSealed`) to compare answers to a restricted field: of what is sealed only the whole is found."""
    query = select(m.CustomField.sensitivity).where(m.CustomField.thing == thing, m.CustomField.code == code)
    if await work.session.scalar(query) == "RESTRICTED":
        raise FieldSealed(field=code)


def _is_open() -> ColumnElement[bool]:
    return or_(*(getattr(m.CustomValue, name).is_not(None) for name in _PLAIN_COLUMNS))


def has_unsealed(city: ColumnElement[UUID], _now: datetime) -> Select[bool]:
    """Whether a city has answers that `seal_restricted` would seal."""
    known = select(m.CustomField.id).where(m.CustomField.tenant_id == city, m.CustomField.sensitivity != "PLAIN")
    return select(true()).where(m.CustomValue.tenant_id == city, m.CustomValue.field_id.in_(known), _is_open())


async def seal_restricted(work: Work) -> int:
    """The job: seal at most `BATCH` answers to restricted fields that were written before those were sealed."""
    known = select(m.CustomField.id, m.CustomField.code).where(m.CustomField.sensitivity != "PLAIN")
    codes = {row.id: row.code for row in await work.session.execute(known)}
    found = await work.session.scalars(
        select(m.CustomValue)
        .where(m.CustomValue.field_id.in_(codes), _is_open())
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    rows = found.all()
    if not rows:
        return 0
    keys = await keys_of(work)
    for row in rows:
        answer = {name: getattr(row, name) for name in _PLAIN_COLUMNS}
        for name, value in _sealed(keys, codes[row.field_id], {"id": row.id, **answer}).items():
            setattr(row, name, value)
        for name in _PLAIN_COLUMNS:
            setattr(row, name, None)
    return len(rows)


def question_of(one: m.CustomField) -> Question:
    """A field as the question that it asks."""
    return Question(
        one.code, one.title_zh, one.title_en, one.kind, is_required=one.is_required, choices=tuple(one.choices)
    )

"""Fields of the city's own in imports: columns for them, what cells answer to them, staged, compared and published.

An answer belongs to a thing by the key under which that is staged: of a building, dwelling or household what names it,
of all else where it stands in the file. Several choices stand in one word, apart by `|`, which no choice holds. What a
restricted field is answered is sealed as soon as it is read, and compared by its blind indexes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cityloom.core.bulk import insert_rows, insert_text, table_of
from cityloom.core.ids import NEW_ID_SQL, new_id
from cityloom.core.questions import AnswersWrong, Question, checked_answers
from cityloom.core.text import Text
from cityloom.imports.targets import Column, Outdated
from cityloom.modules.registry import models as registry
from cityloom.modules.registry.imports import cells
from cityloom.modules.registry.imports import columns as c
from cityloom.modules.registry.imports import errors as e
from cityloom.modules.registry.imports import models as m
from cityloom.modules.registry.people import keys_of
from cityloom.modules.registry.service import custom

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Work
    from cityloom.imports.targets import Asked
    from cityloom.modules.registry.imports.comparing import Comparer

#: What rows of the registry state that can have such fields; organisations and vehicles come in sheets of their own.
THINGS: Final = ("BUILDING", "DWELLING", "HOUSEHOLD", "RESIDENT")
_READ: Final = "registry.field.read"
#: The column that names a thing, and what the thing is called.
_NAMED: Final = {
    "BUILDING": (c.BUILDING, Text("楼栋", "Building ")),
    "DWELLING": (c.DWELLING, Text("房屋", "Dwelling ")),
    "HOUSEHOLD": (c.HOUSEHOLD, Text("住户", "Household ")),
    "RESIDENT": (c.NAME, Text("居民", "Resident ")),
    "ORGANISATION": (c.ORGANISATION, Text("单位", "Organisation ")),
    "VEHICLE": (c.PLATE, Text("车辆", "Vehicle ")),
}
#: The staging tables of answers.
STAGES: Final = (m.StagedAnswer, m.StagedSealedAnswer)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it is compared: in clear, or by its blind indexes, one after the other; `sealed` are its rows then.

    Of equal answers no two are sealed alike.
    """

    word: str | None = None
    number: float | None = None
    day: date | None = None
    indexes: bytes | None = None
    sealed: tuple[dict[str, Any], ...] = dataclasses.field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class OwnField:
    """A field that the importer may write, as a column; `keys` seal what it is answered if it is restricted."""

    row: registry.CustomField
    question: Question
    keys: TenantKeys

    @property
    def id(self) -> UUID:
        """The field's id."""
        return self.row.id

    @property
    def column(self) -> str:
        """The column's name."""
        return _name_of(self.row)

    def answer(self, cell: str) -> Answer:
        """What a cell answers; refuses (`AnswersWrong`, `CellNoNumber`, `CellNoDate`, `CellWordUnknown`)."""
        value: object
        match self.row.kind:
            case "NUMBER":
                value = cells.number(cell)
            case "DAY":
                value = cells.day(cell).isoformat()
            case "YES_NO":
                value = cells.yes_or_no(cell)
            case "CHOICES":
                value = cells.words(cell, self.question.choices)
            case _:
                value = cell
        code, longest = self.row.code, registry.LONGEST_WORD
        checked = checked_answers([self.question], {code: value}, is_complete=False, name="custom", longest=longest)
        rows = custom.kept_rows(self.keys, self.row, checked[code])
        if "sealed" in rows[0]:
            return Answer(indexes=b"".join(one["sealed_index"] for one in rows), sealed=tuple(rows))
        words = [one["word"] for one in rows if "word" in one]
        return Answer("|".join(words) if words else None, rows[0].get("number"), rows[0].get("day"))

    def missing(self) -> AnswersWrong:
        """What is said of a thing that does not answer it and must."""
        try:
            checked_answers([self.question], {}, is_complete=True, name="custom")
        except AnswersWrong as refusal:
            return refusal
        raise AssertionError(self.column)


async def own_fields(work: Work, things: Sequence[str]) -> tuple[OwnField, ...]:
    """The fields that these things have now and the caller may write, in their order."""
    keys = await keys_of(work)
    return tuple(OwnField(row, custom.question_of(row), keys) for row in await _writable(work, things))


async def own_columns(work: Work, things: Sequence[str]) -> tuple[Column, ...]:
    """The columns of those, for who may read what fields there are."""
    if work.rights.scope(_READ) is None:
        return ()
    return tuple(_described(row) for row in await _writable(work, things))


async def _writable(work: Work, things: Sequence[str]) -> list[registry.CustomField]:
    return [row for thing in things for row in await custom.fields_of(work, thing) if custom.may(work, row)]


def _name_of(row: registry.CustomField) -> str:
    return f"custom.{row.thing.lower()}.{row.code}"


def _described(row: registry.CustomField) -> Column:
    """The column, known by code and titles, alone or behind what the thing is called."""
    name, thing = _NAMED[row.thing]
    titles = row.title_zh, row.title_en, row.code
    synonyms = (row.code, *(f"{before}{title}" for before in (thing.zh, thing.en) for title in titles))
    return Column(_name_of(row), Text(row.title_zh, row.title_en), synonyms, ((name,),), is_own=True)


_INSERT: Final = insert_text(
    table_of(m.StagedAnswer),
    ("id", "field_id", "key", "sheet", "row", "word", "number", "day", "indexes", "is_contradicted"),
    same=("import_id",),
    ending="ON CONFLICT (tenant_id, import_id, field_id, key) DO UPDATE SET is_contradicted = s.is_contradicted "
    "OR excluded.is_contradicted OR (s.word, s.number, s.day, s.indexes) IS DISTINCT FROM "
    "(excluded.word, excluded.number, excluded.day, excluded.indexes)",
)
_INSERT_SEALED: Final = insert_text(
    table_of(m.StagedSealedAnswer), ("id", "answer_id", "position", "sealed", "sealed_index"), same=("import_id",)
)
#: The key of a staged thing `s`, by the table that it will be in.
KEYS: Final = {
    "buildings": "s.code",
    "dwellings": r"concat_ws(E'\n', s.building_code, s.unit, s.number)",
    "households": "s.number",
    "residents": "concat_ws(':', s.sheet, s.row)",
    "organisations": "concat_ws(':', s.sheet, s.row)",
    "vehicles": "concat_ws(':', s.sheet, s.row)",
}
_OWN = "a.tenant_id = $1 AND a.import_id = $2 AND a.key = {key}"
#: An answer that is registered, of its rows `v`, as `Answer` has it.
_WHOLE = (
    "string_agg(v.word, '|' ORDER BY v.position) AS word, max(v.number) AS number, max(v.day) AS day, "
    "string_agg(v.sealed_index, ''::bytea ORDER BY v.position) AS indexes"
)
#: Changed, or left as it is, where only answers differ from those that are registered; $4 are the thing's fields.
_COMPARE = f"""
UPDATE registry_staged_{{table}} AS s SET outcome = CASE WHEN $3 = 'UPDATE' THEN 'CHANGED' ELSE 'SKIPPED' END
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'SAME' AND EXISTS (
  SELECT 1 FROM registry_staged_answers AS a
  CROSS JOIN LATERAL (
    SELECT {_WHOLE}
    FROM custom_values AS v WHERE v.tenant_id = $1 AND v.field_id = a.field_id AND v.row_id = s.target_id) AS r
  WHERE {{own}} AND a.field_id = ANY($4::uuid[])
    AND (r.word, r.number, r.day, r.indexes) IS DISTINCT FROM (a.word, a.number, a.day, a.indexes))
"""  # noqa: S608 - constants of ours
#: What must be answered, $8, of what is new, and of what answers anything at all ($9 are the thing's fields).
_MISSING = """
(s.outcome = 'NEW' OR s.outcome = 'CHANGED'
  AND EXISTS (SELECT 1 FROM registry_staged_answers AS a WHERE {own} AND a.field_id = ANY($9::uuid[])))
AND NOT EXISTS (SELECT 1 FROM registry_staged_answers AS a WHERE {own} AND a.field_id = $8)
AND NOT EXISTS (SELECT 1 FROM custom_values AS v WHERE v.tenant_id = $1 AND v.field_id = $8 AND v.row_id = s.target_id)
"""
_CONTRADICTED = (
    "SELECT a.sheet, a.row FROM registry_staged_answers AS a "
    "WHERE a.tenant_id = $1 AND a.import_id = $2 AND a.field_id = $8 AND a.is_contradicted"
)
_UNKNOWN = (
    "SELECT EXISTS (SELECT 1 FROM registry_staged_answers WHERE tenant_id = $1 AND import_id = $2 "
    "AND field_id <> ALL($3::uuid[]))"
)
_PRESENT = f"""
SELECT v.row_id, v.field_id, {_WHOLE}
FROM custom_values AS v WHERE v.tenant_id = $1 AND v.row_id = ANY($2::uuid[]) AND v.field_id = ANY($3::uuid[])
GROUP BY v.row_id, v.field_id
"""  # noqa: S608 - constants of ours
_OF_CHANGED = """
DELETE FROM custom_values AS v USING registry_staged_{table} AS s, registry_staged_answers AS a
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'CHANGED' AND {own} AND a.field_id = ANY($3::uuid[])
  AND v.tenant_id = $1 AND v.field_id = a.field_id AND v.row_id = s.target_id{taken}
"""
_PUBLISH = """
INSERT INTO custom_values (tenant_id, id, field_id, {column}, position, word, number, day)
SELECT $1, {new_id}, a.field_id, s.target_id, w.position - 1, w.word, a.number, a.day
FROM registry_staged_{table} AS s
JOIN registry_staged_answers AS a ON {own} AND a.field_id = ANY($3::uuid[])
JOIN custom_fields AS f ON f.tenant_id = $1 AND f.id = a.field_id
CROSS JOIN LATERAL unnest(CASE f.kind WHEN 'CHOICES' THEN string_to_array(a.word, '|') ELSE ARRAY[a.word] END)
  WITH ORDINALITY AS w (word, position)
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome IN ('NEW', 'CHANGED'){taken} AND a.indexes IS NULL
"""
_PUBLISH_SEALED = """
INSERT INTO custom_values (tenant_id, id, field_id, {column}, position, sealed, sealed_index)
SELECT $1, w.id, a.field_id, s.target_id, w.position, w.sealed, w.sealed_index
FROM registry_staged_{table} AS s
JOIN registry_staged_answers AS a ON {own} AND a.field_id = ANY($3::uuid[])
JOIN registry_staged_sealed_answers AS w ON w.tenant_id = $1 AND w.import_id = $2 AND w.answer_id = a.id
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome IN ('NEW', 'CHANGED'){taken}
"""


@dataclass(slots=True)
class Said:
    """An answer where it was first said, and whether another row says it otherwise."""

    sheet: int
    row: int
    answer: Answer
    is_contradicted: bool = False


#: Answers of a chunk, by field and key.
SaidAnswers = dict[tuple["UUID", str], Said]


async def stage(work: Work, import_id: UUID, said: SaidAnswers) -> None:
    """Write answers into their staging tables."""
    rows, sealed = [], []
    for (field_id, key), one in said.items():
        answer_id, answer = new_id(), one.answer
        whole = answer.word, answer.number, answer.day, answer.indexes
        rows.append((answer_id, field_id, key, one.sheet, one.row, *whole, one.is_contradicted))
        sealed += [
            (kept["id"], answer_id, kept["position"], kept["sealed"], kept["sealed_index"]) for kept in answer.sealed
        ]
    await insert_rows(work, _INSERT, rows, import_id)
    await insert_rows(work, _INSERT_SEALED, sealed, import_id)


async def present(work: Work, rows: Sequence[UUID], fields: Sequence[OwnField]) -> dict[UUID, dict[UUID, Answer]]:
    """What things answer to these fields, by their ids and then by the fields'."""
    found: dict[UUID, dict[UUID, Answer]] = {}
    if rows and fields:
        connection = await work.connection()
        for one in await connection.fetch(_PRESENT, work.tenant_id, rows, [field.id for field in fields]):
            answer = Answer(one["word"], one["number"], one["day"], one["indexes"])
            found.setdefault(one["row_id"], {})[one["field_id"]] = answer
    return found


async def demand_known(work: Work, asked: Asked, fields: Sequence[OwnField]) -> None:
    """Raise `Outdated` where answers are staged to fields that the importer may not write any more."""
    connection = await work.connection()
    if await connection.fetchval(_UNKNOWN, work.tenant_id, asked.import_id, [field.id for field in fields]):
        raise Outdated


async def compare(work: Work, asked: Asked, table: str, fields: Sequence[OwnField]) -> None:
    """Let staged things that are the same as those registered, but for their answers, be changed or skipped."""
    if fields:
        connection = await work.connection()
        sql = _COMPARE.format(table=table, own=_OWN.format(key=KEYS[table]))
        await connection.execute(sql, work.tenant_id, asked.import_id, asked.rule, [field.id for field in fields])


async def demand_answers(comparer: Comparer, table: str, fields: Sequence[OwnField]) -> None:
    """Refuse what is new, or answers anything, and lacks an answer that every thing must give."""
    where = _MISSING.format(own=_OWN.format(key=KEYS[table]))
    for field in fields:
        if field.row.is_required:
            every = [one.id for one in fields]
            await comparer.refuse(table, where, field.column, field.missing(), field.id, every)


async def tell_contradicted(comparer: Comparer, fields: Sequence[OwnField]) -> None:
    """Warn of answers that another row says otherwise."""
    for field in fields:
        await comparer.note_found(_CONTRADICTED, field.column, e.StatedOtherwise(), field.id, is_error=False)


async def publish(work: Work, asked: Asked, table: str, fields: Sequence[OwnField]) -> None:
    """Write the answers of things that are new or changed in place of what those have answered."""
    if not fields:
        return
    connection = await work.connection()
    thing = registry.CUSTOM_THINGS[fields[0].row.thing]
    taken = " AND NOT s.is_refused" if table == "residents" else ""
    for sql in (_OF_CHANGED, _PUBLISH, _PUBLISH_SEALED):
        own = _OWN.format(key=KEYS[table])
        text = sql.format(table=table, own=own, column=thing, taken=taken, new_id=NEW_ID_SQL)
        await connection.execute(text, work.tenant_id, asked.import_id, [field.id for field in fields])

"""The registry in a tenant pack: `fields.csv`, the city's own fields of things; choices are set apart by `|`.

A field that a pack states no more is retired, not removed: what things have answered stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from sqlalchemy import select

from cityloom.core.errors import Refusal
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import FieldKindFixed
from cityloom.modules.registry.service.custom import LAST_POSITION, demand_choices
from cityloom.tenancy.packs import CsvTable, PackPart, PackRow

if TYPE_CHECKING:
    from cityloom.core.work import Work
    from cityloom.tenancy.packs import Differences, Pack, Problems
    from cityloom.tenancy.packs.parts import Rows

Title = Annotated[str, Field(min_length=1, max_length=100)]
_BETWEEN = "|"


class FieldRow(PackRow):
    """One field of the city's own; see `models.CustomField`."""

    thing: Literal["BUILDING", "DWELLING", "HOUSEHOLD", "RESIDENT", "ORGANISATION", "VEHICLE"]
    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    title_zh: Title
    title_en: Title
    kind: Literal["TEXT", "NUMBER", "YES_NO", "CHOICE", "CHOICES", "DAY"] = "TEXT"
    required: bool = False
    choices: Annotated[str, Field(max_length=20_000)] | None = None
    sensitivity: Literal["PLAIN", "RESTRICTED"] = "PLAIN"
    position: Annotated[int, Field(ge=0, le=LAST_POSITION)] = 0

    def words(self) -> list[str]:
        """The choices one by one."""
        return self.choices.split(_BETWEEN) if self.choices else []


FIELDS = CsvTable("fields.csv", FieldRow, key=("thing", "code"))


class RegistryPart(PackPart):
    """See `cityloom.tenancy.packs.PackPart`."""

    name = "registry"
    tables = (FIELDS,)

    def check(self, pack: Pack, problems: Problems) -> None:
        """Choices stand where something is chosen, and nowhere else."""
        for entry in pack.entries(FIELDS):
            try:
                demand_choices(entry.row.kind, entry.row.words())
            except Refusal as refusal:
                problems.add(entry, "choices", zh=refusal.message("zh"), en=refusal.message("en"))

    async def read(self, work: Work) -> Rows:
        """The fields that are asked now."""
        fields = await work.session.scalars(select(m.CustomField).where(m.CustomField.is_retired.is_(False)))
        return {FIELDS: [_row(field) for field in fields]}

    async def write(self, work: Work, differences: Differences) -> None:
        """Make it so; refuses (`FieldKindFixed`, `FieldChoicesWrong`) what would make answers mean something else."""
        difference = differences[FIELDS]
        known = {
            (field.thing, field.code): field
            for field in await work.session.scalars(select(m.CustomField).with_for_update())
        }
        for row in difference.removed:
            _retire(work, known[row.thing, row.code])
        for row in (*difference.added, *(new for _, new in difference.changed)):
            field = known.get((row.thing, row.code))
            if field is None:
                work.session.add(_field(work, row))
            else:
                _change(work, field, row)
        await work.session.flush()


def _row(field: m.CustomField) -> FieldRow:
    return FieldRow.model_validate(
        {
            "thing": field.thing,
            "code": field.code,
            "title_zh": field.title_zh,
            "title_en": field.title_en,
            "kind": field.kind,
            "required": field.is_required,
            "choices": _BETWEEN.join(field.choices) or None,
            "sensitivity": field.sensitivity,
            "position": field.position,
        }
    )


def _field(work: Work, row: FieldRow) -> m.CustomField:
    return m.CustomField(
        thing=row.thing,
        code=row.code,
        title_zh=row.title_zh,
        title_en=row.title_en,
        kind=row.kind,
        is_required=row.required,
        choices=row.words(),
        sensitivity=row.sensitivity,
        position=row.position,
        version=1,
        created_at=work.now(),
        changed_at=work.now(),
    )


def _change(work: Work, field: m.CustomField, row: FieldRow) -> None:
    if (field.kind, field.sensitivity) != (row.kind, row.sensitivity):
        raise FieldKindFixed(field=row.code)
    demand_choices(row.kind, row.words(), kept=field.choices)
    field.title_zh, field.title_en, field.is_required = row.title_zh, row.title_en, row.required
    field.choices, field.position, field.is_retired = row.words(), row.position, False
    field.version += 1
    field.changed_at = work.now()


def _retire(work: Work, field: m.CustomField) -> None:
    field.is_retired = True
    field.version += 1
    field.changed_at = work.now()

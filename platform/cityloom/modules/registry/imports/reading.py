"""One row on its way into what was read: taken apart into links and a person, each checked by the services' rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from cityloom.core.errors import Refusal
from cityloom.imports.targets import Finding
from cityloom.modules.registry import people, service
from cityloom.modules.registry.imports import cells, own
from cityloom.modules.registry.imports import columns as c
from cityloom.modules.registry.imports import models as m
from cityloom.modules.registry.imports.errors import LinkNotNamed, RowSaysNothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.imports.targets import Row
    from cityloom.modules.registry.service.values import ResidentValues

#: Statements that are remembered, so that the same household is not sent with each of its people.
_REMEMBERED: Final = 50_000
#: Columns by the argument of a service that a refusal names.
_COLUMNS: Final = {
    "identityNumber": "identity_number",
    "birthOn": "birth_on",
    "sizeDm2": "size",
    "use": "dwelling_use",
    "kind": "household_kind",
}
#: What names a link; the rest of its columns is what is said of it.
KEYS: Final[dict[type[m.StagedLink], tuple[str, ...]]] = {
    m.StagedBuilding: ("code",),
    m.StagedDwelling: ("building_code", "unit", "number"),
    m.StagedHousehold: ("number",),
}
#: The cells that say where a link is.
_WHERE: Final[dict[type[m.StagedLink], tuple[str, ...]]] = {
    m.StagedBuilding: (c.AREA,),
    m.StagedDwelling: (c.BUILDING,),
    m.StagedHousehold: (c.AREA, c.BUILDING, "unit", c.DWELLING),
}
_THINGS: Final = {
    c.BUILDING: ("building", "楼栋"),
    c.DWELLING: ("dwelling", "房屋"),
    c.HOUSEHOLD: ("household", "住户"),
    c.NAME: ("resident", "居民"),
}
_SEX, _USE, _KIND, _RELATIONSHIP = (
    partial(cells.word, column) for column in ("sex", "dwelling_use", "household_kind", "relationship")
)


@dataclass(slots=True)
class Person:
    """A resident that a row states: values in their normal form, and answers to the city's own fields by their ids."""

    row: Row
    household: str
    values: ResidentValues
    index: bytes | None
    answers: dict[UUID, own.Answer]


@dataclass(slots=True)
class Read:
    """Rows, taken apart; links by kind and key."""

    links: dict[type[m.StagedLink], dict[tuple[str, ...], dict[str, Any]]] = field(
        default_factory=lambda: {model: {} for model in KEYS}
    )
    answers: own.SaidAnswers = field(default_factory=dict)
    people: list[Person] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


class Reader:
    """Takes the rows of one import apart; what it remembers of rows before only saves work."""

    def __init__(self, keys: TenantKeys, today: date, fields: Iterable[own.OwnField]) -> None:
        self.keys, self.today = keys, today
        self.fields: dict[str, list[own.OwnField]] = {thing: [] for thing in own.THINGS}
        for one in fields:
            self.fields[one.row.thing].append(one)
        stated = {
            thing: (*columns, *(one.column for one in self.fields[thing]))
            for thing, columns in (
                ("BUILDING", c.OF_BUILDING),
                ("DWELLING", c.OF_DWELLING),
                ("HOUSEHOLD", c.OF_HOUSEHOLD),
                ("RESIDENT", c.OF_RESIDENT),
            )
        }
        #: The cells that say something of a thing.
        self.stating = {thing: frozenset(columns) for thing, columns in stated.items()}
        #: The cells that say something of a link, or where it is.
        self.cells = {model: (*stated[thing_of(model)], *where) for model, where in _WHERE.items()}
        self.seen: set[tuple[Any, ...]] = set()

    def read(self, rows: Sequence[Row]) -> Read:
        """Take rows apart; a link with an error is left out, and what the row states to lie in it."""
        if len(self.seen) > _REMEMBERED:
            self.seen.clear()
        read = Read()
        for row in rows:
            _RowReader(self, row, read).read()
        return read


def thing_of(model: type[m.StagedLink]) -> str:
    """What kind of thing a staged link is, as fields of a city's own name it."""
    return model.__name__.removeprefix("Staged").upper()


def found_in(row: Row, refusal: Refusal, column: str | None = None) -> Finding:
    """A refusal as a finding about a row, in the column that it names."""
    named = str(refusal.path[0]) if refusal.path else None
    return Finding(row.sheet, row.number, column or (_COLUMNS.get(named, named) if named else None), refusal)


class _RowReader:
    def __init__(self, reader: Reader, row: Row, into: Read) -> None:
        self._reader, self._row, self._values, self._into = reader, row, row.values, into
        self._errors: list[Finding] = []

    def read(self) -> None:
        """Take the row apart, or note what is wrong with it."""
        present, stating = self._values.keys(), self._reader.stating
        building = not present.isdisjoint(stating["BUILDING"])
        dwelling = not present.isdisjoint(stating["DWELLING"])
        household = not present.isdisjoint(stating["HOUSEHOLD"])
        resident = not present.isdisjoint(stating["RESIDENT"])
        if not (building or dwelling or household or resident):
            self._errors.append(Finding(self._row.sheet, self._row.number, None, RowSaysNothing()))
        self._demand_names(
            (c.BUILDING, building or dwelling),
            (c.DWELLING, dwelling),
            (c.HOUSEHOLD, household or resident),
            (c.NAME, resident),
        )
        if building and not self._errors:
            self._state(m.StagedBuilding, self._building, is_end=not (dwelling or resident))
        if dwelling and not self._errors:
            self._state(m.StagedDwelling, self._dwelling, is_end=not (household or resident))
        if household and not self._errors:
            self._state(m.StagedHousehold, self._household, is_end=not resident)
        if resident and not self._errors:
            person = self._person()
            if person is not None:
                self._into.people.append(person)
        self._into.findings.extend(self._errors)

    def _demand_names(self, *needed: tuple[str, bool]) -> None:
        """Whatever is said of a link, it is named, and so is what it lies in."""
        for column, is_needed in needed:
            if is_needed and column not in self._values:
                thing, thing_zh = _THINGS[column]
                title = c.TITLES[column]
                refusal = LinkNotNamed(thing=thing, thing_zh=thing_zh, column=f"{title.zh} ({column})")
                self._errors.append(Finding(self._row.sheet, self._row.number, column, refusal))

    def _cell(self, column: str, read: Callable[[str], Any]) -> Any:  # noqa: ANN401 - a value
        """What a cell says, None where it is blank or wrong, which is noted."""
        cell = self._values.get(column)
        if cell is None:
            return None
        try:
            return read(cell)
        except Refusal as refusal:
            self._errors.append(found_in(self._row, refusal, column))
            return None

    def _checked(self, check: Callable[[Any], dict[str, Any]], **stated: tuple[str, Any]) -> dict[str, Any]:
        """Values as a service takes them, by its names for them; what it refuses is noted in the value's column."""
        values = {name: value for name, (_, value) in stated.items() if value is not None}
        try:
            return check(values)
        except Refusal:
            for name, value in values.items():
                try:
                    check({name: value})
                except Refusal as refusal:
                    self._errors.append(found_in(self._row, refusal, stated[name][0]))
            return {}

    def _building(self) -> dict[str, Any]:
        get = self._values.get
        position = self._cell("longitude", cells.decimal), self._cell("latitude", cells.decimal)
        checked = self._checked(
            service.building_columns,
            code=(c.BUILDING, get(c.BUILDING)),
            name=("building_name", get("building_name")),
            address=("address", get("address")),
            storeys=("storeys", self._cell("storeys", cells.whole)),
            position=("longitude", None if None in position else position),
        ).get
        return {
            "code": checked("code"),
            "area_code": get(c.AREA),
            "name": checked("name"),
            "address": checked("address"),
            "storeys": checked("storeys"),
            "longitude": checked("longitude"),
            "latitude": checked("latitude"),
        }

    def _dwelling(self) -> dict[str, Any]:
        get = self._values.get
        checked = self._checked(
            service.dwelling_columns,
            unit=("unit", get("unit")),
            number=(c.DWELLING, get(c.DWELLING)),
            floor=("floor", self._cell("floor", cells.whole)),
            size_dm2=("size", self._cell("size", cells.square_decimetres)),
        ).get
        return {
            "building_code": get(c.BUILDING),
            "unit": checked("unit", ""),
            "number": checked("number"),
            "floor": checked("floor"),
            "use": self._cell("dwelling_use", _USE),
            "size_dm2": checked("size_dm2"),
        }

    def _household(self) -> dict[str, Any]:
        get = self._values.get
        in_dwelling = c.DWELLING in self._values
        return {
            "number": self._checked(service.household_columns, number=(c.HOUSEHOLD, get(c.HOUSEHOLD))).get("number"),
            "kind": self._cell("household_kind", _KIND),
            "area_code": None if in_dwelling else get(c.AREA),
            "building_code": get(c.BUILDING) if in_dwelling else None,
            "unit": (get("unit") or "") if in_dwelling else None,
            "dwelling_number": get(c.DWELLING),
        }

    def _person(self) -> Person | None:
        get = self._values.get
        read = {
            "name": get(c.NAME),
            "identity_number": self._cell("identity_number", cells.digits),
            "birth_on": self._cell("birth_on", cells.day),
            "sex": self._cell("sex", _SEX),
            "phone": self._cell("phone", cells.digits),
            "relationship": self._cell("relationship", _RELATIONSHIP),
        }
        stated: Any = {name: value for name, value in read.items() if value is not None}
        answers = self._answers("RESIDENT")
        try:
            checked = service.checked_resident(self._reader.today, stated)
        except Refusal as refusal:
            self._errors.extend(self._all_of(stated) or [found_in(self._row, refusal)])
        if self._errors:
            return None
        number = checked.get("identity_number")
        index = None if number is None else people.index_of_identity(self._reader.keys, number)
        return Person(self._row, self._values[c.HOUSEHOLD], checked, index, answers)

    def _all_of(self, stated: dict[str, Any]) -> list[Finding]:
        """Everything that is wrong with a resident, not only what was noticed first."""
        found = []
        for name, value in stated.items():
            try:
                service.checked_resident(self._reader.today, {name: value})  # type: ignore[misc] # one of the keys
            except Refusal as refusal:
                found.append(found_in(self._row, refusal))
        return found

    def _answers(self, thing: str) -> dict[UUID, own.Answer]:
        """What the row answers to the city's own fields of a thing."""
        return {
            one.id: answer
            for one in self._reader.fields[thing]
            if (answer := self._cell(one.column, one.answer)) is not None
        }

    def _state(self, model: type[m.StagedLink], read: Callable[[], dict[str, Any]], *, is_end: bool) -> None:
        """Put what is said of a link beside what other rows of the chunk say of it, unless the same was said before."""
        statement = (model, is_end, *map(self._values.get, self._reader.cells[model]))
        if statement in self._reader.seen:
            return
        said, answers = read(), self._answers(thing_of(model))
        if self._errors:
            return
        self._reader.seen.add(statement)
        key = tuple(said[name] for name in KEYS[model])
        self._answer("\n".join(key), answers)
        present = self._into.links[model].get(key)
        if present is None:
            place = {"sheet": self._row.sheet, "row": self._row.number}
            self._into.links[model][key] = said | place | {"is_end": is_end, "is_contradicted": False}
            return
        present["is_end"] = present["is_end"] or is_end
        for name, value in said.items():
            if present[name] is None:
                present[name] = value
            elif value is not None and value != present[name]:
                present["is_contradicted"] = True

    def _answer(self, key: str, answers: dict[UUID, own.Answer]) -> None:
        for field_id, answer in answers.items():
            said = self._into.answers.setdefault((field_id, key), own.Said(self._row.sheet, self._row.number, answer))
            said.is_contradicted = said.is_contradicted or said.answer != answer

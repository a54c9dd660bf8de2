"""Rows one by one: taken apart, checked, looked up, sealed. Nothing here waits but `look_up` and `stage`."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from cityloom.core.bulk import insert_rows, insert_text, table_of
from cityloom.core.crypto import birth_date_in, check_identity_number
from cityloom.core.database import beyond_wall
from cityloom.core.errors import Refusal
from cityloom.core.ids import new_id
from cityloom.imports.targets import Finding
from cityloom.modules.registry import names, people, service
from cityloom.modules.registry.errors import IdentityNumberTaken
from cityloom.modules.registry.imports import cells
from cityloom.modules.registry.imports import columns as c
from cityloom.modules.registry.imports import models as m
from cityloom.modules.registry.imports.errors import (
    AlreadyRegistered,
    LiesElsewhere,
    LikelyDuplicate,
    LinkNotNamed,
    OutsideScope,
    RowSaysNothing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.principal import Scope
    from cityloom.core.work import Work
    from cityloom.imports.targets import Asked, Row

#: Statements that are remembered, so that the same household is not sent with each of its people.
_REMEMBERED: Final = 50_000
_NOWHERE: Final = "registry.resident.change"
#: Columns by the argument of a service that a refusal names.
_COLUMNS: Final = {
    "identityNumber": "identity_number",
    "birthOn": "birth_on",
    "sizeDm2": "size",
    "use": "dwelling_use",
    "kind": "household_kind",
}
_LINK = ("id", "import_id", "sheet", "row", "is_end", "is_contradicted")
_OF: Final[dict[type[m.StagedLink], tuple[str, ...]]] = {
    m.StagedBuilding: ("code", "area_code", "name", "address", "storeys", "longitude", "latitude"),
    m.StagedDwelling: ("building_code", "unit", "number", "floor", "use", "size_dm2"),
    m.StagedHousehold: ("number", "kind", "area_code", "building_code", "unit", "dwelling_number"),
}
#: The cells that say something of a link, or where it is.
_CELLS: Final[dict[type[m.StagedLink], tuple[str, ...]]] = {
    m.StagedBuilding: (*c.OF_BUILDING, c.AREA),
    m.StagedDwelling: (*c.OF_DWELLING, c.BUILDING),
    m.StagedHousehold: (*c.OF_HOUSEHOLD, c.AREA, c.BUILDING, "unit", c.DWELLING),
}
#: What names a link; the rest of its columns is what is said of it.
_KEYS: Final[dict[type[m.StagedLink], tuple[str, ...]]] = {
    m.StagedBuilding: ("code",),
    m.StagedDwelling: ("building_code", "unit", "number"),
    m.StagedHousehold: ("number",),
}
_PERSON = (
    "name",
    "sex",
    "birth_year",
    "birth_on",
    "identity_number",
    "identity_masked",
    "identity_index",
    "phone",
    "phone_masked",
    "phone_index",
    "relationship",
)
_RESIDENT = (
    "id",
    "import_id",
    "sheet",
    "row",
    "household_number",
    "target_id",
    "version",
    "outcome",
    "is_refused",
    "likeness",
    *_PERSON,
    "tokens",
)


def _merging(model: type[m.StagedLink]) -> str:
    """What is said later is put beside what was said first; where both say something else, that is noted."""
    said = [name for name in _OF[model] if name not in _KEYS[model]]
    merged = ", ".join(f'"{name}" = coalesce(s."{name}", excluded."{name}")' for name in said)
    differs = " OR ".join(f's."{name}" <> excluded."{name}"' for name in said)
    key = ", ".join(f'"{name}"' for name in ("tenant_id", "import_id", *_KEYS[model]))
    return (
        f"ON CONFLICT ({key}) DO UPDATE SET {merged}, is_end = s.is_end OR excluded.is_end, "
        f"is_contradicted = s.is_contradicted OR excluded.is_contradicted OR coalesce({differs}, false)"
    )


_LINKS: Final = {
    model: insert_text(table_of(model), (*_LINK, *names_), ending=_merging(model)) for model, names_ in _OF.items()
}
_RESIDENTS = insert_text(table_of(m.StagedResident), _RESIDENT)

_REGISTERED = """
SELECT r.id, r.version, r.name, r.sex, r.birth_year, r.birth_on, r.identity_number, r.identity_masked,
  r.identity_index, r.phone, r.phone_masked, r.phone_index, r.relationship, r.status, r.area_path,
  h.number AS household_number
FROM residents AS r LEFT JOIN households AS h ON h.tenant_id = $1 AND h.id = r.household_id
WHERE r.tenant_id = $1 AND
"""
_BY_IDENTITY = _REGISTERED + "r.identity_index = ANY($2::bytea[])"
_BY_NAME = """
SELECT r.id FROM unnest($2::text[], $3::text[]) AS w (number, name)
JOIN households AS h ON h.tenant_id = $1 AND h.number = w.number
JOIN residents AS r ON r.tenant_id = $1 AND r.household_id = h.id AND r.name = w.name
"""
_BY_ID = _REGISTERED + "r.id = ANY($2::uuid[])"


@dataclass(slots=True)
class Person:
    """A resident that a row states."""

    row: Row
    household: str
    name: str
    values: dict[str, Any]
    index: bytes | None


@dataclass(slots=True)
class Read:
    """Rows, taken apart; links by kind and key."""

    links: dict[type[m.StagedLink], dict[tuple[str, ...], dict[str, Any]]] = field(
        default_factory=lambda: {model: {} for model in _OF}
    )
    people: list[Person] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class Known:
    """Who is registered: by identity number, and by household and name."""

    by_index: dict[bytes, Any] = field(default_factory=dict)
    by_name: dict[tuple[str, str], list[Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Sealed:
    """Rows as they are staged."""

    links: dict[type[m.StagedLink], list[tuple[Any, ...]]]
    residents: list[tuple[Any, ...]]


class RegistryChecking:
    """The rows of one import of the registry (`imports.targets.Checking`)."""

    def __init__(self, asked: Asked, keys: TenantKeys, today: date, reads: Scope | None, changes: Scope | None) -> None:
        self._asked, self.keys, self._today = asked, keys, today
        self._reads, self._changes = reads, changes
        self.seen: set[tuple[Any, ...]] = set()

    def read(self, rows: Sequence[Row]) -> Read:
        """Take rows apart; a link with an error is left out, and what the row states to lie in it."""
        if len(self.seen) > _REMEMBERED:
            self.seen.clear()
        read = Read()
        for row in rows:
            _RowReader(self, row, read).read()
        return read

    async def look_up(self, work: Work, read: Read) -> Known:
        """Who is registered with these identity numbers, or with these names in these households."""
        known = Known()
        indexes = [person.index for person in read.people if person.index is not None]
        pairs = {(person.household, person.name) for person in read.people}
        if not pairs:
            return known
        async with beyond_wall(work.session):
            connection = await work.connection()
            found = list(await connection.fetch(_BY_IDENTITY, work.tenant_id, indexes)) if indexes else []
            numbers, said = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            ids = [row["id"] for row in await connection.fetch(_BY_NAME, work.tenant_id, numbers, said)]
            alike = await connection.fetch(_BY_ID, work.tenant_id, ids) if ids else []
        known.by_index = {row["identity_index"]: SimpleNamespace(**row) for row in found}
        for row in alike:
            person = SimpleNamespace(**row)
            known.by_name.setdefault((person.household_number, person.name), []).append(person)
        return known

    def seal(self, read: Read, known: Known) -> tuple[Sealed, list[Finding]]:
        """Rows as they are staged; protected values are sealed for the resident whose they will be."""
        residents = [row for person in read.people if (row := self._resident(person, known, read.findings)) is not None]
        import_id = self._asked.import_id
        links = {
            model: [
                (
                    new_id(),
                    import_id,
                    said["sheet"],
                    said["row"],
                    said["is_end"],
                    said["is_contradicted"],
                    *(said[name] for name in _OF[model]),
                )
                for said in stated.values()
            ]
            for model, stated in read.links.items()
        }
        return Sealed(links, residents), read.findings

    async def stage(self, work: Work, sealed: Sealed) -> None:
        """Write rows into the staging tables."""
        for model, rows in sealed.links.items():
            await insert_rows(work, _LINKS[model], rows)
        await insert_rows(work, _RESIDENTS, sealed.residents)

    def _resident(self, person: Person, known: Known, found: list[Finding]) -> tuple[Any, ...] | None:
        """The staged row of a resident; None for one with an error, which is noted."""
        row = person.row
        try:
            former = self._registered(person, known, found)
            columns, outcome, former = self._columns(person, former, found)
        except Refusal as refusal:
            found.extend(self._errors(person, refusal))
            return None
        # Who is new is sealed for the id that they will have.
        row_id, target = (columns["id"], columns["id"]) if former is None else (new_id(), former.id)
        born = person.values.get("birth_on")
        likeness = self.keys.blind_index(people.TABLE, "likeness", f"{person.household}\n{person.name}\n{born or ''}")
        is_renamed = former is None or columns["name"] != former.name
        return (
            row_id,
            self._asked.import_id,
            row.sheet,
            row.number,
            person.household,
            target,
            None if former is None else former.version,
            outcome,
            False,
            likeness,
            *(columns[name] for name in _PERSON),
            "\n".join(names.tokens(columns["name"])) if is_renamed else None,
        )

    def _registered(self, person: Person, known: Known, found: list[Finding]) -> Any:  # noqa: ANN401 - a row of residents
        """Who it is, if they are registered; refuses what the caller may not know of or has asked to refuse."""
        former = known.by_index.get(person.index) if person.index is not None else None
        if former is not None:
            if self._asked.rule == "REFUSE" or self._reads is None or not self._reads.covers(former.area_path):
                raise IdentityNumberTaken(path=("identityNumber",))
            return former
        born = person.values.get("birth_on")
        for one in known.by_name.get((person.household, person.name), ()):
            if (person.index is not None and one.identity_index is not None) or self._born(one) != born:
                continue
            if self._reads is None or not self._reads.covers(one.area_path):
                continue
            if self._asked.rule == "REFUSE":
                raise LikelyDuplicate(path=("name",))
            found.append(Finding(person.row.sheet, person.row.number, c.NAME, LikelyDuplicate(), is_error=False))
            return one
        return None

    def _born(self, former: Any) -> date | None:  # noqa: ANN401 - a row of residents
        if former.birth_on is None:
            return None
        return cells.day(self.keys.open(people.TABLE, "birth_on", former.id, former.birth_on))

    def _columns(self, person: Person, former: Any, found: list[Finding]) -> tuple[dict[str, Any], str, Any]:  # noqa: ANN401 - a row of residents
        """The columns as they will be, what that means, and who they were."""
        row_id = new_id() if former is None else former.id
        columns = service.resident_columns(self._today, self.keys, row_id, person.values)  # type: ignore[arg-type] # only the keys of the mapping
        if former is None:
            return {"relationship": "OTHER", "sex": "UNKNOWN", **_BLANK, **columns, "id": row_id}, "NEW", None
        before = {name: getattr(former, name) for name in _PERSON}
        service.keep_equal(self.keys, former, columns)
        is_other = any(before[name] != value for name, value in columns.items())
        is_elsewhere = former.status != "LIVING" or former.household_number != person.household
        if self._asked.rule == "SKIP" and (is_other or is_elsewhere):
            found.append(Finding(person.row.sheet, person.row.number, c.NAME, AlreadyRegistered(), is_error=False))
            return before, "SKIPPED", former
        if is_elsewhere:
            raise LiesElsewhere(path=(c.HOUSEHOLD,))
        if not is_other:
            return before, "SAME", former
        if self._changes is None or not self._changes.covers(former.area_path):
            raise OutsideScope(path=(c.NAME,), permission=_NOWHERE)
        return before | columns, "CHANGED", former

    def _errors(self, person: Person, first: Refusal) -> list[Finding]:
        """Everything that is wrong with a resident, not only what was noticed first."""
        refusals = []
        row_id = new_id()
        for name, value in person.values.items():
            try:
                service.resident_columns(self._today, self.keys, row_id, {name: value})  # type: ignore[misc] # one of the keys
            except Refusal as refusal:
                refusals.append(refusal)
        return [found_in(person.row, refusal) for refusal in refusals or [first]]


_BLANK: Final = dict.fromkeys(_PERSON[2:10])


def found_in(row: Row, refusal: Refusal, column: str | None = None) -> Finding:
    """A refusal as a finding about a row, in the column that it names."""
    named = str(refusal.path[0]) if refusal.path else None
    return Finding(row.sheet, row.number, column or (_COLUMNS.get(named, named) if named else None), refusal)


class _RowReader:
    """One row on its way into what was read."""

    def __init__(self, checking: RegistryChecking, row: Row, into: Read) -> None:
        self._checking, self._row, self._values, self._into = checking, row, row.values, into
        self._errors: list[Finding] = []

    def read(self) -> None:
        """Take the row apart, or note what is wrong with it."""
        values = self._values
        has = {
            link: any(column in values for column in columns)
            for link, columns in (
                (c.BUILDING, c.OF_BUILDING),
                (c.DWELLING, c.OF_DWELLING),
                (c.HOUSEHOLD, c.OF_HOUSEHOLD),
                (c.NAME, c.OF_RESIDENT),
            )
        }
        if not any(has.values()):
            self._errors.append(Finding(self._row.sheet, self._row.number, None, RowSaysNothing()))
        links: tuple[tuple[bool, type[m.StagedLink], Callable[[], dict[str, Any]], bool], ...] = (
            (has[c.BUILDING], m.StagedBuilding, self._building, not (has[c.DWELLING] or has[c.NAME])),
            (has[c.DWELLING], m.StagedDwelling, self._dwelling, not (has[c.HOUSEHOLD] or has[c.NAME])),
            (has[c.HOUSEHOLD], m.StagedHousehold, self._household, not has[c.NAME]),
        )
        self._demand_names(has)
        for is_stated, model, read, is_end in links:
            if is_stated and not self._errors:
                self._state(model, read, is_end=is_end)
        person = self._person() if has[c.NAME] and not self._errors else None
        if person is not None and not self._errors:
            self._into.people.append(person)
        self._into.findings.extend(self._errors)

    def _demand_names(self, has: dict[str, bool]) -> None:
        """Whatever is said of a link, it is named, and so is what it lies in."""
        needed = {
            c.BUILDING: has[c.BUILDING] or has[c.DWELLING],
            c.DWELLING: has[c.DWELLING],
            c.HOUSEHOLD: has[c.HOUSEHOLD] or has[c.NAME],
            c.NAME: has[c.NAME],
        }
        for column, is_needed in needed.items():
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

    def _checked(self, check: Callable[[Any], dict[str, Any]], column: str, name: str, value: Any) -> Any:  # noqa: ANN401 - a value
        """A value as the service takes it."""
        if value is None:
            return None
        try:
            return check({name: value})[name]
        except Refusal as refusal:
            self._errors.append(found_in(self._row, refusal, column))
            return None

    def _building(self) -> dict[str, Any]:
        get, check = self._values.get, service.building_columns
        position = self._cell("longitude", cells.decimal), self._cell("latitude", cells.decimal)
        longitude, latitude = None, None
        if None not in position:
            try:
                checked = check({"position": position})
                longitude, latitude = checked["longitude"], checked["latitude"]
            except Refusal as refusal:
                self._errors.append(found_in(self._row, refusal, "longitude"))
        return {
            "code": self._checked(check, c.BUILDING, "code", get(c.BUILDING)),
            "area_code": get(c.AREA),
            "name": self._checked(check, "building_name", "name", get("building_name")),
            "address": self._checked(check, "address", "address", get("address")),
            "storeys": self._checked(check, "storeys", "storeys", self._cell("storeys", cells.whole)),
            "longitude": longitude,
            "latitude": latitude,
        }

    def _dwelling(self) -> dict[str, Any]:
        get, check = self._values.get, service.dwelling_columns
        return {
            "building_code": get(c.BUILDING),
            "unit": self._checked(check, "unit", "unit", get("unit")) or "",
            "number": self._checked(check, c.DWELLING, "number", get(c.DWELLING)),
            "floor": self._checked(check, "floor", "floor", self._cell("floor", cells.whole)),
            "use": self._cell("dwelling_use", lambda cell: cells.word("dwelling_use", cell)),
            "size_dm2": self._checked(check, "size", "size_dm2", self._cell("size", cells.square_decimetres)),
        }

    def _household(self) -> dict[str, Any]:
        get, check = self._values.get, service.household_columns
        in_dwelling = c.DWELLING in self._values
        return {
            "number": self._checked(check, c.HOUSEHOLD, "number", get(c.HOUSEHOLD)),
            "kind": self._cell("household_kind", lambda cell: cells.word("household_kind", cell)),
            "area_code": None if in_dwelling else get(c.AREA),
            "building_code": get(c.BUILDING) if in_dwelling else None,
            "unit": (get("unit") or "") if in_dwelling else None,
            "dwelling_number": get(c.DWELLING),
        }

    def _person(self) -> Person:
        checking, get = self._checking, self._values.get
        number = self._cell("identity_number", lambda cell: check_identity_number(cells.digits(cell)))
        index = None if number is None else people.index_of_identity(checking.keys, number)
        values = {
            "name": get(c.NAME),
            "identity_number": number,
            "birth_on": self._cell("birth_on", cells.day),
            "sex": self._cell("sex", lambda cell: cells.word("sex", cell)),
            "phone": self._cell("phone", cells.digits),
            "relationship": self._cell("relationship", lambda cell: cells.word("relationship", cell)),
        }
        stated = {name: value for name, value in values.items() if value is not None}
        if number is not None and "birth_on" not in stated:
            # As the service takes it from the number: needed to find people who are alike.
            stated["birth_on"] = birth_date_in(number)
        return Person(self._row, self._values[c.HOUSEHOLD], self._values[c.NAME], stated, index)

    def _state(self, model: type[m.StagedLink], read: Callable[[], dict[str, Any]], *, is_end: bool) -> None:
        """Put what is said of a link beside what other rows of the chunk say of it, unless the same was said before."""
        statement = (model, is_end, *map(self._values.get, _CELLS[model]))
        if statement in self._checking.seen:
            return
        said = read()
        if self._errors:
            return
        self._checking.seen.add(statement)
        key = tuple(said[name] for name in _KEYS[model])
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


_THINGS: Final = {
    c.BUILDING: ("building", "楼栋"),
    c.DWELLING: ("dwelling", "房屋"),
    c.HOUSEHOLD: ("household", "住户"),
    c.NAME: ("resident", "居民"),
}

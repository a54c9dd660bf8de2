"""Rows of the registry looked up, sealed and staged. Nothing here waits but `look_up` and `stage`."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from cityloom.core.bulk import insert_rows, insert_text, table_of
from cityloom.core.database import beyond_wall
from cityloom.core.errors import Refusal
from cityloom.core.ids import new_id
from cityloom.imports.targets import Finding
from cityloom.modules.registry import names, people, service
from cityloom.modules.registry.errors import IdentityNumberTaken
from cityloom.modules.registry.imports import cells, own
from cityloom.modules.registry.imports import columns as c
from cityloom.modules.registry.imports import models as m
from cityloom.modules.registry.imports.errors import AlreadyRegistered, LiesElsewhere, LikelyDuplicate, OutsideScope
from cityloom.modules.registry.imports.reading import KEYS, Person, Read, Reader, found_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.principal import Scope
    from cityloom.core.work import Work
    from cityloom.imports.targets import Asked, Row

_NOWHERE: Final = "registry.resident.change"
_LINK = ("id", "import_id", "sheet", "row", "is_end", "is_contradicted")
_OF: Final[dict[type[m.StagedLink], tuple[str, ...]]] = {
    m.StagedBuilding: ("code", "area_code", "name", "address", "storeys", "longitude", "latitude"),
    m.StagedDwelling: ("building_code", "unit", "number", "floor", "use", "size_dm2"),
    m.StagedHousehold: ("number", "kind", "area_code", "building_code", "unit", "dwelling_number"),
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
    said = [name for name in _OF[model] if name not in KEYS[model]]
    merged = ", ".join(f'"{name}" = coalesce(s."{name}", excluded."{name}")' for name in said)
    differs = " OR ".join(f's."{name}" <> excluded."{name}"' for name in said)
    key = ", ".join(f'"{name}"' for name in ("tenant_id", "import_id", *KEYS[model]))
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
class Known:
    """Who is registered: by identity number, and by household and name; and their answers, by ids."""

    by_index: dict[bytes, Any] = field(default_factory=dict)
    by_name: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    answers: dict[UUID, dict[UUID, own.Answer]] = field(default_factory=dict)


@dataclass(slots=True)
class Sealed:
    """Rows as they are staged."""

    links: dict[type[m.StagedLink], list[tuple[Any, ...]]]
    residents: list[tuple[Any, ...]]
    answers: own.SaidAnswers


class RegistryChecking:
    """The rows of one import of the registry (`imports.targets.Checking`)."""

    def __init__(
        self,
        asked: Asked,
        keys: TenantKeys,
        today: date,
        fields: Sequence[own.OwnField],
        reads: Scope | None,
        changes: Scope | None,
    ) -> None:
        self._asked, self.keys, self._reads, self._changes = asked, keys, reads, changes
        self._reader = Reader(keys, today, fields)

    def read(self, rows: Sequence[Row]) -> Read:
        """Take rows apart."""
        return self._reader.read(rows)

    async def look_up(self, work: Work, read: Read) -> Known:
        """Who is registered with these identity numbers, or with these names in these households."""
        known = Known()
        indexes = [person.index for person in read.people if person.index is not None]
        pairs = {(person.household, person.values["name"]) for person in read.people}
        if not pairs:
            return known
        async with beyond_wall(work.session):
            connection = await work.connection()
            found = list(await connection.fetch(_BY_IDENTITY, work.tenant_id, indexes)) if indexes else []
            numbers, said = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            ids = [row["id"] for row in await connection.fetch(_BY_NAME, work.tenant_id, numbers, said)]
            alike = await connection.fetch(_BY_ID, work.tenant_id, ids) if ids else []
            everybody = [row["id"] for row in (*found, *alike)]
            known.answers = await own.present(work, everybody, self._reader.fields["RESIDENT"])
        known.by_index = {row["identity_index"]: SimpleNamespace(**row) for row in found}
        for row in alike:
            person = SimpleNamespace(**row)
            known.by_name.setdefault((person.household_number, person.name), []).append(person)
        return known

    def seal(self, read: Read, known: Known) -> tuple[Sealed, list[Finding]]:
        """Rows as they are staged; protected values are sealed for the resident whose they will be."""
        residents = [row for person in read.people if (row := self._resident(person, known, read)) is not None]
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
        return Sealed(links, residents, read.answers), read.findings

    async def stage(self, work: Work, sealed: Sealed) -> None:
        """Write rows into the staging tables."""
        for model, rows in sealed.links.items():
            await insert_rows(work, _LINKS[model], rows)
        await insert_rows(work, _RESIDENTS, sealed.residents)
        await own.stage(work, self._asked.import_id, sealed.answers)

    def _resident(self, person: Person, known: Known, read: Read) -> tuple[Any, ...] | None:
        """The staged row of a resident; None for one with an error, which is noted."""
        row, name = person.row, person.values["name"]
        try:
            former = self._registered(person, known, read.findings)
            columns, outcome, former = self._columns(person, former, known, read.findings)
        except Refusal as refusal:
            read.findings.append(found_in(row, refusal))
            return None
        # Who is new is sealed for the id that they will have.
        row_id, target = (columns["id"], columns["id"]) if former is None else (new_id(), former.id)
        born = person.values.get("birth_on")
        likeness = self.keys.blind_index(people.TABLE, "likeness", f"{person.household}\n{name}\n{born or ''}")
        for field_id, answer in person.answers.items():
            read.answers[field_id, f"{row.sheet}:{row.number}"] = own.Said(row.sheet, row.number, answer)
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
        for one in known.by_name.get((person.household, person.values["name"]), ()):
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

    def _columns(
        self,
        person: Person,
        former: Any,  # noqa: ANN401 - a row of residents
        known: Known,
        found: list[Finding],
    ) -> tuple[dict[str, Any], str, Any]:
        """The columns as they will be, what that means, and who they were."""
        row_id = new_id() if former is None else former.id
        columns = service.sealed_resident(self.keys, row_id, person.values, index=person.index)
        if former is None:
            return {"relationship": "OTHER", "sex": "UNKNOWN", **_BLANK, **columns, "id": row_id}, "NEW", None
        before = {name: getattr(former, name) for name in _PERSON}
        service.keep_equal(self.keys, former, columns)
        answered = known.answers.get(row_id, {})
        is_other = any(before[name] != value for name, value in columns.items()) or any(
            answered.get(field_id) != answer for field_id, answer in person.answers.items()
        )
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


_BLANK: Final = dict.fromkeys(_PERSON[2:10])

"""Data and callers of the paper city, made from a seed."""

# ruff: noqa: ANN401, PLR2004, S608 - any column; chances of a draw; names of our own tables
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from sqlalchemy.schema import CreateTable

from cityloom.core.database import APP, SERVER_SETTINGS
from cityloom.core.principal import FieldAccess, Principal, PrincipalKind, Scope, subtree
from cityloom.core.rls import AREA, TENANT
from cityloom.testing.graph.sandbox import AREA_COLUMN, PaperBase
from cityloom.testing.rights import ALL, StatedRights

if TYPE_CHECKING:
    import asyncpg

_WORDS = [
    "",
    "a",
    "A",
    "ab",
    "中",
    "中文",
    "中文路",
    "o'clock",
    'quo"te',
    "back\\slash",
    "%",
    "_",
    "é",
    "Z",
    "日\n本",
    "{}",
    "$1",
    "--",
    "1",
    "10",
    "2",
    "\U0001f600",
]
_PATHS = ["1.", "1.1.", "1.1.1.", "1.2.", "1.10.", "2.", "2.1.", "3."]


@dataclass
class City:
    """Rows of one tenant by table."""

    tenant_id: UUID
    rows: dict[str, list[SimpleNamespace]] = field(default_factory=dict)

    def all(self, table: str) -> list[SimpleNamespace]:
        """The rows of a table."""
        return self.rows.get(table, [])


def make_city(seed: int, size: int) -> City:
    """A city of about `size` houses; equal seeds give equal cities."""
    random = Random(seed)  # noqa: S311 - test data
    city = City(UUID(int=random.getrandbits(128)))

    def new(table: str, **values: Any) -> SimpleNamespace:
        row = SimpleNamespace(tenant_id=city.tenant_id, id=UUID(int=random.getrandbits(128)), **values)
        city.rows.setdefault(table, []).append(row)
        return row

    departments = [UUID(int=seed * 10 + at) for at in range(2)]
    by_path: dict[str, SimpleNamespace] = {}
    for path in _PATHS:
        above = by_path.get(path[: path.rstrip(".").rfind(".") + 1])
        by_path[path] = new("districts", name=random.choice(_WORDS), path=path, parent_id=above.id if above else None)
    for _ in range(size):
        place = by_path[random.choice(_PATHS)]
        house = new(
            "houses",
            district_id=place.id,
            area_path=place.path,
            number=random.choice(_WORDS),
            use=random.choice(["home", "shop"]),
            rooms=random.choice([None, 0, 1, 2, -3, 2**31 - 1]),
            value_fen=random.choice([0, 1, 5_000_000_000, -7]),
            built_on=random.choice([None, date(1999, 12, 31), date(2020, 2, 29)]),
            checked_at=datetime(2026, 1, 1, tzinfo=UTC)
            + timedelta(microseconds=random.choice([0, 1, 120_000, 10**12])),
            longitude=random.choice([None, 0.5, -113.25, 1e-7]),
            is_listed=random.random() < 0.5,
            share=Decimal(random.choice(["0.10", "1.00"])),
            marks=random.sample(_WORDS, k=random.randrange(3)),
            extra=random.choice([None, {"k": [1, None, "中"]}, [], "text", 5]),
        )
        for _ in range(random.choice([0, 0, 1, 3])):
            new("labels", house_id=house.id, word=random.choice(_WORDS))
        for _ in range(random.choice([0, 1, 2, 4])):
            phone = random.choice([None, "13800000000"])
            new(
                "people",
                house_id=random.choice([house.id, house.id, None]),
                area_path=place.path,
                department_id=random.choice([None, *departments]),
                account_id=random.choice([None, _account(seed)]),
                name=random.choice(_WORDS),
                phone=phone,
                phone_masked=phone and "138****0000",
                born_on=random.choice([None, date(1950, 1, 1)]),
            )
        if random.random() < 0.5:
            person = random.choice(city.all("people")) if city.all("people") else None
            is_of_house = person is None or random.random() < 0.5
            new(
                "notices",
                house_id=house.id if is_of_house else None,
                person_id=None if is_of_house or person is None else person.id,
                text=random.choice(_WORDS),
            )
    return city


def _account(seed: int) -> UUID:
    return UUID(int=1_000 + seed)


def callers(city: City, seed: int) -> dict[str, Principal]:
    """One caller of each kind that the compiler treats differently."""
    everything = ("paper.district.read", "paper.house.read", "paper.person.read")
    open_fields = {"paper.person.phone": FieldAccess.FULL, "paper.person.birth": FieldAccess.FULL}

    def within(*paths: str) -> Scope:
        return Scope(areas=tuple(subtree(path) for path in paths))

    stated = {
        "whole city": StatedRights(dict.fromkeys(everything, ALL), open_fields),
        "one grid": StatedRights(dict.fromkeys(everything, within("1.1.")), open_fields),
        "two areas": StatedRights(dict.fromkeys(everything, within("1.1.", "2.")), open_fields),
        "no houses": StatedRights({"paper.district.read": ALL, "paper.person.read": ALL}, open_fields),
        "masked": StatedRights(
            dict.fromkeys(everything, ALL),
            {"paper.person.phone": FieldAccess.MASKED, "paper.person.birth": FieldAccess.FULL},
        ),
        "forbidden": StatedRights(dict.fromkeys(everything, ALL), {}),
        "department": StatedRights(
            {**dict.fromkeys(everything, ALL), "paper.person.read": Scope(departments=(UUID(int=seed * 10),))},
            open_fields,
        ),
        "own": StatedRights(
            {**dict.fromkeys(everything, within("1.")), "paper.person.read": Scope(own=True, areas=(subtree("3."),))},
            {},
        ),
        "nobody": StatedRights(),
    }
    return {
        name: Principal(
            tenant_id=city.tenant_id, kind=PrincipalKind.STAFF, rights=rights, account_id=_account(seed), locale="en"
        )
        for name, rights in stated.items()
    }


async def create_tables(admin: asyncpg.Connection[asyncpg.Record]) -> None:
    """Make the tables, with row-level security for the application's role."""
    await admin.execute(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE "
        f"rolname = '{APP}') THEN CREATE ROLE {APP} LOGIN; END IF; END $$"
    )
    for table in PaperBase.metadata.sorted_tables:
        await admin.execute(str(CreateTable(table).compile(dialect=_dialect())))
        await admin.execute(f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY")
        await admin.execute(f"ALTER TABLE {table.name} FORCE ROW LEVEL SECURITY")
        await admin.execute(f"CREATE POLICY tenant_isolation ON {table.name} USING ({TENANT})")
        if column := AREA_COLUMN.get(table.name):
            await admin.execute(
                f"CREATE POLICY area_scope ON {table.name} AS RESTRICTIVE USING ({AREA.replace('area_path', column)})"
            )
        await admin.execute(f"GRANT SELECT ON {table.name} TO {APP}")


def _dialect() -> Any:
    from sqlalchemy.dialects import postgresql

    return postgresql.dialect()  # type: ignore[no-untyped-call] # the dialect is untyped


async def store(admin: asyncpg.Connection[asyncpg.Record], city: City) -> None:
    """Write a city's rows."""
    await admin.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads
    )
    for table, rows in city.rows.items():
        names = [column.name for column in PaperBase.metadata.tables[table].columns]
        marks = ", ".join(f"${at}" for at in range(1, len(names) + 1))
        await admin.executemany(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",
            [[getattr(row, name) for name in names] for row in rows],
        )


__all__ = ["SERVER_SETTINGS", "City", "callers", "create_tables", "make_city", "store"]

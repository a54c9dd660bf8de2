"""Every index that a declared filter or ordering needs exists: each is explained over a large table of every root list.

The tables are filled from their own definitions, so that a new type is covered as soon as it is declared. A filter that
hits one row in 20,000 must not look at more than a page or so of others, whichever way the planner goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import orjson
import pytest
import pytest_asyncio
import sqlalchemy as sa
from graphql import GraphQLEnumType, GraphQLList, GraphQLNonNull, get_named_type, parse, validate
from sqlalchemy.engine import make_url

from cityloom.core.clock import SystemClock
from cityloom.core.crypto.providers import FileKeyProvider
from cityloom.core.database import APP, SERVER_SETTINGS, Base, asyncpg_arguments
from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import Scope
from cityloom.core.work import Works
from cityloom.graph.bound.bindings import BINDING, BoundType, RootConnectionBinding, binding_of
from cityloom.graph.compiler import Compiler
from cityloom.graph.schema import shared_contracts
from cityloom.installed import modules
from cityloom.modules.areas.models import Polygon
from cityloom.tenancy.keys import KeyRing
from cityloom.testing.rights import StatedRights, principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from graphql import GraphQLSchema

    from cityloom.core.principal import Principal
    from cityloom.testing.database import TestServer

ROWS, OTHERS = 20_000, 10_000
#: Rows that a page may look at beside its own: two pages, because keys of equal rank are looked at together.
SPARE = 400
AREA = ("1.7.", "1.7/")


def contract() -> GraphQLSchema:
    """The tenant API with every module."""
    installed = modules()
    return shared_contracts(installed, "tenant").of(frozenset(m.name for m in installed)).graphql


SCHEMA = contract()
assert SCHEMA.query_type is not None
ROOTS = SCHEMA.query_type.fields


def filter_type(field: str) -> Any:
    """The input of a root connection's argument `where`."""
    return get_named_type(ROOTS[field].args["where"].type)


@dataclass(frozen=True)
class RootList:
    """A root field that answers a connection over one table."""

    field: str
    bound: BoundType

    @property
    def table(self) -> sa.Table:
        """Where its rows are."""
        table: sa.Table = self.bound.model.__table__
        return table

    def filters(self) -> Iterator[tuple[str, str | None]]:
        """Each declared filter of the type's own columns: its field and operator; None for one without operators."""
        where = filter_type(self.field)
        for name, given in where.fields.items():
            note = given.extensions["strawberry-definition"].metadata.get(BINDING)
            if note.kind in {"id", "column"}:
                yield from ((name, operator) for operator in get_named_type(given.type).fields if operator != "isNull")
            elif note.kind == "match":
                yield name, None


def root_lists() -> list[RootList]:
    """Every root connection of the tenant API over a table with tenants, one per type."""
    found: dict[str, RootList] = {}
    for name, field in ROOTS.items():
        binding = binding_of(field.extensions.get("strawberry-definition"))
        if isinstance(binding, RootConnectionBinding) and binding.limit is None:
            bound: BoundType = binding.target.__bound__
            found.setdefault(bound.name, RootList(name, bound))
    return list(found.values())


LISTS = root_lists()


@dataclass
class Large:
    """The database with the large tables, as the application's role."""

    connection: asyncpg.Connection[asyncpg.Record]
    tenant: UUID
    admin_url: str
    compiler: Compiler
    services: dict[type, Any]

    async def sample(self, table: str, column: str, at: str) -> Any:
        """A value of the tenant's: from the middle, or the third from one end."""
        order = {"middle": "id", "low": column, "high": f"{column} DESC"}[at]
        skip = ROWS // 2 if at == "middle" else 2
        known = f"FROM {table} WHERE tenant_id = $1 AND {column} IS NOT NULL"
        text = f"SELECT {column} {known} ORDER BY {order} OFFSET {skip} LIMIT 1"
        admin = await asyncpg.connect(**asyncpg_arguments(make_url(self.admin_url)))
        try:
            return await admin.fetchval(text, self.tenant)
        finally:
            await admin.close()

    async def plan(self, text: str, caller: Principal) -> tuple[str, dict[str, Any]]:
        """The statement of a document, and its query plan after it ran."""
        document = parse(text)
        errors = validate(SCHEMA, document)
        assert not errors, errors
        seen: list[tuple[str, Sequence[Any]]] = []

        async def fetch(sql: str, args: Sequence[Any]) -> Any:
            seen.append((sql, args))
            return (None,) * 9

        await self.compiler.plan(SCHEMA, document, None, {}, caller, document_key=text).run(
            fetch, context=self.services
        )
        ((sql, args),) = seen
        explained = await self.connection.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", *args)
        return sql, orjson.loads(explained)[0]["Plan"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def large(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Large]:
    """A database of its own: 20,000 rows of one tenant among 10,000 of others in every table of a root list."""
    async with server.clone("indexes") as url:
        admin = await asyncpg.connect(**asyncpg_arguments(make_url(url)))
        tenant = new_id()
        besides = (
            "resident_name_tokens",
            "organisation_name_tokens",
            "custom_fields",
            "custom_values",
            "resident_tags",
        )
        tables = {one.table for one in LISTS} | {Base.metadata.tables[name] for name in besides}
        try:
            await admin.execute("SET session_replication_role = replica; SET synchronous_commit = off")
            for table in sorted(tables, key=lambda t: t.name):
                await _fill(admin, table, tenant)
            await admin.execute(ANSWERED)
            await admin.execute(TAGGED.format(tenant=tenant))
            await admin.execute("VACUUM ANALYZE")
        finally:
            await admin.close()
        async with server.open(url) as opened:
            arguments = asyncpg_arguments(opened.app_url)
            assert arguments["user"] == APP
            connection = await asyncpg.connect(**arguments, server_settings=SERVER_SETTINGS)
            try:
                keys = KeyRing(FileKeyProvider(tmp_path_factory.mktemp("keys")), opened, SystemClock())
                yield Large(connection, tenant, url, Compiler(), {KeyRing: keys, Works: Works(opened)})
            finally:
                await connection.close()


async def _fill(admin: asyncpg.Connection[asyncpg.Record], table: sa.Table, tenant: UUID) -> None:
    """Rows made from the table's definition: distinct values, but the words of a check in turn, and some null."""
    words: dict[str, list[str]] = {}
    for constraint in list(table.constraints):
        if isinstance(constraint, sa.CheckConstraint):
            text = str(constraint.sqltext)
            if match := re.fullmatch(r"(\w+) IN \(([^)]*)\)", text):
                words[match[1]] = re.findall(r"'([^']*)'", match[2])
            await admin.execute(f'ALTER TABLE {table.name} DROP CONSTRAINT "{_name(constraint, table)}"')
    for column in table.columns:
        if column.computed is not None and not column.nullable:
            await admin.execute(f"ALTER TABLE {table.name} ALTER COLUMN {column.name} DROP NOT NULL")
    columns = [c for c in table.columns if c.computed is None]
    names = ", ".join(f'"{c.name}"' for c in columns)
    values = ", ".join(_value(c, words.get(c.name)) for c in columns)
    await admin.execute(
        f"""
        INSERT INTO {table.name} ({names})
        SELECT {values} FROM (
          SELECT i, CASE WHEN i % 3 > 0 THEN '{tenant}'::uuid ELSE md5('tenant' || i % 9)::uuid END AS tenant
          FROM generate_series(1, {ROWS + OTHERS}) AS i
        ) AS made
        """  # noqa: S608 - names of tables and columns, numbers, words of checks
    )


def _name(constraint: sa.CheckConstraint, table: sa.Table) -> str:
    # The naming convention is applied when DDL is compiled.
    given = str(constraint.name)
    return given if given.startswith("ck_") else f"ck_{table.name}_{given}"


#: What rows are filled with, by type; the first that fits counts. `i` is the row's number, `{}` the column's name.
VALUES: tuple[tuple[type[Any], str], ...] = (
    (sa.Uuid, "md5('{}' || i)::uuid"),
    (sa.ARRAY, "'{{}}'"),
    (sa.String, "'{}' || lpad(i::text, 8, '0')"),
    (sa.Boolean, "i % 2 = 0"),
    (sa.DateTime, "now() - i * interval '1 minute'"),
    (sa.Date, "date '1970-01-01' + i"),
    (sa.Float, "i * 0.001"),
    (sa.Integer, "i"),
    (sa.LargeBinary, "decode(md5('{}' || i), 'hex')"),
    (sa.JSON, "'{{}}'::jsonb"),
    (Polygon, "'((0,0),(1,1),(1,0))'::polygon"),
)


def _value(column: sa.Column[Any], words: list[str] | None) -> str:
    """An SQL expression over the row's number `i`."""
    name = column.name
    if name == "tenant_id":
        return "tenant"
    if _is_reference(column):
        made = "md5('id' || i)::uuid"
    elif name in {"area_path", "path"}:
        made = "'1.' || i % 20 || '.' || i || '.'"
    elif words:
        made = f"(ARRAY[{', '.join(repr(w) for w in words)}])[1 + i % {len(words)}]"
    else:
        made = next(value for type_, value in VALUES if isinstance(column.type, type_)).format(name)
    return f"CASE WHEN i % 11 = 0 THEN NULL ELSE {made} END" if column.nullable else made


def _is_reference(column: sa.Column[Any]) -> bool:
    """Whether the column holds the id of another row: then of one that there is."""
    elements = (element for key in column.table.foreign_key_constraints for element in key.elements)
    return any(element.parent is column and element.column.name == "id" for element in elements)


async def _literal(given: RootList, name: str, operator: str | None, large: Large) -> str:
    """A value as a GraphQL literal with which a filter hits about one row; ranges lie at the end of all values."""
    where = filter_type(given.field)
    note = where.fields[name].extensions["strawberry-definition"].metadata[BINDING]
    if name in CUSTOM:
        return await _custom(given, name, large)
    if name == "hasSensitiveTag":
        return await _sensitive(large)
    if operator is None:
        return orjson.dumps(
            {"identityNumber": "11010519491231002X", "phone": "13800000000", "plate": "赣B12345"}.get(name, "王小明")
        ).decode()
    type_ = get_named_type(where.fields[name].type).fields[operator].type
    column = "id" if note.kind == "id" else note.field.column.key
    at = {"lt": "low", "lte": "low", "gt": "high", "gte": "high"}.get(operator, "middle")
    value = await large.sample(given.table.name, column, at)
    if note.kind == "id":
        value = encode_id(given.bound.tag or "", large.tenant, UUID(bytes=value.bytes))
    named = get_named_type(type_)
    if isinstance(named, GraphQLEnumType):
        literal = next(key for key, item in named.values.items() if getattr(item.value, "value", item.value) == value)
    else:
        plain = value if isinstance(value, int | float | str) else value.isoformat()
        literal = orjson.dumps(plain).decode()
    return f"[{literal}]" if _is_list(type_) else literal


HELD = """WITH one AS (
    SELECT r.id AS resident, t.id AS tag FROM residents AS r, tags AS t
    WHERE r.tenant_id = $1 AND t.tenant_id = $1 LIMIT 1
  ), held AS (
    UPDATE resident_tags AS h SET resident_id = one.resident, tag_id = one.tag, sensitivity = 'SENSITIVE',
      ended_at = NULL, ending = NULL FROM one
    WHERE h.tenant_id = $1 AND h.id = (SELECT id FROM resident_tags WHERE tenant_id = $1 LIMIT 1)
  )
  UPDATE tags SET sensitivity = 'SENSITIVE' FROM one WHERE tenant_id = $1 AND id = one.tag RETURNING code"""
PURPOSE = """INSERT INTO privacy_purposes (tenant_id, id, code, title_zh, title_en, basis, basis_text, fields,
    daily_quota, lasts_minutes, is_active, created_at, changed_at)
  VALUES ($1, $2, 'CARE', 'x', 'x', 'LEGAL_DUTY', '', '["tags.resident.sensitive"]', 5, 5, true, now(), now())
  ON CONFLICT DO NOTHING"""
#: Filters by a city's own fields: the column of the answers, and how the filter is written.
CUSTOM = {
    "custom": ("word", '{{field: "{field}", eq: "{value}"}}'),
    "customNumber": ("number", '{{field: "{field}", gte: {value}, lte: {value}}}'),
    "customDay": ("day", '{{field: "{field}", gte: "{value}", lte: "{value}"}}'),
}


#: One field for each kind of thing has all of the answers: a filter has to find its one, not read those of the field.
ANSWERED = """
    UPDATE custom_fields SET sensitivity = 'PLAIN', thing = (
      ARRAY['BUILDING', 'DWELLING', 'HOUSEHOLD', 'RESIDENT', 'ORGANISATION', 'VEHICLE'])[1 + position / 6 % 6];
    UPDATE custom_values AS v SET field_id = f.id FROM (
      SELECT tenant_id, id, row_number() OVER (PARTITION BY tenant_id ORDER BY thing) - 1 AS number
      FROM (SELECT DISTINCT ON (tenant_id, thing) * FROM custom_fields ORDER BY tenant_id, thing, id) AS first
    ) AS f WHERE f.tenant_id = v.tenant_id AND f.number = v.position / 6 % 6
"""
#: A tag that a quarter of the residents have, and one that three have.
TAGGED = """
    UPDATE resident_tags SET code = 'common', sensitivity = 'OPEN', ended_at = NULL, ending = NULL
      WHERE get_byte(uuid_send(id), 0) < 64;
    UPDATE resident_tags SET code = 'rare' WHERE id IN (
      SELECT id FROM resident_tags WHERE tenant_id = '{tenant}' AND code = 'common' LIMIT 3)
"""
A_FIELD = "SELECT id, code FROM custom_fields WHERE tenant_id = $1 AND thing = $2 ORDER BY id LIMIT 1"


async def _sensitive(large: Large) -> str:
    """A tag that somebody has, and a purpose for which that is told."""
    admin = await asyncpg.connect(**asyncpg_arguments(make_url(large.admin_url)))
    try:
        code = await admin.fetchval(HELD, large.tenant)
        await admin.execute(PURPOSE, large.tenant, new_id())
    finally:
        await admin.close()
    return f'{{codes: ["{code}"], purpose: "CARE"}}'


async def _custom(given: RootList, name: str, large: Large) -> str:
    column, literal = CUSTOM[name]
    admin = await asyncpg.connect(**asyncpg_arguments(make_url(large.admin_url)))
    try:
        field, code = await admin.fetchrow(A_FIELD, large.tenant, given.bound.name.upper())
        answers = f"FROM custom_values WHERE tenant_id = $1 AND field_id = $2 AND {column} IS NOT NULL"
        assert await admin.fetchval(f"SELECT count(*) {answers}", large.tenant, field) > 2_000
        value = await admin.fetchval(f"SELECT {column} {answers} OFFSET 500 LIMIT 1", large.tenant, field)
    finally:
        await admin.close()
    return literal.format(field=code, value=value)


def _is_list(type_: Any) -> bool:
    return isinstance(type_.of_type if isinstance(type_, GraphQLNonNull) else type_, GraphQLList)


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan:
        yield plan
    for below in plan.get("Plans", ()):
        yield from _scans(below)


def _looked_at(plan: dict[str, Any]) -> int:
    """Rows that scans of tables looked at in all."""
    return sum(
        int(
            (s["Actual Rows"] + s.get("Rows Removed by Filter", 0) + s.get("Rows Removed by Index Recheck", 0))
            * s["Actual Loops"]
        )
        for s in _scans(plan)
    )


def _findings(what: str, plan: dict[str, Any], most: int) -> list[str]:
    found = [f"{what}: sequential scan on {s['Relation Name']}" for s in _scans(plan) if s["Node Type"] == "Seq Scan"]
    looked = _looked_at(plan)
    return [*found, f"{what}: {looked:,} rows looked at, at most {most} expected"] if looked > most else found


def _callers(tenant: UUID) -> dict[str, Principal]:
    names = {one.bound.read for one in LISTS} - {None}
    guards = [one.bound.scope.guard for one in LISTS if one.bound.scope is not None]
    names |= {permission for guard in guards if guard is not None for permission in guard.permissions.values()}
    scopes = {"whole city": Scope(everywhere=True), "one area": Scope(areas=(AREA,))}
    return {label: principal(tenant, StatedRights(dict.fromkeys(names, scope))) for label, scope in scopes.items()}  # type: ignore[arg-type] # None is taken out


@pytest.mark.parametrize("given", LISTS, ids=lambda one: one.field)
async def test_every_filter_finds_its_rows_by_an_index(large: Large, given: RootList) -> None:
    caller = _callers(large.tenant)["whole city"]
    found: list[str] = []
    for name, operator in given.filters():
        literal = await _literal(given, name, operator, large)
        condition = f"{name}: {literal}" if operator is None else f"{name}: {{{operator}: {literal}}}"
        text = f"{{ {given.field}(first: 20, where: {{{condition}}}) {{ nodes {{ __typename }} }} }}"
        _sql, plan = await large.plan(text, caller)
        found += _findings(condition, plan, 20 + SPARE)
    assert not found, "\n".join(["indexes are missing:", *found])


@pytest.mark.parametrize("caller", ["whole city", "one area"])
@pytest.mark.parametrize("given", LISTS, ids=lambda one: one.field)
async def test_every_ordering_reads_no_more_than_its_page(large: Large, given: RootList, caller: str) -> None:
    found: list[str] = []
    orders = [None, *(f"{{by: {name}, direction: {way}}}" for name in given.bound.orderings for way in ("ASC", "DESC"))]
    for order in orders:
        for page in ("first", "last"):
            by = f", orderBy: {order}" if order else ""
            selected = "nodes { __typename } pageInfo { hasNextPage hasPreviousPage }"
            text = f"{{ {given.field}({page}: 20{by}) {{ {selected} }} }}"
            _sql, plan = await large.plan(text, _callers(large.tenant)[caller])
            # An area with a twentieth of the rows is met once in twenty along any other order.
            most = 21 + SPARE if caller == "whole city" else 21 * 20 + 2 * SPARE
            if caller == "one area" and given.bound.scope is not None and given.bound.scope.rows is not None:
                most += ROWS // 20  # those rows of another table that say which are in the area
            found += _findings(f"{page} {order}", plan, most)
    assert not found, "\n".join(["indexes are missing:", *found])


@pytest.mark.parametrize("order", ["NAME", "RECORDED", "BIRTH_YEAR"])
@pytest.mark.parametrize(("codes", "found"), [(["common"], 20), (["rare"], 3), (["rare", "none"], 3), (["none"], 0)])
async def test_holders_of_a_tag_are_found_however_many_there_are(
    large: Large, codes: list[str], found: int, order: str
) -> None:
    text = f"""{{ residents(first: 20, where: {{hasTag: {orjson.dumps(codes).decode()}}}, orderBy: {{by: {order}}}) {{
        nodes {{ id }} }} }}"""
    _sql, plan = await large.plan(text, _callers(large.tenant)["whole city"])
    assert not _findings(f"{codes} by {order}", plan, 20 + SPARE)
    assert max(scan["Actual Rows"] * scan["Actual Loops"] for scan in _scans(plan)) >= found


@pytest.mark.parametrize("field", ["dwellings", "households", "residents"])
async def test_a_count_by_any_word_reads_an_index_alone(large: Large, field: str) -> None:
    asked = 0
    for name, given in filter_type(field).fields.items():
        note = given.extensions["strawberry-definition"].metadata.get(BINDING)
        words = get_named_type(get_named_type(given.type).fields["eq"].type) if note.kind == "column" else None
        if not isinstance(words, GraphQLEnumType):
            continue
        for caller in _callers(large.tenant).values():
            text = f"{{ {field}(where: {{{name}: {{eq: {next(iter(words.values))}}}}}) {{ totalCount }} }}"
            _sql, plan = await large.plan(text, caller)
            assert {scan["Node Type"] for scan in _scans(plan)} == {"Index Only Scan"}, text
            asked += 1
    assert asked


def test_there_are_root_lists() -> None:
    assert {"areas", "buildings", "dwellings", "households", "residents"} <= {one.field for one in LISTS}


def test_a_missing_index_is_found() -> None:
    scan = {"Node Type": "Seq Scan", "Relation Name": "residents", "Actual Rows": 1, "Rows Removed by Filter": 9_000}
    assert len(_findings("x", {"Plans": [{**scan, "Actual Loops": 1}]}, 20)) == 2

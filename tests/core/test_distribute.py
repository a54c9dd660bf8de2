"""What Citus would be told, by what it prints: one call per table, in an order that foreign keys allow."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from cityloom.core import rls
from cityloom.core.database import Base
from cityloom.core.distribute import CitusMissing, calls, distribute
from cityloom.installed import import_models

import_models()
CALL = re.compile(
    r"SELECT (?:create_reference_table\('(?P<reference>\w+)'\)"
    r"|create_distributed_table\('(?P<tenant>\w+)', 'tenant_id', colocate_with => '(?P<beside>\w+)'\)"
    r"|citus_add_local_table_to_metadata\('(?P<control>\w+)'\))\Z"
)


def test_every_table_has_exactly_one_call_of_its_kind() -> None:
    seen: Counter[str] = Counter()
    for call in calls():
        match = CALL.match(call)
        assert match, call
        table = next(match[name] for name in ("reference", "tenant", "control") if match[name])
        seen[table] += 1
        expected = {"tenant": "tenant", "control": "control", "directory": "reference", "reference": "reference"}
        assert match[expected[rls.kind(Base.metadata.tables[table])]] == table
    assert seen == Counter(dict.fromkeys(Base.metadata.tables, 1))


def test_tenant_tables_lie_together_and_after_what_they_refer_to() -> None:
    found = [match for call in calls() if (match := CALL.match(call))]
    order = [m["reference"] or m["tenant"] or m["control"] for m in found]
    tenant = [m for m in found if m["tenant"]]
    assert tenant[0]["beside"] == "none"
    assert {m["beside"] for m in tenant[1:]} == {tenant[0]["tenant"]}
    for name, table in Base.metadata.tables.items():
        for key in table.foreign_keys:
            target = key.column.table.name
            assert target == name or order.index(target) < order.index(name)


def test_no_foreign_key_cascades_over_the_distribution_column() -> None:
    """Citus refuses ON UPDATE CASCADE, and SET NULL on delete, where `tenant_id` is part of the key."""
    for table in Base.metadata.tables.values():
        for key in table.foreign_key_constraints:
            if rls.kind(table) == "tenant":
                assert key.onupdate is None
                assert key.ondelete in {None, "CASCADE", "RESTRICT", "NO ACTION"}, key.name


async def test_without_citus_it_is_refused(admin_url: str) -> None:
    engine = create_async_engine(make_url(admin_url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as connection:
            with pytest.raises(CitusMissing):
                await connection.run_sync(distribute)
    finally:
        await engine.dispose()

"""Rows by the thousand through row-level security: `COPY` is refused there, one INSERT of arrays is not.

No table has to be made first, and the tenant is a parameter of the statement, so that Citus routes it whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.exc import DBAPIError

from cityloom.core.database import Base

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table

    from cityloom.core.database import TenantTable
    from cityloom.core.work import Work

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call] # the dialect is untyped
_quote = _DIALECT.identifier_preparer.quote

#: PostgreSQL's code for a lock that was not had within `lock_timeout`.
_LOCK_NOT_AVAILABLE = "55P03"
_UNCOUNTED = "SELECT bool_or(reltuples <= 0) FROM pg_class WHERE oid = ANY($1::regclass[])"


def table_of(model: type[TenantTable]) -> Table:
    """The table of a model."""
    return Base.metadata.tables[model.__tablename__]  # type: ignore[attr-defined] # models name their tables


def insert_text(table: Table, columns: Sequence[str], *, same: Sequence[str] = (), ending: str = "") -> str:
    """An INSERT of arrays, one for each column, `$1` being the tenant; `ending` is an ON CONFLICT clause of ours.

    `same` are columns with one value for all rows. Where an area is stated and no path, the path is the area's own.
    Columns of arrays cannot be written so: PostgreSQL unnests all dimensions.
    """

    def given(name: str, at: int, dimensions: str = "") -> str:
        # A collation is the column's, no part of the values' type.
        return f"${at}::{table.c[name].type.compile(dialect=_DIALECT).partition(' COLLATE ')[0]}{dimensions}"

    def listed(names: Sequence[str], before: str = "") -> str:
        return "".join(f", {before}{_quote(table.c[name].name)}" for name in names)

    arrays = ", ".join(given(name, at, "[]") for at, name in enumerate(columns, 2))
    values = "".join(f", {given(name, at)}" for at, name in enumerate(same, 2 + len(columns)))
    names, rows = listed([*columns, *same]), listed(columns, "g.")
    source = f"unnest({arrays}) AS g ({listed(columns)[2:]})"
    if "area_id" in columns and "area_path" in table.c and "area_path" not in columns:
        # An area that is not there leaves no path, which no policy lets through.
        names, values = f"{names}, area_path", f"{values}, a.path"
        source += " LEFT JOIN areas AS a ON a.tenant_id = $1 AND a.id = g.area_id"
    return f"INSERT INTO {_quote(table.name)} AS s (tenant_id{names}) SELECT $1{rows}{values} FROM {source} {ending}"  # noqa: S608 - names of our own tables and columns


async def insert_rows(work: Work, statement: str, rows: Sequence[Sequence[Any]], *same: Any) -> None:  # noqa: ANN401 - of any column
    """Write rows, each with its values in the order of the statement's columns; `same` are those that all have."""
    if rows:
        connection = await work.connection()
        await connection.execute(statement, work.tenant_id, *map(list, zip(*rows, strict=True)), *same)


async def keep_uncounted(work: Work, *tables: str) -> None:
    """Let nobody count the rows of these tables until the work ends, where none were ever counted.

    To be asked before many first rows are written of which others refer to each other. Whoever counted them meanwhile
    (autovacuum does) would find none that is committed: then the planner takes all indexes for equally good, and
    foreign keys look each row up through one that only leads with the tenant (measured: 110,000 rows not done in 8
    minutes, not 2 seconds). Where another work does the same there is nothing to wait for: its rows are there when it
    ends.
    """
    connection = await work.connection()
    if not await connection.fetchval(_UNCOUNTED, tables):
        return
    names = ", ".join(map(_quote, tables))
    try:
        async with work.session.begin_nested():
            await work.session.execute(text(f"LOCK TABLE {names} IN SHARE UPDATE EXCLUSIVE MODE"))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise

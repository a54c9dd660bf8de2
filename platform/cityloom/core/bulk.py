"""Rows by the thousand through row-level security: `COPY` is refused there, one INSERT of arrays is not.

No table has to be made first, and the tenant is a parameter of the statement, so that Citus routes it whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from cityloom.core.database import Base

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table

    from cityloom.core.database import TenantTable
    from cityloom.core.work import Work

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call] # the dialect is untyped


def table_of(model: type[TenantTable]) -> Table:
    """The table of a model."""
    return Base.metadata.tables[model.__tablename__]  # type: ignore[attr-defined] # models name their tables


def insert_text(table: Table, columns: Sequence[str], *, ending: str = "") -> str:
    """An INSERT of arrays, one for each column, `$1` being the tenant; `ending` is an ON CONFLICT clause of ours.

    Columns of arrays cannot be written so: PostgreSQL unnests all dimensions.
    """
    quote = _DIALECT.identifier_preparer.quote
    types = [table.c[name].type.compile(dialect=_DIALECT).partition(" COLLATE ")[0] for name in columns]
    arrays = ", ".join(f"${at}::{type_}[]" for at, type_ in enumerate(types, 2))
    names = ", ".join(quote(table.c[name].name) for name in columns)
    return f"INSERT INTO {quote(table.name)} AS s (tenant_id, {names}) SELECT $1, * FROM unnest({arrays}) {ending}"  # noqa: S608 - names of our own tables and columns


async def insert_rows(work: Work, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Write rows, each with its values in the order of the statement's columns."""
    if rows:
        connection = await work.connection()
        await connection.execute(statement, work.tenant_id, *map(list, zip(*rows, strict=True)))

"""From an expression of SQLAlchemy to text and arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from cityloom.graph.bound.bindings import Plain

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from cityloom.graph.compiler.build import Build
    from cityloom.graph.compiler.values import Getter

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call] # the dialect is untyped


def in_bytes(column: ColumnElement[Any]) -> ColumnElement[bytes]:
    """Finished JSON as bytes, so that the driver does not decode what is only passed on."""
    return sa.func.convert_to(sa.cast(column, sa.Text()), sa.literal_column("'UTF8'"))


def rendered(build: Build, statement: Select[Any]) -> tuple[str, tuple[Getter, ...]]:
    """The text of a statement, and what reads each of its arguments."""
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    names = compiled.positiontup or []
    # Declared expressions may hold plain values: they belong to the plan.
    return str(compiled), tuple(build.getters.get(name) or _constant(compiled.params[name]) for name in names)


def _constant(value: Plain) -> Plain:
    return lambda _variables, _principal: value


def settings(build: Build) -> Plain:
    """Sets tenant and area wall for row-level security; in autocommit they die with the statement."""
    low = build.shared("wall low", lambda _variables, principal: principal.rights.wall[0], sa.Text())
    high = build.shared("wall high", lambda _variables, principal: principal.rights.wall[1], sa.Text())
    given = (("app.tenant_id", sa.cast(build.tenant, sa.Text())), ("app.area_lo", low), ("app.area_hi", high))
    names = ("tenant", "area_lo", "area_hi")
    calls = [
        sa.func.set_config(sa.literal_column(f"'{setting}'"), value, sa.true()).label(name)
        for name, (setting, value) in zip(names, given, strict=True)
    ]
    return sa.select(*calls).cte("ctx").prefix_with("MATERIALIZED")

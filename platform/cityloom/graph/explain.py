"""What a plan does, for people: its SQL, the rights that shaped it, its cost, and the plan of PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cityloom.core.principal import Scope
    from cityloom.graph.bound.bindings import Services
    from cityloom.graph.compiler import Query

    #: Runs a statement and answers all its rows.
    FetchAll = Callable[[str, Sequence[Any]], Awaitable[Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of one query; `query_plan` is empty where no database was asked."""

    sql: str
    arguments: int
    cost: int
    rights: tuple[tuple[str, str], ...]
    forbidden: tuple[str, ...]
    resolved: tuple[str, ...]
    others: tuple[str, ...]
    sources: tuple[tuple[str, str], ...] = ()
    query_plan: str = ""

    def text(self) -> str:
        """All of it, for a terminal."""
        parts = [f"-- cost: at most {self.cost} rows; {self.arguments} parameters"]
        parts += [f"-- right: {permission}: {scope}" for permission, scope in self.rights]
        parts += [f"-- counted: {place}: from {table}" for place, table in self.sources]
        parts += [f"-- forbidden: {place}" for place in self.forbidden]
        parts += [f"-- finished in Python: {place}" for place in self.resolved]
        parts += [f"-- not compiled: {place}" for place in self.others]
        return "\n".join(
            [*parts, "", self.sql or "-- no statement", *(["", self.query_plan] if self.query_plan else [])]
        )


async def explain(
    query: Query, fetch_all: FetchAll | None = None, *, analyse: bool = False, context: Services = None
) -> Explanation:
    """Explain a query; with `fetch_all` PostgreSQL is asked for its plan.

    With `analyse` it runs the statement to do so.
    """
    plan = query.plan
    found = ""
    if plan.sql is not None and fetch_all is not None:
        options = "ANALYZE, BUFFERS, SETTINGS" if analyse else "SETTINGS"
        rows = await fetch_all(f"EXPLAIN ({options}) {plan.sql}", await query.arguments(context))
        found = "\n".join(row[0] for row in rows)
    return Explanation(
        sql=plan.sql or "",
        arguments=len(plan.getters),
        cost=plan.cost,
        rights=tuple((permission, _words(scope)) for permission, scope in sorted(plan.permissions.items())),
        forbidden=tuple(f"{'.'.join(patch.path)}: {patch.forbidden}" for patch in plan.patches if patch.forbidden),
        resolved=tuple(".".join(patch.path) for patch in plan.patches if patch.resolve is not None),
        others=plan.others,
        sources=plan.sources,
        query_plan=found,
    )


def _words(scope: Scope | None) -> str:
    if scope is None:
        return "not granted, no row is seen"
    if scope.everywhere:
        return "the whole city"
    ways = [f"{len(scope.areas)} area(s)"] if scope.areas else []
    ways += [f"{len(scope.departments)} department(s)"] if scope.departments else []
    ways += ["own rows"] if scope.own else []
    return ", ".join(ways) or "nowhere"

"""What an operation costs before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphql import SchemaMetaFieldDef, TypeMetaFieldDef

from cityloom.graph.allowance import INTROSPECTION_COST, MUTATION_COST

if TYPE_CHECKING:
    from cityloom.graph.documents import Prepared
    from cityloom.graph.reads import Plan


def price(plan: Plan | None, prepared: Prepared, name: str | None) -> int:
    """A compiled query's worst-case rows; else 1 for each root field, `MUTATION_COST` for each mutation.

    Looking at the schema costs `INTROSPECTION_COST` on top.
    """
    if plan is not None and plan.is_whole:
        return plan.cost
    roots = prepared.root_fields(name)
    looks = sum(field is SchemaMetaFieldDef or field is TypeMetaFieldDef for field in roots.values())
    if plan is not None:
        return plan.cost + looks * INTROSPECTION_COST
    each = 1 if prepared.is_query(name) else MUTATION_COST
    return each * len(roots) + looks * INTROSPECTION_COST

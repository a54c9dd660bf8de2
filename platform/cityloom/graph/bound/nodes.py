"""The root fields `node` and `nodes`."""

from __future__ import annotations

from cityloom.graph.bound.bindings import RootNodeBinding
from cityloom.graph.bound.declare import query
from cityloom.graph.bound.fields import declare
from cityloom.graph.bound.relay import Node


@query(module="graph")
class NodeQuery:
    """Anything by its global id."""

    node: Node | None = declare(
        RootNodeBinding(plural=False),
        "Anything by its global id; null where it is absent or the caller may not see it.",
    )
    nodes: list[Node | None] = declare(
        RootNodeBinding(plural=True),
        "Several things by their global ids, in the same order; null for each that is absent or may not be seen.",
    )

"""The root fields of an operation, by response name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphql import FieldNode, FragmentSpreadNode, InlineFragmentNode

if TYPE_CHECKING:
    from graphql import GraphQLField, SelectionSetNode

    from cityloom.graph.compiler.document import Operation


def root_fields(operation: Operation) -> dict[str, GraphQLField]:
    """Root fields of an operation by response name; `@skip` and `@include` are not looked at."""
    schema = operation.schema
    root = schema.get_root_type(operation.node.operation)
    found: dict[str, GraphQLField] = {}
    seen: set[str] = set()
    stack: list[SelectionSetNode] = [operation.node.selection_set]
    while stack:
        for node in stack.pop().selections:
            if isinstance(node, FieldNode):
                field = schema.get_field(root, node.name.value) if root is not None else None
                if field is not None:
                    found.setdefault((node.alias or node.name).value, field)
            elif isinstance(node, InlineFragmentNode):
                stack.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                if node.name.value in operation.fragments:
                    stack.append(operation.fragments[node.name.value].selection_set)
    return found

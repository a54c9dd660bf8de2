"""The root fields of an operation, by response name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode

if TYPE_CHECKING:
    from graphql import GraphQLField, SelectionSetNode

    from cityloom.graph.documents import Prepared
    from cityloom.graph.schema import Contract


def root_fields(contract: Contract, prepared: Prepared, name: str | None) -> dict[str, GraphQLField]:
    """Root fields of an operation by response name; `@skip` and `@include` are not looked at."""
    operation = prepared.operation(name)
    root = contract.graphql.get_root_type(operation.operation)
    fragments = {
        node.name.value: node for node in prepared.document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    found: dict[str, GraphQLField] = {}
    seen: set[str] = set()
    stack: list[SelectionSetNode] = [operation.selection_set]
    while stack:
        for node in stack.pop().selections:
            if isinstance(node, FieldNode):
                field = contract.graphql.get_field(root, node.name.value) if root is not None else None
                if field is not None:
                    found.setdefault((node.alias or node.name).value, field)
            elif isinstance(node, InlineFragmentNode):
                stack.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                if node.name.value in fragments:
                    stack.append(fragments[node.name.value].selection_set)
    return found

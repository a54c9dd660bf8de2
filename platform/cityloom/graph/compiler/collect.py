"""Which fields an object answers: fragments, `@skip`, `@include` and merging.

As the GraphQL specification says (CollectFields).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    InlineFragmentNode,
    VariableNode,
    is_abstract_type,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graphql import DirectiveNode, FragmentDefinitionNode, GraphQLSchema, SelectionSetNode

#: Response key → the field nodes that are merged under it.
Fields = dict[str, list[FieldNode]]


def collect(  # noqa: C901 - the algorithm of the specification, in one piece
    schema: GraphQLSchema,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
    type_: GraphQLObjectType,
    selections: Iterable[SelectionSetNode | None],
) -> Fields:
    """The fields that apply to an object of `type_`, in the order of the answer."""
    found: Fields = {}
    visited: set[str] = set()

    def applies(condition: str) -> bool:
        named = schema.get_type(condition)
        return named is type_ or (named is not None and is_abstract_type(named) and schema.is_sub_type(named, type_))

    def walk(selection_set: SelectionSetNode) -> None:
        for node in selection_set.selections:
            if not _included(node.directives, variables):
                continue
            match node:
                case FieldNode():
                    found.setdefault((node.alias or node.name).value, []).append(node)
                case InlineFragmentNode():
                    if node.type_condition is None or applies(node.type_condition.name.value):
                        walk(node.selection_set)
                case FragmentSpreadNode():
                    name = node.name.value
                    if name not in visited:
                        visited.add(name)
                        fragment = fragments[name]
                        if applies(fragment.type_condition.name.value):
                            walk(fragment.selection_set)

    for selection_set in selections:
        if selection_set is not None:
            walk(selection_set)
    return found


def _included(directives: Iterable[DirectiveNode] | None, variables: Mapping[str, Any]) -> bool:
    for directive in directives or ():
        name = directive.name.value
        if name in {"skip", "include"}:
            given = next(argument.value for argument in directive.arguments or () if argument.name.value == "if")
            match given:
                case BooleanValueNode(value=value):
                    condition = value
                case VariableNode():
                    condition = bool(variables.get(given.name.value))
                case _:
                    condition = False
            if condition is (name == "skip"):
                return False
    return True

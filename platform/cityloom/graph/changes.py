"""The root fields of a mutation, carried out in their order; most need no executor.

What a mutation answers is nearly always bytes that the database has written. Only where something is left to be
completed (a refusal, a plain object, `__typename`) graphql-core's executor is asked to, with what was made already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from graphql import GraphQLNonNull
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path

from cityloom.graph.arguments import Arguments
from cityloom.graph.compiler.collect import collect
from cityloom.graph.mutations import CHANGE, Change, carry_out
from cityloom.graph.reads import RootField

if TYPE_CHECKING:
    from graphql import GraphQLField
    from graphql.execution.values import VariableValues

    from cityloom.graph.context import GraphContext
    from cityloom.graph.schema import Contract


class Changes:
    """The mutation fields of one contract, each with the converter of its arguments."""

    def __init__(self, contract: Contract) -> None:
        self._names = contract.schema.config.name_converter
        self._root = contract.graphql.mutation_type
        self._known: dict[str, tuple[GraphQLField, Change, Arguments]] = {}

    def of(self, name: str) -> tuple[GraphQLField, Change, Arguments] | None:
        """One field; None for `__typename`, the only one that changes nothing."""
        found = self._known.get(name)
        if found is None and self._root is not None and name in self._root.fields:
            field = self._root.fields[name]
            stated = field.extensions["strawberry-definition"]
            found = self._known[name] = (field, stated.metadata[CHANGE], Arguments(stated, self._names))
        return found


async def changed(context: GraphContext, name: str | None, variables: VariableValues) -> dict[str, bytes] | None:
    """Carry out every root field of a mutation; the answer by response name where all of it is compiled.

    None where the executor has to complete the rest from `context.made`. A field that fails ends the operation, as the
    specification has it for fields that are never null.
    """
    contract, prepared = context.contract, context.prepared
    root = contract.graphql.mutation_type
    if root is None:
        raise AssertionError
    operation = prepared.read(name)
    node, fragments = operation.node, operation.fragments
    groups = collect(contract.graphql, fragments, variables.coerced, root, [node.selection_set])
    answer: dict[str, bytes] | None = {}
    for key, nodes in groups.items():
        found = contract.changes.of(nodes[0].name.value)
        if found is None:
            answer = None
            continue
        field, change, arguments = found
        asked = RootField(Path(None, key, root.name), nodes, contract.graphql, node, fragments, variables)
        try:
            made = await carry_out(context, asked, change, arguments(get_argument_values(field, nodes[0], variables)))
        except Exception as error:  # noqa: BLE001 - the executor answers it as any resolver's
            context.made[key] = error
            answer = None
            if isinstance(field.type, GraphQLNonNull):
                break
            continue
        if isinstance(made, bytes):
            context.made[key] = orjson.Fragment(made)
            if answer is not None:
                answer[key] = made
        else:
            context.made[key] = made
            answer = None
    return answer

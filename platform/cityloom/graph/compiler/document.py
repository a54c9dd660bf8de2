"""What does not change between the requests of one document: its operation, fragments.

And how its variables are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLNonNull,
    GraphQLScalarType,
    OperationDefinitionNode,
    Undefined,
    VariableNode,
    get_nullable_type,
    get_variable_values,
    type_from_ast,
    visit,
)
from graphql import Visitor as GraphQLVisitor
from graphql.utilities.coerce_input_value import coerce_input_literal

from cityloom.graph.bound.bindings import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphql import GraphQLSchema

#: A variable of which the whole value belongs to a plan's key.
WHOLE: Final = 1_000_000
#: Characters of a global id that say its type.
_TAG: Final = 4
#: Stands for a variable that is not given and need not be.
_ABSENT: Final = object()


class VariablesRefused(GraphQLError):
    """Variables that are not of their declared types; `errors` has one for each."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message, errors[0].nodes)
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Leaf:
    """A variable whose type is a scalar or an enum: `read` makes its value, or raises."""

    name: str
    read: Callable[[Any], Any]
    is_required: bool
    default: Any

    def value(self, given: Mapping[str, Any]) -> Plain:
        """The value in its declared type; `Undefined` where it is none of that type, `_ABSENT` where none is given."""
        if self.name not in given:
            return self.default
        value = given[self.name]
        if value is None:
            return Undefined if self.is_required else None
        try:
            return self.read(value)
        except Exception:  # noqa: BLE001 - whatever a scalar raises: graphql-core is asked once more, and says what is wrong
            return Undefined


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a parsed and validated document."""

    node: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    by_value: Mapping[str, int]
    schema: GraphQLSchema
    quick: tuple[Leaf, ...] | None

    def coerced(self, variables: Mapping[str, Any] | None) -> dict[str, Any]:
        """The variables in their declared types; refuses with one error for each that is not."""
        if not self.node.variable_definitions:
            return {}
        given = variables or {}
        if self.quick is not None:
            found: dict[str, Any] = {}
            for leaf in self.quick:
                value = leaf.value(given)
                if value is Undefined:
                    break
                if value is not _ABSENT:
                    found[leaf.name] = value
            else:
                return found
        result = get_variable_values(self.schema, self.node.variable_definitions, dict(given), max_errors=20)
        if isinstance(result, list):
            raise VariablesRefused(result)
        return result.coerced


def operation_of(schema: GraphQLSchema, document: DocumentNode, name: str | None) -> Operation:
    """The operation to run; refuses where the name does not pick exactly one."""
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    chosen = [node for node in operations if name is None or (node.name is not None and node.name.value == name)]
    if len(chosen) != 1:
        raise GraphQLError(
            f"There is no operation named {name!r} in the document."
            if name is not None
            else "The document has no operation."
            if not operations
            else "The document has several operations: say which in `operationName`."
        )
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    return make_operation(schema, chosen[0], fragments)


def make_operation(
    schema: GraphQLSchema, node: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Operation:
    """Look once at what all requests of an operation share."""
    finder = _ByValue()
    for part in (node, *fragments.values()):
        visit(part, finder)
    return Operation(node, fragments, finder.found, schema, _quick(schema, node))


def _quick(schema: GraphQLSchema, node: OperationDefinitionNode) -> tuple[Leaf, ...] | None:
    """The variables, where all are scalars or enums, which is nearly always; None for anything else."""
    found: list[Leaf] = []
    for definition in node.variable_definitions or ():
        type_: Plain = type_from_ast(schema, definition.type)
        leaf: Plain = None if type_ is None else get_nullable_type(type_)
        if not isinstance(leaf, GraphQLScalarType | GraphQLEnumType):
            return None
        is_required = isinstance(type_, GraphQLNonNull)
        default: Plain = Undefined if is_required else _ABSENT
        if definition.default_value is not None:
            default = coerce_input_literal(definition.default_value, type_)
            if default is Undefined:
                return None
        found.append(Leaf(definition.variable.name.value, leaf.coerce_input_value, is_required, default))
    return tuple(found)


class _ByValue(GraphQLVisitor):
    """Finds the variables of which a plan depends on more than the shape: page sizes, and the types of ids."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, int] = {}

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Look at the arguments of one field."""
        of_node = node.name.value in {"node", "nodes"}
        for argument in node.arguments or ():
            name = argument.name.value
            for value in getattr(argument.value, "values", (argument.value,)):
                if isinstance(value, VariableNode):
                    if name in {"first", "last"}:
                        self.found[value.name.value] = WHOLE
                    elif of_node and name in {"id", "ids"}:
                        self.found.setdefault(value.name.value, _TAG)

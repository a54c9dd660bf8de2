"""What does not change between the requests of one document: its operation, fragments, and how variables are read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    OperationDefinitionNode,
    Undefined,
    VariableNode,
    get_variable_values,
    is_required_input_field,
    visit,
)
from graphql import Visitor as GraphQLVisitor
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_literal

from cityloom.graph.bound.bindings import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphql import GraphQLInputType, GraphQLSchema
    from graphql.execution.get_variable_signature import GraphQLVariableSignature

    #: Makes the value of a type of what JSON has for it; raises where that is none.
    Read = Callable[[Any], Any]

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
class Variable:
    """A declared variable: `read` makes its value of what is given, or raises."""

    signature: GraphQLVariableSignature
    read: Read
    is_required: bool
    default: Any

    def value(self, given: Mapping[str, Any]) -> Plain:
        """The value in its declared type; `Undefined` where it is none of that type, `_ABSENT` where none is given."""
        name = self.signature.name
        if name not in given:
            return self.default
        value = given[name]
        if value is None:
            return Undefined if self.is_required else None
        try:
            return self.read(value)
        except Exception:  # noqa: BLE001 - whatever a scalar raises: graphql-core is asked once more, and says what is wrong
            return Undefined


class _Refused(Exception):
    """A value is not of its type, or is of it in a way that only graphql-core knows."""


class _Object:
    """Reads values of an input type; its fields are looked at when the first is read, for types may hold themselves."""

    def __init__(self, type_: GraphQLInputObjectType) -> None:
        self._type = type_
        self._fields: list[tuple[str, str, Read, bool, Any]] | None = None

    def __call__(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        if self._fields is None:
            self._fields = [
                (
                    name,
                    field.out_name or name,
                    _reader(field.type),
                    is_required_input_field(field),
                    coerce_default_value(field),
                )
                for name, field in self._type.fields.items()
            ]
        if not isinstance(value, dict) or not value.keys() <= self._type.fields.keys() or self._type.is_one_of:
            raise _Refused
        found: dict[str, Any] = {}
        for name, out_name, read, is_required, default in self._fields:
            if name in value:
                found[out_name] = read(value[name])
            elif is_required:
                raise _Refused
            elif default is not Undefined:
                found[out_name] = default
        return self._type.out_type(found)


@lru_cache(maxsize=4_096)
def _object(type_: GraphQLInputObjectType) -> _Object:
    return _Object(type_)


def _reader(type_: GraphQLInputType) -> Read:
    """What reads JSON as graphql-core's `coerce_input_value` does, without looking at the type for each value."""
    if isinstance(type_, GraphQLNonNull):
        inner = _reader(type_.of_type)

        def demanded(value: Any) -> Any:  # noqa: ANN401 - JSON
            if value is None:
                raise _Refused
            return inner(value)

        return demanded
    if isinstance(type_, GraphQLList):
        item = _reader(type_.of_type)

        def listed(value: Any) -> Any:  # noqa: ANN401 - JSON
            if value is None:
                return None
            if not isinstance(value, list):
                raise _Refused
            return [item(one) for one in value]

        return listed
    read: Read = _object(type_) if isinstance(type_, GraphQLInputObjectType) else type_.coerce_input_value
    return lambda value: None if value is None else read(value)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a parsed and validated document."""

    node: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    by_value: Mapping[str, int]
    schema: GraphQLSchema
    declared: tuple[Variable, ...] | None

    def coerced(self, variables: Mapping[str, Any] | None) -> dict[str, Any]:
        """The variables in their declared types; refuses with one error for each that is not."""
        result = self.values(variables or {}, max_errors=20)
        if isinstance(result, list):
            raise VariablesRefused(result)
        return result.coerced

    def values(
        self, given: Mapping[str, Any], *, max_errors: int, hide_suggestions: bool = False
    ) -> VariableValues | list[GraphQLError]:
        """The same in graphql-core's words, or what is wrong with them."""
        return self.quickly(given) or get_variable_values(
            self.schema,
            self.node.variable_definitions or (),
            dict(given),
            max_errors=max_errors,
            hide_suggestions=hide_suggestions,
        )

    def quickly(self, given: Mapping[str, Any]) -> VariableValues | None:
        """The same by the converters alone; None where one of them does not succeed."""
        if self.declared is None:
            return None
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for one in self.declared:
            value = one.value(given)
            if value is Undefined:
                return None
            name = one.signature.name
            sources[name] = VariableValueSource(one.signature, given.get(name, Undefined))
            if value is not _ABSENT:
                coerced[name] = value
        return VariableValues(sources, coerced)


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
    return Operation(node, fragments, finder.found, schema, _declared(schema, node))


def _declared(schema: GraphQLSchema, node: OperationDefinitionNode) -> tuple[Variable, ...] | None:
    """The variables; None where graphql-core has to say what is wrong with what is declared."""
    found: list[Variable] = []
    for definition in node.variable_definitions or ():
        signature = get_variable_signature(schema, definition)
        if isinstance(signature, GraphQLError):
            return None
        is_required = isinstance(signature.type, GraphQLNonNull)
        default: Plain = Undefined if is_required else _ABSENT
        if definition.default_value is not None:
            default = coerce_input_literal(definition.default_value, signature.type)
            if default is Undefined:
                return None
        found.append(Variable(signature, _reader(signature.type), is_required, default))
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

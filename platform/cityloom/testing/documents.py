"""Documents made from a schema: every operation with every field, so that a new one is tested without being named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_required_argument,
    is_required_input_field,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from graphql import GraphQLArgument, GraphQLField, GraphQLInputType, GraphQLOutputType

#: Values by scalar that no rule of the platform refuses as malformed.
SCALARS: dict[str, Any] = {
    "String": "canary",
    "Int": 1,
    "Float": 1.5,
    "Boolean": True,
    "Date": "2026-03-02",
    "DateTime": "2026-03-02T01:00:00Z",
    "BigInt": 1,
    "JSON": {},
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One document with the variables that it needs; `field` is its root field."""

    field: str
    document: str
    variables: dict[str, Any]
    ids: int
    """How many ids the variables hold."""


class DocumentMaker:
    """Makes operations; `an_id(type tag or None)` gives the value of every argument that is an id."""

    def __init__(self, schema: GraphQLSchema, an_id: Callable[[str], str], *, depth: int = 3, page: int = 5) -> None:
        self._schema = schema
        self._an_id = an_id
        self._depth = depth
        self._page = page

    def queries(self) -> Iterator[Operation]:
        """Every root field of the query type."""
        query = self._schema.query_type
        for name, field in sorted(query.fields.items() if query else ()):
            yield self._operation("query", name, field, all_arguments=False)

    def mutations(self) -> Iterator[Operation]:
        """Every root field of the mutation type, with every input field given."""
        mutation = self._schema.mutation_type
        for name, field in sorted(mutation.fields.items() if mutation else ()):
            yield self._operation("mutation", name, field, all_arguments=True)

    def _operation(self, kind: str, name: str, field: GraphQLField, *, all_arguments: bool) -> Operation:
        variables: dict[str, Any] = {}
        definitions, given = [], []
        self._ids = 0
        for argument_name, argument in field.args.items():
            is_page = argument_name == "first"
            if argument_name in {"idempotencyKey", "after", "before", "last"}:
                continue
            if not (is_required_argument(argument) or is_page or all_arguments):
                continue
            variables[argument_name] = self._page if is_page else self._value(argument.type, argument_name, argument, all_arguments, 0)
            definitions.append(f"${argument_name}: {argument.type}")
            given.append(f"{argument_name}: ${argument_name}")
        head = f"{kind} Probe{'(' + ', '.join(definitions) + ')' if definitions else ''}"
        call = f"{name}{'(' + ', '.join(given) + ')' if given else ''}"
        return Operation(name, f"{head} {{ {call}{self._selection(field.type, 0)} }}", variables, self._ids)

    def _value(self, type_: GraphQLInputType, name: str, argument: GraphQLArgument | None, every: bool, depth: int) -> Any:  # noqa: ANN401, FBT001 - a value of any input type
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type, name, argument, every, depth)
        if isinstance(type_, GraphQLList):
            return [self._value(type_.of_type, name, argument, every, depth)]
        if isinstance(type_, GraphQLEnumType):
            return next(iter(type_.values))
        if isinstance(type_, GraphQLInputObjectType):
            fields = type_.fields.items()
            if name in {"where", "orderBy"} or depth > self._depth:
                fields = [(key, field) for key, field in fields if is_required_input_field(field)]  # type: ignore[assignment] # narrowed
            return {
                key: self._value(field.type, key, None, every, depth + 1)
                for key, field in fields
                if every or is_required_input_field(field)
            }
        if isinstance(type_, GraphQLScalarType):
            if type_.name == "ID":
                self._ids += 1
                return self._an_id(name)
            return SCALARS.get(type_.name, "canary")
        return None

    def _selection(self, type_: GraphQLOutputType, depth: int) -> str:
        named = get_named_type(type_)
        if isinstance(named, GraphQLUnionType | GraphQLInterfaceType):
            if depth > self._depth:
                return " { __typename }"
            parts = [
                f"... on {member.name} {self._fields(member, depth, prefix=member.name + '_')}"
                for member in self._schema.get_possible_types(named)
            ]
            return f" {{ __typename {' '.join(parts)} }}"
        if isinstance(named, GraphQLObjectType):
            return f" {self._fields(named, depth, prefix='')}"
        return ""

    def _fields(self, type_: GraphQLObjectType, depth: int, *, prefix: str) -> str:
        parts = ["__typename"]
        for name, field in type_.fields.items():
            if any(is_required_argument(argument) for argument in field.args.values()):
                continue
            named = get_named_type(field.type)
            is_leaf = isinstance(named, GraphQLScalarType | GraphQLEnumType)
            is_plumbing = named.name.endswith(("Edge", "Connection")) or named.name == "PageInfo"
            if not is_leaf and depth >= self._depth:
                continue
            arguments = f"(first: {self._page if depth == 0 else 2})" if "first" in field.args else ""
            alias = f"{prefix}{name}: " if prefix else ""
            parts.append(f"{alias}{name}{arguments}{self._selection(field.type, depth if is_plumbing else depth + 1)}")
        return f"{{ {' '.join(parts)} }}"

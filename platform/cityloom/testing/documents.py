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

    from graphql import GraphQLField, GraphQLInputType, GraphQLNamedType, GraphQLOutputType

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


_DEEPEST = 4
#: Of a relation to one of more types than these, each document asks for another one: all are more than one may hold.
_MEMBERS = 8


#: Never given where they may be left out.
_PAGING = frozenset({"idempotencyKey", "after", "before", "last"})


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

    def __init__(self, schema: GraphQLSchema, an_id: Callable[[str], str], *, page: int = 5) -> None:
        self._schema = schema
        self._an_id = an_id
        self._page = page
        self._ids = 0
        self._turn = 0

    def queries(self) -> Iterator[Operation]:
        """Every root field of the query type: once with all leaves, once with each relation of what it answers."""
        query = self._schema.query_type
        for name, field in sorted(query.fields.items() if query else ()):
            for member in self._members(get_named_type(field.type)):
                yield self._operation("query", name, field, member, None, all_arguments=False)
                for relation in self._relations(member):
                    yield self._operation("query", name, field, member, relation, all_arguments=False)

    def mutations(self) -> Iterator[Operation]:
        """Every root field of the mutation type, with every input field given and all leaves of the answer."""
        mutation = self._schema.mutation_type
        for name, field in sorted(mutation.fields.items() if mutation else ()):
            yield self._operation("mutation", name, field, None, None, all_arguments=True)

    def _members(self, type_: GraphQLNamedType) -> list[GraphQLNamedType]:
        """The object types that an abstract type stands for; a connection stands for the type of its nodes."""
        if isinstance(type_, GraphQLUnionType | GraphQLInterfaceType):
            return list(self._schema.get_possible_types(type_))
        if isinstance(type_, GraphQLObjectType) and type_.name.endswith("Connection"):
            edge = get_named_type(type_.fields["edges"].type)
            assert isinstance(edge, GraphQLObjectType)
            return [get_named_type(edge.fields["node"].type)]
        return [type_]

    def _relations(self, type_: GraphQLNamedType) -> list[str]:
        if not isinstance(type_, GraphQLObjectType):
            return []
        return [
            name
            for name, field in type_.fields.items()
            if not isinstance(get_named_type(field.type), GraphQLScalarType | GraphQLEnumType)
            and not any(is_required_argument(argument) for argument in field.args.values())
        ]

    def _operation(
        self,
        kind: str,
        name: str,
        field: GraphQLField,
        member: GraphQLNamedType | None,
        relation: str | None,
        *,
        all_arguments: bool,
    ) -> Operation:
        variables: dict[str, Any] = {}
        definitions, given = [], []
        self._ids = 0
        for argument_name, argument in field.args.items():
            is_page = argument_name == "first"
            if not is_required_argument(argument) and (argument_name in _PAGING or not (is_page or all_arguments)):
                continue
            variables[argument_name] = (
                self._page if is_page else self._value(argument.type, argument_name, all_arguments, 0)
            )
            definitions.append(f"${argument_name}: {argument.type}")
            given.append(f"{argument_name}: ${argument_name}")
        head = f"{kind} Probe{'(' + ', '.join(definitions) + ')' if definitions else ''}"
        call = f"{name}{'(' + ', '.join(given) + ')' if given else ''}"
        return Operation(
            name, f"{head} {{ {call}{self._selection(field.type, member, relation)} }}", variables, self._ids
        )

    def _value(self, type_: GraphQLInputType, name: str, every: bool, depth: int) -> Any:  # noqa: ANN401, FBT001 - a value of any input type
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type, name, every, depth)
        if isinstance(type_, GraphQLList):
            return [self._value(type_.of_type, name, every, depth)]
        if isinstance(type_, GraphQLEnumType):
            return next(iter(type_.values))
        if isinstance(type_, GraphQLInputObjectType):
            # A filter would recurse without end: its conditions are tried by the tests of the compiler.
            optional = every and name not in {"where", "orderBy"} and depth < _DEEPEST
            return {
                key: self._value(field.type, key, every, depth + 1)
                for key, field in type_.fields.items()
                if optional or is_required_input_field(field)
            }
        if type_.name == "ID":
            self._ids += 1
            return self._an_id(name)
        return SCALARS.get(type_.name, "canary")

    def _selection(self, type_: GraphQLOutputType, member: GraphQLNamedType | None, relation: str | None) -> str:
        """The leaves of a type, and one relation of `member` with its leaves where one is named."""
        named = get_named_type(type_)
        if isinstance(named, GraphQLUnionType | GraphQLInterfaceType):
            members = [m for m in self._schema.get_possible_types(named) if member in {None, named, m}]
            if member is None and len(members) > _MEMBERS:
                # Each type is asked for by `node` anyway.
                members = [members[self._turn % len(members)]]
                self._turn += 1
            parts = [f"... on {m.name} {self._fields(m, member, relation, f'{m.name}_')}" for m in members]
            return f" {{ __typename {' '.join(parts)} }}"
        if isinstance(named, GraphQLObjectType):
            return f" {self._fields(named, member, relation, '')}"
        return ""

    def _fields(
        self, type_: GraphQLObjectType, member: GraphQLNamedType | None, relation: str | None, prefix: str
    ) -> str:
        parts = ["__typename"]
        for name, field in type_.fields.items():
            if any(is_required_argument(argument) for argument in field.args.values()):
                continue
            named = get_named_type(field.type)
            alias = f"{prefix}{name}: " if prefix else ""
            arguments = f"(first: {self._page})" if "first" in field.args else ""
            if isinstance(named, GraphQLScalarType | GraphQLEnumType):
                parts.append(f"{alias}{name}{arguments}")
            elif type_.name.endswith(("Edge", "Connection")):
                parts.append(f"{alias}{name}{self._selection(field.type, member, relation)}")
            elif type_ is member and name == relation:
                parts.append(f"{alias}{name}{arguments}{self._selection(field.type, None, None)}")
        return f"{{ {' '.join(parts)} }}"

"""Random valid documents over a schema, with variables: aliases, fragments, directives, every argument."""

# ruff: noqa: ANN401, C901, PLR0911, PLR2004, PERF401 - it writes any value of any type, and every number is a chance
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_composite_type,
)
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphql import GraphQLArgument, GraphQLSchema


@dataclass
class Written:
    """A document with its variables."""

    text: str
    variables: dict[str, Any]


@dataclass
class _Writer:
    """Draws one document; every choice comes from Hypothesis, so that failures shrink."""

    schema: GraphQLSchema
    draw: Callable[[st.SearchStrategy[Any]], Any]
    ids: list[str]
    words: list[str]
    cursors: dict[str, list[str]]
    names: int = 0
    definitions: list[str] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    budget: int = 40

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred."""
        return bool(self.draw(st.integers(0, 99)) >= 100 - percent)

    def pick(self, values: list[Any]) -> Any:
        """One of several."""
        return self.draw(st.sampled_from(values))

    def name(self, prefix: str) -> str:
        """A new name."""
        self.names += 1
        return f"{prefix}{self.names}"

    def selection(self, type_: Any, depth: int) -> str:
        """A selection set."""
        parts: list[str] = []
        fields = {} if isinstance(type_, GraphQLUnionType) else dict(type_.fields)
        for _ in range(self.draw(st.integers(1, 4))):
            parts.append(self.part(type_, fields, depth))
        return "{ " + " ".join(parts) + " }"

    def part(self, type_: Any, fields: dict[str, Any], depth: int) -> str:
        """One field, fragment or `__typename`."""
        self.budget -= 1
        simple = [
            name for name, made in fields.items() if not is_composite_type(get_named_type(made.type)) and not made.args
        ]
        if depth > 0 and self.budget > 0 and self.chance(20):
            return self.fragment(type_, depth - 1)
        if not fields or self.chance(8):
            return self.directive("__typename")
        if depth <= 0 or self.budget <= 0:
            return self.directive(str(self.pick(simple))) if simple else "__typename"
        name = self.pick(list(fields))
        made = fields[name]
        named = get_named_type(made.type)
        arguments = self.arguments(name, made.args, named)
        alias = f"{self.name('a')}: " if made.args or self.chance(25) else ""
        below = " " + self.selection(named, depth - 1) if is_composite_type(named) else ""
        return str(alias + name + arguments + self.directive("") + below)

    def directive(self, name: str) -> str:
        """A field or nothing, perhaps with `@skip` or `@include`."""
        if not self.chance(12):
            return name
        value = self.chance(50)
        if self.chance(50):
            return f"{name} @{self.pick(['skip', 'include'])}(if: {str(value).lower()})"
        return f"{name} @{self.pick(['skip', 'include'])}(if: ${self.variable('Boolean!', value)})"

    def fragment(self, type_: Any, depth: int) -> str:
        """An inline or named fragment on the type, an interface of it, or a possible type."""
        conditions: list[Any] = [type_]
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            conditions += self.schema.get_possible_types(type_)
        if isinstance(type_, GraphQLObjectType):
            conditions += type_.interfaces
        on = self.pick(conditions)
        body = self.selection(on, depth)
        if self.chance(50):
            return f"... on {on.name}{self.directive('')} {body}"
        name = self.name("F")
        self.definitions.append(f"fragment {name} on {on.name} {body}")
        return f"...{name}" + (f" ...{name}" if self.chance(20) else "")

    def variable(self, type_: str, value: Any) -> str:
        """Declare a variable with a value."""
        name = self.name("v")
        self.declared.append(f"${name}: {type_}")
        self.variables[name] = value
        return name

    def arguments(self, field_name: str, arguments: dict[str, GraphQLArgument], named: Any) -> str:
        """Arguments for a field."""
        chosen: list[str] = []
        for name, argument in arguments.items():
            required = isinstance(argument.type, GraphQLNonNull) and argument.default is None
            if not required and not self.chance(30):
                continue
            if name == "last" and any(item.startswith("first:") for item in chosen):
                continue
            value = (
                self.cursor(field_name, named) if name in {"after", "before"} else self.value(argument.type, name, 2)
            )
            if value is None and required:
                continue
            if value is None or (name in {"after", "before"} and any(item.startswith("orderBy") for item in chosen)):
                continue
            if name == "orderBy" and any(item.startswith(("after:", "before:")) for item in chosen):
                continue
            if self.chance(40):
                chosen.append(f"{name}: ${self.variable(str(argument.type), value)}")
            else:
                chosen.append(f"{name}: {literal(value, argument.type)}")
        return f"({', '.join(chosen)})" if chosen else ""

    def cursor(self, _field_name: str, named: Any) -> str | None:
        """A cursor of the whole list in its first order, where there is one."""
        known = (
            self.cursors.get(named.name, [])
            if _field_name in {"houses", "districts", "people", "notices"} and self.budget > 36
            else []
        )
        return self.pick(known) if known else None

    def value(self, type_: Any, name: str, depth: int) -> Any:
        """A value for an input type; null where there is nothing sensible."""
        if isinstance(type_, GraphQLNonNull):
            return self.value(type_.of_type, name, depth)
        if isinstance(type_, GraphQLList):
            return [
                found
                for _ in range(self.draw(st.integers(0, 3)))
                if (found := self.value(type_.of_type, name, depth - 1)) is not None
            ]
        if isinstance(type_, GraphQLEnumType):
            return self.pick(list(type_.values))
        if isinstance(type_, GraphQLInputObjectType):
            if depth < -1:
                return None
            names = list(type_.fields)
            required = [
                key
                for key, made in type_.fields.items()
                if isinstance(made.type, GraphQLNonNull) and made.default is None
            ]
            chosen = set(required) | (
                {self.pick(names)} if depth < 1 else set(self.draw(st.lists(st.sampled_from(names), max_size=3)))
            )
            found = {key: self.value(type_.fields[key].type, key, depth - 1) for key in names if key in chosen}
            return {key: item for key, item in found.items() if item is not None or self.chance(10)}
        match type_.name:
            case "Int":
                return (
                    self.draw(st.integers(0, 5))
                    if name in {"first", "last", "least"}
                    else self.pick([-3, 0, 1, 2, 2**31 - 1])
                )
            case "BigInt":
                return self.pick([0, 1, -7, 5_000_000_000])
            case "Boolean":
                return self.chance(50)
            case "Float":
                return self.pick([0.5, -1.0])
            case "ID":
                return self.pick(self.ids)
            case "Date":
                return self.pick(["1999-12-31", "2020-02-29", "2021-01-01"])
            case "DateTime":
                return self.pick(
                    [
                        "2026-01-01T00:00:00Z",
                        "2026-01-01T08:00:00.000001+08:00",
                        datetime(2027, 1, 1, tzinfo=UTC).isoformat(),
                    ]
                )
        return self.pick(self.words)


def literal(value: Any, type_: Any) -> str:
    """A value as a GraphQL literal."""
    import json

    if isinstance(type_, GraphQLNonNull):
        return literal(value, type_.of_type)
    if value is None:
        return "null"
    if isinstance(type_, GraphQLList):
        return "[" + ", ".join(literal(item, type_.of_type) for item in value) + "]"
    if isinstance(type_, GraphQLInputObjectType):
        return "{" + ", ".join(f"{key}: {literal(item, type_.fields[key].type)}" for key, item in value.items()) + "}"
    if isinstance(type_, GraphQLEnumType):
        return str(value)
    return json.dumps(value)


@st.composite
def documents(
    draw: Any, schema: GraphQLSchema, ids: list[str], words: list[str], cursors: dict[str, list[str]], depth: int = 5
) -> Written:
    """A random query."""
    writer = _Writer(schema, draw, ids, words, cursors)
    query = schema.query_type
    if query is None:
        raise AssertionError
    roots = []
    for _ in range(draw(st.integers(1, 3))):
        name = writer.pick(list(query.fields))
        made = query.fields[name]
        named = get_named_type(made.type)
        arguments = writer.arguments(name, made.args, named)
        roots.append(f"{writer.name('r')}: {name}{arguments}{writer.directive('')} {writer.selection(named, depth)}")
    head = f"query ({', '.join(writer.declared)})" if writer.declared else "query"
    return Written(" ".join([head, "{", *roots, "}", *writer.definitions]), writer.variables)

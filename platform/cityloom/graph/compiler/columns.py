"""The selection on one row as a table's columns: objects are flattened, lists stay one column each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from graphql import (
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
)

from cityloom.graph.bound.bindings import (
    LARGEST_PAGE,
    USUAL_PAGE,
    Annotation,
    ColumnBinding,
    ManyBinding,
    Plain,
    binding_of,
)
from cityloom.graph.compiler.collect import collect
from cityloom.graph.compiler.values import arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graphql import FieldNode, FragmentDefinitionNode, GraphQLField, GraphQLSchema


@dataclass(frozen=True, slots=True)
class Column:
    """One column: where its value stands in a row, and what it is.

    `path` are response keys, `fields` the names of the fields behind them. `type` is the name of the GraphQL type of a
    leaf, or of the items of a list; `item` leads from an item of a list to its only leaf, where it has just one. `most`
    is how many things one cell holds at most. `protected` names the permissions of protected fields that are told whole
    to whoever has them in full.
    """

    path: tuple[str, ...]
    fields: tuple[str, ...]
    type: str
    is_list: bool = False
    item: tuple[str, ...] | None = None
    most: int = 1
    protected: tuple[str, ...] = ()

    def value(self, row: Mapping[str, Any]) -> Plain:
        """What stands in a row; None where something on the way is null."""
        return _at(row, self.path)

    def items(self, row: Mapping[str, Any]) -> list[Any]:
        """What a list's items are in this column: their only leaf, or the whole items."""
        found = self.value(row) or []
        return found if self.item is None else [_at(one, self.item) for one in found]


def _at(value: Plain, path: tuple[str, ...]) -> Plain:
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


@dataclass(frozen=True, slots=True)
class Flattening:
    """What finds the columns of selections in one operation."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    def columns(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode]) -> tuple[Column, ...]:
        """The columns of the rows of a type below field nodes that are merged, in the order of the selection."""
        return tuple(self._object((type_,), nodes, (), (), 1).values())

    def _object(
        self,
        types: Iterable[GraphQLObjectType],
        nodes: Sequence[FieldNode],
        path: tuple[str, ...],
        fields: tuple[str, ...],
        most: int,
    ) -> dict[tuple[str, ...], Column]:
        """By path, because the members of a union may select the same key."""
        found: dict[tuple[str, ...], Column] = {}
        for type_ in types:
            selections = [node.selection_set for node in nodes]
            for key, group in collect(self.schema, self.fragments, self.variables, type_, selections).items():
                name = group[0].name.value
                at, named = (*path, key), (*fields, name)
                if name == "__typename":
                    found[at] = Column(at, named, "String", most=most)
                    continue
                for column in self._field(type_.fields[name], group, at, named, most):
                    found.setdefault(column.path, column)
        return found

    def _field(
        self, field: GraphQLField, nodes: list[FieldNode], path: tuple[str, ...], fields: tuple[str, ...], most: int
    ) -> Iterable[Column]:
        type_ = get_named_type(field.type)
        if is_connection(type_):
            return self._connection(field, type_, nodes, path, fields, most)
        if isinstance(get_nullable_type(field.type), GraphQLList):
            return (self._list(type_, nodes, path, fields, most * _size(field, nodes, self.variables)),)
        if is_leaf_type(type_):
            return (Column(path, fields, type_.name, most=most, protected=_protected(field)),)
        return self._object(self._members(type_), nodes, path, fields, most).values()

    def _connection(
        self,
        field: GraphQLField,
        type_: GraphQLObjectType,
        nodes: list[FieldNode],
        path: tuple[str, ...],
        fields: tuple[str, ...],
        most: int,
    ) -> Iterable[Column]:
        size = _size(field, nodes, self.variables)
        selections = [node.selection_set for node in nodes]
        for key, group in collect(self.schema, self.fragments, self.variables, type_, selections).items():
            match group[0].name.value:
                case "totalCount":
                    yield Column((*path, key), (*fields, "totalCount"), "Int", most=most)
                case "nodes" | "edges" as name:
                    inner = get_named_type(type_.fields[name].type)
                    yield self._list(inner, group, (*path, key), fields, most * size)

    def _list(
        self,
        type_: Annotation,
        nodes: Sequence[FieldNode],
        path: tuple[str, ...],
        fields: tuple[str, ...],
        most: int,
    ) -> Column:
        if is_leaf_type(type_):
            return Column(path, fields, type_.name, is_list=True, item=(), most=most)
        leaves = list(self._object(self._members(type_), nodes, (), fields, most).values())
        only = leaves[0] if len(leaves) == 1 and not leaves[0].is_list else None
        # A list in a list multiplies what one cell holds.
        most = max([most, *(leaf.most for leaf in leaves)])
        protected = tuple(name for leaf in leaves for name in leaf.protected)
        if only is None:
            return Column(path, fields, type_.name, is_list=True, most=most, protected=protected)
        return Column(path, only.fields, only.type, is_list=True, item=only.path, most=most, protected=protected)

    def _members(self, type_: Annotation) -> list[GraphQLObjectType]:
        if isinstance(type_, GraphQLUnionType | GraphQLInterfaceType):
            return list(self.schema.get_possible_types(type_))
        return [type_]


def is_connection(type_: object) -> TypeGuard[GraphQLObjectType]:
    """Whether it is a Relay connection."""
    return isinstance(type_, GraphQLObjectType) and {"edges", "nodes", "pageInfo"} <= type_.fields.keys()


def _protected(field: GraphQLField) -> tuple[str, ...]:
    """The permission of a protected field; none where the level FULL tells no more than the masked form."""
    binding = binding_of(field.extensions.get("strawberry-definition"))
    if isinstance(binding, ColumnBinding) and binding.column is binding.masked:
        return ()
    name = getattr(binding, "protected", None)
    return () if name is None else (name,)


def _size(field: GraphQLField, nodes: list[FieldNode], variables: Mapping[str, Any]) -> int:
    given = arguments(field, nodes[0], variables)
    for name in ("first", "last"):
        if name in given and not given[name].is_null:
            return max(1, int(given[name].plain))
    binding = binding_of(field.extensions.get("strawberry-definition"))
    if isinstance(binding, ManyBinding) and binding.limit is not None:
        return binding.limit
    return USUAL_PAGE if "first" in field.args else LARGEST_PAGE

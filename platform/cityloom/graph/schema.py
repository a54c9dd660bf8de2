"""Schemas assembled from the modules' manifests: one for each set of modules that cities have switched on."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import strawberry
from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryObjectDefinition

from cityloom.graph.bound.bindings import binding_of
from cityloom.graph.bound.scalars import SCALARS
from cityloom.graph.changes import Changes
from cityloom.graph.executor import CompiledExecutor
from cityloom.graph.rules import Phases, rules_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from graphql import GraphQLNamedType
    from strawberry.types.field import StrawberryField

    from cityloom.core.module import GraphApi, Module

Surface = Literal["tenant", "platform"]

_ROOTS: Final = {"Query": "queries", "Mutation": "mutations", "Subscription": "subscriptions"}


class AssemblyError(TypeError):
    """Two modules contribute the same field, or a module contributes what is no part of a schema."""


@strawberry.type(
    description="Everything that can be read. All root fields of one query are read in one snapshot of the data."
)
class Query:
    """The root of reads; modules contribute its fields."""


@strawberry.type(
    description="Everything that can be changed. Each root field is one transaction; several run in their order."
)
class Mutation:
    """The root of changes; modules contribute its fields."""


@strawberry.type(
    description="What can be followed live, by websocket (graphql-transport-ws) or server-sent events (graphql-sse)."
)
class Subscription:
    """The root of what is followed; modules contribute its fields."""


def definition_of(cls: type[Any]) -> StrawberryObjectDefinition:
    """The Strawberry definition of a class; raises `AssemblyError` where it has none."""
    found = getattr(cls, "__strawberry_definition__", None)
    if not isinstance(found, StrawberryObjectDefinition):
        raise AssemblyError(
            f"{cls.__module__}.{cls.__qualname__} is no Strawberry type: decorate it with cityloom.graph.bound"
        )
    return found


class CityloomSchema(strawberry.Schema):
    """One surface (tenant API or control plane) with the fields of some modules."""

    def __init__(self, modules: Sequence[Module], surface: Surface, *, without: frozenset[str] = frozenset()) -> None:
        """`without` names the modules that are left out: a filter on a field of theirs is left out too."""
        self._without = without
        self.surface: Surface = surface
        self._added: dict[type[Any], list[StrawberryField]] = {}
        #: Which module a contributed field comes from, by the names of its type's class and of the field in Python.
        self.origins: dict[tuple[str, str], str] = {}
        types: list[type[Any]] = []
        for module in modules:
            api = _api(module, surface)
            for cls in api.queries:
                self._contribute(Query, cls, module)
            for cls in api.mutations:
                self._contribute(Mutation, cls, module)
            for cls in api.subscriptions:
                self._contribute(Subscription, cls, module)
            for cls in api.extensions:
                self._contribute(_target(cls), cls, module)
            types.extend(api.types)
        self.config = StrawberryConfig(scalar_map=SCALARS)
        for target in self._added:
            # graphql-core would wrap the refusal that comes out of its own laziness.
            self.get_fields(definition_of(target))
        super().__init__(
            query=Query,
            mutation=Mutation if self._added.get(Mutation) else None,
            subscription=Subscription if self._added.get(Subscription) else None,
            types=types,
            execution_context_class=CompiledExecutor,
            config=self.config,
        )

    def _contribute(self, target: type[Any], cls: type[Any], module: Module) -> None:
        added = self._added.setdefault(target, [])
        added.extend(definition_of(cls).fields)
        for field in definition_of(cls).fields:
            self.origins.setdefault((definition_of(target).name, field.python_name), module.name)

    def get_fields(self, type_definition: StrawberryObjectDefinition) -> list[StrawberryField]:
        """A type's own fields and those that modules add to it; raises `AssemblyError` when two have one name."""
        own = [field for field in type_definition.fields if _module_of(field) not in self._without]
        fields = [*own, *self._added.get(type_definition.origin, ())]
        seen: dict[str, StrawberryField] = {}
        for field in fields:
            name = self.config.name_converter.from_field(field)
            before = seen.setdefault(name, field)
            if before is not field:
                raise AssemblyError(
                    f"{type_definition.name}.{name} is contributed twice: by {_where(before)} and by {_where(field)}"
                )
        return fields

    @property
    def graphql(self) -> GraphQLSchema:
        """The same schema as graphql-core sees it."""
        return self._schema


def _module_of(field: StrawberryField) -> str | None:
    return getattr(binding_of(field), "module", None)


def _where(field: StrawberryField) -> str:
    origin = field.origin
    return f"{origin.__module__}.{origin.__qualname__}" if isinstance(origin, type) else str(origin)


def _api(module: Module, surface: Surface) -> GraphApi:
    return module.tenant_api if surface == "tenant" else module.platform_api


def _target(cls: type[Any]) -> type[Any]:
    part = getattr(cls, "__graph_part__", None)
    if part is None or part.target is None:
        raise AssemblyError(
            f"{cls.__module__}.{cls.__qualname__} does not say which type it extends: use b.extend(Type, module=…)"
        )
    target: type[Any] = part.target
    return target


@dataclass(eq=False)
class Contract:
    """The schema that one set of modules makes: what a city's clients can name, and nothing else."""

    schema: CityloomSchema
    modules: frozenset[str]
    key: str
    contracts: Contracts

    @property
    def graphql(self) -> GraphQLSchema:
        """The schema as graphql-core sees it."""
        return self.schema.graphql

    @cached_property
    def _rules(self) -> dict[bool, Phases]:
        return {flag: rules_for(self, introspection=flag) for flag in (False, True)}

    @cached_property
    def changes(self) -> Changes:
        """Its mutations, as they are carried out."""
        return Changes(self)

    def rules(self, *, introspection: bool) -> Phases:
        """The validation rules of this contract."""
        return self._rules[introspection]

    def disabled_module(self, type_name: str, field_name: str | None = None) -> Module | None:
        """The module that has this type or field but is not part of the contract; None where there is no such thing."""
        name = self.contracts.ownership.get((type_name, field_name))
        return None if name is None or name in self.modules else self.contracts.by_name[name]


class Contracts:
    """The contracts of one surface, made when first asked for and kept, the least recently used leaving first."""

    def __init__(self, modules: Iterable[Module], surface: Surface, *, kept: int = 32) -> None:
        self.surface: Surface = surface
        self.modules = tuple(modules)
        self.by_name = {module.name: module for module in self.modules}
        if len(self.by_name) != len(self.modules):
            raise AssemblyError("two modules have the same name")
        self._core = frozenset(module.name for module in self.modules if module.is_core)
        self._size = kept
        self._kept: OrderedDict[frozenset[str], Contract] = OrderedDict()

    @cached_property
    def whole(self) -> Contract:
        """The contract with every module: what `schema/` shows."""
        return self._make(frozenset(self.by_name))

    def of(self, enabled: frozenset[str]) -> Contract:
        """The contract of a city with these modules; core modules are always part of it, unknown names are ignored.

        A module whose needs are not met is left out, so that a contract never names what it does not have.
        """
        found = self._kept.get(enabled)
        if found is not None:
            self._kept.move_to_end(enabled)
            return found
        names = self._closed(enabled)
        made = next((contract for contract in self._kept.values() if contract.modules == names), None)
        if made is None:
            made = self.whole if len(names) == len(self.by_name) else self._make(names)
        self._kept[enabled] = made
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return made

    def _closed(self, enabled: frozenset[str]) -> frozenset[str]:
        names: set[str] = set()
        for module in self.modules:  # from low to high: what a module needs comes before it
            if (module.name in enabled or module.name in self._core) and names.issuperset(module.needs):
                names.add(module.name)
        return frozenset(names)

    def _make(self, names: frozenset[str]) -> Contract:
        chosen = [module for module in self.modules if module.name in names]
        schema = CityloomSchema(chosen, self.surface, without=frozenset(self.by_name) - names)
        digest = hashlib.sha256("\0".join((self.surface, *sorted(names))).encode()).hexdigest()[:16]
        return Contract(schema, names, digest, self)

    @cached_property
    def ownership(self) -> dict[tuple[str, str | None], str]:
        """The module of every type `(type, None)` and of every field of an object or interface `(type, field)`.

        A type belongs to the lowest module from whose own fields it can be reached.
        """
        schema = self.whole.schema
        owner: dict[tuple[str, str | None], str] = {}
        converter = schema.config.name_converter
        contributed: dict[tuple[str, str | None], str] = {}
        for type_ in schema.graphql.type_map.values():
            definition = (type_.extensions or {}).get("strawberry-definition")
            if not isinstance(definition, StrawberryObjectDefinition) or definition.is_input:
                continue
            for field in schema.get_fields(definition):
                origin = schema.origins.get((definition.name, field.python_name))
                if origin is not None:
                    contributed[type_.name, converter.from_field(field)] = origin
        for module in self.modules:
            for start in self._starts(module, schema, contributed):
                _claim(start, module.name, contributed, owner)
        owner |= contributed
        return owner

    def _starts(
        self, module: Module, schema: CityloomSchema, contributed: dict[tuple[str, str | None], str]
    ) -> Iterable[GraphQLNamedType]:
        for (type_name, field_name), name in contributed.items():
            if name != module.name or field_name is None:
                continue
            parent = schema.graphql.type_map[type_name]
            if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
                field = parent.fields[field_name]
                yield get_named_type(field.type)
                yield from (get_named_type(argument.type) for argument in field.args.values())
        for cls in _api(module, self.surface).types:
            name = schema.config.name_converter.from_type(definition_of(cls))
            if name in schema.graphql.type_map:
                yield schema.graphql.type_map[name]


@cache
def shared_contracts(modules: tuple[Module, ...], surface: Surface) -> Contracts:
    """The contracts of an installation, the same for all who ask in one process: a schema takes a second to make."""
    return Contracts(modules, surface)


def _claim(
    start: GraphQLNamedType,
    module: str,
    contributed: dict[tuple[str, str | None], str],
    owner: dict[tuple[str, str | None], str],
) -> None:
    """Give `module` every type that is reached from `start` and that no lower module has, with its own fields."""
    stack = [start]
    while stack:
        type_ = stack.pop()
        if (type_.name, None) in owner:
            continue
        owner[type_.name, None] = module
        if isinstance(type_, GraphQLUnionType):
            stack.extend(type_.types)
        elif isinstance(type_, GraphQLInputObjectType):
            stack.extend(get_named_type(field.type) for field in type_.fields.values())
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            stack.extend(type_.interfaces)
            for name, field in type_.fields.items():
                if contributed.get((type_.name, name), module) != module:
                    continue
                owner[type_.name, name] = module
                stack.append(get_named_type(field.type))
                stack.extend(get_named_type(argument.type) for argument in field.args.values())

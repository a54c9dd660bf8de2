"""Root fields: each becomes one column of the one statement."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from graphql import GraphQLObjectType
from sqlalchemy import ColumnElement
from sqlalchemy.dialects.postgresql import aggregate_order_by

from cityloom.core.ids import decode_id
from cityloom.graph.bound import bindings as bd
from cityloom.graph.bound.bindings import Annotation, Plain, Services
from cityloom.graph.bound.fields import derived_of
from cityloom.graph.compiler.build import EMPTY_LIST, Build, confined
from cityloom.graph.compiler.filters import id_param
from cityloom.graph.compiler.groups import groups
from cityloom.graph.compiler.narrowing import asked_for
from cityloom.graph.compiler.pages import connection
from cityloom.graph.compiler.refusals import TooManyIds
from cityloom.graph.compiler.rows import first_json
from cityloom.graph.compiler.selection import (
    bound_of,
    definition_of,
    listed,
    named,
    possible_types,
    single,
)
from cityloom.graph.compiler.values import Value, arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphql import FieldNode, GraphQLField
    from sqlalchemy.sql.elements import BindParameter

    from cityloom.core.principal import Principal
    from cityloom.graph.compiler.values import Getter

#: Characters of the type tag that a global id begins with.
TAG: Final = 4


def root(build: Build, field: GraphQLField, nodes: list[FieldNode], key: str) -> ColumnElement[Any] | None:
    """The value of a root field as a JSON expression; None for a field that is not compiled."""
    binding = bd.binding_of(definition_of(field))
    path = (key,)
    is_by_id = isinstance(binding, bd.RootOneBinding | bd.RootNodeBinding) and getattr(binding, "narrow", None) is None
    build.varies |= not is_by_id
    match binding:
        case bd.RootOneBinding():
            return _one(build, binding, field, nodes, path)
        case bd.RootConnectionBinding(limit=None):
            return connection(build, field, nodes, path, 1, narrowed(build, binding, field, nodes))
        case bd.RootConnectionBinding(limit=int(limit)):
            return listed(build, field, nodes, path, 1, limit, narrowed(build, binding, field, nodes))
        case bd.RootNodeBinding(plural=plural):
            return (_nodes if plural else _node)(build, field, nodes, path)
        case bd.RootAggregateBinding():
            return groups(build, binding, field, nodes, path, narrowed(build, binding, field, nodes))
    return None


def narrowed(
    build: Build, binding: Plain, field: GraphQLField, nodes: list[FieldNode]
) -> Callable[[Any], list[ColumnElement[bool]]]:
    """The condition of a declared `narrow` function over an alias, with its arguments as parameters."""
    if binding.narrow is None:
        return lambda _alias: []
    params: dict[str, Any]
    params, missing = asked_for(build, binding.narrow, 1, field, nodes)
    derived = derived_of(binding.narrow)
    if binding.prepare is not None:
        params = _prepared(build, binding.prepare, params, missing, derived)
    return lambda alias: [build.secure(binding.narrow(alias, **params, **missing), alias)]


def _prepared(
    build: Build,
    prepare: bd.Prepare,
    params: dict[str, BindParameter[Any]],
    missing: dict[str, None],
    derived: Mapping[str, Mapping[str, bd.SqlType]],
) -> dict[str, Any]:
    """The arguments as `prepare` answers them, each bound in place of what was given, and those that it works out."""
    getters = {name: build.getters[param.key] for name, param in params.items()}

    def work_out(variables: Mapping[str, Any], principal: Principal, services: Services) -> Plain:
        return prepare(
            {**{name: get(variables, principal) for name, get in getters.items()}, **missing}, principal, services
        )

    key = build.prepared(work_out)
    made: dict[str, Any] = {name: build.param(_taken(key, name), param.type) for name, param in params.items()}
    for name, types in derived.items():
        made[name] = SimpleNamespace(
            **{part: build.param(_taken(key, name, part), type_) for part, type_ in types.items()}
        )
    return made


def _taken(key: str, name: str, part: str | None = None) -> Getter:
    if part is not None:
        return lambda variables, _principal: getattr(variables[key][name], part)
    return lambda variables, _principal: variables[key][name]


def _one(
    build: Build, binding: bd.RootOneBinding, field: GraphQLField, nodes: list[FieldNode], path: tuple[str, ...]
) -> ColumnElement[Any]:
    type_ = named(field.type)
    target = bound_of(type_)
    if target is None or not isinstance(type_, GraphQLObjectType):
        raise AssertionError(type_)
    if binding.narrow is not None:
        return single(build, type_, target, nodes, path, 1, narrowed(build, binding, field, nodes), at_most_one=False)
    row = id_param(build, arguments(field, nodes[0], build.variables)["id"], target.tag or "")
    return single(build, type_, target, nodes, path, 1, lambda alias: [alias.id == row], at_most_one=True)


def _by_tag(build: Build, type_: Annotation) -> dict[str, tuple[GraphQLObjectType, bd.BoundType]]:
    return {
        found.tag: (possible, found)
        for possible in possible_types(build, type_)
        if (found := bound_of(possible)) is not None and found.tag
    }


def _node(build: Build, field: GraphQLField, nodes: list[FieldNode], path: tuple[str, ...]) -> ColumnElement[Any]:
    value = arguments(field, nodes[0], build.variables)["id"]
    tag = value.plain[:TAG]
    known = _by_tag(build, named(field.type)).get(tag)
    if known is None:
        # It is read all the same, so that a malformed id of the next request is refused.
        return sa.case((id_param(build, value).is_(None), sa.null()), else_=sa.null())
    type_, target = known
    row = id_param(build, value, tag)
    return single(build, type_, target, nodes, path, 1, lambda alias: [alias.id == row], at_most_one=True)


def _nodes(build: Build, field: GraphQLField, nodes: list[FieldNode], path: tuple[str, ...]) -> ColumnElement[Any]:
    value = arguments(field, nodes[0], build.variables)["ids"]
    known = _by_tag(build, named(field.type))
    tags = sorted({item.plain[:TAG] for item in value.plain} & known.keys())
    if not tags:
        return _nulls(build, value)
    arrays = [_places(build, value, tag) for tag in tags]
    given = (
        sa.func.unnest(*arrays).table_valued(*tags, with_ordinality="place").render_derived(name=build.name("given"))
    )
    weight, arms = bd.LARGEST_PAGE if value.source else len(value.plain), []
    for tag in tags:
        type_, target = known[tag]
        arms.append(
            single(
                build,
                type_,
                target,
                nodes,
                (*path, "*"),
                weight,
                lambda alias, tag=tag: [alias.id == given.c[tag]],
                at_most_one=True,
            )
        )
    found = first_json(arms)
    return confined(
        sa.select(sa.func.json_agg(aggregate_order_by(found, given.c.place)).label("json")), given
    ).scalar_subquery()


def _nulls(build: Build, value: Value) -> ColumnElement[Any]:
    given = sa.func.unnest(_places(build, value, "")).table_valued("id").render_derived(name=build.name("given"))
    return confined(
        sa.select(sa.func.coalesce(sa.func.json_agg(sa.cast(sa.null(), sa.JSON())), EMPTY_LIST).label("json")), given
    ).scalar_subquery()


def _places(build: Build, value: Value, tag: str) -> ColumnElement[Any]:
    """The row ids of one type, at the places where they were given; null elsewhere."""

    def decode(given: list[str], principal: Principal) -> list[Any]:
        if len(given) > bd.LARGEST_PAGE:
            raise TooManyIds(given=len(given), largest=bd.LARGEST_PAGE, path=("ids",))
        return [decode_id(item, principal.tenant_id, tag, path=("ids", str(at))) for at, item in enumerate(given)]

    return build.value(value, sa.ARRAY(sa.Uuid()), decode)

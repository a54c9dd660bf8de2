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
from cityloom.graph.bound.bindings import Annotation, Entity, Plain, Services
from cityloom.graph.bound.fields import derived_of
from cityloom.graph.compiler.build import EMPTY_LIST, Build, confined, constant_int, constant_text
from cityloom.graph.compiler.filters import conditions, id_param
from cityloom.graph.compiler.narrowing import asked_for
from cityloom.graph.compiler.pages import connection, page_size
from cityloom.graph.compiler.refusals import TooManyIds
from cityloom.graph.compiler.rows import Columns, first_json, row_list
from cityloom.graph.compiler.selection import (
    bound_of,
    definition_of,
    fields_of,
    global_id,
    listed,
    named,
    possible_types,
    single,
)
from cityloom.graph.compiler.values import Value, arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphql import FieldNode, GraphQLField
    from sqlalchemy import Select
    from sqlalchemy.sql.elements import BindParameter

    from cityloom.core.principal import Principal
    from cityloom.graph.compiler.collect import Fields
    from cityloom.graph.compiler.values import Getter

#: Characters of the type tag that a global id begins with.
TAG: Final = 4


def root(build: Build, field: GraphQLField, nodes: list[FieldNode], key: str) -> ColumnElement[Any] | None:
    """The value of a root field as a JSON expression; None for a field that is not compiled."""
    binding = bd.binding_of(definition_of(field))
    path = (key,)
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
            return _groups(build, binding, field, nodes)
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


def _groups(
    build: Build, binding: bd.RootAggregateBinding, field: GraphQLField, nodes: list[FieldNode]
) -> ColumnElement[Any]:
    target: bd.BoundType = binding.target.__bound__
    type_ = named(field.type)
    given = arguments(field, nodes[0], build.variables)
    first = given.get("first")
    size = binding.limit if first is None or first.is_null else page_size(first, binding.limit)
    build.cost += size
    alias = build.table(target.model)
    where = [
        *build.visible(target, alias),
        *narrowed(build, binding, field, nodes)(alias),
        *conditions(build, target, alias, named(field.args["where"].type), given.get("where")),
    ]
    chosen = list(dict.fromkeys(str(getattr(item.plain, "value", item.plain)) for item in given["by"].plain))
    wanted = fields_of(build, type_, nodes)
    expressions = [build.secure(binding.by[name].sql(alias), alias) for name in chosen]
    counted = [made.label(f"key {at}") for at, made in enumerate(expressions)] + [sa.func.count().label("count")]
    suppression = None if target.guard is None else target.guard.suppression
    if target.guard is not None and suppression is not None:
        said = getattr(alias, target.guard.column.key)
        sensitive = sa.or_(*(said == constant_text(word) for word in suppression.words))
        counted.append(sa.func.bool_or(sensitive).label("sensitive"))
    counted += _summed(build, binding, alias, type_, wanted)
    # Counted first and shown afterwards: what is shown of a group is worked out once for it, not once for each row.
    found = confined(sa.select(*counted).where(*where), alias)
    found = found.group_by(*expressions) if expressions else found
    rank: ColumnElement[int] = sa.func.count()
    if any(binding.by[name].rolled for name in chosen):
        found, expressions, rank = _rolled(build, binding, chosen, found)
    small = None if suppression is None else _is_small(build, suppression)
    if small is not None:
        # Told in the order of their size, small groups would be as good as counted.
        made = found.subquery(build.name("whole"))
        rank = sa.case((small(made.c), sa.literal_column("0")), else_=made.c.count)
        found, expressions = confined(sa.select(*made.c), made), [made.c[f"key {at}"] for at in range(len(chosen))]
    groups = found.order_by(rank.desc(), *expressions).limit(constant_int(size)).subquery(build.name("counted"))
    columns: Columns = []
    for key, group in wanted.items():
        match group[0].name.value:
            case "__typename":
                columns.append((key, constant_text(type_.name)))
            case "keys":
                columns.append((key, sa.func.json_build_array(*_shown(build, binding, chosen, groups))))
            case "count" if small is not None:
                columns.append((key, sa.case((small(groups.c), sa.null()), else_=groups.c.count)))
            case "count":
                columns.append((key, groups.c.count))
            case "isSuppressed" if small is not None:
                columns.append((key, small(groups.c)))
            case _:
                columns.append((key, groups.c[f"sum {key}"]))
    return row_list(build, columns, confined(sa.select(), groups), name="groups")


def _summed(
    build: Build, binding: bd.RootAggregateBinding, alias: Entity, type_: GraphQLObjectType, wanted: Fields
) -> list[Any]:
    """The sums and figures that are selected of each group."""
    found: list[Any] = []
    for key, group in wanted.items():
        name = group[0].name.value
        declared = "" if name == "__typename" else definition_of(type_.fields[name]).python_name
        if declared in binding.figures:
            figure = build.secure(binding.figures[declared][0](alias), alias)
            found.append(sa.cast(figure, sa.BigInteger()).label(f"sum {key}"))
        elif declared in binding.sums:
            total = sa.cast(sa.func.sum(build.secure(binding.sums[declared][0](alias), alias)), sa.BigInteger())
            found.append(sa.func.coalesce(total, sa.literal_column("0")).label(f"sum {key}"))
    return found


def _rolled(
    build: Build, binding: bd.RootAggregateBinding, chosen: list[str], counted: Select[Any]
) -> tuple[Select[Any], list[ColumnElement[Any]], ColumnElement[int]]:
    """The groups added up to fewer, with their keys and count: some thousand keys are shortened, not each row's."""
    parts = counted.subquery(build.name("parts"))
    keys: list[ColumnElement[Any]] = []
    for at, name in enumerate(chosen):
        rolled, key = binding.by[name].rolled, parts.c[f"key {at}"]
        keys.append(key if rolled is None else rolled(key))
    columns: list[Any] = [key.label(f"key {at}") for at, key in enumerate(keys)]
    for column in list(parts.c)[len(chosen) :]:
        total = sa.cast(sa.func.sum(column), sa.BigInteger())
        columns.append((sa.func.bool_or(column) if column.name == "sensitive" else total).label(column.name))
    return confined(sa.select(*columns), parts).group_by(*keys), keys, sa.func.sum(parts.c.count)


def _is_small(build: Build, suppression: bd.Suppression) -> Callable[[Any], ColumnElement[bool]]:
    """Whether the count of a group, by its columns, is not told."""
    key = build.prepared(lambda _variables, principal, services: suppression.below(principal, services))
    below = build.param(lambda variables, _principal: variables[key], sa.BigInteger())
    return lambda columns: sa.and_(columns["sensitive"], columns["count"] < below)


def _shown(build: Build, binding: bd.RootAggregateBinding, chosen: list[str], groups: Any) -> list[ColumnElement[str]]:  # noqa: ANN401 - a sub-select
    """The keys of a group as texts."""
    shown: list[ColumnElement[str]] = []
    for at, name in enumerate(chosen):
        dimension, key = binding.by[name], groups.c[f"key {at}"]
        if dimension.shown is not None:
            key = build.secure(dimension.shown(key), groups)
        shown.append(global_id(build, dimension.tag, key) if dimension.tag else sa.cast(key, sa.Text()))
    return shown

"""Aggregates: counts, sums and figures by declared dimensions, from a tally or from the rows; without small counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa

from cityloom.core.tallies import is_outside, tallies_of
from cityloom.graph.bound import bindings as bd
from cityloom.graph.compiler.build import Build, confined, constant_int, constant_text, selectable
from cityloom.graph.compiler.filters import conditions
from cityloom.graph.compiler.pages import page_size
from cityloom.graph.compiler.rows import Columns, row_list
from cityloom.graph.compiler.selection import definition_of, fields_of, global_id, named
from cityloom.graph.compiler.tallied import NotTallied, Tallied, implies
from cityloom.graph.compiler.values import Value, arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphql import FieldNode, GraphQLField, GraphQLObjectType
    from sqlalchemy import ColumnElement, CompoundSelect, Select

    from cityloom.core.tallies import Tally
    from cityloom.graph.bound.bindings import Entity
    from cityloom.graph.compiler.collect import Fields

    Narrowed = Callable[[Any], list[ColumnElement[bool]]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One aggregate as it is asked for."""

    build: Build
    binding: bd.RootAggregateBinding
    target: bd.BoundType
    field: GraphQLField
    type: GraphQLObjectType
    given: Mapping[str, Value]
    wanted: Fields
    chosen: tuple[str, ...]
    narrowed: Narrowed
    suppression: _Suppressed | None

    @property
    def dimensions(self) -> tuple[bd.Dimension, ...]:
        """What is grouped by, in order."""
        return tuple(self.binding.by[name] for name in self.chosen)

    def where(self, row: Entity) -> list[ColumnElement[bool]]:
        """What must hold of a row for the caller to have it counted."""
        return [
            *self.build.visible(self.target, row),
            *self.narrowed(row),
            *conditions(self.build, self.target, row, named(self.field.args["where"].type), self.given.get("where")),
        ]

    def keys(self, row: Entity) -> list[ColumnElement[Any]]:
        """What is grouped by, of a row."""
        return [self.build.secure(dimension.sql(row), row) for dimension in self.dimensions]

    def sums(self) -> dict[str, str]:
        """The declared names of the sums and figures that are selected, by their response keys."""
        found = {
            key: definition_of(self.type.fields[group[0].name.value]).python_name
            for key, group in self.wanted.items()
            if group[0].name.value != "__typename"
        }
        return {key: name for key, name in found.items() if name in self.binding.sums or name in self.binding.figures}


def groups(
    build: Build,
    binding: bd.RootAggregateBinding,
    field: GraphQLField,
    nodes: list[FieldNode],
    path: tuple[str, ...],
    narrowed: Narrowed,
) -> ColumnElement[Any]:
    """The groups of an aggregate as JSON, largest first; those that are not told come last, whatever their size."""
    target: bd.BoundType = binding.target.__bound__
    type_ = cast("GraphQLObjectType", named(field.type))
    given = arguments(field, nodes[0], build.variables)
    first = given.get("first")
    size = binding.limit if first is None or first.is_null else page_size(first, binding.limit)
    build.cost += size
    chosen = tuple(dict.fromkeys(str(getattr(item.plain, "value", item.plain)) for item in given["by"].plain))
    suppressed = _suppressed(build, target)
    wanted = fields_of(build, type_, nodes)
    asked = _Asked(build, binding, target, field, type_, given, wanted, chosen, narrowed, suppressed)
    found, expressions, source = _counted(asked)
    build.sources.append((".".join(path), source))
    rank: ColumnElement[int] = found.selected_columns["count"]
    if suppressed is not None:
        made = _hidden(asked, suppressed, found).subquery(build.name("told"))
        found, expressions = confined(sa.select(*made.c), made), [made.c[f"key {at}"] for at in range(len(chosen))]
        # Told in the order of their size, small groups would be as good as counted.
        rank = sa.case((made.c.hidden, sa.literal_column("0")), else_=made.c.count)
    counted = found.order_by(rank.desc(), *expressions).limit(constant_int(size)).subquery(build.name("counted"))
    columns: Columns = []
    for key, group in wanted.items():
        match group[0].name.value:
            case "__typename":
                columns.append((key, constant_text(type_.name)))
            case "keys":
                columns.append((key, sa.func.json_build_array(*_shown(asked, counted))))
            case "count" if suppressed is not None:
                columns.append((key, sa.case((counted.c.hidden, sa.null()), else_=counted.c.count)))
            case "count":
                columns.append((key, counted.c.count))
            case "isSuppressed":
                columns.append((key, sa.false() if suppressed is None else counted.c.hidden))
            case _:
                columns.append((key, counted.c[f"sum {key}"]))
    return row_list(build, columns, confined(sa.select(), counted), name="groups")


# Counting


def _counted(asked: _Asked) -> tuple[Select[Any], list[ColumnElement[Any]], str]:
    """The groups with their keys, count and sums, what orders equal ones, and what they are counted from."""
    build = asked.build
    if build.uses_tallies:
        for tally in tallies_of(asked.target.model.__table__):
            try:
                with build.attempt():
                    return *_from_tally(asked, tally), tally.table.name
            except NotTallied:
                continue
    alias = build.table(asked.target.model)
    found, expressions = _from_rows(asked, alias, asked.where(alias))
    if any(dimension.depth is not None for dimension in asked.dimensions):
        found, expressions = _added_up(asked, found.subquery(build.name("parts")), at_least=None)
    return found, expressions, asked.target.model.__tablename__


def _from_rows(
    asked: _Asked, alias: Entity, where: list[ColumnElement[bool]]
) -> tuple[Select[Any], list[ColumnElement[Any]]]:
    expressions = asked.keys(alias)
    columns: list[Any] = [made.label(f"key {at}") for at, made in enumerate(expressions)]
    columns.append(sa.func.count().label("count"))
    if asked.suppression is not None:
        columns.append(sa.func.count().filter(asked.suppression.covers(alias)).label("sensitive"))
    for key, name in asked.sums().items():
        if name in asked.binding.figures:
            figure = asked.build.secure(asked.binding.figures[name][0](alias), alias)
            columns.append(sa.cast(figure, sa.BigInteger()).label(f"sum {key}"))
        else:
            columns.append(_total(asked.build.secure(asked.binding.sums[name][0](alias), alias)).label(f"sum {key}"))
    # Counted first and shown afterwards: what is shown of a group is worked out once for it, not once for each row.
    found = confined(sa.select(*columns).where(*where), selectable(alias))
    return (found.group_by(*expressions) if expressions else found), expressions


def _from_tally(asked: _Asked, tally: Tally) -> tuple[Select[Any], list[ColumnElement[Any]]]:
    """The same from a tally, with the rows beside it that it does not count; refuses (`NotTallied`) what it cannot."""
    build, model = asked.build, asked.target.model
    row = Tallied(tally, model, build.name(tally.table.name))
    where, expressions = asked.where(row), asked.keys(row)
    # Whole areas are counted as such where nobody asks where in them rows lie.
    places = [at for at, made in enumerate(expressions) if row.is_told_of_place([made])]
    depths = [asked.dimensions[at].depth for at in places]
    is_exact = row.is_told_of_place(where) or None in depths
    depth = None if is_exact else max((one for one in depths if one is not None), default=0)
    if depth is not None:
        for at in places:
            expressions[at] = row.whole(asked.dimensions[at], expressions[at], depth)
    columns: list[Any] = [made.label(f"key {at}") for at, made in enumerate(expressions)]
    columns.append(_total(row.amount("count")).label("count"))
    if asked.suppression is not None:
        columns.append(_total(row.amount("count"), asked.suppression.covers(row)).label("sensitive"))
    for key, name in asked.sums().items():
        columns.append(_total(_amount(asked, row, name)).label(f"sum {key}"))
    counted = confined(sa.select(*columns).where(*where, row.tiers(depth)), row.table)
    counted = counted.group_by(*expressions) if expressions else counted
    alias = build.table(model)
    narrowed = asked.where(alias)
    rest = [is_outside(alias, name, value) for name, value in tally.rows.items()]
    if not all(implies(narrowed, ~one) for one in rest):
        others, _ = _from_rows(asked, alias, [*narrowed, sa.or_(*rest)])
        parts: Any = sa.union_all(counted, others).subquery(build.name("parts"))
    elif is_exact and any(one is not None for one in depths):
        parts = counted.subquery(build.name("parts"))
    else:
        return (counted.having(_total(row.amount("count")) > constant_int(0)) if expressions else counted), expressions
    return _added_up(asked, parts, at_least=1)


def _amount(asked: _Asked, row: Tallied, name: str) -> ColumnElement[int]:
    """What of a tally's row adds to a sum: kept as such, or the same for all the rows that it counts."""
    if name not in asked.binding.sums:
        raise NotTallied(name)
    measure = asked.binding.sums[name][0]
    if row.tally.measures.get(name) is measure:
        return row.amount(name)
    return asked.build.secure(measure(row), row) * row.amount("count")


def _total(amount: ColumnElement[Any], which: ColumnElement[bool] | None = None) -> ColumnElement[int]:
    total = sa.func.sum(amount)
    return sa.func.coalesce(
        sa.cast(total if which is None else total.filter(which), sa.BigInteger()), sa.literal_column("0")
    )


def _added_up(asked: _Asked, parts: Any, *, at_least: int | None) -> tuple[Select[Any], list[ColumnElement[Any]]]:  # noqa: ANN401 - a sub-select
    """Groups added up to those that are asked for: some thousand keys are shortened, not each row's.

    Of a tally's groups some may have come to nothing: there are none with fewer rows than `at_least`.
    """
    keys: list[ColumnElement[Any]] = []
    for at, dimension in enumerate(asked.dimensions):
        key = parts.c[f"key {at}"]
        keys.append(
            key if dimension.rolled is None or dimension.depth is None else dimension.rolled(key, dimension.depth)
        )
    columns: list[Any] = [key.label(f"key {at}") for at, key in enumerate(keys)]
    columns += [_total(column).label(column.name) for column in list(parts.c)[len(keys) :]]
    found = confined(sa.select(*columns), parts)
    if not keys:
        return found, keys
    found = found.group_by(*keys)
    return (found if at_least is None else found.having(sa.func.sum(parts.c.count) >= constant_int(at_least))), keys


# Small counts


@dataclass(frozen=True, slots=True)
class _Suppressed:
    """Which rows are not told in small numbers, and what a small number is."""

    column: str
    words: tuple[str, ...]
    is_all: bool
    below: ColumnElement[int]

    def covers(self, row: Entity) -> ColumnElement[bool]:
        """Whether a row is one of them."""
        if self.is_all:
            return sa.true()
        said = getattr(row, self.column)
        return sa.or_(*(said == constant_text(word) for word in self.words))


def _suppressed(build: Build, target: bd.BoundType) -> _Suppressed | None:
    """The suppression of a type for this caller; None where they can have no such row counted."""
    guard = target.guard
    suppression = None if guard is None else guard.suppression
    if guard is None or suppression is None:
        return None
    is_all = not _may_read(build, target, suppression)
    words = tuple(w for w in suppression.words if w not in guard.permissions or build.granted(guard.permissions[w]))
    if not words and not is_all:
        return None
    key = build.prepared(lambda _variables, principal, services: suppression.below(principal, services))
    below = build.shared(("below", target.name), lambda variables, _principal: variables[key], sa.BigInteger())
    return _Suppressed(guard.column.key, words, is_all, below)


def _may_read(build: Build, target: bd.BoundType, suppression: bd.Suppression) -> bool:
    """Whether the caller may read one by one what they have counted: then a count of common rows tells them nothing."""
    if suppression.unless is None or target.read is None:
        return True
    scope = build.granted(suppression.unless)
    return scope is not None and (scope.everywhere or build.are_alike(target.read, suppression.unless))


def _hidden(asked: _Asked, suppressed: _Suppressed, found: Select[Any]) -> CompoundSelect[Any]:
    """The groups with `hidden`: whether their count is not told.

    A group is hidden that holds few sensitive rows; then, in every set of groups whose total can be asked for, the next
    smaller ones that hold any, until two or more are hidden and together are not few (complementary suppression). Twice
    over, because what is hidden for one total may be the only one that is of another.
    """
    build = asked.build
    groups_ = found.cte(build.name("whole"), nesting=True)
    common = confined(sa.select(*groups_.c, sa.false().label("hidden")).where(groups_.c.sensitive <= 0), groups_)
    is_small = (groups_.c.sensitive < suppressed.below).label("hidden")
    # As small whole numbers, which are added up quickly.
    columns = [sa.cast(one, sa.Integer()).label(one.name) if one.name == "sensitive" else one for one in groups_.c]
    kept = confined(sa.select(*columns, is_small).where(groups_.c.sensitive > 0), groups_)
    for margin in _margins(asked) * 2:
        cells = kept.subquery(build.name("cells"))
        kept = _complemented(asked, cells, margin(cells), suppressed.below)
    return sa.union_all(common, kept)


def _margins(asked: _Asked) -> list[Callable[[Any], list[ColumnElement[Any]]]]:
    """What the groups of one total have in common, for each total that can be asked for beside these groups."""
    found: list[Callable[[Any], list[ColumnElement[Any]]]] = []
    for at, dimension in enumerate(asked.dimensions):
        others = [f"key {other}" for other in range(len(asked.chosen)) if other != at]
        if dimension.rolled is not None:
            last = _COARSER if dimension.depth is None else dimension.depth
            found.extend(partial(_within, others, at, dimension.rolled, depth) for depth in reversed(range(1, last)))
        found.append(partial(_alike, others))
    return found


def _alike(others: list[str], cells: Any) -> list[ColumnElement[Any]]:  # noqa: ANN401 - a sub-select
    return [cells.c[name] for name in others]


#: Depths of areas that are known to be asked for as totals of exact places.
_COARSER = 4


def _within(
    others: list[str],
    at: int,
    rolled: Callable[[ColumnElement[Any], int], ColumnElement[Any]],
    depth: int,
    cells: Any,  # noqa: ANN401 - a sub-select
) -> list[ColumnElement[Any]]:
    return [*_alike(others, cells), rolled(cells.c[f"key {at}"], depth)]


def _complemented(
    asked: _Asked,
    cells: Any,  # noqa: ANN401 - a sub-select
    margin: list[ColumnElement[Any]],
    below: ColumnElement[int],
) -> Select[Any]:
    """The groups, with more of them hidden where those of one total would be too few or too small together."""
    order = [cells.c.hidden.desc(), cells.c.sensitive, *(cells.c[f"key {at}"] for at in range(len(asked.chosen)))]
    given: dict[str, Any] = {"partition_by": margin, "order_by": order} if margin else {"order_by": order}
    first = sa.func.first_value(cells.c.hidden).over(**given)
    place = sa.func.row_number().over(**given)
    before = sa.func.sum(cells.c.sensitive).over(**given, rows=(None, -1))
    ranked = confined(
        sa.select(*cells.c, first.label("first"), place.label("place"), before.label("before")), cells
    ).subquery(asked.build.name("ranked"))
    is_next = sa.and_(ranked.c.first, sa.or_(ranked.c.place == constant_int(2), ranked.c.before < below))
    kept = [column for column in ranked.c if column.name not in {"hidden", "first", "place", "before"}]
    return confined(sa.select(*kept, sa.or_(ranked.c.hidden, is_next).label("hidden")), ranked)


# Showing


def _shown(asked: _Asked, counted: Any) -> list[ColumnElement[str]]:  # noqa: ANN401 - a sub-select
    """The keys of a group as texts."""
    shown: list[ColumnElement[str]] = []
    for at, dimension in enumerate(asked.dimensions):
        key = counted.c[f"key {at}"]
        if dimension.shown is not None:
            # By its name: a column would have the whole sub-select looked through again for each sub-select of `shown`.
            named_ = sa.literal_column(f'{counted.name}."key {at}"', key.type)
            key = asked.build.secure(dimension.shown(named_), counted)
        shown.append(global_id(asked.build, dimension.tag, key) if dimension.tag else sa.cast(key, sa.Text()))
    return shown

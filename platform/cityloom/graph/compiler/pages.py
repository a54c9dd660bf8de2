"""Connections: one page of rows by keyset, its cursors, what lies around it.

And the count of all where it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from graphql import GraphQLObjectType
from sqlalchemy import ColumnElement
from sqlalchemy.dialects.postgresql import aggregate_order_by

from cityloom.graph.bound.bindings import LARGEST_PAGE, USUAL_PAGE, Annotation, BoundType, Entity, Plain
from cityloom.graph.compiler.build import EMPTY_LIST, Build, confined, constant_int, constant_text, label
from cityloom.graph.compiler.filters import conditions
from cityloom.graph.compiler.ordering import Order, order_of
from cityloom.graph.compiler.refusals import PageBothWays, PageSizeRefused
from cityloom.graph.compiler.rows import Columns, Labels, one_row
from cityloom.graph.compiler.selection import bound_of, fields_of, named, object_columns
from cityloom.graph.compiler.values import Value, arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from graphql import FieldNode, GraphQLField
    from sqlalchemy.sql.elements import BindParameter

    #: alias → further conditions on the rows of a list.
    Narrow = Callable[[Any], Sequence[ColumnElement[bool]]]


def page_size(value: Value, largest: int = LARGEST_PAGE) -> int:
    """A checked page size."""
    if not 0 <= value.plain <= largest:
        raise PageSizeRefused(
            argument=".".join(map(str, value.path)), given=value.plain, largest=largest, path=value.path
        )
    return int(value.plain)


@dataclass(slots=True)
class _Page:
    """What is known of one connection while it is compiled."""

    build: Build
    type_: GraphQLObjectType
    target: BoundType
    path: tuple[str, ...]
    rows: Narrow
    order: Order
    size: int
    is_backward: bool
    after: list[BindParameter[Any]] | None
    before: list[BindParameter[Any]] | None
    weight: int

    def conditions(self, alias: Entity) -> list[ColumnElement[bool]]:
        """All rows of the list, whatever the page."""
        return [*self.build.visible(self.target, alias), *self.rows(alias)]


def connection(
    build: Build, field: GraphQLField, nodes: list[FieldNode], path: tuple[str, ...], weight: int, narrow: Narrow
) -> ColumnElement[Any]:
    """A connection as a JSON object."""
    type_ = named(field.type)
    given = {name: value for name, value in arguments(field, nodes[0], build.variables).items() if not value.is_null}
    page = _page(build, type_, field, given, path, weight, narrow)
    groups = fields_of(build, type_, nodes)
    rows = _Rows(page)
    for key, group in groups.items():
        match group[0].name.value:
            case "nodes":
                rows.add_nodes(key, group)
            case "edges":
                rows.add_edges(key, named(type_.fields["edges"].type), group)
            case "pageInfo":
                rows.add_info(fields_of(build, named(type_.fields["pageInfo"].type), group).values())
    found = rows.aggregate()
    columns: Columns = []
    for key, group in groups.items():
        match group[0].name.value:
            case "__typename":
                columns.append((key, constant_text(type_.name)))
            case "totalCount":
                columns.append((key, _total(page)))
            case "pageInfo":
                columns.append((key, rows.info(named(type_.fields["pageInfo"].type), group, found)))
            case _:
                columns.append((key, found.c[rows.names[key]]))
    return one_row(
        build,
        columns,
        None if found is None else confined(sa.select(), found),
        name=f"{page.target.name.lower()}_connection",
    )


def _page(
    build: Build,
    type_: Annotation,
    field: GraphQLField,
    given: dict[str, Value],
    path: tuple[str, ...],
    weight: int,
    narrow: Narrow,
) -> _Page:
    node_type = named(type_.fields["nodes"].type)
    target = bound_of(node_type)
    if target is None:
        raise AssertionError(type_)
    if "first" in given and "last" in given:
        raise PageBothWays(path=("last",))
    size = page_size(given.get("first") or given["last"]) if "first" in given or "last" in given else USUAL_PAGE
    order = order_of(target, given.get("orderBy"))
    where, filter_type = given.get("where"), named(field.args["where"].type)
    build.varies |= where is not None or "orderBy" in given

    def rows(alias: Entity) -> list[ColumnElement[bool]]:
        return [*narrow(alias), *conditions(build, target, alias, filter_type, where)]

    after, before = (order.keys(build, given[name]) if name in given else None for name in ("after", "before"))
    return _Page(build, node_type, target, path, rows, order, size, "last" in given, after, before, weight)


def _total(page: _Page) -> ColumnElement[Any]:
    page.build.cost += page.weight
    alias = page.build.table(page.target.model)
    return confined(sa.select(sa.func.count().label("total")).where(*page.conditions(alias)), alias).scalar_subquery()


def _exists(page: _Page, keys: list[BindParameter[Any]], *, after: bool) -> ColumnElement[bool]:
    """Whether there are rows at a cursor or beyond it."""
    alias = page.build.table(page.target.model)
    beyond = page.order.beyond(alias, keys, after=after, inclusive=True)
    return confined(sa.select(sa.literal_column("1")).where(*page.conditions(alias), beyond), alias).exists()


#: Makes one item of a list from the page: adds what it needs to the sources, answers what json_agg takes.
Item = Callable[[Any, list[Any]], ColumnElement[Any]]


def _column(name: str) -> Item:
    return lambda page, _sources: page.c[name]


def _as_json(row: Item) -> Item:
    return lambda page, sources: sa.func.to_json(row(page, sources))


class _Rows:
    """The rows of a page, and the aggregate over them that makes the lists and page information of the connection."""

    def __init__(self, page: _Page) -> None:
        self.page, self.build = page, page.build
        self.alias = self.build.table(page.target.model)
        self.weight = page.weight * page.size
        self.columns: list[Any] = []
        self.lists: list[tuple[str, Item]] = []
        self.names: dict[str, str] = {}
        self.info_fields: set[str] = set()
        self.needs_cursor = False

    def add_nodes(self, key: str, group: list[FieldNode]) -> None:
        """A selection of `nodes`."""
        self.lists.append((key, self._node(group, (*self.page.path, key, "*"))))

    def add_edges(self, key: str, type_: GraphQLObjectType, group: list[FieldNode]) -> None:
        """A selection of `edges`."""
        parts: list[tuple[str, Item]] = []
        for name, nodes in fields_of(self.build, type_, group).items():
            match nodes[0].name.value:
                case "node":
                    row = self._node(nodes, (*self.page.path, key, "*", name))
                    parts.append((name, _as_json(row)))
                case "cursor":
                    self.needs_cursor = True
                    parts.append((name, _column("cursor")))
                case _:
                    parts.append((name, lambda _page, _sources: constant_text(type_.name)))
        self.lists.append((key, self._item(parts, "edge")))

    def add_info(self, groups: Iterable[list[FieldNode]]) -> None:
        """A selection of `pageInfo`."""
        for group in groups:
            self.info_fields.add(group[0].name.value)
        self.needs_cursor = self.needs_cursor or bool(self.info_fields & {"startCursor", "endCursor"})

    @property
    def needs_more(self) -> bool:
        """Whether one row more than the page has to be looked at."""
        return ("hasPreviousPage" if self.page.is_backward else "hasNextPage") in self.info_fields

    def _node(self, group: list[FieldNode], path: tuple[str, ...]) -> Item:
        """The columns of a node go into the page's own select; outside they are only given their keys."""
        names: list[tuple[str, Item]] = []
        for key, expression in object_columns(self.build, self.page.type_, self.alias, group, path, self.weight):
            name = f"c{len(self.columns)}"
            self.columns.append(label(name, expression))
            names.append((key, _column(name)))
        return self._item(names, "node")

    def _item(self, parts: list[tuple[str, Item]], name: str) -> Item:
        def item(page: Entity, sources: list[Any]) -> ColumnElement[Any]:
            labels = Labels(self.build, [(key, part(page, sources)) for key, part in parts])
            source = sa.select(*labels.columns).correlate_except().lateral(self.build.name(name))
            sources.append(source)
            return labels.row(source)

        return item

    def aggregate(self) -> Plain:
        """One row with a column per list, by its response key, and those of the page information.

        None where no row matters.
        """
        page = self.page
        info = self.needs_more or self.info_fields & {"startCursor", "endCursor"}
        if not self.lists and not info:
            return None
        self.build.cost += self.weight
        rows = self._page()
        sources: list[Any] = []
        outputs = []
        for key, item in self.lists:
            items = self._kept(sa.func.json_agg(self._in_order(item(rows, sources), rows)), rows)
            # Under a name of our own: response keys may be longer than an identifier.
            self.names[key] = f"list{len(self.names)}"
            outputs.append(sa.func.coalesce(items, EMPTY_LIST).label(self.names[key]))
        if self.needs_more:
            outputs.append((sa.func.count() > constant_int(page.size)).label("has more"))
        for field, end in (("startCursor", page.is_backward), ("endCursor", not page.is_backward)):
            if field in self.info_fields:
                cursors = self._kept(sa.func.json_agg(rows.c.cursor), rows)
                outputs.append(cursors.op("->>")(constant_int(-1 if end else 0)).label(f"{field} of page"))
        joined = rows
        for source in sources:
            joined = joined.join(source, sa.true())
        return (
            sa.select(*outputs).select_from(joined).correlate_except(rows, *sources).subquery(self.build.name("page"))
        )

    def _page(self) -> Plain:
        page = self.page
        conditions = page.conditions(self.alias)
        for keys, after in ((page.after, True), (page.before, False)):
            if keys is not None:
                conditions.append(page.order.beyond(self.alias, keys, after=after))
        columns = [
            *self.columns,
            *([page.order.cursor(self.build, self.alias).label("cursor")] if self.needs_cursor else []),
        ]
        rows = confined(sa.select(*(columns or [sa.literal_column("1").label("c0")])).where(*conditions), self.alias)
        rows = rows.order_by(*page.order.by(self.alias, backward=page.is_backward)).limit(
            constant_int(page.size + self.needs_more)
        )
        inner = rows.subquery(self.build.name(page.target.name.lower()))
        if not self.needs_more and not page.is_backward:
            return inner
        number = sa.func.row_number().over().label("number")
        return confined(sa.select(*inner.c, number), inner).subquery(self.build.name("numbered"))

    def _kept(self, aggregate: Entity, rows: Entity) -> Plain:
        return aggregate.filter(rows.c.number <= constant_int(self.page.size)) if self.needs_more else aggregate

    def _in_order(self, item: ColumnElement[Any], rows: Entity) -> Plain:
        return aggregate_order_by(item, rows.c.number.desc()) if self.page.is_backward else item

    def info(self, type_: GraphQLObjectType, group: list[FieldNode], found: Entity) -> ColumnElement[Any]:
        """The page information as a JSON object."""
        page, columns = self.page, []
        for key, nodes in fields_of(self.build, type_, group).items():
            match nodes[0].name.value:
                case "__typename":
                    columns.append((key, constant_text(type_.name)))
                case "hasNextPage":
                    columns.append((key, self._around(page.before, found, after=True, is_ahead=not page.is_backward)))
                case "hasPreviousPage":
                    columns.append((key, self._around(page.after, found, after=False, is_ahead=page.is_backward)))
                case name:
                    columns.append((key, found.c[f"{name} of page"]))
        return one_row(self.build, columns, None, name="page_info")

    def _around(
        self, bound: list[BindParameter[Any]] | None, found: Entity, *, after: bool, is_ahead: bool
    ) -> ColumnElement[Any]:
        """Whether there is more on one side: rows that the page left over, or rows beyond the cursor that bounds it."""
        ways = [found.c["has more"]] if is_ahead else []
        if bound is not None:
            ways.append(_exists(self.page, bound, after=after))
        return sa.or_(*ways) if ways else sa.false()

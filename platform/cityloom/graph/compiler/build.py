"""The workbench of one compilation: parameters, aliases, scopes.

And the one place that names the tenant on every table.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, Table, inspect
from sqlalchemy.orm import aliased
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import False_, quoted_name
from sqlalchemy.sql.selectable import Alias

from cityloom.graph.bound.bindings import Annotation, BoundType, Entity, Plain
from cityloom.graph.compiler.refusals import SelectionTooLarge, TextRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from graphql import FragmentDefinitionNode, GraphQLSchema
    from sqlalchemy import FromClause, SQLColumnExpression
    from sqlalchemy.sql.elements import BindParameter

    from cityloom.core.principal import FieldAccess, Principal, Rights, Scope
    from cityloom.graph.compiler.values import Getter, Value

#: PostgreSQL cuts identifiers at 63 bytes (NAMEDATALEN); longer response keys are written as JSON text.
LONGEST_IDENTIFIER = 63
#: A backstop; the limits of the edge are lower.
MOST_FIELDS = 5_000


@dataclass(frozen=True, slots=True)
class Patch:
    """A place in an answer that PostgreSQL cannot finish: `*` in the path stands for every index of a list."""

    path: tuple[str, ...]
    forbidden: str | None = None
    resolve: Callable[[list[Any], Any], Any] | None = None
    row: Callable[[dict[str, Any]], Any] | None = None
    complete: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Preparation:
    """Values that a declared function works out before the statement runs.

    Getters find them in the variables by `key`.
    """

    key: str
    work_out: Callable[[Mapping[str, Any], Principal, Any], Any]


class Build:
    """Everything that is collected while one operation is compiled."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        rights: Rights,
        bound_types: Mapping[Any, list[BoundType]],
        *,
        uses_tallies: bool = True,
        telling: frozenset[str] = frozenset(),
    ) -> None:
        """Objects of the tables in `telling` say in the answer which rows they are; see `telling.TELLS`."""
        self.schema, self.fragments, self.variables, self.rights = schema, fragments, variables, rights
        self.bound_types, self.uses_tallies = bound_types, uses_tallies
        self.telling, self.tells = telling, False
        self.getters: dict[str, Getter] = {}
        self.patches: list[Patch] = []
        self.preparations: list[Preparation] = []
        self.permissions: dict[str, Scope | None] = {}
        self.levels: dict[str, FieldAccess] = {}
        self.alike: dict[tuple[str, str], bool] = {}
        self.sources: list[tuple[str, str]] = []
        self.cost = 0
        #: Whether the best way to the rows depends on the values of a request: see `Plan.varies`.
        self.varies = False
        self._aliases: dict[str, int] = {}
        self._fields = 0
        self._shared: dict[Any, BindParameter[Any]] = {}
        self.tenant = self.shared("tenant", lambda _variables, principal: principal.tenant_id, sa.Uuid())

    # Parameters

    def param(self, getter: Getter, type_: Annotation) -> BindParameter[Any]:
        """A statement argument that is read when the plan runs."""
        name = f"p{len(self.getters)}"
        self.getters[name] = getter
        return sa.bindparam(name, type_=type_, required=False)

    def shared(self, key: object, getter: Getter, type_: Annotation) -> BindParameter[Any]:
        """A statement argument that is the same wherever it is needed."""
        if key not in self._shared:
            self._shared[key] = self.param(getter, type_)
        return self._shared[key]

    def value(
        self, value: Value, type_: Annotation, prepare: Callable[[Any, Principal], Any] | None = None
    ) -> BindParameter[Any]:
        """A GraphQL input value as a statement argument."""
        read, path = value.getter(), value.path
        if prepare is not None:
            return self.param(lambda variables, principal: prepare(read(variables, principal), principal), type_)
        if isinstance(type_, sa.Text | sa.ARRAY):
            return self.param(lambda variables, principal: storable(read(variables, principal), path), type_)
        return self.param(read, type_)

    def constant(self, constant: Plain, type_: Annotation) -> BindParameter[Any]:
        """A value that belongs to the plan."""
        return self.shared(("constant", constant, str(type_)), lambda _variables, _principal: constant, type_)

    def prepared(self, work_out: Callable[[Mapping[str, Any], Principal, Any], Any]) -> str:
        """Have something worked out before the statement runs; the key of its result in the variables."""
        # No variable of GraphQL can be called so.
        key = f"!{len(self.preparations)}"
        self.preparations.append(Preparation(key, work_out))
        return key

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """What is begun in the block is forgotten where it raises."""
        prepared, shared = len(self.preparations), dict(self._shared)
        try:
            yield
        except Exception:
            del self.preparations[prepared:]
            self._shared = shared
            raise

    # Tables

    def name(self, base: str) -> str:
        """An alias that is used once in the statement and says what it stands for."""
        self._aliases[base] = number = self._aliases.get(base, 0) + 1
        # Two underlines, because SQLAlchemy numbers the aliases of declared expressions with one.
        return f"{base}__{number}"

    def table(self, model: type[Any]) -> Plain:
        """A new alias of a model's table."""
        return aliased(model, name=self.name(model.__table__.name))

    def visible(self, bound: BoundType, alias: Entity) -> list[ColumnElement[bool]]:
        """What must hold of a row for the caller to see it: the tenant.

        Then the caller's scope as indexable predicates.
        """
        return [*self._tenant(selectable(alias)), *self._scope(bound, alias)]

    def _tenant(self, table: FromClause) -> list[ColumnElement[bool]]:
        return [table.c.tenant_id == self.tenant] if "tenant_id" in table.c else []

    def granted(self, permission: str) -> Scope | None:
        """The scope of a permission, noted for the explanation of the plan."""
        if permission not in self.permissions:
            self.permissions[permission] = self.rights.scope(permission)
        return self.permissions[permission]

    def are_alike(self, one: str, other: str) -> bool:
        """Whether two permissions hold in the same places, noted for whom else the plan is."""
        self.alike[one, other] = found = self.granted(one) == self.granted(other)
        return found

    def level(self, field: str) -> FieldAccess:
        """How much of a protected field is seen, noted for whom else the plan is."""
        if field not in self.levels:
            self.levels[field] = self.rights.field(field)
        return self.levels[field]

    def _scope(self, bound: BoundType, alias: Entity) -> list[ColumnElement[bool]]:
        if bound.read is None:
            return []
        table = selectable(alias)
        found = [*self._held(bound, bound.read, alias), *self._guarded(bound, bound.read, alias)]
        return [_no_row(table) if isinstance(condition, False_) else condition for condition in found]

    def _guarded(self, bound: BoundType, read: str, alias: Entity) -> list[ColumnElement[bool]]:
        """Rows that take a further permission are seen with it, where it is held; no others are."""
        rule, guard = bound.scope, bound.guard
        if rule is None or guard is None:
            return []
        # Whoever sees a row for its place alone, and has the further permission in the same places, may see it.
        is_by_area = rule.area is guard.area and (rule.department, rule.owner, rule.rows) == (None, None, None)
        column, shut, ways = getattr(alias, guard.column.key), [], []
        for word, permission in guard.permissions.items():
            scope = self.granted(permission)
            if scope is not None and (scope.everywhere or guard.area is None):
                continue
            if is_by_area and self.are_alike(read, permission):
                continue
            shut.append(column != constant_text(word))
            if scope is not None and guard.area is not None:
                place = _Reach(self, permission, scope).areas(getattr(alias, guard.area.key))
                ways.append(sa.and_(column == constant_text(word), place))
        return [sa.or_(sa.and_(*shut), *ways)] if shut else []

    def _held(self, bound: BoundType, permission: str, alias: Entity) -> list[ColumnElement[bool]]:
        scope = self.granted(permission)
        if scope is None:
            return [sa.false()]
        if bound.scope is None or (scope.everywhere and not bound.scope.is_personal):
            return []
        rule, reach = bound.scope, _Reach(self, permission, scope)
        ways: list[ColumnElement[bool]] = []
        if rule.area is not None and scope.areas:
            ways += reach.ranges(getattr(alias, rule.area.key))
        if rule.department is not None and scope.departments:
            ways.append(reach.departments(getattr(alias, rule.department.key)))
        if rule.owner is not None and scope.own:
            ways.append(reach.caller(getattr(alias, rule.owner.key)))
        if rule.rows is not None:
            copy = visitors.cloned_traverse(rule.rows(alias, reach), {}, {})
            table = selectable(alias)
            # What another table says of the row's place holds whether or not the caller may read that table.
            self._confine(copy, (table,), is_scoped=False)
            ways.append(copy)
        return [sa.or_(*ways)] if ways else [sa.false()]

    def secure(self, expression: ColumnElement[Any], *outer: Entity) -> ColumnElement[Any]:
        """Confine every sub-select of a declared expression to the tenant and to what the caller may read.

        This is why a declaration never names the tenant. `outer` are the aliases that are confined already.
        """
        copy = visitors.cloned_traverse(expression, {}, {})
        self._confine(copy, tuple(selectable(alias) for alias in outer))
        return copy

    def _confine(self, element: Entity, around: tuple[FromClause, ...], *, is_scoped: bool = True) -> None:
        """Change the selects in a private copy in place; `around` are the tables of the selects around the element."""
        # What is added here is confined already.
        children = list(element.get_children())
        if isinstance(element, Select):
            found = element.get_final_froms()
            own = [source for source in found if not _is_one_of(source, around)]
            conditions: list[ColumnElement[bool]] = []
            for table in (table for source in own for table in _tables(source)):
                conditions += self._tenant(table)
                bounds = self.bound_types.get(table.element if isinstance(table, Alias) else table, [])
                if is_scoped and len(bounds) == 1:
                    conditions += self._scope(bounds[0], Columns(table, bounds[0].model))
            element._where_criteria += tuple(conditions)  # noqa: SLF001 - the copy is ours
            if own and element._auto_correlate:  # noqa: SLF001 - the copy is ours
                # By itself SQLAlchemy sees only the select directly around, and would repeat tables from further out.
                element._auto_correlate = False  # noqa: SLF001 - the copy is ours
                element._correlate_except = tuple(own)  # noqa: SLF001 - the copy is ours
            around = (*around, *own)
        for child in children:
            self._confine(child, around, is_scoped=is_scoped)

    # Counting

    def count_fields(self, number: int) -> None:
        """Refuse selections that are absurdly large before they become SQL."""
        self._fields += number
        if self._fields > MOST_FIELDS:
            raise SelectionTooLarge(largest=MOST_FIELDS)


@dataclass(frozen=True, slots=True)
class _Reach:
    """One permission's scope in one compilation: conditions over statement arguments, which are shared."""

    build: Build
    permission: str
    scope: Scope

    def ranges(self, path: SQLColumnExpression[Any]) -> list[ColumnElement[bool]]:
        """One condition per area of the scope."""
        found: list[ColumnElement[bool]] = []
        for at in range(len(self.scope.areas)):
            low, high = (
                self.build.shared((self.permission, at, end), _area(self.permission, at, end), sa.Text())
                for end in (0, 1)
            )
            found.append(sa.and_(path >= low, path < high))
        return found

    def areas(self, path: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        """See `Reach.areas`."""
        return sa.or_(sa.false(), *self.ranges(path))

    def departments(self, department_id: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        """See `Reach.departments`."""
        permission = self.permission
        if not self.scope.departments:
            return sa.false()
        known = self.build.shared(
            (permission, "departments"),
            lambda _v, principal: list(_scope_of(principal, permission).departments),
            sa.ARRAY(sa.Uuid()),
        )
        return department_id == sa.func.any(known)

    def caller(self, account_id: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        """See `Reach.caller`."""
        return account_id == self.build.shared("account", lambda _v, principal: principal.account_id, sa.Uuid())


class Columns:
    """A plain table in place of an ORM alias: attributes are columns by the model's names."""

    def __init__(self, table: FromClause, model: type[Any]) -> None:
        self.table, self._mapper = table, inspect(model)

    def __getattr__(self, name: str) -> Plain:
        return self.table.c[self._mapper.columns[name].key]


def _is_one_of(source: FromClause, others: Iterable[FromClause]) -> bool:
    # How SQLAlchemy itself compares copies of tables.
    return any(source is other or not source._cloned_set.isdisjoint(other._cloned_set) for other in others)  # noqa: SLF001 - as above


def _tables(source: FromClause) -> Iterable[FromClause]:
    if isinstance(source, sa.Join):
        yield from _tables(source.left)
        yield from _tables(source.right)
    elif isinstance(source, Table) or (isinstance(source, Alias) and isinstance(source.element, Table)):
        yield source


def is_keyed(condition: ColumnElement[bool], alias: Entity, other: Entity) -> bool:
    """Whether rows of `other` belong to a row of `alias` by a column that equals something of that row."""
    own, its = selectable(alias), selectable(other)
    parts = condition.clauses if isinstance(condition, sa.BooleanClauseList) else [condition]
    for part in parts:
        if isinstance(part, sa.BinaryExpression) and part.operator is operators.eq:
            for key, value in ((part.left, part.right), (part.right, part.left)):
                among = {column.table for column in visitors.iterate(value) if isinstance(column, sa.Column)}
                if (
                    isinstance(key, sa.Column)
                    and _is_one_of(key.table, [its])
                    and any(_is_one_of(table, [own]) for table in among)
                    and not any(_is_one_of(table, [its]) for table in among)
                ):
                    return True
    return False


def selectable(alias: Entity) -> FromClause:
    """The table alias below an ORM alias, or in place of one."""
    found: FromClause = alias.table if isinstance(alias, Columns) else inspect(alias).selectable
    return found


def _scope_of(principal: Principal, permission: str) -> Scope:
    scope = principal.rights.scope(permission)
    if scope is None:
        message = f"a plan was run with rights that do not fit its fingerprint: {permission}"
        raise RuntimeError(message)
    return scope


def _area(permission: str, at: int, end: int) -> Getter:
    return lambda _variables, principal: _scope_of(principal, permission).areas[at][end]


def storable(value: Plain, path: tuple[str | int, ...]) -> Plain:
    """Text that PostgreSQL can hold; refuses U+0000 and lone surrogates."""
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, str) and (
            "\x00" in item or (not item.isascii() and any("\ud800" <= letter <= "\udfff" for letter in item))
        ):
            raise TextRefused(path=path)
    return value


def _no_row(table: FromClause) -> ColumnElement[bool]:
    """What holds of no row, for whoever may see none.

    By a plain `false` PostgreSQL drops the conditions beside it, the tenant's too. Of several tables that are joined it
    then plans by the policy alone, reads `app.tenant_id` for its estimates before the statement has set it, and fails.
    """
    return table.c.tenant_id.is_(None) if "tenant_id" in table.c else sa.false()


def confined(select: Select[Any], *own: Entity) -> Select[Any]:
    """Everything but its own tables comes from the statement around it."""
    return select.select_from(*own).correlate_except(*own)


def label(key: str, expression: ColumnElement[Any]) -> Plain:
    """A column under a response key: always quoted, whatever it is."""
    return expression.label(quoted_name(key, quote=True))


EMPTY_LIST: ColumnElement[Any] = sa.literal_column("'[]'::json")


def constant_text(text: str) -> ColumnElement[str]:
    """A text of the schema's own (type names), written into the statement by SQLAlchemy's literal processor."""
    return sa.literal(text, sa.Text(), literal_execute=True)


def constant_int(number: int) -> ColumnElement[int]:
    """A checked whole number in the statement itself.

    With a parameter for LIMIT the planner guesses a tenth of the table.
    """
    return sa.literal(number, sa.Integer(), literal_execute=True)

"""What a bound field is bound to: plain data that the compiler reads from a Strawberry field's metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement, SQLColumnExpression
    from sqlalchemy.orm import InstrumentedAttribute

    Column = InstrumentedAttribute[Any]
    #: (parent alias, child alias) → the condition that joins them.
    Join = Callable[[Any, Any], ColumnElement[bool]]
    #: (alias, typed arguments as bind elements) → a condition on the root's rows; of a relation, the parent goes first.
    Narrow = Callable[..., ColumnElement[bool]]
    #: (arguments of `narrow` by Python name, caller, services) → the same with other values; sync or async.
    Prepare = Callable[[dict[str, Any], Any, Any], Any]

#: An alias of a mapped class, whose attributes are columns: no static type knows them.
Entity: TypeAlias = Any
#: An annotation, evaluated or made when the program runs.
Annotation: TypeAlias = Any
#: A value of JSON, or a Python value that becomes one.
Plain: TypeAlias = Any
#: A type of SQLAlchemy, class or instance.
SqlType: TypeAlias = Any
#: What a slice hands to its own functions: the platform's services.
Services: TypeAlias = Any

#: The key of the binding in `StrawberryField.metadata`.
BINDING: Final = "cityloom.binding"

#: Largest page of a connection, and the page that is answered where none is asked for.
LARGEST_PAGE: Final = 100
USUAL_PAGE: Final = 20


class DeclarationError(TypeError):
    """A bound type is declared wrongly; the message names the class, the field and what would be right."""


class Reach(Protocol):
    """One caller's scope, as conditions on columns that a `ScopeRule.rows` names."""

    def areas(self, path: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        """Whether this area path lies in the scope's areas."""
        ...

    def departments(self, department_id: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        """Whether this is one of the scope's departments."""
        ...

    def caller(self, account_id: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        """Whether this is the caller's own account, whatever the scope."""
        ...


@dataclass(frozen=True, slots=True)
class Suppression:
    """Small counts are not told: of groups that hold rows with these words, but fewer of them than `below`.

    `below(principal, services)`, sync or async, answers the threshold of the caller's tenant. Without the permission
    `unless`, in the places where they may count, a caller is told no small count at all, whatever the words.
    """

    words: tuple[str, ...]
    below: Callable[[Any, Any], Any]
    unless: str | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """Rows that take a further permission to see, by what a column says of them.

    A row whose `column` holds one of these words is seen by who has the word's permission, where that is held (by the
    column `area`; anywhere in the city if none is named). To everybody else it is absent: not read, found or counted.
    With a `suppression`, those who may count them are not told small counts.
    """

    column: Column
    permissions: Mapping[str, str]
    area: Column | None = None
    suppression: Suppression | None = None


@dataclass(frozen=True, slots=True)
class ScopeRule:
    """Which columns of a type decide whether a row is in a caller's scope.

    A dimension that is not named reaches no row. `rows(alias, reach)` is a condition of its own that reaches rows
    besides, for a type whose place is told by another table; a sub-select in it is confined to the tenant by the
    compiler, and not to what the caller may read of that table. It is not asked of who may read everywhere, unless the
    type is `is_personal`: then nobody is above its rule. Whatever reaches a row, its `guard` has to let it be seen.
    """

    area: Column | None = None
    department: Column | None = None
    owner: Column | None = None
    rows: Callable[[Any, Reach], ColumnElement[bool]] | None = None
    is_personal: bool = False
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class Ordering:
    """One way to order a type: columns, most significant first; the row's id is appended unless they are unique."""

    columns: tuple[Column, ...]
    description: str
    is_unique: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A filter of its own: `sql(alias, value)` is the condition.

    `prepare(value, principal, services)`, sync or async, may change the value before it is bound, for example into a
    blind index; `sql_type` is then the type that it is bound as. `requires` names a permission without which the filter
    is refused; `module` is the slice that adds it to a type of a lower one.
    """

    type: Any
    sql: Callable[[Any, ColumnElement[Any]], ColumnElement[bool]]
    description: str
    prepare: Callable[[Any, Any, Any], Any] | None = None
    sql_type: Any = None
    requires: str | None = None
    module: str | None = None


@dataclass(slots=True)
class BoundType:
    """A GraphQL object type over one table."""

    name: str
    model: type[Any]
    tag: str | None
    module: str
    read: str | None
    scope: ScopeRule | None
    orderings: Mapping[str, Ordering]
    matches: dict[str, Match]
    cls: type[Any]
    extensions: list[type[Any]] = field(default_factory=list)
    inputs: dict[str, type[Any]] = field(default_factory=dict)

    @property
    def may_be_hidden(self) -> bool:
        """Whether some caller may not see some row."""
        return self.read is not None or self.scope is not None

    @property
    def guard(self) -> Guard | None:
        """What takes more than the usual permission to see."""
        return None if self.scope is None else self.scope.guard


@dataclass(slots=True)
class Binding:
    """Common ground: the module is set by the decorator of the class that holds the field."""

    module: str | None = field(default=None, init=False)


@dataclass(slots=True)
class GlobalIdBinding(Binding):
    """The field `id` of `Node`."""


@dataclass(slots=True)
class ColumnBinding(Binding):
    """A column. `protected` names a field permission; `masked` is what a caller with the level MASKED sees."""

    column: Column
    filters: frozenset[str] = frozenset()
    protected: str | None = None
    masked: Column | None = None


@dataclass(slots=True)
class ExpressionBinding(Binding):
    """A scalar SQL expression over the row's alias."""

    sql: Callable[[Any], ColumnElement[Any]]
    protected: str | None = None


@dataclass(slots=True)
class ResolvedBinding(Binding):
    """A Python function over a batch of rows with the columns that it needs, and what `found` answers of each row."""

    resolve: Callable[[list[Any], Any], Any]
    needs: tuple[Column, ...]
    protected: str | None = None
    found: Callable[[Any], ColumnElement[Any]] | None = None


@dataclass(slots=True)
class OneBinding(Binding):
    """A to-one relation by a foreign key column, or by any condition (then the lowest id wins).

    `asked` is a condition with arguments, which joins instead where one of them is given.
    """

    column: Column | None
    on: Join | None
    filterable: bool = True
    asked: Narrow | None = None


@dataclass(slots=True)
class OneOfBinding(Binding):
    """A to-one relation to a union or interface: the first arm with a visible row answers."""

    arms: tuple[tuple[type[Any], Column], ...]


@dataclass(slots=True)
class AnyNodeBinding(Binding):
    """A to-one relation to anything with a global id: one column holds its type tag, another its row id.

    `tags` answers which tags there can be, once all slices are imported; all that there are where it is None.
    """

    tag: Column
    row: Column
    tags: Callable[[], frozenset[str]] | None = None


@dataclass(slots=True)
class ManyBinding(Binding):
    """A to-many relation: a plain list of at most `limit` rows, or a connection where `limit` is None.

    `asked` is a condition with arguments, which joins instead where one of them is given.
    """

    column: Column | None
    on: Join | None
    limit: int | None
    filterable: bool = True
    asked: Narrow | None = None


@dataclass(slots=True)
class RootOneBinding(Binding):
    """A root field that answers one row: by id, or by a condition of its own."""

    narrow: Narrow | None
    target: type[Any]
    prepare: Prepare | None = None


@dataclass(slots=True)
class RootConnectionBinding(Binding):
    """A root field that answers a connection (or a list of at most `limit`) over all visible rows."""

    narrow: Narrow | None
    target: type[Any]
    limit: int | None = None
    prepare: Prepare | None = None


@dataclass(slots=True)
class RootStreamBinding(Binding):
    """A root field of a subscription: a message for each visible row of an append-only table, by `position`.

    `start` reads the position out of a cursor, `cursor` writes it; the messages after it are answered.
    """

    target: type[Any]
    position: Column
    start: Callable[[str], int]
    cursor: Callable[[int], str]
    narrow: Narrow | None = None
    prepare: Prepare | None = None


@dataclass(slots=True)
class RootNodeBinding(Binding):
    """`node(id)` or `nodes(ids)`."""

    plural: bool


@dataclass(frozen=True, slots=True)
class Dimension:
    """Something to group by: an expression over the alias; `tag` turns it into global ids of that type.

    `shown` makes the key of a group from what was grouped by, once per group: for what an index holds in order but
    nobody wants to read. Of places, `rolled(key, depth)` is the place of a depth that a key lies in: by it groups are
    added up where the dimension has a `depth`, and totals are known that a small count could be worked out from.
    """

    sql: Callable[[Any], ColumnElement[Any]]
    description: str
    tag: str | None = None
    shown: Callable[[ColumnElement[Any]], ColumnElement[Any]] | None = None
    rolled: Callable[[ColumnElement[Any], int], ColumnElement[Any]] | None = None
    depth: int | None = None


@dataclass(slots=True)
class RootAggregateBinding(Binding):
    """Counts, sums and figures over all visible rows, grouped by declared dimensions."""

    target: type[Any]
    by: Mapping[str, Dimension]
    sums: Mapping[str, tuple[Callable[[Any], ColumnElement[Any]], str]]
    narrow: Narrow | None
    limit: int
    prepare: Prepare | None = None
    figures: Mapping[str, tuple[Callable[[Any], ColumnElement[Any]], str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FilterBinding:
    """What one field of a filter input means."""

    kind: str
    field: Binding | None = None
    match: Match | None = None
    target: BoundType | None = None
    python_type: Annotation = None
    module: str | None = None


@dataclass(frozen=True, slots=True)
class GraphPart:
    """What a class adds to a schema: root fields, or fields of another type."""

    kind: str
    module: str
    target: type[Any] | None = None


def binding_of(strawberry_field: Plain) -> Plain:
    """The binding of a Strawberry field; None for an ordinary one."""
    return None if strawberry_field is None else strawberry_field.metadata.get(BINDING)


def bound_type_of(cls: object) -> BoundType | None:
    """The bound type of a class; None for any other class."""
    found = cls.__dict__.get("__bound__") if isinstance(cls, type) else None
    return found if isinstance(found, BoundType) else None


def columns_of(columns: Column | Sequence[Column]) -> tuple[Column, ...]:
    """One column or several as a tuple."""
    return tuple(columns) if isinstance(columns, tuple | list) else (cast("Column", columns),)

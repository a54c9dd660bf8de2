"""The functions that declare bound fields."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument, StrawberryArgumentAnnotation
from strawberry.types.field import StrawberryField
from strawberry.types.unset import UNSET

from cityloom.graph.bound import bindings as bd
from cityloom.graph.bound.bindings import (
    BINDING,
    Annotation,
    Binding,
    DeclarationError,
    Plain,
    binding_of,
    bound_type_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import ColumnElement

EXACT = frozenset({"eq", "in"})
TEXT = EXACT | {"prefix"}
RANGE = EXACT | {"lt", "lte", "gt", "gte"}
SEARCH = TEXT | {"contains"}


class BoundField(StrawberryField):
    """A Strawberry field whose arguments follow from its binding.

    Read when the schema is built and all types are known.
    """

    @property
    def arguments(self) -> list[StrawberryArgument]:
        """The GraphQL arguments."""
        if self._arguments is None:
            self._arguments = _arguments(self)
        return self._arguments

    @arguments.setter
    def arguments(self, value: list[StrawberryArgument]) -> None:
        self._arguments = value


def declare(binding: Binding, description: str, **options: Plain) -> Plain:
    """A field with a binding; a field without description is refused."""
    if not description or not description.strip():
        raise DeclarationError("a bound field needs a description: it is the public manual")
    return BoundField(description=inspect.cleandoc(description), metadata={BINDING: binding}, **options)


def column(
    column: bd.Column, description: str, *, filters: frozenset[str] = frozenset(), field: str | None = None
) -> Plain:
    """A column.

    `filters` names the operators of `where`; `field` a field permission that protects it (then it must be nullable).
    """
    if field is not None and filters:
        raise DeclarationError(f"{column}: a protected field cannot be filtered on, that would tell what it hides")
    return declare(bd.ColumnBinding(column, frozenset(filters), field), description)


def masked(column: bd.Column, *, field: str, description: str, full: bd.Column | None = None) -> Plain:
    """A protected column: `column` holds the masked form, `full` the whole value where it is stored in clear too.

    ABSENT answers null and an error FORBIDDEN; MASKED the masked form; FULL `full`, or the masked form where there is
    none.
    """
    return declare(bd.ColumnBinding(full if full is not None else column, frozenset(), field, column), description)


def expression(sql: Callable[[Any], ColumnElement[Any]], description: str, *, field: str | None = None) -> Plain:
    """A scalar SQL expression over the row's alias.

    Sub-selects are confined to the tenant and to what the caller may read.
    """
    return declare(bd.ExpressionBinding(sql, field), description)


def resolved(
    resolve: Callable[[list[Any], Any], Any],
    *,
    needs: tuple[bd.Column, ...],
    description: str,
    field: str | None = None,
    found: Callable[[Any], ColumnElement[Any]] | None = None,
) -> Plain:
    """A Python function (sync or async) `(rows, context) -> values`, called once for all rows of an answer.

    Rows have the needed columns as attributes, and as `found` what an SQL expression over the row answers, as JSON.
    """
    return declare(bd.ResolvedBinding(resolve, tuple(needs), field, found), description)


def one(
    target: bd.Column | bd.Join, description: str, *, filterable: bool = True, asked: bd.Narrow | None = None
) -> Plain:
    """A to-one relation by the foreign key column of this type's table, or by a condition `(alias, target alias)`.

    `asked(alias, target alias, …)` gives the field arguments, and joins instead where one of them is given.
    """
    key, on = _key(target)
    return declare(bd.OneBinding(key, on, filterable, asked), description)


def one_of(*arms: tuple[type[Any], bd.Column], description: str) -> Plain:
    """A relation to a union or interface: one nullable foreign key column per member; the first visible row answers."""
    return declare(bd.OneOfBinding(arms), description)


def any_node(
    *, tag: bd.Column, row: bd.Column, description: str, tags: Callable[[], frozenset[str]] | None = None
) -> Plain:
    """A relation to anything with a global id, by the columns of its type tag and its row id. Annotate `b.Node | None`.

    Null where the row is absent, or may not be seen. Each type costs time to plan: `tags` answers those that occur.
    """
    return declare(bd.AnyNodeBinding(tag, row, tags), description)


def connection(
    target: bd.Column | bd.Join, description: str, *, filterable: bool = True, asked: bd.Narrow | None = None
) -> Plain:
    """A to-many relation in pages, by the foreign key column of the other table, or by a condition.

    The condition is `(alias, target alias)`; `asked(alias, target alias, …)` gives the field arguments, and joins
    instead where one of them is given.
    """
    key, on = _key(target)
    return declare(bd.ManyBinding(key, on, None, filterable, asked), description)


def many(
    target: bd.Column | bd.Join, description: str, *, limit: int = bd.LARGEST_PAGE, filterable: bool = True
) -> Plain:
    """A to-many relation as a plain list of at most `limit` rows in the type's first ordering."""
    key, on = _key(target)
    return declare(bd.ManyBinding(key, on, limit, filterable), description)


def root_one(
    target: type[Any],
    description: str,
    *,
    narrow: bd.Narrow | None = None,
    prepare: bd.Prepare | None = None,
    name: str | None = None,
) -> Plain:
    """A root field for one row: argument `id`, or the arguments of `narrow(alias, …)`.

    `name` is the field's where Python keeps the word for itself.

    `prepare(arguments, principal, services)`, sync or async, may change their values before they are bound; ids are
    UUIDs by then.
    """
    return declare(bd.RootOneBinding(narrow, target, prepare), description, graphql_name=name)


def root_connection(
    target: type[Any], description: str, *, narrow: bd.Narrow | None = None, prepare: bd.Prepare | None = None
) -> Plain:
    """A root field for all visible rows in pages; `narrow(alias, …)` adds a condition and arguments."""
    return declare(bd.RootConnectionBinding(narrow, target, None, prepare), description)


def root_list(
    target: type[Any],
    description: str,
    *,
    limit: int = bd.LARGEST_PAGE,
    narrow: bd.Narrow | None = None,
    prepare: bd.Prepare | None = None,
) -> Plain:
    """A root field for a short plain list."""
    return declare(bd.RootConnectionBinding(narrow, target, limit, prepare), description)


def root_stream(
    target: type[Any],
    description: str,
    *,
    position: bd.Column,
    start: Callable[[str], int],
    cursor: Callable[[int], str],
    narrow: bd.Narrow | None = None,
    prepare: bd.Prepare | None = None,
) -> Plain:
    """A root field of a subscription over rows that are only ever added: one message each, in order of `position`.

    `start(cursor)` is the position of a cursor and refuses what never was one; `cursor(position)` writes it.
    """
    return declare(bd.RootStreamBinding(target, position, start, cursor, narrow, prepare), description)


def argument(
    description: str, *, of: str | tuple[str, ...] | None = None, name: str | None = None
) -> StrawberryArgumentAnnotation:
    """Describes an argument of a `narrow` function: `Annotated[strawberry.ID, b.argument("…", of="area")]`.

    `of` names the tags of the types whose global ids are taken; the function then gets a UUID (null for an id of
    another
    tenant or type, which matches nothing).
    """
    tags = (of,) if isinstance(of, str) else of
    return strawberry.argument(description=description, name=name, metadata={"tags": tags} if tags else None)


@dataclass(frozen=True, slots=True)
class Derived:
    """Marks an argument of `narrow` that no client gives: `prepare` answers an object for it.

    `narrow` gets another with the same attributes, each bound as the type that is named here.
    """

    types: Mapping[str, bd.SqlType]


def derived_of(narrow: bd.Narrow) -> dict[str, Mapping[str, bd.SqlType]]:
    """The arguments of a `narrow` function that `prepare` works out, and the types of their attributes."""
    hints = get_type_hints(narrow, include_extras=True)
    return {
        name: note.types for name, hint in hints.items() for note in get_args(hint)[1:] if isinstance(note, Derived)
    }


def dimension(
    sql: bd.Column | Callable[[Any], ColumnElement[Any]],
    description: str,
    *,
    tag: str | None = None,
    shown: Callable[[ColumnElement[Any]], ColumnElement[Any]] | None = None,
    rolled: Callable[[ColumnElement[Any], int], ColumnElement[Any]] | None = None,
    depth: int | None = None,
) -> bd.Dimension:
    """Something to group by: a column or an expression over the alias; with `tag`, ids become global ids.

    `shown` makes a group's key of what was grouped by, for example an area's id of its path. `rolled` says in
    which place of a depth a key lies; with `depth`, groups are added up to those once their rows are counted, for
    example those of grids to those of their communities.
    """
    return bd.Dimension(over(sql), description, tag, shown, rolled, depth)


def over(sql: bd.Column | Callable[[Any], ColumnElement[Any]]) -> Callable[[Any], ColumnElement[Any]]:
    """A column as a function of an alias; a function stays what it is."""
    key = getattr(sql, "key", None)
    if key is None:
        return sql  # type: ignore[return-value] # then it is the function
    return lambda alias: getattr(alias, key)


def _key(target: bd.Column | bd.Join) -> tuple[bd.Column | None, bd.Join | None]:
    return (None, target) if inspect.isfunction(target) else (target, None)  # type: ignore[return-value] # decided by the test


def _argument(
    name: str, type_: Annotation, description: str, default: object = UNSET, metadata: Mapping[str, Any] | None = None
) -> StrawberryArgument:
    return StrawberryArgument(
        python_name=name,
        graphql_name=None,
        type_annotation=StrawberryAnnotation(type_),
        description=description,
        default=default,
        metadata=metadata,
    )


def optional_text() -> Annotation:
    """The annotation `str | None`."""
    from cityloom.graph.bound.inputs import optional

    return optional(str)


def _page(target: bd.BoundType) -> list[StrawberryArgument]:
    from cityloom.graph.bound.inputs import filter_of, list_of, optional, order_of

    page = f"{bd.USUAL_PAGE} where neither `first` nor `last` is given, at most {bd.LARGEST_PAGE}."
    found = [
        _argument("first", optional(int), f"How many items from the beginning (or after `after`): {page}"),
        _argument("after", optional(str), "A cursor: only what comes after it."),
        _argument(
            "last",
            optional(int),
            (
                "How many items from the end (or before `before`), still in "
                f"the list's order: at most {bd.LARGEST_PAGE}. Not together with `first`."
            ),
        ),
        _argument("before", optional(str), "A cursor: only what comes before it."),
        _argument("where", optional(filter_of(target)), "Only items that match; all conditions together."),
    ]
    orders = order_of(target)
    if orders is not None:
        first = next(iter(target.orderings))
        found.append(
            _argument(
                "order_by",
                optional(list_of(orders)),
                (
                    f"Most significant first; `{first}` ascending where nothing "
                    "is given. Equal items are told apart by their id."
                ),
            )
        )
    return found


def _list(limit: int) -> list[StrawberryArgument]:
    from cityloom.graph.bound.inputs import optional

    return [
        _argument(
            "first", optional(int), f"At most so many items; {limit} where it is not given, which is also the most."
        )
    ]


def _narrow_arguments(narrow: bd.Narrow | None, aliases: int = 1) -> list[StrawberryArgument]:
    if narrow is None:
        return []
    hints = get_type_hints(narrow, include_extras=True)
    found = []
    derived = derived_of(narrow)
    for parameter in list(inspect.signature(narrow).parameters.values())[aliases:]:
        hint = hints.get(parameter.name)
        if parameter.name in derived:
            continue
        if hint is None:
            raise DeclarationError(f"{narrow.__qualname__}: the argument `{parameter.name}` needs an annotation")
        notes = (
            [note for note in get_args(hint)[1:] if isinstance(note, StrawberryArgumentAnnotation)]
            if get_origin(hint) is Annotated
            else []
        )
        if not notes or not notes[0].description:
            raise DeclarationError(
                f'{narrow.__qualname__}: the argument `{parameter.name}` needs Annotated[…, b.argument("description")]'
            )
        default = UNSET if parameter.default is inspect.Parameter.empty else parameter.default
        found.append(_argument(parameter.name, hint, notes[0].description, default, notes[0].metadata))
    return found


def target_of(field: StrawberryField) -> bd.BoundType:
    """The bound type that a relation leads to, through lists, options and connections."""
    type_: Annotation = field.resolve_type()
    while True:
        bound = bound_type_of(type_)
        if bound is not None:
            return bound
        definition = getattr(type_, "__strawberry_definition__", None)
        if definition is not None and definition.type_var_map:
            type_ = next(iter(definition.type_var_map.values()))
        elif hasattr(type_, "of_type"):
            type_ = type_.of_type
        elif hasattr(type_, "resolve_type"):
            type_ = type_.resolve_type()
        else:
            raise DeclarationError(f"{field.origin}.{field.python_name}: {type_} is no bound type")


def _arguments(field: StrawberryField) -> list[StrawberryArgument]:  # noqa: PLR0911 - one arm per binding
    match binding_of(field):
        case bd.OneBinding(asked=asked):
            return _narrow_arguments(asked, 2)
        case bd.ManyBinding(limit=None, asked=asked):
            return [*_narrow_arguments(asked, 2), *_page(target_of(field))]
        case bd.ManyBinding(limit=int(limit)):
            return _list(limit)
        case bd.RootConnectionBinding(narrow=narrow, target=target, limit=limit) as binding:
            return _narrow_arguments(narrow) + (_page(target.__bound__) if limit is None else _list(limit))
        case bd.RootOneBinding(narrow=None):
            return [_argument("id", strawberry.ID, "The global id.")]
        case bd.RootOneBinding(narrow=narrow) if narrow:
            return _narrow_arguments(narrow)
        case bd.RootStreamBinding(narrow=narrow):
            after = "A cursor: begin with what comes after it, then go on live. Only what is new where it is not given."
            return [_argument("after", optional_text(), after), *_narrow_arguments(narrow)]
        case bd.RootNodeBinding(plural=False):
            return [_argument("id", strawberry.ID, "The global id of anything.")]
        case bd.RootNodeBinding(plural=True):
            return [
                _argument(
                    "ids",
                    list[strawberry.ID],
                    (
                        f"Global ids of anything, at most {bd.LARGEST_PAGE}; answers "
                        "come in the same order, null for what is absent."
                    ),
                )
            ]
        case bd.RootAggregateBinding() as binding:
            from cityloom.graph.bound.inputs import filter_of, list_of, optional

            dimensions = binding.target.__bound__.inputs[f"by:{field.python_name}"]
            return [
                *_narrow_arguments(binding.narrow),
                _argument(
                    "by",
                    list_of(dimensions),
                    "What to group by, in this order; one group of everything where it is empty.",
                    [],
                ),
                _argument("where", optional(filter_of(binding.target.__bound__)), "Only rows that match."),
                _argument(
                    "first",
                    optional(int),
                    (
                        f"At most so many groups, the largest first; {binding.limit} "
                        "where it is not given, which is also the most."
                    ),
                ),
            ]
    return []

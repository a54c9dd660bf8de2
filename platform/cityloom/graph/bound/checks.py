"""Declarations that would be wrong for some caller are refused when the module is imported."""

from __future__ import annotations

import ast
import inspect
import sys
import types
import typing
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from sqlalchemy import BigInteger

from cityloom.graph.bound import bindings as bd
from cityloom.graph.bound.bindings import Annotation, BoundType, DeclarationError, Plain
from cityloom.graph.bound.scalars import BigInt

if TYPE_CHECKING:
    from strawberry.types.field import StrawberryField

_SCALARS = {str: str, int: int, float: float, bool: bool, UUID: UUID, date: date, datetime: datetime, Decimal: Decimal}


def annotation_of(cls: type[Any], name: str) -> Plain:
    """The annotation of a field: evaluated where its names exist already, else the text."""
    owner = next((base for base in cls.__mro__ if name in inspect.get_annotations(base)), cls)
    raw = inspect.get_annotations(owner).get(name)
    if not isinstance(raw, str):
        return raw
    try:
        return eval(raw, dict(vars(sys.modules[owner.__module__])), dict(vars(typing)))  # noqa: S307 - the module's own source text
    except NameError:
        return raw


def is_optional(annotation: Annotation) -> bool:
    """Whether null is allowed by an annotation, evaluated or as text."""
    if not isinstance(annotation, str):
        return typing.get_origin(annotation) in {types.UnionType, typing.Union} and type(None) in typing.get_args(
            annotation
        )
    tree = ast.parse(annotation, mode="eval").body
    if isinstance(tree, ast.Subscript) and ast.unparse(tree.value).endswith("Optional"):
        return True
    while isinstance(tree, ast.BinOp):
        if isinstance(tree.right, ast.Constant) and tree.right.value is None:
            return True
        tree = tree.left
    return isinstance(tree, ast.Constant) and tree.value is None


def _plain(annotation: Annotation) -> Plain:
    if is_optional(annotation):
        return next((part for part in typing.get_args(annotation) if part is not type(None)), annotation)
    return annotation


def _refuse(cls: type[Any], field: StrawberryField, message: str) -> typing.NoReturn:
    raise DeclarationError(f"{cls.__name__}.{field.python_name}: {message}")


def check_type(bound: BoundType) -> None:
    """The type itself: its table has an id; orderings are over its own columns."""
    if not hasattr(bound.model, "id"):
        raise DeclarationError(f"{bound.name}: {bound.model.__name__} has no column `id`")
    if bound.scope is not None and bound.read is None:
        raise DeclarationError(f"{bound.name}: a scope needs the permission that it limits: `read=`")
    for name, ordering in bound.orderings.items():
        for column in ordering.columns:
            if not issubclass(bound.model, cast("type", column.class_)):
                raise DeclarationError(
                    f"{bound.name}: ordering {name} is over {column}, which is not a column of {bound.model.__name__}"
                )
    protected = [
        made
        for field in bound.cls.__strawberry_definition__.fields
        if isinstance(made := bd.binding_of(field), bd.ColumnBinding) and made.protected
    ]
    hidden = {column.key for made in protected for column in (made.column, made.masked) if column is not None}
    for name, ordering in bound.orderings.items():
        if shown := hidden & {column.key for column in ordering.columns}:
            raise DeclarationError(
                f"{bound.name}: ordering {name} would tell the order of the protected {', '.join(sorted(shown))}"
            )
    for field in bound.cls.__strawberry_definition__.fields:
        made = bd.binding_of(field)
        if isinstance(made, bd.ColumnBinding) and made.filters and made.column.key in hidden:
            _refuse(bound.cls, field, "the column is protected elsewhere in this type, so it cannot be filtered on")


def check_field(cls: type[Any], field: StrawberryField, binding: Plain, bound: BoundType | None) -> None:
    """One field: nullable where a caller may get null, and of the column's type."""
    annotation = annotation_of(cls, field.python_name)
    match binding:
        case (
            bd.ColumnBinding(protected=protected)
            | bd.ExpressionBinding(protected=protected)
            | bd.ResolvedBinding(protected=protected)
        ) if protected and not is_optional(annotation):
            _refuse(cls, field, f"it is protected by {protected}, so it must be nullable: `… | None`")
        case bd.ColumnBinding():
            _check_column(cls, field, binding.column, annotation, bound)
        case bd.OneBinding() | bd.OneOfBinding() if not is_optional(annotation):
            target = bd.bound_type_of(annotation)
            if (
                target is None
                or target.may_be_hidden
                or not isinstance(binding, bd.OneBinding)
                or binding.column is None
                or _nullable(binding.column)
            ):
                _refuse(
                    cls,
                    field,
                    "a to-one relation must be nullable, because the row may be out of the caller's scope: `… | None`",
                )
        case bd.AnyNodeBinding() if not is_optional(annotation):
            _refuse(cls, field, "what it leads to may be out of the caller's scope: `b.Node | None`")
        case bd.RootOneBinding() if not is_optional(annotation):
            _refuse(cls, field, "a root field for one row must be nullable: what a caller may not see is null")
        case bd.ManyBinding(limit=int(limit)) if not 0 < limit <= bd.LARGEST_PAGE:
            _refuse(cls, field, f"`limit` must be from 1 to {bd.LARGEST_PAGE}")
        case _:
            pass


def _nullable(column: Plain) -> bool:
    return bool(getattr(column.property.columns[0], "nullable", True))


def _check_column(
    cls: type[Any], field: StrawberryField, column: Plain, annotation: Annotation, bound: BoundType | None
) -> None:
    if bound is not None and not issubclass(bound.model, cast("type", column.class_)):
        _refuse(cls, field, f"{column} is not a column of {bound.model.__name__}")
    if _nullable(column) and not is_optional(annotation):
        _refuse(cls, field, f"{column} may be null in the database, so the field must be nullable")
    plain = _plain(annotation)
    stored = column.property.columns[0].type
    if plain is int and isinstance(stored, BigInteger):
        _refuse(cls, field, f"{column} has 64 bits, GraphQL's Int has 32: annotate it b.BigInt")
    try:
        python_type = stored.python_type
    except NotImplementedError:
        return
    wanted = int if plain is BigInt else plain
    if wanted in _SCALARS and python_type in _SCALARS and wanted is not python_type:
        _refuse(cls, field, f"{column} holds {python_type.__name__}, the field says {plain.__name__}")
    if isinstance(plain, type) and issubclass(plain, Enum) and python_type is not str and python_type is not plain:
        _refuse(cls, field, f"{column} holds {python_type.__name__}: an enum is stored as text")

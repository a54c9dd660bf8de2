"""Arguments of mutations as Python objects, by converters that are made once for each field.

Strawberry looks at the types of every argument and input field anew for every request: that took longer than reading
and locking the row that is changed.
"""

from __future__ import annotations

from dataclasses import MISSING
from typing import TYPE_CHECKING, Any

from strawberry.types.base import StrawberryList, StrawberryMaybe, StrawberryOptional, has_object_definition
from strawberry.types.lazy_type import LazyType
from strawberry.types.unset import UNSET

from cityloom.graph.bound.bindings import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from strawberry.schema.name_converter import NameConverter
    from strawberry.types.base import StrawberryObjectDefinition
    from strawberry.types.field import StrawberryField

    from cityloom.graph.bound.bindings import Annotation

    #: Makes the Python value of a coerced one that is neither null nor left out.
    Convert = Callable[[Any], Any]


class Arguments:
    """Makes keyword arguments of a field's resolver from what graphql-core has coerced."""

    def __init__(self, field: StrawberryField, names: NameConverter) -> None:
        converters = _Converters(names)
        self._parts = [(names.from_argument(one), one.python_name, converters.of(one.type)) for one in field.arguments]

    def __call__(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that were given, by their names in Python."""
        return _converted(given, self._parts)


def _converted(given: Mapping[str, Any], parts: list[tuple[str, str, Convert | None]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, python_name, convert in parts:
        if name in given:
            value = given[name]
            found[python_name] = value if convert is None or value is None or value is UNSET else convert(value)
    return found


class _Input:
    """Makes objects of one input type; its fields are looked at when the first is made, for types may hold themselves.

    A field that may be null and has no default is null where it is left out, as in Strawberry.
    """

    def __init__(self, definition: StrawberryObjectDefinition, converters: _Converters) -> None:
        if definition.from_input is not None:
            raise DeclarationError(f"{definition.name} builds its own values, which mutations do not know")
        self._definition, self._converters = definition, converters
        self._parts: list[tuple[str, str, Convert | None]] | None = None
        self._blank = dict.fromkeys(
            field.python_name
            for field in definition.fields
            if field.default_value is MISSING and field.default_factory is MISSING
        )

    def __call__(self, value: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an object of the input's class
        """One object."""
        if self._parts is None:
            definition, converters = self._definition, self._converters
            self._parts = [
                (
                    converters.names.from_field(field),
                    field.python_name,
                    converters.of(field.resolve_type(type_definition=definition)),
                )
                for field in definition.fields
            ]
        return self._definition.origin(**{**self._blank, **_converted(value, self._parts)})


class _Converters:
    def __init__(self, names: NameConverter) -> None:
        self.names = names
        self._inputs: dict[type[Any], _Input] = {}

    def of(self, type_: Annotation) -> Convert | None:
        """The converter of a type; None where values are taken as they are."""
        while isinstance(type_, LazyType) or type(type_) is StrawberryOptional:
            type_ = type_.resolve_type() if isinstance(type_, LazyType) else type_.of_type
        if isinstance(type_, StrawberryMaybe):
            raise DeclarationError("mutations tell what is left out by UNSET, not by Maybe")
        if isinstance(type_, StrawberryList):
            item = self.of(type_.of_type)
            # Copied: graphql-core gives the same default to all requests.
            return list if item is None else lambda values: [one if one is None else item(one) for one in values]
        if not has_object_definition(type_):
            return None
        if type_ not in self._inputs:
            self._inputs[type_] = _Input(type_.__strawberry_definition__, self)
        return self._inputs[type_]

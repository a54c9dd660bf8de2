"""An honest executor to compare with: graphql-core walks the document, resolvers walk Python objects.

One field at a time.
"""

# ruff: noqa: ANN401, C901, PLR0911, PLR0912 - it deals with any value, and its dispatch has one arm per binding
from __future__ import annotations

import base64
import inspect
import json
from dataclasses import dataclass
from enum import Enum
from functools import cmp_to_key
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from graphql import ExecutionResult, GraphQLError, GraphQLObjectType, execute, get_named_type, is_abstract_type

from cityloom.core.ids import decode_id, encode_id
from cityloom.core.principal import FieldAccess
from cityloom.graph.bound import bindings as bd
from cityloom.testing.graph import sandbox as paper

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from graphql import DocumentNode, GraphQLField, GraphQLSchema

    from cityloom.core.principal import Principal
    from cityloom.testing.graph.people import City


@dataclass(frozen=True)
class Thing:
    """A row as an object of a bound type."""

    bound: bd.BoundType
    row: SimpleNamespace


class Naive:
    """Answers a document for one caller over one city held in memory."""

    def __init__(self, schema: GraphQLSchema, city: City, principal: Principal) -> None:
        self.schema, self.city, self.principal = schema, city, principal
        for type_ in schema.type_map.values():
            if is_abstract_type(type_):
                type_.resolve_type = lambda value, *_: value.bound.name
            elif isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
                type_.is_type_of = None
                for name, field in type_.fields.items():
                    field.resolve = self._resolver(name, field)

    async def answer(self, document: DocumentNode, variables: dict[str, Any] | None = None) -> ExecutionResult:
        """The result, as the GraphQL specification computes it."""
        found = execute(self.schema, document, variable_values=variables)
        if inspect.isawaitable(found):
            return await found
        return found

    # Rows

    def sees(self, bound: bd.BoundType, row: SimpleNamespace) -> bool:
        """Whether the caller may see a row."""
        if bound.read is None:
            return True
        scope = self.principal.rights.scope(bound.read)
        if scope is None:
            return False
        rule = bound.scope
        if rule is None or scope.everywhere:
            return True
        path: str = getattr(row, rule.area.key) if rule.area is not None else ""
        return bool(
            (rule.area is not None and any(low <= path < high for low, high in scope.areas))
            or (rule.department is not None and getattr(row, rule.department.key) in scope.departments)
            or (
                rule.owner is not None
                and scope.own
                and getattr(row, rule.owner.key) is not None
                and getattr(row, rule.owner.key) == self.principal.account_id
            )
        )

    def things(self, cls: type[Any]) -> list[Thing]:
        """All visible rows of a bound type."""
        bound: bd.BoundType = cls.__bound__
        return [Thing(bound, row) for row in self.city.all(bound.model.__tablename__) if self.sees(bound, row)]

    def one(self, cls: type[Any], row_id: UUID | None) -> Thing | None:
        """A visible row by id."""
        return next((thing for thing in self.things(cls) if thing.row.id == row_id), None)

    def related(self, binding: Any, thing: Thing, cls: type[Any]) -> list[Thing]:
        """The visible rows of a relation."""
        if isinstance(binding, bd.OneBinding):
            found = self.one(cls, getattr(thing.row, binding.column.key)) if binding.column is not None else None
            return [] if found is None else [found]
        if binding.column is not None:
            return [other for other in self.things(cls) if getattr(other.row, binding.column.key) == thing.row.id]
        path = thing.row.path  # the only condition of the sandbox: the district's subtree
        return [other for other in self.things(cls) if other.row.area_path.startswith(path)]

    # Fields

    def _resolver(self, name: str, field: GraphQLField) -> Any:
        binding = bd.binding_of(field.extensions["strawberry-definition"])
        target = getattr(get_named_type(field.type).extensions.get("strawberry-definition"), "origin", None)
        node = target if bd.bound_type_of(target) else None
        if (
            node is None
            and isinstance(named := get_named_type(field.type), GraphQLObjectType)
            and "nodes" in named.fields
        ):
            node = get_named_type(named.fields["nodes"].type).extensions["strawberry-definition"].origin

        def resolve(source: Any, _info: Any, **given: Any) -> Any:
            if binding is None:
                return source[name]() if callable(source[name]) else source[name]
            protected = getattr(binding, "protected", None)
            level = FieldAccess.FULL if protected is None else self.principal.rights.field(protected)
            if level is FieldAccess.ABSENT:
                raise GraphQLError("no", extensions={"code": "FORBIDDEN"})
            return self._value(binding, level, source, node, given)

        return resolve

    def _value(self, binding: Any, level: FieldAccess, source: Any, node: Any, given: dict[str, Any]) -> Any:
        tenant = self.principal.tenant_id
        match binding:
            case bd.GlobalIdBinding():
                return encode_id(source.bound.tag, tenant, source.row.id)
            case bd.ColumnBinding():
                column = (
                    binding.masked if level is FieldAccess.MASKED and binding.masked is not None else binding.column
                )
                value = getattr(source.row, column.key)
                return paper.Use(value) if column.key == "use" else value
            case bd.ExpressionBinding():
                return sum(1 for person in self.things(paper.Person) if person.row.house_id == source.row.id)
            case bd.ResolvedBinding(resolve=made) if made is paper._describe:  # noqa: SLF001 - the sandbox's own
                return f"{source.row.number}/{source.row.rooms}/{source.row.built_on}/context"
            case bd.ResolvedBinding():
                return {"label": source.row.id.hex[-4:], "checkedAt": source.row.checked_at}
            case bd.OneBinding():
                return next(iter(self.related(binding, source, node)), None)
            case bd.OneOfBinding():
                return next(
                    (
                        found
                        for cls, column in binding.arms
                        if (found := self.one(cls, getattr(source.row, column.key)))
                    ),
                    None,
                )
            case bd.ManyBinding(limit=None):
                return self._connection(node, self.related(binding, source, node), given)
            case bd.ManyBinding(limit=limit):
                return self._sorted(node, self.related(binding, source, node), None)[0][
                    : given.get("first") if given.get("first") is not None else limit
                ]
            case bd.RootConnectionBinding(limit=None):
                return self._connection(node, self._narrowed(binding, node, given), given)
            case bd.RootConnectionBinding(limit=limit):
                return self._sorted(node, self.things(node), None)[0][
                    : given.get("first") if given.get("first") is not None else limit
                ]
            case bd.RootOneBinding(narrow=None):
                return self.one(node, decode_id(given["id"], tenant, binding.target.__bound__.tag))
            case bd.RootOneBinding():
                return next(iter(self._sorted(node, self._narrowed(binding, node, given), None)[0]), None)
            case bd.RootNodeBinding(plural=False):
                return self._node(given["id"])
            case bd.RootNodeBinding():
                return [self._node(text) for text in given["ids"]]
            case bd.RootAggregateBinding():
                return self._groups(given)
        raise AssertionError(binding)

    def _node(self, text: str) -> Thing | None:
        found = decode_id(text, self.principal.tenant_id)
        bounds = [bd.bound_type_of(cls) for cls in (paper.District, paper.House, paper.Person, paper.Notice)]
        classes = {bound.tag: bound.cls for bound in bounds if bound is not None}
        return self.one(classes[text[:4]], found) if text[:4] in classes else None

    def _narrowed(self, binding: Any, cls: type[Any], given: dict[str, Any]) -> list[Thing]:
        found = self.things(cls)
        if binding.narrow is None:
            return found
        district, least = decode_id(given["district"], self.principal.tenant_id, "dist"), given.get("least")
        return [
            thing
            for thing in found
            if thing.row.district_id == district
            and (least is None or (thing.row.rooms is not None and thing.row.rooms >= least))
        ]

    def _groups(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        wanted = list(dict.fromkeys(item.value if isinstance(item, Enum) else item for item in given.get("by") or []))
        groups: dict[Any, list[Thing]] = {} if wanted else {(): []}
        for thing in self.things(paper.House):
            if self._matches(paper.House, thing, given.get("where")):
                keys = tuple(thing.row.use if by == "USE" else thing.row.district_id for by in wanted)
                groups.setdefault(keys, []).append(thing)
        ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))[
            : given["first"] if given.get("first") is not None else 1_000
        ]
        return [
            {
                "keys": [
                    encode_id("dist", self.principal.tenant_id, key) if not isinstance(key, str) else key
                    for key in keys
                ],
                "count": len(members),
                "valueFen": sum(thing.row.value_fen for thing in members),
                "roomsMedian": _median([thing.row.rooms for thing in members if thing.row.rooms is not None]),
            }
            for keys, members in ordered
        ]

    # Lists

    def _sorted(
        self, cls: type[Any], things: Iterable[Thing], order_by: list[dict[str, Any]] | None
    ) -> tuple[list[Thing], list[tuple[str, bool]]]:
        bound: bd.BoundType = cls.__bound__
        terms: list[tuple[str, bool]] = []
        for item in order_by or [{"by": next(iter(bound.orderings)), "direction": "ASC"}]:
            by, direction = (
                value.value if isinstance(value, Enum) else value for value in (item["by"], item["direction"])
            )
            terms += [
                (column.key, direction == "DESC")
                for column in bound.orderings[by].columns
                if column.key not in {key for key, _ in terms}
            ]
        if "id" not in {key for key, _ in terms}:
            terms.append(("id", terms[-1][1]))

        def compare(left: Thing, right: Thing) -> int:
            for key, is_descending in terms:
                a, b = getattr(left.row, key), getattr(right.row, key)
                if a == b:
                    continue
                is_less = b is None if a is None or b is None else a < b
                return -1 if is_less is not is_descending else 1
            return 0

        return sorted(things, key=cmp_to_key(compare)), terms

    def _connection(self, cls: type[Any], things: list[Thing], given: dict[str, Any]) -> dict[str, Any]:
        matching = [thing for thing in things if self._matches(cls, thing, given.get("where"))]
        ordered, _ = self._sorted(cls, matching, given.get("orderBy"))
        ids = [str(thing.row.id) for thing in ordered]
        start = ids.index(_row_of(given["after"])) + 1 if given.get("after") else 0
        end = ids.index(_row_of(given["before"])) if given.get("before") else len(ids)
        window = ordered[start:end] if start <= end else []
        if given.get("last") is not None:
            page = window[max(0, len(window) - given["last"]) :]
            has_previous, has_next = len(window) > given["last"] or start > 0, end < len(ids)
        else:
            size = given["first"] if given.get("first") is not None else 20
            page = window[:size]
            has_previous, has_next = start > 0, len(window) > size or end < len(ids)
        cursors = [base64.b64encode(json.dumps(["", str(thing.row.id)]).encode()).decode() for thing in page]
        return {
            "nodes": page,
            "edges": [{"node": thing, "cursor": cursor} for thing, cursor in zip(page, cursors, strict=True)],
            "totalCount": len(matching),
            "pageInfo": {
                "hasNextPage": has_next,
                "hasPreviousPage": has_previous,
                "startCursor": cursors[0] if cursors else None,
                "endCursor": cursors[-1] if cursors else None,
            },
        }

    # Filters

    def _matches(self, cls: type[Any], thing: Thing, where: dict[str, Any] | None) -> bool:
        return all(self._holds(cls, thing, name, value) for name, value in (where or {}).items() if value is not None)

    def _holds(self, cls: type[Any], thing: Thing, name: str, value: Any) -> bool:
        match name:
            case "and":
                return all(self._matches(cls, thing, item) for item in value)
            case "or":
                return any(self._matches(cls, thing, item) for item in value)
            case "not":
                return not self._matches(cls, thing, value)
            case "worded":
                return any(
                    label.row.house_id == thing.row.id and label.row.word == value for label in self.things(paper.Label)
                )
            case "id":
                return self._compares(
                    thing.row.id, value, lambda text: decode_id(text, self.principal.tenant_id, thing.bound.tag or "")
                )
        fields = {
            field.name: field
            for part in (cls, *thing.bound.extensions)
            for field in part.__strawberry_definition__.fields
        }
        field = fields["".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)]
        binding = bd.binding_of(field)
        if isinstance(binding, bd.ColumnBinding):
            return self._compares(
                getattr(thing.row, binding.column.key),
                value,
                lambda given: given.value if isinstance(given, Enum) else given,
            )
        from cityloom.graph.bound.fields import target_of

        target = target_of(field).cls
        return any(self._matches(target, other, value) for other in self.related(binding, thing, target))

    @staticmethod
    def _compares(value: Any, conditions: dict[str, Any], read: Any) -> bool:
        tests: dict[str, Any] = {
            "eq": lambda given: value == given,
            "in": lambda given: value in given,
            "prefix": lambda given: str(value).startswith(given),
            "contains": lambda given: given in value,
            "lt": lambda given: value < given,
            "lte": lambda given: value <= given,
            "gt": lambda given: value > given,
            "gte": lambda given: value >= given,
        }
        for operator, given in conditions.items():
            if given is None:
                continue
            if operator == "isNull":
                if (value is None) is not given:
                    return False
            else:
                wanted = [read(item) for item in given] if operator == "in" else read(given)
                if value is None or not tests[operator](wanted):
                    return False
        return True


def _row_of(cursor: str) -> str:
    return str(json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[-1])


def normal(value: Any) -> Any:
    """An answer with every cursor replaced by the row that it stands for, to compare answers of two executors."""
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, str) and value.startswith("W"):
        try:
            return f"cursor of {_row_of(value)}"
        except (ValueError, TypeError, IndexError):
            return value
    return value


__all__ = ["Naive", "Thing", "normal"]


def _median(values: list[int]) -> int | None:
    """The smallest value that at least half of the values do not exceed."""
    return sorted(values)[(len(values) + 1) // 2 - 1] if values else None

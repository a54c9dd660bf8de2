"""The SDL of the contracts, whole and per module: written to `schema/`, compared in tests, guarded against breaking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from graphql import (
    BreakingChange,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    find_breaking_changes,
    is_introspection_type,
    is_specified_scalar_type,
    lexicographic_sort_schema,
    print_schema,
)
from graphql.utilities.print_schema import print_type

from cityloom.core.errors import Refusal, RefusalCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from graphql import GraphQLSchema

    from cityloom.graph.schema import Contracts

_HEAD: Final = "# Written by `make schema`: do not edit.\n\n"
CHANGELOG: Final = "CHANGELOG.md"


class BreakingChangeUnannounced(Refusal):
    """The schema would break its clients and schema/CHANGELOG.md does not say so; add these lines to it: {changes}"""  # noqa: D415 - the list ends it

    code = RefusalCode.CONFLICT
    zh = "接口变更会破坏现有客户端,而 schema/CHANGELOG.md 未说明;请将以下各行加入其中:{changes}"


def whole(contracts: Contracts) -> str:
    """The SDL of a surface with every module, sorted, so that a difference is a change."""
    return _HEAD + print_schema(_sorted(contracts)) + "\n"


def _sorted(contracts: Contracts) -> GraphQLSchema:
    """By way of text: sorting makes plain enums, which cannot print defaults that are members of Python's."""
    return lexicographic_sort_schema(build_schema(print_schema(contracts.whole.graphql)))


def of_module(contracts: Contracts, module: str) -> str:
    """What one module adds: its types whole, and what it contributes to the types of others as `extend type`."""
    schema = _sorted(contracts)
    owner = contracts.ownership
    parts = []
    for type_ in schema.type_map.values():
        if is_introspection_type(type_) or is_specified_scalar_type(type_):
            continue
        is_own = owner.get((type_.name, None)) == module
        if not isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            if is_own:
                parts.append(print_type(type_))
            continue
        fields = {name: field for name, field in type_.fields.items() if owner.get((type_.name, name)) == module}
        if isinstance(type_, GraphQLInterfaceType):
            if is_own:
                parts.append(print_type(type_))
        elif fields:
            interfaces = type_.interfaces if is_own else ()
            description = type_.description if is_own else None
            part = print_type(GraphQLObjectType(type_.name, fields, interfaces=interfaces, description=description))
            parts.append(part if is_own else f"extend {part}")
    return _HEAD + "\n\n".join(parts) + "\n"


def files(tenant: Contracts, platform: Contracts | None = None) -> dict[str, str]:
    """Every file of `schema/` that holds SDL, by its path in there."""
    found = {"tenant.graphql": whole(tenant)}
    if platform is not None:
        found["platform.graphql"] = whole(platform)
    for module in tenant.modules:
        text = of_module(tenant, module.name)
        if text != _HEAD + "\n":
            found[f"modules/{module.name}.graphql"] = text
    return found


def drift(folder: Path, tenant: Contracts, platform: Contracts | None = None) -> list[str]:
    """Names of files in `schema/` that are not what the code says, or that nothing writes any more."""
    expected = files(tenant, platform)
    wrong = [name for name, text in expected.items() if not (folder / name).is_file() or _read(folder / name) != text]
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*.graphql")}
    return sorted({*wrong, *(written - set(expected))})


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def breaking_changes(committed: str, now: str) -> list[BreakingChange]:
    """What a client of the committed schema could no longer do under the new one."""
    return find_breaking_changes(build_schema(committed), build_schema(now))


def write(folder: Path, tenant: Contracts, platform: Contracts | None = None) -> list[str]:
    """Write `schema/`; answers the names of the files that changed.

    Refuses (`BreakingChangeUnannounced`), and writes nothing, where clients would break and `schema/CHANGELOG.md` has
    no line that names the change.
    """
    expected = files(tenant, platform)
    demand_announced(
        folder,
        [
            change.description
            for name, text in expected.items()
            if "/" not in name and (folder / name).is_file()
            for change in breaking_changes(_read(folder / name), text)
        ],
    )
    changed = drift(folder, tenant, platform)
    for name in changed:
        path = folder / name
        if name not in expected:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(expected[name], encoding="utf-8")
    return changed


def demand_announced(folder: Path, changes: Iterable[str]) -> None:
    """Refuse (`BreakingChangeUnannounced`) changes that the changelog does not name."""
    changelog = _read(folder / CHANGELOG) if (folder / CHANGELOG).is_file() else ""
    unannounced = [change for change in changes if change not in changelog]
    if unannounced:
        raise BreakingChangeUnannounced(changes=" | ".join(unannounced))


def missing_descriptions(schema: GraphQLSchema) -> list[str]:
    """Types, fields, arguments, enum values and input fields that a stranger would find unexplained."""
    return sorted(_undescribed(schema))


def _undescribed(schema: GraphQLSchema) -> Iterator[str]:
    for type_ in schema.type_map.values():
        if is_introspection_type(type_) or is_specified_scalar_type(type_):
            continue
        if not type_.description:
            yield type_.name
        if isinstance(type_, GraphQLEnumType):
            yield from (f"{type_.name}.{name}" for name, value in type_.values.items() if not value.description)
        elif isinstance(type_, GraphQLInputObjectType):
            yield from (f"{type_.name}.{name}" for name, field in type_.fields.items() if not field.description)
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in type_.fields.items():
                if not field.description:
                    yield f"{type_.name}.{name}"
                yield from (
                    f"{type_.name}.{name}({argument})" for argument, said in field.args.items() if not said.description
                )

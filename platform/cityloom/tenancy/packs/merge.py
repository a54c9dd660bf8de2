"""Tables within tables: merged over a base, and the least that has to be said over it."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from cityloom.tenancy.packs import toml_text

if TYPE_CHECKING:
    from collections.abc import Iterator


def deep_merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables merged key by key; any other value of `above` stands for itself."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        merged[name] = deep_merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def deep_difference(whole: dict[str, Any], below: dict[str, Any]) -> dict[str, Any]:
    """The least that, merged over `below` without the keys that are `lacking`, gives `whole`."""
    kept: dict[str, Any] = {}
    for name, value in whole.items():
        under = below.get(name)
        if isinstance(under, dict) and isinstance(value, dict):
            inner = deep_difference(value, under)
            if inner:
                kept[name] = inner
        elif name not in below or under != value:
            kept[name] = value
    return kept


def lacking(whole: dict[str, Any], below: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of the keys that `below` has and `whole` does not: merging cannot take them away."""
    for name, under in below.items():
        if name not in whole:
            yield (*path, name)
        elif isinstance(under, dict) and isinstance(whole[name], dict):
            yield from lacking(whole[name], under, (*path, name))


def deep_without(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any] | None:
    """The table without the key at a path; None where there is no such key."""
    name, *rest = path
    if name not in values:
        return None
    if not rest:
        return {other: value for other, value in values.items() if other != name}
    inner = values[name]
    without = deep_without(inner, tuple(rest)) if isinstance(inner, dict) else None
    return None if without is None else {**values, name: without}


def join_path(path: tuple[str, ...]) -> str:
    """A path as a dotted key of TOML."""
    return ".".join(toml_text.key(name) for name in path)


def split_path(text: str) -> tuple[str, ...]:
    """The path that a dotted key of TOML names; empty where it is none."""
    try:
        node: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(node, dict):
        if len(node) != 1:
            return ()
        ((name, node),) = node.items()
        path.append(name)
    return tuple(path) if node == 0 else ()

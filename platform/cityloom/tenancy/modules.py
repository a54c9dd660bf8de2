"""Which modules go together, and whether settings suit them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from cityloom.core.text import Text
from cityloom.tenancy.packs.validation import reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cityloom.core.module import Module


def enabled_modules(modules: Mapping[str, Module], switched_on: Iterable[str]) -> frozenset[str]:
    """The core modules and those of the named ones that exist in this installation."""
    core = {name for name, module in modules.items() if module.is_core}
    return frozenset(core | {name for name in switched_on if name in modules})


def missing_needs(modules: Mapping[str, Module], enabled: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """For each enabled module that lacks any, the modules that it needs and that are off."""
    lacking = {name: tuple(n for n in modules[name].needs if n not in enabled) for name in sorted(enabled)}
    return {name: missing for name, missing in lacking.items() if missing}


def needed_by(modules: Mapping[str, Module], name: str, enabled: frozenset[str]) -> tuple[str, ...]:
    """Enabled modules that need this one, directly or through others."""
    found: set[str] = set()
    frontier = {name}
    while frontier:
        frontier = {other for other in enabled if frontier & set(modules[other].needs)} - found
        found |= frontier
    return tuple(sorted(found))


def settings_faults(module: Module, settings: dict[str, Any]) -> list[tuple[tuple[str | int, ...], Text, Text]]:
    """Place, reason and hint of everything that is wrong with settings; empty where they suit the module."""
    try:
        module.settings.model_validate_json(orjson.dumps(settings, default=str), strict=True)
    except ValidationError as error:
        return [(tuple(detail["loc"]), *reason(detail)) for detail in error.errors(include_url=False)]
    return []

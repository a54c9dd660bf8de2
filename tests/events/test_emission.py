"""Every mutation of the tenant API tells what it did: found by following its code from the resolver to `emit`."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from cityloom.graph.mutations import CHANGE, Change
from cityloom.graph.schema import definition_of
from cityloom.installed import modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cityloom.graph.mutations import MutationSpec

#: Mutations that tell nothing, each with the reason.
SILENT = {
    "areas.area_merge_plan": "a preview",
    "areas.area_move_plan": "a preview",
    "areas.area_split_plan": "a preview",
    "cases.workflow_rehearse": "a rehearsal on nothing that is stored",
    "registry.building_move_plan": "a preview",
    "registry.field_changes_submit": "each change in it tells of itself: tests/modules/registry/test_fieldwork.py",
    "tags.tag_rule_preview": "a preview",
    "webhooks.webhook_endpoint_dry_run": "a preview",
}
_DEEPEST = 8


def _mutations() -> dict[str, MutationSpec]:
    """What the modules contribute, by the name of the field in Python."""
    found: dict[str, MutationSpec] = {}
    for module in modules():
        for cls in module.tenant_api.mutations:
            for field in definition_of(cls).fields:
                change = field.metadata[CHANGE]
                assert isinstance(change, Change)
                found[f"{module.name}.{field.python_name}"] = change.spec
    return found


MUTATIONS = _mutations()


@cache
def _tree(function: Callable[..., Any]) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError):
        return None


def _called(function: Callable[..., Any], tree: ast.AST) -> Iterator[Any]:
    """The functions and classes of ours that a function names: it may call them, or hand them on."""
    names = dict(getattr(function, "__globals__", {}))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("cityloom"):
            module = importlib.import_module(node.module)
            names |= {alias.asname or alias.name: getattr(module, alias.name, None) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield names.get(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield getattr(names.get(node.value.id), node.attr, None)


def _emits(function: Any, depth: int, seen: set[int]) -> bool:
    function = inspect.unwrap(function)
    if id(function) in seen or depth > _DEEPEST:
        return False
    seen.add(id(function))
    tree = _tree(function)
    if tree is None:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "emit":
            return True
    return any(
        _emits(found, depth + 1, seen)
        for found in _called(function, tree)
        if (inspect.isfunction(found) or inspect.isclass(found))
        and str(getattr(found, "__module__", "")).startswith("cityloom.")
        and not str(found.__module__).startswith(("cityloom.core.", "cityloom.testing."))
    )


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_every_mutation_tells_what_it_did(name: str) -> None:
    told = _emits(MUTATIONS[name].resolver, 0, set())
    assert told is (name not in SILENT), f"{name} changes something and emits no event, or is on the list wrongly"


def test_there_are_mutations() -> None:
    assert len(MUTATIONS) > 60

"""The slices of this installation, from low to high: adding a module is adding a folder and naming it here."""

from __future__ import annotations

from importlib import import_module, util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cityloom.core.module import Module

SLICES = (
    "cityloom.graph",
    "cityloom.tenancy",
    "cityloom.access",
    "cityloom.audit",
    "cityloom.events",
    "cityloom.jobs",
    "cityloom.files",
    "cityloom.exports",
    "cityloom.reports",
    "cityloom.webhooks",
    "cityloom.privacy",
    "cityloom.imports",
    "cityloom.departures",
    "cityloom.modules.areas",
    "cityloom.modules.registry",
    "cityloom.modules.registry.imports",
    "cityloom.modules.tags",
    "cityloom.modules.grid",
    "cityloom.modules.cases",
    "cityloom.open311",
)


def import_models() -> None:
    """Import every slice's tables, so that the metadata is whole."""
    for name in SLICES:
        if util.find_spec(f"{name}.models") is not None:
            import_module(f"{name}.models")


def modules() -> tuple[Module, ...]:
    """The manifests of all slices, from low to high."""
    return tuple(
        import_module(f"{name}.module").MODULE for name in SLICES if util.find_spec(f"{name}.module") is not None
    )

"""The manifest by which a slice is wired into the platform."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from cityloom.core.text import Text


class ModuleSettings(BaseModel):
    """Settings of one module in one tenant; a module that has any derives from this."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Permission:
    """Something that may be allowed: `module.resource.action`, or a level of a protected field.

    `roles` are the shipped role templates that are granted it by default.
    """

    name: str
    title: Text
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphApi:
    """What a slice adds to a GraphQL schema: classes made with `cityloom.graph.bound`."""

    queries: tuple[type, ...] = ()
    mutations: tuple[type, ...] = ()
    extensions: tuple[type, ...] = ()
    types: tuple[type, ...] = ()


@dataclass(frozen=True, slots=True)
class Module:
    """One slice: its words, what it needs, and what it adds.

    `is_core` modules cannot be switched off by a tenant. `pack_parts` are objects that read, plan, apply and export the
    slice's files in a tenant pack (`cityloom.tenancy.packs.PackPart`).
    """

    name: str
    title: Text
    description: Text
    needs: tuple[str, ...] = ()
    is_core: bool = False
    settings: type[ModuleSettings] = ModuleSettings
    permissions: tuple[Permission, ...] = ()
    tenant_api: GraphApi = field(default_factory=GraphApi)
    platform_api: GraphApi = field(default_factory=GraphApi)
    pack_parts: tuple[object, ...] = ()
    events: tuple[type, ...] = ()

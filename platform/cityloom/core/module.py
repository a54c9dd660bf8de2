"""The manifest by which a slice is wired into the platform."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime, time, timedelta
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select

    from cityloom.core.subjects import ConsentEnds, Copies, Holding
    from cityloom.core.text import Text
    from cityloom.core.work import Work

    #: Of a city, by its id as a column, and a moment: a select of `true()` with a row where there is work by then.
    Waiting = Callable[[ColumnElement[UUID], datetime], Select[bool]]


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
    subscriptions: tuple[type, ...] = ()
    extensions: tuple[type, ...] = ()
    types: tuple[type, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is done again and again for every active city that has the module on.

    `run(work)` is one transaction of the city's system principal and answers how much it did, if that is known; where
    that is `batch` or more, it is run again at once. `every` is the rhythm; with `at`, a time of day in China, it is
    done once a day after that. Safe to be begun twice: it skips what another process is at, or finds nothing to do.
    `waiting` says in which cities there is anything to do; without it, the job is begun in every one to find out.
    """

    name: str
    title: Text
    every: timedelta
    run: Callable[[Work], Awaitable[int | None]]
    batch: int | None = None
    at: time | None = None
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """A kind of rows that a tenant may keep for so many days only (`[modules.privacy.settings.retention]`).

    `count(work, before)` says how many rows are older than a moment; `let_go(work, before, most)` lets at most so many
    of them go, in the work's transaction, and answers how many.
    """

    name: str
    title: Text
    count: Callable[[Work, datetime], Awaitable[int]]
    let_go: Callable[[Work, datetime, int], Awaitable[int]]


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """One slice: its words, what it needs, and what it adds. There is one of each, so each is equal to itself alone.

    `holdings` say what it holds of people, whatever their kind, `copies` what it keeps of rows that were read, and
    `consent_ends` what ends when somebody withdraws a consent. `is_core` modules cannot be switched off by a tenant.
    `pack_parts` are objects that read, plan, apply and export the slice's files in a tenant pack
    (`cityloom.tenancy.packs.PackPart`); `import_targets` are what tables of rows can be imported into
    (`cityloom.imports.targets.Target`).
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
    jobs: tuple[Job, ...] = ()
    holdings: tuple[Holding, ...] = ()
    copies: tuple[Copies, ...] = ()
    consent_ends: tuple[ConsentEnds, ...] = ()
    retentions: tuple[Retention, ...] = ()
    import_targets: tuple[object, ...] = ()

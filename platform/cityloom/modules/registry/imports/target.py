"""The registry as something that can be imported into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, or_, select

from cityloom.core.text import Text
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry import people
from cityloom.modules.registry.imports import models as m
from cityloom.modules.registry.imports import own
from cityloom.modules.registry.imports.checking import RegistryChecking
from cityloom.modules.registry.imports.columns import COLUMNS
from cityloom.modules.registry.imports.publishing import publish
from cityloom.modules.registry.imports.resolving import resolve

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.imports.targets import Asked, Column, Counts

_STAGES = (m.StagedResident, m.StagedHousehold, m.StagedDwelling, m.StagedBuilding, *own.STAGES)


class RegistryTarget:
    """Buildings, dwellings, households and residents (`imports.targets.Target`)."""

    name = "registry"
    module = "registry"
    title = Text("人房登记", "Registry")
    description = Text(
        "楼栋、房屋、住户、居民:一张宽表,或每类一张工作表。",
        "Buildings, dwellings, households and residents: in one wide sheet, or a sheet for each.",
    )
    permissions = (
        "registry.resident.create",
        "registry.household.create",
        "registry.dwelling.create",
        "registry.building.create",
    )

    async def columns(self, work: Work) -> tuple[Column, ...]:
        """The columns that there are for the caller."""
        return (*COLUMNS, *await own.own_columns(work, own.THINGS))

    async def begin(self, work: Work, asked: Asked) -> RegistryChecking:
        """Begin to check, or go on."""
        rights, keys = work.rights, await people.keys_of(work)
        reads, changes = rights.scope("registry.resident.read"), rights.scope("registry.resident.change")
        fields = await own.own_fields(work, own.THINGS)
        return RegistryChecking(asked, keys, civil_day(work.now()), fields, reads, changes)

    async def is_staged(self, work: Work, import_id: UUID) -> bool:
        """Whether anything of an import is staged."""
        found = (exists().where(model.import_id == import_id) for model in _STAGES)
        return bool(await work.session.scalar(select(or_(*found))))

    async def resolve(self, work: Work, asked: Asked, *, locks: bool) -> Counts:
        """Compare what is staged with itself and with the registry."""
        return await resolve(work, asked, locks=locks)

    async def publish(self, work: Work, asked: Asked) -> None:
        """Make what was resolved visible."""
        await publish(work, asked)

    async def discard(self, work: Work, import_id: UUID) -> None:
        """Empty the staging tables of an import."""
        for model in _STAGES:
            await work.session.execute(delete(model).where(model.import_id == import_id))


REGISTRY = RegistryTarget()

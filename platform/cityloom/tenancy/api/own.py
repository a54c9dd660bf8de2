"""A city about itself: name, modules, public settings and limits, for whoever builds its front ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import strawberry

from cityloom.core.errors import Unauthenticated
from cityloom.core.principal import PrincipalKind
from cityloom.graph import bound as b
from cityloom.tenancy.directory import TenantConfig, TenantDirectory
from cityloom.tenancy.limits import LIMITS

if TYPE_CHECKING:
    from cityloom.core.module import Module, ModuleSettings
    from cityloom.core.text import Locale
    from cityloom.graph.context import GraphContext


@b.output_type(description="A part of the platform that this city has switched on.")
class CityModule:
    """One module."""

    name: str = strawberry.field(description="The module's name; fields of the API say which module they belong to.")
    title: str = strawberry.field(description="What users call it, in the caller's language.")
    settings: b.JSON = strawberry.field(description="Those of its settings that front ends need, by name.")


@b.output_type(description="A bound that the platform sets this city.")
class CityLimit:
    """One limit."""

    name: str = strawberry.field(description="The limit's name.")
    title: str = strawberry.field(description="What it bounds, in the caller's language.")
    value: b.BigInt = strawberry.field(description="The bound.")


@b.output_type(description="The city (or district, town, community) that the caller's credential belongs to.")
class City:
    """The caller's tenant."""

    slug: str = strawberry.field(description="Its short name, as in addresses and commands.")
    name: str = strawberry.field(description="Its name in the caller's language.")
    division_code: str | None = strawberry.field(description="Statistical division code of its territory, or null.")
    locale: str = strawberry.field(description="The language where a caller states none: `zh` or `en`.")
    time_zone: str = strawberry.field(description="IANA time zone in which its days and working hours are counted.")
    is_suspended: bool = strawberry.field(description="True: it can be read but not changed at present.")
    modules: list[CityModule] = strawberry.field(description="The modules that it has switched on, by name.")
    limits: list[CityLimit] = strawberry.field(description="Its limits, by name.")


def public_settings(settings: ModuleSettings) -> dict[str, Any]:
    """The settings that are marked `json_schema_extra={"public": True}`, as JSON values."""
    shown = {
        name
        for name, field in type(settings).model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("public") is True
    }
    return settings.model_dump(mode="json", include=shown)


def city_of(config: TenantConfig, modules: dict[str, Module], locale: Locale) -> City:
    """The city as it is shown to its own people."""
    return City(
        slug=config.slug,
        name=config.names[locale],
        division_code=config.division_code,
        locale=config.locale,
        time_zone=config.time_zone,
        is_suspended=not config.is_writable,
        modules=[
            CityModule(
                name=name,
                title=modules[name].title[locale],
                settings=b.JSON(public_settings(config.module_settings[name])),
            )
            for name in sorted(config.modules)
        ],
        limits=[
            CityLimit(name=name, title=LIMITS[name].title[locale], value=b.BigInt(value))
            for name, value in sorted(config.limits().items())
        ],
    )


async def own_city(info: strawberry.Info) -> City:
    """The caller's city."""
    context: GraphContext = info.context
    if context.principal.kind is PrincipalKind.ANONYMOUS:
        raise Unauthenticated
    directory: TenantDirectory = context.services[TenantDirectory]
    return city_of(await directory.get(context.principal.tenant_id), directory.modules, context.locale)


@b.query(module="tenancy")
class TenancyQuery:
    """Reads of the caller's own city."""

    city: City = strawberry.field(
        resolver=own_city, description="The caller's own city: name, modules with public settings, limits."
    )

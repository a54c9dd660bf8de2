"""The packs that ship: each is canonical, is applied whole, comes back byte for byte, and can be applied again."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped] # it ships no types
import pytest
from sqlalchemy import text

from cityloom import installed
from cityloom.access.catalogue import Catalogue
from cityloom.access.snapshots import AccessSnapshots
from cityloom.core.errors import Refusal
from cityloom.tenancy.cli import schema_text
from cityloom.tenancy.errors import TenantNotFound
from cityloom.tenancy.packs import PackSource, Problems, read_folder
from cityloom.tenancy.service import TenantService, pack_engine
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.core.work import Works

ROOT = Path(__file__).parents[2]
TENANTS = ROOT / "tenants"
CITIES = sorted(path.parent.name for path in TENANTS.glob("*/tenant.toml"))
#: Kinds and their number, as the cities themselves publish them (and the divisions have them).
FIGURES = {
    "yanji": {"CITY": 1, "STREET": 6, "TOWN": 4, "VILLAGE": 54},
    "longgang": {"TOWN": 1, "COMMUNITY": 10, "VILLAGE": 25, "GRID": 396, "MICRO_GRID": 1047},
    "ruijin2": {"STREET": 1, "ZONE": 3, "NEIGHBOURHOOD": 16, "MICRO_GRID": 40, "BUILDING_GROUP": 658},
    "linfen": {"STREET": 1, "NEIGHBOURHOOD": 20},
    "fuyu": {"COMMUNITY": 1, "RESIDENTS_COMMITTEE": 9, "GRID": 18},
}


def source_of(city: str) -> PackSource:
    problems = Problems()
    source = read_folder(TENANTS / city, problems)
    assert not problems
    return source


@pytest.fixture
async def installation(works: Works) -> AsyncIterator[TenantService]:
    """What ships: all modules, all packs."""
    modules = installed.modules()
    async with AccessSnapshots(works.database, Catalogue.of(modules)) as snapshots:
        works.services[AccessSnapshots] = snapshots
        yield TenantService(works, modules, TENANTS)


def renamed(source: PackSource, city: str, slug: str) -> PackSource:
    """The city's pack under another slug, so that each test has a tenant of its own."""
    files = dict(source.files)
    files["tenant.toml"] = files["tenant.toml"].replace(f'slug = "{city}"'.encode(), f'slug = "{slug}"'.encode(), 1)
    return PackSource(files)


@pytest.mark.parametrize("city", CITIES)
def test_a_city_is_sound_and_canonical(city: str) -> None:
    engine = pack_engine(installed.modules(), TENANTS)
    source = source_of(city)
    pack = engine.check(source)
    assert engine.canonical(pack) == source.files


@pytest.mark.parametrize("city", sorted(FIGURES))
def test_a_city_has_the_figures_it_publishes(city: str) -> None:
    lines = source_of(city).files["areas.csv"].decode().splitlines()[1:]
    counted = Counter(line.split(",")[2] for line in lines)
    assert FIGURES[city].items() <= counted.items()


@pytest.mark.parametrize("city", CITIES)
async def test_a_city_is_applied_exported_and_applied_again(city: str, installation: TenantService, slug: str) -> None:
    source = renamed(source_of(city), city, slug)
    first = await installation.apply(source, actor="tester")
    assert first.plan.is_new
    assert await installation.export(slug) == source.files
    second = await installation.apply(source, actor="tester")
    assert not second.plan


async def test_what_only_the_database_can_refuse_leaves_nothing_behind(installation: TenantService, slug: str) -> None:
    """A rule over a permission that no module has is refused when the rules are written, after other rows were."""
    source = renamed(source_of("ruijin2"), "ruijin2", slug)
    bad = PackSource({**source.files, "policy.csv": b"p, department_officer, areas.moon.read, allow\n"})
    with pytest.raises(Refusal):
        await installation.apply(bad, actor="tester")
    with pytest.raises(TenantNotFound):
        await installation.tenant(slug)

    applied = await installation.apply(source, actor="tester")
    with pytest.raises(Refusal):
        await installation.apply(bad, actor="tester")
    assert await installation.export(slug) == source.files
    assert len(await installation.applications(applied.tenant_id)) == 1


@pytest.mark.parametrize("city", [city for city in CITIES if (TENANTS / city / "areas.geojson").exists()])
async def test_every_grid_is_found_by_its_centre(city: str, installation: TenantService, slug: str) -> None:
    """The synthetic boundaries of one level neither overlap nor leave gaps."""
    applied = await installation.apply(renamed(source_of(city), city, slug), actor="tester")
    async with installation.works.begin(system_principal(applied.tenant_id)) as work:
        missed = await work.session.scalar(
            text(
                "SELECT count(*) FROM areas a WHERE a.tenant_id = :tenant AND (SELECT count(*) FROM area_rings r"
                " JOIN areas o ON o.tenant_id = r.tenant_id AND o.id = r.area_id WHERE r.tenant_id = a.tenant_id"
                " AND o.depth = a.depth AND r.ring @> point(a.centre_longitude, a.centre_latitude)) <> 1"
            ),
            {"tenant": applied.tenant_id},
        )
    assert missed == 0


@pytest.mark.parametrize("city", CITIES)
def test_a_city_fits_the_published_schema(city: str) -> None:
    schema = json.loads(schema_text(installed.modules(), TENANTS))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads((TENANTS / city / "tenant.toml").read_text(encoding="utf-8")), schema)


def test_the_published_schema_is_what_the_models_say() -> None:
    written = (ROOT / "schema" / "pack.schema.json").read_text(encoding="utf-8")
    assert written == schema_text(installed.modules(), TENANTS), "run `make schema`"

"""The grid in packs: staffing models of real cities are data; what is wrong is told with its place."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from cityloom import installed
from cityloom.access.catalogue import Catalogue
from cityloom.access.snapshots import AccessSnapshots
from cityloom.core.errors import Refusal
from cityloom.modules.grid import models as m
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.packs import PackSource, Problems
from cityloom.tenancy.service import TenantService, pack_engine
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from cityloom.core.work import Works

TENANTS = Path(__file__).parents[3] / "tenants"
POSTS = "code,title_zh,title_en,rank,lead,single,patrols\n"
STAFFING = "post,area_kind,least,most\n"
#: 一长四员: a lead and four members; 三长: leads of grid, building and unit; as the cities describe them.
MODELS = {
    "one lead, four members": (
        """LEAD,网格长,Lead,1,true,true,false
CLEANER,保洁员,Cleaner,3,false,true,false
INFORMANT,信息员,Informant,2,false,true,true
MEDIATOR,调解员,Mediator,4,false,true,false
WARDEN,安全员,Warden,5,false,true,true
""",
        "".join(f"{post},GRID,1,1\n" for post in ("LEAD", "CLEANER", "INFORMANT", "MEDIATOR", "WARDEN")),
    ),
    "three leads": (
        """BUILDING_LEAD,楼栋长,Building lead,2,true,true,false
GRID_LEAD,网格长,Grid lead,1,true,true,true
UNIT_LEAD,单元长,Unit lead,3,false,false,false
""",
        "BUILDING_LEAD,BUILDING_GROUP,1,1\nGRID_LEAD,GRID,1,1\nUNIT_LEAD,BUILDING_GROUP,1,20\n",
    ),
    "no posts at all": ("", ""),
}
KINDS = "".join(
    f'\n[[area_kinds]]\ncode = "{code}"\ntitle = {{ zh = "{code}", en = "{code}" }}\nlevel = {level}\n'
    for level, code in enumerate(("CITY", "GRID", "BUILDING_GROUP"), 1)
)
FORMULA = 'title = { zh = "月", en = "Month" }\n\n[[terms]]\ninput = "visits"\nweight_milli = %d\n'


def pack(slug: str, posts: str = "", staffing: str = "", **files: str) -> PackSource:
    """A small city with three kinds of area."""
    manifest = f'slug = "{slug}"\nnames = {{ zh = "桤木市", en = "Alder" }}\nextends = "packs/community-base"\n{KINDS}'
    found = {
        "tenant.toml": manifest + "\n[modules.grid]\nenabled = true\n",
        "areas.csv": "code,name,kind,parent,valid_from,valid_to,longitude,latitude\nA,桤木市,CITY,,,,,\n",
        "accounts.csv": "login,name,locale,is_developer,enabled\nadmin,管理员,zh,true,true\n",
        "memberships.csv": "login,role,area,department,own\nadmin,city_administrator,,,false\n",
        **({"posts.csv": POSTS + posts, "staffing.csv": STAFFING + staffing} if posts else {}),
        **{
            name.replace("__", "/", 1).replace("_toml", ".toml").replace("_csv", ".csv"): t for name, t in files.items()
        },
    }
    return PackSource({name: text.encode() for name, text in found.items()})


@pytest.fixture
def slug() -> str:
    return f"alder-{secrets.token_hex(6)}"


@pytest.fixture
async def installation(works: Works) -> AsyncIterator[TenantService]:
    modules = installed.modules()
    works.services[TenantDirectory] = TenantDirectory(works.database, modules)
    async with AccessSnapshots(works.database, Catalogue.of(modules)) as snapshots:
        works.services[AccessSnapshots] = snapshots
        yield TenantService(works, modules, TENANTS)


async def current(works: Works, tenant_id: UUID) -> dict[str, tuple[int, Any]]:
    async with works.begin(system_principal(tenant_id)) as work:
        rows = await work.session.scalars(select(m.ScoreFormula).where(m.ScoreFormula.is_current))
        return {row.code: (row.edition, row.terms[0]["weight_milli"]) for row in rows}


@pytest.mark.parametrize("model", sorted(MODELS))
async def test_a_staffing_model_is_data(works: Works, installation: TenantService, slug: str, model: str) -> None:
    posts, staffing = MODELS[model]
    source = pack(slug, posts, staffing, score_formulas__month_toml=FORMULA % 500)
    done = await installation.apply(source, actor="tests")
    async with works.begin(system_principal(done.tenant_id)) as work:
        stored = await work.session.scalars(select(m.Post.code))
        assert sorted(stored) == sorted(line.split(",")[0] for line in posts.splitlines())
        needed = (await work.session.scalars(select(m.PostStaffing))).all()
        assert len(needed) == len(staffing.splitlines())
    again = await installation.apply(source, actor="tests")
    assert not again.plan
    assert await current(works, done.tenant_id) == {"month": (1, 500)}


async def test_changes_make_editions_and_removals_go_as_far_as_they_may(
    works: Works, installation: TenantService, slug: str
) -> None:
    posts, staffing = MODELS["one lead, four members"]
    done = await installation.apply(pack(slug, posts, staffing, score_formulas__month_toml=FORMULA % 500), actor="t")
    await installation.apply(pack(slug, posts, staffing, score_formulas__month_toml=FORMULA % 600), actor="t")
    assert await current(works, done.tenant_id) == {"month": (2, 600)}
    fewer = "".join(line for line in posts.splitlines(keepends=True) if "CLEANER" not in line)
    needed = "".join(line for line in staffing.splitlines(keepends=True) if "CLEANER" not in line)
    await installation.apply(pack(slug, fewer, needed), actor="t")
    assert await current(works, done.tenant_id) == {}
    async with works.begin(system_principal(done.tenant_id)) as work:
        assert "CLEANER" not in set(await work.session.scalars(select(m.Post.code)))
        warden = await work.session.scalar(select(m.Post).where(m.Post.code == "WARDEN"))
        assert warden is not None
        work.session.add(
            m.Shift(
                **await _anybody(work, done.tenant_id),
                post_id=warden.id,
                is_duty=False,
                starts_at=work.now(),
                ends_at=work.now().replace(hour=23),
            )
        )
    rest = "".join(line for line in fewer.splitlines(keepends=True) if "WARDEN" not in line)
    left = "".join(line for line in needed.splitlines(keepends=True) if "WARDEN" not in line)
    with pytest.raises(Refusal) as refused:
        await installation.apply(pack(slug, rest, left), actor="t")
    assert refused.value.reason == "POST_STILL_HELD"


async def _anybody(work: Any, tenant_id: UUID) -> dict[str, Any]:
    from cityloom.access.models import Account
    from cityloom.modules.areas.models import Area

    account = await work.session.scalar(select(Account))
    area = await work.session.scalar(select(Area))
    work.session.add(m.Worker(tenant_id=tenant_id, id=account.id, name=account.name))
    await work.session.flush()
    return {"account_id": account.id, "area_id": area.id, "area_path": area.path}


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({"staffing_csv": STAFFING + "NOBODY,GRID,1,1\n"}, ("staffing.csv", 2, "post")),
        ({"staffing_csv": STAFFING + "LEAD,PLANET,1,1\n"}, ("staffing.csv", 2, "area_kind")),
        ({"staffing_csv": STAFFING + "LEAD,GRID,1,2\n"}, ("staffing.csv", 2, "most")),
        ({"staffing_csv": STAFFING + "WARDEN,GRID,3,2\n"}, ("staffing.csv", 2, "most")),
        ({"score_formulas__x_toml": FORMULA % 0}, ("score_formulas/x.toml", None, "terms")),
        (
            {
                "visit_forms__x_toml": 'title = { zh = "x", en = "x" }\n\n[[questions]]\ncode = "a"\nkind = "CHOICE"\n'
                'title = { zh = "x", en = "x" }\n'
            },
            ("visit_forms/x.toml", None, "questions"),
        ),
    ],
)
def test_a_bad_pack_is_told_where(files: dict[str, str], where: tuple[str, int | None, str], slug: str) -> None:
    posts = "LEAD,网格长,Lead,1,true,true,false\nWARDEN,安全员,Warden,5,false,false,true\n"
    problems = Problems()
    found = pack_engine(installed.modules(), TENANTS).problems(pack(slug, posts, **files), problems)
    file, line, field = where
    assert [(one.file, one.place) for one in found] == [(file, field)]
    assert line is None or found[0].line == line

"""The control plane and the city's own view of itself, as GraphQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from cityloom.access.authentication import ANONYMOUS, NO_TENANT, OperatorRights
from cityloom.app import platform
from cityloom.core.ids import new_id
from cityloom.core.principal import Principal, PrincipalKind
from cityloom.graph.execution import Request
from cityloom.settings import Settings
from cityloom.testing.database import VAR
from cityloom.testing.rights import StatedRights, principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.app import Platform
    from cityloom.graph.execution import GraphExecutor

ROOT = Path(__file__).parents[2]
OPERATOR = Principal(NO_TENANT, PrincipalKind.OPERATOR, OperatorRights(), account_id=new_id(), locale="en")

PACK = """\
slug = "{slug}"
names = {{ zh = "桤木", en = "Alder" }}
division_code = "222401"
extends = "packs/grid-city"

[limits]
areas = 50
"""
AREAS = "code,name,kind,parent,valid_from,valid_to,longitude,latitude\n222401,桤木,CITY,,,,,\n"
PLAN = (
    "isNew isEmpty digest counts { table added changed removed }"
    " changes(first: 3) { table kind key fields { name old new } }"
)
REFUSAL = "... on Refusal { code reason message path details }"


@pytest.fixture
async def opened(admin_url: str) -> AsyncIterator[Platform]:
    async with platform(Settings(var=VAR, tenants=ROOT / "tenants"), admin_url) as found:
        yield found


async def ask(
    executor: GraphExecutor, caller: Principal, text: str, variables: dict[str, Any] | None = None
) -> dict[str, Any]:
    outcome = await executor.execute(caller, Request(text=text, variables=variables or {}), "en")
    answer: dict[str, Any] = orjson.loads(outcome.body)
    return answer


async def change(
    opened: Platform, caller: Principal, field: str, selection: str, given: dict[str, Any]
) -> dict[str, Any]:
    """What one mutation of the control plane answers."""
    kind = field[0].upper() + field[1:]
    name = {"packPlan": "Pack"}.get(field, kind)
    text = f"mutation($input: {name}Input!) {{ {field}(input: $input) {{ __typename {selection} {REFUSAL} }} }}"
    answer = await ask(opened.platform_api, caller, text, {"input": given})
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"][field]
    return found


def pack(slug: str, toml: str = PACK) -> list[dict[str, str]]:
    return [{"path": "tenant.toml", "content": toml.format(slug=slug)}, {"path": "areas.csv", "content": AREAS}]


async def test_an_operator_brings_a_city_live(opened: Platform, slug: str) -> None:
    given = {"files": pack(slug)}
    plan = await change(opened, OPERATOR, "packPlan", f"... on PackPlan {{ {PLAN} }}", given)
    assert plan["isNew"]
    assert {"table": "areas.csv", "added": 1, "changed": 0, "removed": 0} in plan["counts"]
    assert plan["changes"][0]["kind"] == "ADD"
    stale = await change(opened, OPERATOR, "packApply", "", {**given, "expected": "0" * 64})
    assert (stale["code"], stale["reason"]) == ("STALE", "PLAN_STALE")
    done = await change(
        opened, OPERATOR, "packApply", f"... on PackPlan {{ {PLAN} }}", {**given, "expected": plan["digest"]}
    )
    assert done == plan
    again = await change(opened, OPERATOR, "packApply", "... on PackPlan { isEmpty }", given)
    assert again["isEmpty"]

    answer = await ask(
        opened.platform_api,
        OPERATOR,
        "query($slug: String!) { tenant(slug: $slug) { slug nameEn state extends limits { name value isDefault }"
        " modules { name isEnabled isCore } } tenantExport(slug: $slug) { files { path content } }"
        " packApplications(slug: $slug) { actor added } tenants { slug } }",
        {"slug": slug},
    )
    found = answer["data"]
    assert found["tenant"]["state"] == "ACTIVE"
    assert {"name": "areas", "value": 50, "isDefault": False} in found["tenant"]["limits"]
    assert {"name": "registry", "isEnabled": True, "isCore": False} in found["tenant"]["modules"]
    assert found["tenantExport"]["files"] == sorted(pack(slug), key=lambda file: file["path"])
    assert [one["actor"] for one in found["packApplications"]] == [f"operator:{OPERATOR.account_id}"]
    assert {"slug": slug} in found["tenants"]


async def test_a_bad_pack_answers_every_problem_and_changes_nothing(opened: Platform, slug: str) -> None:
    files = [*pack(slug, PACK + "moons = 1\n"), {"path": "../x.csv", "content": ""}]
    refused = await change(opened, OPERATOR, "packApply", "", {"files": files})
    assert refused["code"] == "INVALID_PACK"
    assert "path is not allowed" in refused["message"]
    refused = await change(opened, OPERATOR, "packApply", "", {"files": files[:2]})
    assert [(p["file"], p["line"], p["place"]) for p in refused["details"]["problems"]] == [
        ("tenant.toml", 8, "limits.moons")
    ]
    answer = await ask(opened.platform_api, OPERATOR, "query($s: String!) { tenant(slug: $s) { slug } }", {"s": slug})
    assert answer["data"] == {"tenant": None}


async def test_a_pack_is_given_as_files_or_as_a_folder(opened: Platform) -> None:
    for given in ({}, {"files": [], "folder": "yanji"}):
        refused = await change(opened, OPERATOR, "packPlan", "", given)
        assert (refused["code"], refused["path"]) == ("INVALID_INPUT", ["input", "files"])
    for folder in ("nowhere", "../tenants/yanji", "packs/grid-city", ""):
        refused = await change(opened, OPERATOR, "packPlan", "", {"folder": folder})
        assert refused["code"] == "NOT_FOUND"
    plan = await change(opened, OPERATOR, "packPlan", "... on PackPlan { slug }", {"folder": "ruijin2"})
    assert plan["slug"] == "ruijin2"


async def test_a_tenant_is_suspended_resumed_and_configured(opened: Platform, slug: str) -> None:
    await change(opened, OPERATOR, "packApply", "", {"files": pack(slug)})
    shown = "... on Tenant { state stateReason modules { name isEnabled } limits { name value } }"
    for field, given, check in (
        ("tenantSuspend", {"reason": "unpaid"}, lambda t: t["state"] == "SUSPENDED" and t["stateReason"] == "unpaid"),
        ("tenantResume", {}, lambda t: t["state"] == "ACTIVE"),
        (
            "tenantModuleDisable",
            {"module": "cases"},
            lambda t: {"name": "cases", "isEnabled": False} in t["modules"],
        ),
        (
            "tenantModuleEnable",
            {"module": "cases"},
            lambda t: {"name": "cases", "isEnabled": True} in t["modules"],
        ),
        ("tenantLimitSet", {"name": "areas", "value": 3}, lambda t: {"name": "areas", "value": 3} in t["limits"]),
    ):
        answer = await change(opened, OPERATOR, field, shown, {"slug": slug, **given})
        assert check(answer), (field, answer)
    refused: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("tenantModuleDisable", {"module": "areas"}, "MODULE_ALWAYS_ON"),
        ("tenantModuleEnable", {"module": "moons"}, "MODULE_UNKNOWN"),
        ("tenantModuleEnable", {"module": "registry", "settings": [1]}, "INVALID_INPUT"),
        ("tenantModuleEnable", {"module": "registry", "settings": {"x": 1}}, "SETTINGS_REFUSED"),
        ("tenantLimitSet", {"name": "moons", "value": 3}, "LIMIT_UNKNOWN"),
        ("tenantLimitSet", {"name": "areas", "value": -1}, "LIMIT_OUT_OF_BOUNDS"),
        ("tenantSuspend", {"reason": "  "}, "INVALID_INPUT"),
    )
    for field, given, reason in refused:
        answer = await change(opened, OPERATOR, field, "", {"slug": slug, **given})
        assert answer["__typename"] == "Refusal"
        assert answer["reason"] == reason


FIELDS: dict[str, dict[str, Any]] = {
    "packPlan": {"folder": "ruijin2"},
    "packApply": {"folder": "ruijin2"},
    "tenantSuspend": {"slug": "ruijin2", "reason": "x"},
    "tenantResume": {"slug": "ruijin2"},
    "tenantModuleEnable": {"slug": "ruijin2", "module": "registry"},
    "tenantModuleDisable": {"slug": "ruijin2", "module": "registry"},
    "tenantLimitSet": {"slug": "ruijin2", "name": "areas", "value": 1},
}


@pytest.mark.parametrize("field", FIELDS)
async def test_nobody_but_an_operator_changes_anything(field: str, opened: Platform) -> None:
    for caller, code in (
        (ANONYMOUS, "UNAUTHENTICATED"),
        (principal(new_id(), StatedRights()), "FORBIDDEN"),
    ):
        answer = await change(opened, caller, field, "", FIELDS[field])
        assert answer["code"] == code


@pytest.mark.parametrize(
    "text",
    [
        "{ tenants { slug } }",
        '{ tenant(slug: "ruijin2") { slug } }',
        '{ tenantExport(slug: "ruijin2") { slug } }',
        '{ packApplications(slug: "ruijin2") { actor } }',
        "{ packFolders }",
    ],
)
async def test_nobody_but_an_operator_reads_anything(text: str, opened: Platform) -> None:
    for caller in (ANONYMOUS, principal(new_id(), StatedRights())):
        answer = await ask(opened.platform_api, caller, text)
        assert not any((answer["data"] or {}).values())
        assert answer["errors"][0]["extensions"]["code"] in {"UNAUTHENTICATED", "FORBIDDEN"}


async def test_a_city_knows_itself_and_its_own_settings(opened: Platform, slug: str) -> None:
    await change(opened, OPERATOR, "packApply", "", {"files": pack(slug)})
    config = await opened.directory.by_slug(slug)
    text = (
        "{ city { slug name divisionCode locale timeZone isSuspended"
        " modules { name title settings } limits { name value } } }"
    )
    answer = await ask(opened.tenant_api, principal(config.id, StatedRights()), text)
    city = answer["data"]["city"]
    assert (city["slug"], city["name"], city["divisionCode"], city["isSuspended"]) == (slug, "Alder", "222401", False)
    assert "registry" in {module["name"] for module in city["modules"]}
    assert {"name": "areas", "value": 50} in city["limits"]
    refused = await ask(opened.tenant_api, ANONYMOUS, text)
    assert refused["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"

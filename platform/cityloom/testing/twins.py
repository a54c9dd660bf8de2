"""Two cities that are equal but for a canary in every text, onboarded from a pack and filled through the API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from sqlalchemy import select

from cityloom.access import models as access
from cityloom.access.service.sessions import open_session
from cityloom.core.crypto import identity_check_digit
from cityloom.core.ids import new_id
from cityloom.installed import modules
from cityloom.tenancy.packs import PackSource
from cityloom.tenancy.system import system_principal
from cityloom.testing.files import picture

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.applications import Starlette

    from cityloom.app import Platform

_MANIFEST = """\
slug = "{slug}"
names = {{ zh = "{canary}市", en = "{canary} City" }}
description = {{ zh = "{canary}", en = "{canary}" }}
division_code = "{code}"
extends = "packs/grid-city"

[limits]
cost_per_minute = {allowance}
client_cost_per_minute = {allowance}
"""
#: Thousands of probes a minute are asked for.
_ALLOWANCE = 1_000_000_000

#: Roles with the area that each holds; the empty code is the whole city.
HOLDERS = {
    "city_administrator": "",
    "analyst": "",
    "auditor": "",
    "street_lead": "001",
    "community_worker": "001001",
    "grid_lead": "001001001",
    "grid_worker": "001001001",
}


@dataclass
class Twin:
    """One of the two: its id, a bearer for each role, and ids that the API answered, by type name."""

    slug: str
    canary: str
    id: UUID
    bearers: dict[str, str]
    client: httpx.AsyncClient
    ids: dict[str, list[str]] = field(default_factory=dict)

    async def send(self, role: str | None, document: str, variables: dict[str, Any] | None = None) -> httpx.Response:
        """Send one operation as the holder of a role; as nobody where the role is None."""
        headers = {"accept": "application/graphql-response+json", "accept-language": "en"}
        if role is not None:
            headers["authorization"] = f"Bearer {self.bearers[role]}"
        return await self.client.post(
            "/graphql", json={"query": document, "variables": variables or {}}, headers=headers
        )

    async def ask(self, role: str | None, document: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """The data of an answer that must have no errors."""
        answer = (await self.send(role, document, variables)).json()
        assert "errors" not in answer, answer["errors"]
        found: dict[str, Any] = answer["data"]
        return found

    async def make(self, mutation: str, input_: dict[str, Any], type_: str) -> str:
        """Carry out a mutation as administrator and answer the id of what it made."""
        document = (
            f"mutation ($input: {mutation[0].upper()}{mutation[1:]}Input!) "
            f"{{ {mutation}(input: $input) "
            f"{{ __typename ... on {type_} {{ id }} ... on Refusal {{ code message path }} }} }}"
        )
        answer = (await self.ask("city_administrator", document, {"input": input_}))[mutation]
        assert answer["__typename"] == type_, answer
        self.ids.setdefault(type_, []).append(answer["id"])
        return str(answer["id"])


def pack(slug: str, canary: str, division: str) -> PackSource:
    """A small city: one street with two communities of two grids each, an account per role."""
    areas = [f"{division},{canary}市,CITY,,,,,", f"{division}001,{canary}街道,STREET,{division},,,,"]
    for community in ("001", "002"):
        areas.append(f"{division}001{community},{canary}社区{community},COMMUNITY,{division}001,,,,")
        areas += [
            f"{division}001{community}{grid},{canary}网格{community}{grid},GRID,{division}001{community},,,,"
            for grid in ("001", "002")
        ]
    accounts = [
        f"{role.replace('_', '-')},{canary}{role},zh,{'true' if role == 'city_administrator' else 'false'},true"
        for role in sorted(HOLDERS)
    ]
    memberships = [
        f"{role.replace('_', '-')},{role},{division + area if area else ''},,false"
        for role, area in sorted(HOLDERS.items())
    ]
    files = {
        "tenant.toml": _MANIFEST.format(slug=slug, canary=canary, code=division, allowance=_ALLOWANCE)
        + "".join(f"\n[modules.{module.name}]\nenabled = true\n" for module in modules() if not module.is_core),
        "areas.csv": "\n".join(["code,name,kind,parent,valid_from,valid_to,longitude,latitude", *sorted(areas)]) + "\n",
        "accounts.csv": "\n".join(["login,name,locale,is_developer,enabled", *sorted(accounts)]) + "\n",
        "memberships.csv": "\n".join(["login,role,area,department,own", *sorted(memberships)]) + "\n",
        "departments.csv": f"code,name,parent\ncivil,{canary}民政局,\n",
    }
    return PackSource({name: text.encode() for name, text in files.items()})


async def plant(platform: Platform, app: Starlette, name: str, *, division: str = "999901") -> Twin:
    """Onboard one twin and fill two of its grids; its slug and canary are fresh, so that a test finds only its own."""
    mark = new_id().hex[-8:]
    slug, canary = f"{name}{mark}", f"{name.upper()}{mark}"
    done = await platform.tenants.apply(pack(slug, canary, division), actor="tests")
    bearers = {}
    async with platform.works.begin(system_principal(done.tenant_id)) as work:
        for account in (await work.session.scalars(select(access.Account))).all():
            if account.login.replace("-", "_") in HOLDERS:
                bearers[account.login.replace("-", "_")] = (await open_session(work, account.id)).token
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://platform.test")
    twin = Twin(slug, canary, done.tenant_id, bearers, client)
    found = await twin.ask("city_administrator", "{ areas(first: 50) { edges { node { id code } } } }")
    areas = {edge["node"]["code"]: edge["node"]["id"] for edge in found["areas"]["edges"]}
    twin.ids["Area"] = list(areas.values())
    for at, grid in enumerate((f"{division}001001001", f"{division}001002001")):
        await _people(twin, areas[grid], at)
    for type_, root in (
        ("Account", "accounts"),
        ("Role", "roles"),
        ("Membership", "memberships"),
        ("Department", "departments"),
    ):
        answer = await twin.ask("city_administrator", f"{{ {root}(first: 20) {{ edges {{ node {{ id }} }} }} }}")
        twin.ids[type_] = [edge["node"]["id"] for edge in answer[root]["edges"]]
    await _tags(twin)
    headers = {"authorization": f"Bearer {bearers['grid_worker']}"}
    uploaded = await client.post("/files", content=picture(), headers=headers)
    twin.ids["File"] = [uploaded.json()["id"]]
    await _rows(twin)
    return twin


async def _rows(twin: Twin) -> None:
    """A file of rows that was uploaded, and a mapping of its headers."""
    headers = {"authorization": f"Bearer {twin.bearers['city_administrator']}"}
    table = f"户号,姓名,{twin.canary}\n{twin.canary}9,{twin.canary},x\n"
    uploaded = await twin.client.post("/imports/registry", content=table.encode(), headers=headers)
    twin.ids["Import"] = [uploaded.json()["id"]]
    columns = [{"header": twin.canary, "column": "phone"}]
    await twin.make(
        "importMappingSave", {"target": "registry", "name": twin.canary, "columns": columns}, "ImportMapping"
    )


async def _tags(twin: Twin) -> None:
    """One tag of each sensitivity for a resident, and a rule."""
    for sensitivity in ("OPEN", "RESTRICTED", "SENSITIVE"):
        given = {"titleZh": twin.canary, "titleEn": twin.canary, "tagClass": "SERVICE", "sensitivity": sensitivity}
        tag = await twin.make("tagCreate", {"code": f"t_{sensitivity.lower()}", **given}, "Tag")
        resident = twin.ids["Resident"][0]
        await twin.make("residentTagAssign", {"residentId": resident, "tagId": tag}, "ResidentTag")
    await twin.make("tagRulePublish", {"tagId": twin.ids["Tag"][0], "definition": {"age": {"from": 150}}}, "TagRule")


async def _people(twin: Twin, area_id: str, at: int) -> None:
    canary = twin.canary
    building = await twin.make(
        "buildingCreate",
        {"areaId": area_id, "code": f"{canary}{at}", "name": f"{canary}大楼", "address": f"{canary}路{at}号"},
        "Building",
    )
    dwelling = await twin.make(
        "dwellingCreate", {"buildingId": building, "number": f"{canary}-{at}01", "use": "OWNED"}, "Dwelling"
    )
    household = await twin.make("householdCreate", {"number": f"{canary}{at}", "dwellingId": dwelling}, "Household")
    for person in range(2):
        # An area code that was never issued: the number can belong to nobody.
        digits = f"0000001990010{1 + person}{at:02}{person}"
        number = digits + identity_check_digit(digits)
        await twin.make(
            "residentCreate",
            {
                "householdId": household,
                "name": f"{canary}{person}",
                "birthOn": f"1990-01-0{1 + person}",
                "identityNumber": number,
                "phone": f"1990000{at}{person}11"[:11],
            },
            "Resident",
        )
    shop = await twin.make(
        "organisationCreate", {"dwellingId": dwelling, "name": f"{canary}商店{at}", "kind": "SHOP"}, "Organisation"
    )
    await twin.make("vehicleCreate", {"organisationId": shop, "plate": f"京I{at:05}", "kind": "TRUCK"}, "Vehicle")
    resident = twin.ids["Resident"][-1]
    await twin.make(
        "dwellingTieBegin", {"dwellingId": dwelling, "role": "OWNER", "residentId": resident}, "DwellingTie"
    )
    past = {"residentId": resident, "householdId": household, "fromOn": "2001-01-01", "untilOn": "2002-01-01"}
    await twin.make("residentStayRecord", past, "ResidentStay")
    lodged = {"householdId": household, "dwellingId": dwelling, "fromOn": "2001-01-01", "untilOn": "2002-01-01"}
    await twin.make("householdStayRecord", lodged, "HouseholdStay")
    if at == 0:
        titles = {"titleZh": canary, "titleEn": canary}
        await twin.make(
            "customFieldDefine", {"thing": "RESIDENT", "code": "dialect", "kind": "TEXT", **titles}, "CustomField"
        )

"""A city that demands the national algorithms gets them: its residents are sealed with SM4 and found through SM3."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from sqlalchemy import select

from cityloom.core.crypto import Algorithm, Purpose
from cityloom.core.ids import encode_id
from cityloom.demo.papers import identity_number, phone_number
from cityloom.graph.execution import Request
from cityloom.modules.areas.models import Area
from cityloom.modules.registry import models as m
from cityloom.modules.registry import service
from cityloom.tenancy.errors import SettingsRefused
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.models import TenantDataKey
from cityloom.tenancy.packs import InvalidPack, PackSource
from cityloom.testing.rights import principal

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.app import Platform

PACK = """\
slug = "{slug}"
names = {{ zh = "桤木", en = "Alder" }}
division_code = "222401"
extends = "packs/grid-city"

[modules.tenancy.settings]
cipher = "{cipher}"
"""
AREAS = "code,name,kind,parent,valid_from,valid_to,longitude,latitude\n222401,桤木,CITY,,,,,\n"
NUMBER, PHONE = identity_number(7, date(1980, 2, 29), "MALE"), phone_number(7)
CREATE = """mutation($i: ResidentCreateInput!) { residentCreate(input: $i) {
  ... on Resident { identityNumber phone } ... on Refusal { code message } } }"""
FIND = """query($number: String!, $phone: String!) {
  byNumber: residents(where: {identityNumber: $number}) { nodes { name } }
  byPhone: residents(where: {phone: $phone}) { nodes { name } }
}"""


def pack(slug: str, cipher: str) -> PackSource:
    toml = PACK.format(slug=slug, cipher=cipher)
    return PackSource({"tenant.toml": toml.encode(), "areas.csv": AREAS.encode()})


async def ask(opened: Platform, tenant_id: UUID, text: str, variables: dict[str, Any]) -> dict[str, Any]:
    request = Request(text=text, variables=variables)
    answer = orjson.loads((await opened.tenant_api.execute(principal(tenant_id), request, "en")).body)
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"]
    return found


async def settle(opened: Platform, tenant_id: UUID) -> str:
    """A household of the city; answers its global id."""
    async with opened.works.begin(principal(tenant_id)) as work:
        area_id = await work.session.scalar(select(Area.id))
        building = await service.create_building(work, area_id=area_id, code="B1", name="1号楼", storeys=6)
        dwelling = await service.create_dwelling(work, building_id=building.id, number="1", floor=1, use="OWNED")
        household = await service.create_household(work, number="H1", dwelling_id=dwelling.id)
    return encode_id("hshd", tenant_id, household.id)


@pytest.mark.parametrize(
    ("cipher", "algorithm"), [("SM4_GCM", Algorithm.SM4_GCM), ("AES_256_GCM", Algorithm.AES_256_GCM)]
)
async def test_a_resident_is_sealed_and_found_with_the_citys_cipher(
    opened: Platform, slug: str, cipher: str, algorithm: Algorithm
) -> None:
    tenant_id = (await opened.tenants.apply(pack(slug, cipher), actor="test")).tenant_id
    household = await settle(opened, tenant_id)
    values = {"householdId": household, "name": "王小明", "identityNumber": NUMBER, "phone": PHONE}
    made = (await ask(opened, tenant_id, CREATE, {"i": values}))["residentCreate"]
    assert made["identityNumber"].endswith(NUMBER[-4:])
    found = await ask(opened, tenant_id, FIND, {"number": NUMBER, "phone": PHONE})
    assert found == {"byNumber": {"nodes": [{"name": "王小明"}]}, "byPhone": {"nodes": [{"name": "王小明"}]}}

    async with opened.works.begin(principal(tenant_id)) as work:
        keys = {Purpose(key.purpose): key for key in await work.session.scalars(select(TenantDataKey))}
        resident = (await work.session.scalars(select(m.Resident))).one()
    assert {key.algorithm for key in keys.values()} == {algorithm.value}
    for envelope in (resident.identity_number, resident.phone, resident.birth_on):
        assert envelope is not None
        # Version, algorithm, key: the form that `core.crypto.keys` documents.
        assert envelope[1] == algorithm.number
        assert envelope[2:18] == keys[Purpose.FIELD].id.bytes
    ring: KeyRing = opened.works.services[KeyRing]
    opened_keys = await ring.of(tenant_id)
    assert resident.identity_number is not None
    assert opened_keys.open("residents", "identity_number", resident.id, resident.identity_number) == NUMBER


async def test_another_cipher_holds_for_new_keys_and_what_was_sealed_stays_readable(
    opened: Platform, slug: str
) -> None:
    tenant_id = (await opened.tenants.apply(pack(slug, "AES_256_GCM"), actor="test")).tenant_id
    ring: KeyRing = opened.works.services[KeyRing]
    row = tenant_id
    before = await ring.of(tenant_id)
    sealed, index = before.seal("t", "c", row, "secret"), before.blind_index("t", "c", "secret")
    await opened.tenants.apply(pack(slug, "SM4_GCM"), actor="test")
    ring.forget(tenant_id)
    assert (await ring.of(tenant_id)).seal("t", "c", row, "x")[1] == Algorithm.AES_256_GCM.number
    await ring.rotate(tenant_id, lead=timedelta(0))
    after = await ring.of(tenant_id)
    assert after.seal("t", "c", row, "x")[1] == Algorithm.SM4_GCM.number
    assert after.open("t", "c", row, sealed) == "secret"
    written, former = after.blind_indexes("t", "c", "secret")
    assert former == index != written


async def test_an_unknown_cipher_is_refused_with_its_line(opened: Platform, slug: str) -> None:
    with pytest.raises(InvalidPack) as refused:
        await opened.tenants.apply(pack(slug, "DES"), actor="test")
    [problem] = refused.value.details["problems"]
    assert (problem["file"], problem["line"], problem["place"]) == (
        "tenant.toml",
        7,
        "modules.tenancy.settings.cipher",
    )
    await opened.tenants.apply(pack(slug, "SM4_GCM"), actor="test")
    with pytest.raises(SettingsRefused):
        await opened.tenants.enable_module(slug, "tenancy", settings={"cipher": "DES"}, actor="test")

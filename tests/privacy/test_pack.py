"""The register of purposes in a pack, and the route of exports, through the whole platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from cityloom.access import models as access
from cityloom.access.service.guard import changing
from cityloom.access.service.sessions import open_session
from cityloom.core.ids import decode_id, new_id
from cityloom.modules.registry.models import Resident
from cityloom.privacy.models import Disclosure, Purpose
from cityloom.tenancy.packs import InvalidPack, PackSource
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.app import Platform
    from cityloom.testing.twins import Twin

MANIFEST = """\
slug = "{slug}"
names = {{ zh = "柳", en = "Willow" }}
division_code = "222401"
extends = "packs/grid-city"
"""
AREAS = "code,name,kind,parent,valid_from,valid_to,longitude,latitude\n222401,柳,CITY,,,,,\n"
HEAD = "code,title_zh,title_en,basis,basis_text,fields,daily_quota,lasts_minutes\n"
SURVEY = "SURVEY,调查,Survey,CONSENT,,registry.resident.phone,{quota},30\n"


def pack(slug: str, rows: str | None) -> PackSource:
    files = {"tenant.toml": MANIFEST.format(slug=slug).encode(), "areas.csv": AREAS.encode()}
    return PackSource(files if rows is None else files | {"purposes.csv": (HEAD + rows).encode()})


async def in_force(opened: Platform, tenant_id: UUID) -> dict[str, int]:
    async with opened.works.begin(system_principal(tenant_id)) as work:
        rows = await work.session.scalars(select(Purpose).where(Purpose.is_active))
        return {one.code: one.daily_quota for one in rows}


async def test_a_pack_states_the_register(opened: Platform) -> None:
    slug = f"willow{new_id().hex[-8:]}"
    tenant = (await opened.tenants.apply(pack(slug, SURVEY.format(quota=7)), actor="tests")).tenant_id
    base = {"ASSISTANCE": 50, "EMERGENCY": 500, "HOME_VISIT": 50, "PERSON_REQUEST": 20, "HEALTH_CARE": 20}
    base |= dict.fromkeys(("CARE_SERVICES", "COMMUNITY_LIFE", "FAMILY_SUPPORT", "VOLUNTEERING"), 50)
    assert await in_force(opened, tenant) == base | {"SURVEY": 7}
    assert b"SURVEY" in (await opened.tenants.export(slug))["purposes.csv"]
    # Changed, then left out: out of force, and in force again as stated.
    for rows, expected in (
        (SURVEY.format(quota=9), {"SURVEY": 9}),
        (None, {}),
        (SURVEY.format(quota=3), {"SURVEY": 3}),
    ):
        await opened.tenants.apply(pack(slug, rows), actor="tests")
        assert await in_force(opened, tenant) == base | expected
        assert not (await opened.tenants.plan(pack(slug, rows))).changes


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("SURVEY,调查,Survey,CONSENT,,registry.resident.shoe_size,7,30\n", "fields"),
        ("SURVEY,调查,Survey,CONSENT,,registry.resident.phone registry.resident.birth_on,7,30\n", "fields"),
        ("SURVEY,调查,Survey,WHIM,,registry.resident.phone,7,30\n", "basis"),
        ("SURVEY,调查,Survey,CONSENT,,registry.resident.phone,0,30\n", "daily_quota"),
    ],
)
async def test_a_wrong_purpose_is_named_with_its_line(opened: Platform, row: str, column: str) -> None:
    with pytest.raises(InvalidPack) as refused:
        await opened.tenants.apply(pack(f"willow{new_id().hex[-8:]}", row), actor="tests")
    problems = refused.value.details["problems"]
    assert {(one["file"], one["line"], one["place"]) for one in problems} == {("purposes.csv", 2, column)}


async def export(twin: Twin, bearer: str, person: str, purpose: str | None = None) -> tuple[int, Any]:
    params = {} if purpose is None else {"purpose": purpose}
    headers = {"authorization": f"Bearer {bearer}", "accept-language": "en"}
    answer = await twin.client.get(f"/privacy/people/{person}", params=params, headers=headers)
    return answer.status_code, answer.json()


async def test_a_person_exports_themself_and_staff_for_a_purpose(opened: Platform, alder: Twin, birch: Twin) -> None:
    person, other = alder.ids["Resident"][:2]
    row_id, account_id = decode_id(person, alder.id, "resd"), new_id()
    async with opened.works.begin(system_principal(alder.id)) as work, changing(work):
        login, now = f"r-{account_id.hex[-12:]}", work.now()
        work.session.add(
            access.Account(id=account_id, login=login, name="居民", kind="RESIDENT", locale="zh", created_at=now)
        )
        await work.session.flush()
        role = (await work.session.scalars(select(access.Role.id).where(access.Role.code == "resident"))).one()
        work.session.add(access.Membership(account_id=account_id, role_id=role, scope_kind="OWN", granted_at=now))
        await work.session.execute(update(Resident).where(Resident.id == row_id).values(account_id=account_id))
        bearer = (await open_session(work, account_id)).token
    status, found = await export(alder, bearer, person)
    assert status == 200, found
    assert found["data"]["residents.id"][0]["id"] == str(row_id)
    assert found["data"]["accounts.id"][0]["login"] == login
    assert (await export(alder, bearer, other))[0] == 404
    admin = alder.bearers["city_administrator"]
    assert (await export(alder, admin, other, "PERSON_REQUEST"))[0] == 200
    for purpose, wanted in ((None, 404), ("NOTHING", 404), ("HOME_VISIT", 403)):
        assert (await export(alder, admin, other, purpose))[0] == wanted, purpose
    # The other city knows nobody of that id, and one that never was an id is told to be none.
    assert (await export(birch, birch.bearers["city_administrator"], person, "PERSON_REQUEST"))[0] == 404
    assert (await export(alder, admin, "nonsense", "PERSON_REQUEST"))[0] == 400
    async with opened.works.begin(system_principal(alder.id)) as work:
        kinds = (await work.session.execute(select(Disclosure.kind, Disclosure.account_id))).all()
    assert ("EXPORT", account_id) in {(kind, account) for kind, account in kinds}

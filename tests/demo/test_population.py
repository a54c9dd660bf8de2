"""The demo population: complete, repeatable, impossible to be anybody."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from cityloom.core.crypto import birth_date_in, check_identity_number, check_mobile_number
from cityloom.core.database import asyncpg_arguments
from cityloom.demo import people
from cityloom.demo.papers import (
    IMPOSSIBLE_PROVINCE,
    UNOPENED_PREFIX,
    credit_code,
    identity_number,
    phone_number,
    plate_number,
)
from cityloom.demo.population import OtherPopulation, fill
from cityloom.modules.registry import models as m
from cityloom.modules.registry.papers import checked_credit_code, checked_plate
from cityloom.tenancy.keys import KeyRing
from cityloom.testing.registry import contradictions

if TYPE_CHECKING:
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.front import Front


def test_scales_are_exact_and_small_is_a_part_of_full() -> None:
    small, full = people.plan(7, 654, full=False), people.plan(7, 654, full=True)
    assert full[: len(small)] == small
    assert sum(one.residents for one in small) == people.SMALL_RESIDENTS
    assert sum(one.residents for one in full) == people.FULL_RESIDENTS
    assert len(full) == people.FULL_BUILDINGS
    assert {one.grid for one in small} == set(range(654)), "a worker of any grid sees somebody"
    numbers = [(one.first_resident, one.residents) for one in full]
    assert all(a + n == b for (a, n), (b, _) in pairwise(numbers))


def test_numbers_are_well_formed_unique_and_nobodys() -> None:
    born_on = date(1980, 2, 29)
    every = [identity_number(n, born_on, "FEMALE" if n % 2 else "MALE") for n in range(0, 500_000, 37)]
    assert len(set(every)) == len(every)
    for number in every[::50]:
        assert check_identity_number(number) == number
        assert number.startswith(IMPOSSIBLE_PROVINCE), "GB/T 2260 begins at 11"
        assert birth_date_in(number) == born_on
    assert int(identity_number(0, born_on, "MALE")[16]) % 2 == 1
    phones = {phone_number(n) for n in range(0, 500_000, 37)}
    assert len(phones) == len(every)
    assert [checked_credit_code(credit_code(n)) for n in (0, 5_946_999)] == [credit_code(0), credit_code(5_946_999)]
    plates = {checked_plate(plate_number(n), "CAR") for n in range(0, 5_947_000, 997)}
    assert len(plates) == len(range(0, 5_947_000, 997))
    assert all(check_mobile_number(phone).startswith(UNOPENED_PREFIX) for phone in list(phones)[:50])


def test_a_building_is_the_same_whatever_is_made_before() -> None:
    planned = people.plan(7, 20, full=False)
    assert people.build(7, planned[11]) == people.build(7, planned[11])
    assert people.build(7, planned[11]) != people.build(8, planned[11])
    house = people.build(7, planned[11])
    residents = [person for home in house.homes for person in home.people]
    assert sorted(p.number for p in residents) == [planned[11].first_resident + i for i in range(planned[11].residents)]
    doors = [(home.unit, home.number) for home in house.homes]
    assert len(set(doors)) == len(doors)


async def test_filling_twice_changes_nothing(front: Front, alder: AreaTree) -> None:
    told: list[tuple[int, int]] = []
    filled = await fill(front.works, alder.tenant_id, seed=7, progress=lambda *at: told.append(at))
    assert filled.residents == people.SMALL_RESIDENTS
    assert told[-1] == (people.SMALL_RESIDENTS, people.SMALL_RESIDENTS)
    before = await front.footprint(alder.tenant_id)
    again = await fill(front.works, alder.tenant_id, seed=7)
    assert (again.residents, again.present) == (0, people.SMALL_RESIDENTS)
    assert await front.footprint(alder.tenant_id) == before
    with pytest.raises(OtherPopulation):
        await fill(front.works, alder.tenant_id, seed=8)
    assert await front.footprint(alder.tenant_id) == before


async def test_rows_hang_together_and_are_found(front: Front, alder: AreaTree, admin_url: str) -> None:
    await fill(front.works, alder.tenant_id, seed=7)
    # What autovacuum does within a minute: whole tables are joined below.
    admin = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    await admin.execute("ANALYZE")
    await admin.close()
    async with front.works.begin(alder.administrator) as work:
        resident = await work.session.scalar(select(m.Resident).order_by(m.Resident.id).offset(1234).limit(1))
        assert resident is not None
        household = await work.session.scalar(select(m.Household).where(m.Household.id == resident.household_id))
        assert household is not None
        assert household.area_path == resident.area_path
        heads = await work.session.scalar(select(func.count()).where(m.Resident.relationship == "HEAD"))
        assert heads == await work.session.scalar(select(func.count()).select_from(m.Household))
        keys = await front.services[KeyRing].of(alder.tenant_id)
        assert resident.identity_number is not None
        number = keys.open("residents", "identity_number", resident.id, resident.identity_number)
        assert check_identity_number(number) == number
        assert resident.birth_on is not None
        assert birth_date_in(number).isoformat() == keys.open("residents", "birth_on", resident.id, resident.birth_on)
        assert await contradictions(work) == []
        stays = await work.session.scalar(select(func.count()).where(m.ResidentStay.until_on.is_(None)))
        assert stays == people.SMALL_RESIDENTS
        for model in (m.Organisation, m.Vehicle, m.DwellingTie, m.OrganisationNameToken):
            assert await work.session.scalar(select(func.count()).select_from(model)), model
    found = await front.data(
        alder.administrator,
        """query($n: String!, $s: String!) {
             one: residents(where: {identityNumber: $n}) { nodes { name identityNumber } }
             many: residents(first: 100, where: {search: $s}) { nodes { name } } }""",
        {"n": number, "s": resident.name},
    )
    assert found["one"]["nodes"] == [{"name": resident.name, "identityNumber": "*" * 14 + number[-4:]}]
    assert {"name": resident.name} in found["many"]["nodes"]
    worker = alder.someone("registry.resident.read", at="s1c1g1")
    part = await front.data(worker, "{ residents { totalCount } }")
    assert 0 < part["residents"]["totalCount"] < people.SMALL_RESIDENTS

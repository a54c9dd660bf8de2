"""A file that was checked before a city's keys are rotated is taken over after that as if nothing had happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio
from sqlalchemy import select

from cityloom.app import create_app, platform
from cityloom.demo.papers import plate_number
from cityloom.modules.registry.imports import models as m
from cityloom.settings import Settings
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.system import system_principal
from cityloom.testing.clock import ManualClock
from cityloom.testing.database import ROOT, VAR
from cityloom.testing.imports import HEADERS, Desk, codes, counts, somebody, text_of, wide
from cityloom.testing.rotation import rotate
from cityloom.testing.twins import plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

VEHICLE = "query ($p: String!) { vehicles(first: 2, where: {plate: $p}) { nodes { resident { name } } } }"
KIN = """query ($v: String!) { residents(first: 2, where: {custom: {field: "kin", eq: $v}}) {
  nodes { name customRestricted } } }"""


@pytest_asyncio.fixture
async def timed(admin_url: str) -> AsyncIterator[tuple[Desk, ManualClock]]:
    """A city on a clock that the test moves, in a platform of its own."""
    clock = ManualClock()
    settings = Settings(var=VAR, tenants=ROOT / "tenants")
    async with platform(settings, admin_url, clock=clock) as opened:
        app = create_app(opened)
        async with app.router.lifespan_context(app):
            twin = await plant(opened, app, "rowan")
            yield Desk(opened, twin), clock
            await twin.client.aclose()


async def staged(desk: Desk) -> dict[UUID, tuple[str, bytes]]:
    """What is sealed in the staging tables, opened, and its blind index, by the rows' ids."""
    async with desk.opened.works.begin(system_principal(desk.city.id)) as work:
        keys = await desk.opened.works.services[KeyRing].of(desk.city.id)
        answers = (await work.session.scalars(select(m.StagedSealedAnswer))).all()
        vehicles = (await work.session.scalars(select(m.StagedVehicle))).all()
    found = {one.id: (keys.open("custom_values", "sealed", one.id, one.sealed), one.sealed_index) for one in answers}
    return found | {one.id: (keys.open("vehicles", "plate", one.id, one.plate), one.plate_index) for one in vehicles}


async def test_what_was_staged_before_a_rotation_is_taken_over_after_it(timed: tuple[Desk, ManualClock]) -> None:
    desk, clock = timed
    given = {"thing": "RESIDENT", "code": "kin", "titleZh": "紧急联系人", "titleEn": "Kin", "kind": "TEXT"}
    await desk.city.make("customFieldDefine", {**given, "sensitivity": "RESTRICTED"}, "CustomField")
    owner, other, plate = somebody(), somebody("FEMALE"), plate_number(77)
    first = [*wide(owner, at="1"), "韩梅梅"]
    await desk.apply(await desk.upload(text_of([*HEADERS, "紧急联系人"], [first]).encode()))
    again = [first, [*wide(other, at="1", relation="配偶"), "李雷"], [*wide(other, at="1", relation="配偶"), "李雷"]]
    people = await desk.upload(text_of([*HEADERS, "紧急联系人"], again).encode())
    assert counts(await desk.check(people)) == (1, 0, 1, 1, 0)
    sheet = text_of(["车牌", "车辆类型", "身份证号"], [[plate, "轿车", owner.identity]]).encode()
    vehicles = str((await desk.send(sheet, "vehicles")).json()["id"])
    assert counts(await desk.check(vehicles)) == (1, 0, 0, 0, 0)
    before = await staged(desk)
    assert {said for said, _ in before.values()} == {"kin=韩梅梅", "kin=李雷", plate}
    # The old keys are destroyed: nothing that is staged was left under them.
    await rotate(desk.opened.works, clock, desk.city.id)
    after = await staged(desk)
    assert {id_: said for id_, (said, _) in after.items()} == {id_: said for id_, (said, _) in before.items()}
    assert not {index for _, index in before.values()} & {index for _, index in after.values()}
    # What is the same is still found to be: among what is registered, and within the file.
    done = await desk.apply(people)
    assert (done["state"], counts(done)) == ("COMPLETED", (1, 0, 1, 1, 0))
    assert (4, "identity_number", "STATED_TWICE") in codes(done)
    done = await desk.apply(vehicles)
    assert (done["state"], counts(done)) == ("COMPLETED", (1, 0, 0, 0, 0))
    ask = desk.city.ask
    assert (await ask(desk.role, VEHICLE, {"p": plate}))["vehicles"]["nodes"] == [{"resident": {"name": owner.name}}]
    for person, kin in ((owner, "韩梅梅"), (other, "李雷")):
        nodes = (await ask(desk.role, KIN, {"v": kin}))["residents"]["nodes"]
        assert nodes == [{"name": person.name, "customRestricted": {"kin": kin}}]

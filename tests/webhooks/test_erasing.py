"""What receivers answered is erased with the bodies that it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from cityloom.core.ids import encode_id
from cityloom.modules.registry import service

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.testing.webhooks import PostOffice, Receiver

DOCUMENT = "query ($subject: ID!) { node(id: $subject) { ... on Resident { name } } }"
ERASE = """mutation ($id: ID!) { subjectErase(input: {id: $id, reason: "申请 2026-9"}) {
  ... on Erasure { counts } } }"""
READ = """{ webhookEndpoints { nodes { document deliveries(first: 9) { nodes {
  state bodyErasedAt attempts(first: 9) { nodes { outcome status answer { text } } } } } } } }"""


async def test_answers_go_with_the_bodies_that_they_answer(office: PostOffice, receiver: Receiver) -> None:
    await office.city.role("boss", "allow *")
    await office.city.account("boss", ("boss", None))
    office.integrator = await office.city.principal("boss")
    await office.endpoint(receiver.url, events=["registry.resident.*"], document=DOCUMENT)
    home = await household(office)
    erased = await resident(office, home, "韩梅梅")
    await resident(office, home, "李雷")

    async def echo(_: web.Request) -> web.Response:
        return web.Response(text=receiver.received[-1].body.decode())

    async def late(request: web.Request) -> web.Response:
        # Somebody is erased while their body is on its way: what is answered to it is kept by nobody.
        answer = await office.front.data(office.integrator, ERASE, {"id": erased})
        assert answer["subjectErase"]["counts"]["webhook_deliveries"] == 2
        return await echo(request)

    receiver.answers = [echo, echo, late]
    await office.settle()
    assert sorted(row["answer"].count("韩梅梅") for row in await office.attempts()) == [0, 1]
    await office.ask("residentChange", "Resident", id=erased, phone="13800000000")
    await office.settle()
    assert len(receiver.received) == 3
    (endpoint,) = (await office.front.data(office.integrator, READ))["webhookEndpoints"]["nodes"]
    told = [
        (one["state"], one["bodyErasedAt"] is not None, tried["outcome"], tried["status"], tried["answer"]["text"])
        for one in endpoint["deliveries"]["nodes"]
        for tried in one["attempts"]["nodes"]
    ]
    kept = next(one.body.decode() for one in receiver.received if "李雷" in one.body.decode())
    # That it was tried, and what came of it, stays.
    assert sorted(told) == [
        ("DELIVERED", False, "DELIVERED", 200, kept),
        ("DELIVERED", True, "DELIVERED", 200, None),
        ("WITHDRAWN", True, "DELIVERED", 200, None),
    ]
    assert sum("韩梅梅" in one.body.decode() for one in receiver.received) == 2
    assert not [row for row in await office.attempts() if "韩梅梅" in (row["answer"] or "")]


async def household(office: PostOffice) -> UUID:
    area = await office.city.area("1.2.")
    async with office.front.works.begin(office.integrator) as work:
        building = await service.create_building(work, area_id=area.id, code="B", name="1号楼", storeys=6)
        dwelling = await service.create_dwelling(work, building_id=building.id, number="1", floor=1, use="OWNED")
        return (await service.create_household(work, number="H", dwelling_id=dwelling.id)).id


async def resident(office: PostOffice, household_id: UUID, name: str) -> str:
    async with office.front.works.begin(office.integrator) as work:
        made = await service.create_resident(work, household_id=household_id, name=name)
    return encode_id("resd", office.city.id, made.id)

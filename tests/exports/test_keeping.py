"""What is kept of what was read, files and bodies, outlives the city's keys and not the people in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text, update

from cityloom.core.ids import decode_id
from cityloom.events.sequencer import Sequencer
from cityloom.exports import service
from cityloom.exports.models import Export, ExportContent
from cityloom.files.store import FileStore
from cityloom.tenancy.system import system_principal
from cityloom.testing.rotation import rotate
from cityloom.webhooks.fanout import Fanout
from cityloom.webhooks.models import WebhookDelivery
from cityloom.webhooks.shaping import shaper_of

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.testing.exports import ExportCity

ADMIN = "city_administrator"
#: The people are deep inside, and nothing of them is selected that names them.
HOMES = "{ households { nodes { number residents { nodes { sex } } } } }"
PEOPLE = "{ residents { nodes { name } } }"
AREAS = "{ areas { nodes { code } } }"


async def asked(city: ExportCity, document: str) -> str:
    values = {"document": document, "purpose": "季度统计 quarterly"}
    made = await city.mutate(ADMIN, "exportRequest", values, "... on Export { id state }")
    assert made["state"] == "QUEUED", made
    return str(made["id"])


async def state(city: ExportCity, export_id: str) -> str:
    document = "query ($id: ID!) { export(id: $id) { state } }"
    return str((await city.data(ADMIN, document, {"id": export_id}))["state"])


async def resident(city: ExportCity, name: str) -> str:
    """Somebody who lives in the city's first household."""
    values = {"householdId": city.twin.ids["Household"][0], "name": name}
    return str(await city.twin.make("residentCreate", values, "Resident"))


async def erase(city: ExportCity, resident_id: str) -> dict[str, Any]:
    shape = "... on Erasure { counts }"
    found = await city.mutate(ADMIN, "subjectErase", {"id": resident_id, "reason": "申请 2026-9"}, shape)
    counts: dict[str, Any] = found["counts"]
    return counts


async def test_a_file_from_before_a_rotation_is_the_same_after_it(city: ExportCity) -> None:
    made = await asked(city, PEOPLE)
    await city.exporter.run_due()
    before = await city.fetch(ADMIN, made)
    assert before.status_code == 200
    await rotate(city.platform.works, city.clock, city.id)
    after = await city.fetch(ADMIN, made)
    assert (after.status_code, after.content) == (200, before.content)


async def test_files_that_tell_of_somebody_erased_are_withdrawn_and_no_others(city: ExportCity) -> None:
    person = await resident(city, "韩梅梅")
    telling, homes, others = [await asked(city, document) for document in (PEOPLE, HOMES, AREAS)]
    await city.exporter.run_due()
    link = (await city.by_id(ADMIN, "exportDownload", telling, "... on ExportDownload { url }"))["url"]
    store: FileStore = city.platform.works.services[FileStore]
    files = {one: await file_of(city, one) for one in (telling, homes, others)}
    counts = await erase(city, person)
    assert counts["exports"] >= 2
    for made in (telling, homes):
        assert await state(city, made) == "WITHDRAWN"
        refused = await city.by_id(ADMIN, "exportDownload", made)
        assert (refused["code"], refused["reason"]) == ("INVALID_STATE", "EXPORT_WITHDRAWN")
    # A link that was given before leads nowhere, and the key of the file is nowhere any more.
    assert (await city.twin.client.get(link)).status_code == 404
    assert await state(city, others) == "READY"
    assert (await city.fetch(ADMIN, others)).status_code == 200
    async with city.work() as work:
        gone = await work.session.get_one(Export, (city.id, row_id(city, telling)))
        assert gone.file_key is None
        assert await service.expire(work) >= counts["exports"]
    for made, is_there in ((telling, False), (homes, False), (others, True)):
        if is_there:
            assert await store.size(city.id, files[made])
        else:
            with pytest.raises(FileNotFoundError):
                await store.size(city.id, files[made])
    async with city.work() as work:
        told = text("SELECT count(*) FROM audit_records WHERE tenant_id = :t AND action = 'exports.export.withdraw'")
        assert await work.session.scalar(told, {"t": city.id}) == counts["exports"]
        said = text("SELECT count(*) FROM outbox WHERE tenant_id = :t AND type = 'exports.export.withdrawn.v1'")
        assert await work.session.scalar(said, {"t": city.id}) == counts["exports"]
        left = select(func.count()).select_from(ExportContent)
        assert await work.session.scalar(left.where(ExportContent.id == row_id(city, telling))) == 0


async def test_what_is_made_during_an_erasure_is_begun_again(city: ExportCity) -> None:
    person = await resident(city, "李雷")
    made = await asked(city, PEOPLE)
    claim = await city.exporter.claim(city.id)
    assert claim is not None
    assert "exports" not in await erase(city, person)
    # The worker has read by now, and may have read before the erasure: what it made is not kept.
    await city.exporter.carry_out(claim)
    assert await state(city, made) == "RUNNING"
    store: FileStore = city.platform.works.services[FileStore]
    with pytest.raises(FileNotFoundError):
        await store.size(city.id, claim.id)
    await city.exporter.run_due()
    assert await state(city, made) == "READY"
    assert "李雷".encode() not in (await city.fetch(ADMIN, made)).content


async def test_the_file_of_a_worker_that_died_is_deleted(city: ExportCity) -> None:
    made = await asked(city, PEOPLE)
    dead = await city.exporter.claim(city.id)
    assert dead is not None
    store: FileStore = city.platform.works.services[FileStore]
    await store.put(city.id, dead.id, b"sealed with a key that died with the worker")
    city.clock.advance(minutes=3)
    await city.exporter.run_due()
    assert await state(city, made) == "READY"
    with pytest.raises(FileNotFoundError):
        await store.size(city.id, dead.id)
    # Late as it is, the first worker's end changes nothing.
    before = (await city.fetch(ADMIN, made)).content
    await city.exporter.carry_out(dead)
    assert (await city.fetch(ADMIN, made)).content == before


async def test_bodies_that_tell_of_somebody_erased_are_erased_and_sent_no_more(city: ExportCity) -> None:
    works = city.platform.works
    await Sequencer(works).drain(city.id)
    for document in (
        "query ($subject: ID!) { node(id: $subject) { ... on Resident { name household { number } } } }",
        None,
    ):
        values = {"url": "https://hooks.example.com/in", "events": ["registry.resident.*"], "document": document}
        await city.mutate(ADMIN, "webhookEndpointCreate", values, "... on WebhookEndpointCreated { id }")
    person, _ = await resident(city, "韩梅梅"), await resident(city, "李雷")
    await collect(city)
    async with works.begin(system_principal(city.id)) as work:
        # One of them was accepted, the later ones wait.
        accepted = update(WebhookDelivery).where(WebhookDelivery.order_key == decode_id(person, city.id, "resd"))
        await work.session.execute(accepted.values(state="DELIVERED", finished_at=work.now()))
    await city.mutate(ADMIN, "residentChange", {"id": person, "name": "韩梅"}, "... on Resident { id }")
    await collect(city)
    assert (await erase(city, person))["webhook_deliveries"] == 2
    document = """{ webhookEndpoints { nodes { id document deliveries(first: 50) { nodes {
      id state bodyErasedAt content { body } eventType } } } } }"""
    endpoints = {one["document"] is not None: one for one in (await city.data(ADMIN, document))["nodes"]}
    shaped, plain = (endpoints[has_document]["deliveries"]["nodes"] for has_document in (True, False))
    told = [(one["eventType"].split(".")[2], one["state"], one["content"] is None) for one in shaped]
    assert told == [("created", "DELIVERED", True), ("created", "DUE", False), ("changed", "WITHDRAWN", True)]
    assert all((one["bodyErasedAt"] is not None) is (one["content"] is None) for one in (*shaped, *plain))
    assert "李雷" in shaped[1]["content"]["body"]
    # Without a document a body tells of ids alone, and stays.
    assert len(plain) == 3
    assert not [one for one in plain if "韩梅" in one["content"]["body"] or "李雷" in one["content"]["body"]]
    replay = {"id": endpoints[True]["id"], "deliveryIds": [shaped[0]["id"]]}
    refused = await city.mutate(ADMIN, "webhookEndpointReplay", replay, "... on WebhookEndpoint { id }")
    assert refused["reason"] == "NOTHING_TO_REPLAY"


async def collect(city: ExportCity) -> None:
    """Bring what has happened into deliveries."""
    await Sequencer(city.platform.works).drain(city.id)
    fanout = Fanout(city.platform.works, shaper_of(city.platform.works.services))
    while (await fanout.advance(city.id)).is_behind:
        pass


async def file_of(city: ExportCity, export_id: str) -> UUID:
    async with city.work() as work:
        export = await work.session.get_one(Export, (city.id, row_id(city, export_id)))
        assert export.file_id is not None
        return export.file_id


def row_id(city: ExportCity, export_id: str) -> UUID:
    found = decode_id(export_id, city.id, "xprt")
    assert found is not None
    return found

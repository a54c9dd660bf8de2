"""Uploading and seeing files over HTTP: who may, what is refused, links, ranges, tickets, and what nobody used."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, select

from cityloom.core.ids import encode_id, new_id
from cityloom.files import models as m
from cityloom.files.jobs import JOBS
from cityloom.tenancy.models import TenantLimit, TenantModule
from cityloom.tenancy.system import system_principal
from cityloom.testing.files import SECRET, mp4, picture, webm

if TYPE_CHECKING:
    import httpx

    from cityloom.app import Platform
    from cityloom.testing.clock import ManualClock
    from cityloom.testing.twins import Twin
    from tests.files.conftest import Place


async def send(city: Twin, role: str | None, content: bytes, **more: Any) -> httpx.Response:
    headers = {"accept-language": "en", **more.pop("headers", {})}
    if role is not None:
        headers["authorization"] = f"Bearer {city.bearers.get(role, role)}"
    return await city.client.post("/files", content=content, headers=headers, **more)


async def see(city: Twin, role: str | None, path: str, **headers: str) -> httpx.Response:
    if role is not None:
        headers["authorization"] = f"Bearer {city.bearers[role]}"
    return await city.client.get(path, headers=headers)


def reason(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["extensions"]["reason"]


async def test_a_photo_is_kept_clean_and_shown_to_its_uploader(place: Place) -> None:
    alder = place.alder
    # What the sender says of its name and type is not asked.
    answer = await send(alder, "grid_worker", picture(orientation=6), headers={"content-type": "text/html"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["kind"], made["mediaType"], made["width"], made["height"]) == ("IMAGE", "image/jpeg", 48, 64)
    shown = await see(alder, "grid_worker", f"/files/{made['id']}")
    assert shown.status_code == 200
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert hashlib.sha256(shown.content).hexdigest() == made["sha256"]
    assert SECRET not in shown.content
    small = await see(alder, "grid_worker", f"/files/{made['id']}/thumbnail")
    assert small.headers["content-type"] == "image/jpeg"
    again = await see(alder, "grid_worker", f"/files/{made['id']}", **{"if-none-match": shown.headers["etag"]})
    assert again.status_code == 304
    assert {name.partition(".")[2] for name in place.kept.names(alder.id)} == {"", "thumbnail"}
    asked = "query ($id: ID!) { file(id: $id) { kind byteSize sha256 width expiresAt uploader { id } } }"
    found = (await alder.ask("grid_worker", asked, {"id": made["id"]}))["file"]
    assert (found["sha256"], found["byteSize"], found["expiresAt"] is None) == (
        made["sha256"],
        len(shown.content),
        False,
    )


async def test_a_form_carries_a_file_as_well(place: Place) -> None:
    alder = place.alder
    headers = {"authorization": f"Bearer {alder.bearers['grid_worker']}"}
    one = {"file": ("x.png", picture(form="PNG"), "application/x-msdownload")}
    answer = await alder.client.post("/files", files=one, data={"note": "x"}, headers=headers)
    assert (answer.status_code, answer.json()["mediaType"]) == (201, "image/png")
    two = [("file", ("a.jpg", picture())), ("file", ("b.jpg", picture()))]
    assert reason(await alder.client.post("/files", files=two, headers=headers)) == (400, "FORM_WRONG")
    assert reason(await alder.client.post("/files", files={}, data={"a": "b"}, headers=headers))[0] == 400


@pytest.mark.parametrize("content", [mp4(), webm()], ids=["mp4", "webm"])
async def test_a_video_is_kept_and_shown_in_ranges(place: Place, content: bytes) -> None:
    alder = place.alder
    made = (await send(alder, "grid_worker", content)).json()
    assert (made["kind"], made["byteSize"], made["width"]) == ("VIDEO", len(content), None)
    whole = (await see(alder, "grid_worker", f"/files/{made['id']}")).content
    assert SECRET not in whole
    assert len(whole) == len(content)
    part = await see(alder, "grid_worker", f"/files/{made['id']}", range="bytes=10-19")
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    tail = await see(alder, "grid_worker", f"/files/{made['id']}", range="bytes=-5")
    assert tail.content == whole[-5:]
    beyond = await see(alder, "grid_worker", f"/files/{made['id']}", range=f"bytes={len(whole)}-")
    assert reason(beyond) == (416, "RANGE_WRONG")
    assert (await see(alder, "grid_worker", f"/files/{made['id']}/thumbnail")).status_code == 404


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (400, "FILE_EMPTY")),
        (b"<!DOCTYPE html><script>alert(1)</script>", (400, "FILE_KIND_UNKNOWN")),
        (b"GIF89a" + bytes(100), (400, "FILE_KIND_UNKNOWN")),
        (picture()[:200], (400, "FILE_BROKEN")),
        (mp4() + b"PK\x03\x04", (400, "FILE_BROKEN")),
    ],
)
async def test_what_is_no_photo_or_video_is_refused_and_nothing_is_kept(
    place: Place, content: bytes, expected: tuple[int, str]
) -> None:
    alder = place.alder
    before = place.kept.names()
    answer = await send(alder, "grid_worker", content)
    assert reason(answer) == expected
    assert place.kept.names() == before
    told = (await send(alder, "grid_worker", content, headers={"accept-language": "zh"})).json()["errors"][0]
    assert told["message"] != answer.json()["errors"][0]["message"]


async def test_the_citys_limits_hold(place: Place) -> None:
    opened, alder = place.opened, place.alder
    for name, value, content, expected in (
        ("file_image_bytes", 500, picture(), "FILE_TOO_LARGE"),
        ("file_video_bytes", 500, mp4(), "FILE_TOO_LARGE"),
        ("file_image_pixels", 3_000, picture(), "IMAGE_TOO_MANY_PIXELS"),
    ):
        await _limit(opened, alder, name, value)
        answer = await send(alder, "grid_worker", content)
        assert reason(answer) == (413, expected)
        assert answer.json()["errors"][0]["extensions"]["details"]["limit"] == value
        await _limit(opened, alder, name, None)
    for name in ("file_image_bytes", "file_video_bytes"):
        await _limit(opened, alder, name, 500)

    async def endless() -> Any:
        for _ in range(1_000):
            yield bytes(1_000)

    # Refused while it is sent, whatever length it says or does not say.
    assert reason(await send(alder, "grid_worker", endless())) == (413, "FILE_TOO_LARGE")
    for name in ("file_image_bytes", "file_video_bytes"):
        await _limit(opened, alder, name, None)


async def _limit(opened: Platform, city: Twin, name: str, value: int | None) -> None:
    async with opened.works.begin(system_principal(city.id)) as work:
        await work.session.execute(delete(TenantLimit).where(TenantLimit.name == name))
        if value is not None:
            work.session.add(TenantLimit(name=name, value=value))
    opened.directory.forget(city.id)


async def _set(opened: Platform, city: Twin, settings: dict[str, Any]) -> None:
    async with opened.works.begin(system_principal(city.id)) as work:
        await work.session.execute(delete(TenantModule).where(TenantModule.module == "files"))
        work.session.add(TenantModule(module="files", is_enabled=True, settings=settings))
    opened.directory.forget(city.id)


async def test_four_callers_and_the_other_city(place: Place) -> None:
    alder, birch = place.alder, place.birch
    made = (await send(alder, "grid_worker", picture())).json()
    assert reason(await send(alder, None, picture())) == (401, "UNAUTHENTICATED")
    assert reason(await send(alder, "nonsense", picture())) == (401, "UNAUTHENTICATED")
    assert reason(await send(alder, "auditor", picture())) == (403, "FORBIDDEN")
    absent = encode_id("file", alder.id, new_id())
    for role in ("community_worker", "auditor", None):
        for path in (made["id"], f"{made['id']}/thumbnail", absent):
            assert reason(await see(alder, role, f"/files/{path}")) == (404, "NOT_FOUND"), (role, path)
    for role in ("city_administrator", "grid_worker"):
        assert reason(await see(birch, role, f"/files/{made['id']}")) == (404, "NOT_FOUND")
        asked = "query ($id: ID!) { file(id: $id) { id } node(id: $id) { id } }"
        assert await birch.ask(role, asked, {"id": made["id"]}) == {"file": None, "node": None}
    assert (await see(alder, "city_administrator", f"/files/{made['id']}")).status_code == 200


async def test_a_link_shows_it_to_anybody_for_some_minutes(place: Place, files_clock: ManualClock) -> None:
    alder, birch = place.alder, place.birch
    made = (await send(alder, "grid_worker", picture())).json()
    asked = "query ($id: ID!) { file(id: $id) { url thumbnailUrl } }"
    links = (await alder.ask("grid_worker", asked, {"id": made["id"]}))["file"]
    assert (await alder.ask("grid_worker", asked, {"id": made["id"]}))["file"] == links
    for link, whole in ((links["url"], True), (links["thumbnailUrl"], False)):
        shown = await see(birch, None, link)
        assert shown.status_code == 200
        assert (hashlib.sha256(shown.content).hexdigest() == made["sha256"]) is whole
    link = links["url"]
    for wrong in (
        link[:-1] + ("A" if link[-1] != "A" else "B"),
        link[:-10],
        link[:20] + "A" + link[21:],
        "/files/links/x",
    ):
        assert (await see(alder, None, wrong)).status_code == 404
    files_clock.advance(minutes=16)
    assert reason(await see(alder, None, link)) == (404, "NOT_FOUND")


TICKET = "mutation { fileTicketIssue { __typename ... on FileTicket { token } ... on Refusal { code reason } } }"


async def test_a_ticket_is_good_for_one_upload_where_the_city_allows_it(place: Place, files_clock: ManualClock) -> None:
    opened, alder, birch = place.opened, place.alder, place.birch
    refused = (await alder.ask("city_administrator", TICKET))["fileTicketIssue"]
    assert refused["reason"] == "TICKETS_NOT_GIVEN"
    assert (await alder.ask("grid_worker", TICKET))["fileTicketIssue"]["code"] == "FORBIDDEN"
    await _set(opened, alder, {"gives_tickets": True})
    token = (await alder.ask("city_administrator", TICKET))["fileTicketIssue"]["token"]
    made = await send(alder, token, picture())
    assert made.status_code == 201, made.text
    assert reason(await send(alder, token, picture())) == (401, "UNAUTHENTICATED")
    async with opened.works.begin(system_principal(alder.id)) as work:
        rows = (await work.session.scalars(select(m.StoredFile).where(m.StoredFile.is_by_ticket))).all()
        assert len(rows) == 1
    # A refused file does not use the ticket up; time does.
    token = (await alder.ask("city_administrator", TICKET))["fileTicketIssue"]["token"]
    assert reason(await send(alder, token, b"no photo at all")) == (400, "FILE_KIND_UNKNOWN")
    forged = token.replace(alder.id.hex, birch.id.hex)
    nowhere = token.replace(alder.id.hex, new_id().hex)
    for wrong in (forged, nowhere, token[:-1] + ("A" if token[-1] != "A" else "B")):
        assert reason(await send(alder, wrong, picture())) == (401, "UNAUTHENTICATED")
    files_clock.advance(minutes=15)
    assert reason(await send(alder, token, picture())) == (401, "UNAUTHENTICATED")


async def test_an_upload_that_nothing_uses_is_deleted(place: Place, files_clock: ManualClock) -> None:
    opened, birch = place.opened, place.birch
    await _set(opened, birch, {"fresh_hours": 1})
    before = place.kept.names(birch.id)
    made = (await send(birch, "grid_worker", picture())).json()
    expire = next(job for job in JOBS if job.name == "files.expire")
    files_clock.advance(minutes=59)
    async with opened.works.begin(system_principal(birch.id)) as work:
        assert await expire.run(work) == 0
    assert len(place.kept.names(birch.id) - before) == 2
    files_clock.advance(minutes=1)
    async with opened.works.begin(system_principal(birch.id)) as work:
        assert await expire.run(work) == 1
    assert place.kept.names(birch.id) == before
    assert (await see(birch, "grid_worker", f"/files/{made['id']}")).status_code == 404


async def test_what_cannot_be_kept_is_refused_and_expires(place: Place, files_clock: ManualClock) -> None:
    opened, birch = place.opened, place.birch
    made, before = (await send(birch, "community_worker", picture())).json(), place.kept.names()
    with place.kept.refusing(opened, birch.id):
        assert reason(await send(birch, "community_worker", picture())) == (503, "FILES_UNAVAILABLE")
        assert reason(await see(birch, "community_worker", f"/files/{made['id']}")) == (503, "FILES_UNAVAILABLE")
    assert place.kept.names() == before
    assert (await see(birch, "community_worker", f"/files/{made['id']}")).status_code == 200
    files_clock.advance(hours=1)
    async with opened.works.begin(system_principal(birch.id)) as work:
        await next(job for job in JOBS if job.name == "files.expire").run(work)
        # What the city was planted with waits for its own day.
        assert len((await work.session.scalars(select(m.StoredFile))).all()) == 1


async def test_one_account_keeps_only_so_many_unused(place: Place) -> None:
    opened, birch = place.opened, place.birch
    await _set(opened, birch, {"fresh_most": 2})
    answers = [await send(birch, "city_administrator", picture()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 413]
    assert reason(answers[-1]) == (413, "TOO_MANY_FRESH")

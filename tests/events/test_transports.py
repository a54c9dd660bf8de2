"""Subscriptions over the real server: graphql-transport-ws and graphql-sse as clients from outside speak them."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
from sqlalchemy import select

from cityloom.access.models import Account
from cityloom.access.service.sessions import open_session, revoke_session
from cityloom.core.ids import decode_id
from cityloom.modules.areas.events import AreaBoundarySet
from cityloom.tenancy.system import system_principal
from cityloom.testing.database import ROOT
from cityloom.testing.npm import NpmUnavailable, installed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from cityloom.app import Platform
    from cityloom.testing.twins import Twin

pytestmark = pytest.mark.usefixtures("sequenced")

PROTOCOL = "graphql-transport-ws"
SCRIPT = ROOT / "tests" / "events" / "live.mjs"
PACKAGES = ("graphql@16.11.0", "graphql-ws@6.0.6", "graphql-sse@2.5.4", "ws@8.18.3")
FOLLOW = 'subscription ($after: String) { events(after: $after, types: ["areas.*"]) { position cursor facts } }'
_numbers = itertools.count(1)


async def _happen(opened: Platform, alder: Twin) -> str:
    """Something happens to an area; its id."""
    area = alder.ids["Area"][0]
    row_id = decode_id(area, alder.id)
    assert row_id is not None
    async with opened.works.begin(system_principal(alder.id)) as work:
        work.emit(AreaBoundarySet(subject_id=row_id, has_boundary=next(_numbers) % 2 == 0))
    return area


async def _session(opened: Platform, alder: Twin) -> tuple[UUID, str]:
    """A new session of the administrator: its id and its bearer."""
    async with opened.works.begin(system_principal(alder.id)) as work:
        account = await work.session.scalar(select(Account).where(Account.login == "city-administrator"))
        assert account is not None
        made = await open_session(work, account.id)
    return made.id, made.token


@asynccontextmanager
async def _socket(
    url: str, headers: dict[str, str] | None = None, protocols: tuple[str, ...] = (PROTOCOL,)
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        asyncio.timeout(40),
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=protocols, headers=headers) as socket,
    ):
        yield socket


def _authorization(alder: Twin, role: str = "city_administrator") -> dict[str, str]:
    return {"authorization": f"Bearer {alder.bearers[role]}"}


async def _begun(socket: aiohttp.ClientWebSocketResponse, payload: dict[str, Any] | None = None) -> None:
    await socket.send_json({"type": "connection_init", **({"payload": payload} if payload is not None else {})})
    assert await socket.receive_json() == {"type": "connection_ack"}


async def _closed(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    while (await socket.receive()).type not in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}:
        pass
    return socket.close_code


async def test_a_socket_is_told_what_happens(url: str, opened: Platform, alder: Twin) -> None:
    async with _socket(url) as socket:
        await _begun(socket, _authorization(alder))
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": FOLLOW}})
        await socket.send_json({"id": "2", "type": "subscribe", "payload": {"query": "{ __typename }"}})
        # What was asked later is answered: so the first is being followed, or refused.
        assert await socket.receive_json() == {"id": "2", "type": "next", "payload": {"data": {"__typename": "Query"}}}
        assert await socket.receive_json() == {"id": "2", "type": "complete"}
        await _happen(opened, alder)
        told = await socket.receive_json()
        assert (told["id"], told["type"]) == ("1", "next")
        first = told["payload"]["data"]["events"]
        await socket.send_json({"id": "1", "type": "complete"})
        await _happen(opened, alder)
        # The id is free again, and the cursor leads to what was missed.
        payload = {"query": FOLLOW, "variables": {"after": first["cursor"]}}
        await socket.send_json({"id": "1", "type": "subscribe", "payload": payload})
        told = await socket.receive_json()
        assert told["payload"]["data"]["events"]["position"] > first["position"]


async def test_the_credential_may_come_with_the_headers(url: str, alder: Twin) -> None:
    async with _socket(url, _authorization(alder)) as socket:
        await _begun(socket)
        await socket.send_json({"type": "ping", "payload": {"number": 7}})
        assert await socket.receive_json() == {"type": "pong", "payload": {"number": 7}}
        document = '{ account(id: "x") { id } }'
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": document}})
        told = await socket.receive_json()
        assert (told["id"], told["type"]) == ("1", "error")
        assert told["payload"][0]["message"]


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}}], 4401),
        ([{"type": "connection_init", "payload": {"authorization": "Bearer nobody"}}], 4403),
        ([{"type": "connection_init"}, {"type": "connection_init"}], 4429),
        ([{"type": "connection_init", "payload": "x"}], 4400),
        ([{"type": "nonsense"}], 4400),
        ([{"type": "connection_init"}, {"type": "subscribe", "id": "", "payload": {}}], 4400),
    ],
)
async def test_the_protocol_is_held(url: str, messages: list[dict[str, Any]], code: int) -> None:
    async with _socket(url) as socket:
        for message in messages:
            await socket.send_json(message)
        assert await _closed(socket) == code


async def test_a_duplicate_id_and_another_protocol_are_closed(url: str, alder: Twin) -> None:
    async with _socket(url) as socket:
        await _begun(socket, _authorization(alder))
        for _ in range(2):
            await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": FOLLOW}})
        assert await _closed(socket) == 4409
    async with _socket(url, protocols=("graphql-ws",)) as socket:
        assert await _closed(socket) == 4406
    async with _socket(url) as socket:
        await socket.send_str("{")
        assert await _closed(socket) == 4400


async def test_a_revoked_session_is_told_and_closed(url: str, opened: Platform, alder: Twin) -> None:
    """Soon, without anything happening in the stream."""
    session_id, bearer = await _session(opened, alder)
    async with _socket(url) as socket:
        await _begun(socket, {"authorization": f"Bearer {bearer}"})
        await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": FOLLOW}})
        await socket.send_json({"id": "2", "type": "subscribe", "payload": {"query": "{ __typename }"}})
        assert [(await socket.receive_json())["id"] for _ in range(2)] == ["2", "2"]
        async with opened.works.begin(system_principal(alder.id)) as work:
            await revoke_session(work, session_id)
        told = await socket.receive_json()
        assert (told["id"], told["type"]) == ("1", "error")
        assert told["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert await _closed(socket) == 4403


async def test_a_suspended_city_is_told_no_more(url: str, opened: Platform, birch: Twin) -> None:
    headers = {**_authorization(birch), "accept": "text/event-stream"}
    async with (
        asyncio.timeout(40),
        aiohttp.ClientSession() as session,
        session.post(url, json={"query": FOLLOW}, headers=headers) as answer,
    ):
        assert answer.status == 200
        await opened.tenants.suspend(birch.slug, reason="tests", actor="tests")
        try:
            events = [event async for event in _events(answer)]
            # What came with the planting of the city may still be told before.
            assert [event["event"] for event in events[-2:]] == ["next", "complete"]
            (error,) = orjson.loads(events[-2]["data"])["errors"]
            assert error["extensions"]["code"] == "TENANT_SUSPENDED"
            async with session.post(url, json={"query": FOLLOW}, headers=headers) as refused:
                assert refused.status == 403
        finally:
            await opened.tenants.resume(birch.slug, actor="tests")


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    """Server-sent events as the HTML standard says how to read them; comments are left out."""
    event: dict[str, str] = {}
    async for line in answer.content:
        text = line.decode().rstrip("\n")
        if not text and event:
            yield event
            event = {}
        elif text and not text.startswith(":"):
            name, _, value = text.partition(":")
            event[name] = value.removeprefix(" ")


async def test_a_stream_is_told_what_happens_and_goes_on_where_it_was(url: str, opened: Platform, alder: Twin) -> None:
    headers = {**_authorization(alder), "accept": "text/event-stream"}
    async with asyncio.timeout(40), aiohttp.ClientSession() as session:
        async with session.post(url, json={"query": FOLLOW}, headers=headers) as answer:
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            await _happen(opened, alder)
            first = await anext(_events(answer))
        assert first["event"] == "next"
        told = orjson.loads(first["data"])["data"]["events"]
        assert first["id"] == told["cursor"]
        await _happen(opened, alder)
        # GET, as a browser's EventSource comes again.
        again = {**headers, "last-event-id": first["id"]}
        async with session.get(url, params={"query": FOLLOW}, headers=again) as answer:
            second = orjson.loads((await anext(_events(answer)))["data"])["data"]["events"]
        assert second["position"] > told["position"]


async def test_a_stream_answers_queries_and_refuses_plainly(url: str, alder: Twin) -> None:
    headers = {**_authorization(alder), "accept": "text/event-stream"}
    async with asyncio.timeout(40), aiohttp.ClientSession() as session:
        async with session.post(url, json={"query": "{ __typename }"}, headers=headers) as answer:
            assert [event async for event in _events(answer)] == [
                {"event": "next", "data": '{"data":{"__typename":"Query"}}'},
                {"event": "complete", "data": ""},
            ]
        for request, status in (
            ({"query": "subscription { nothing }"}, 400),
            ({"query": FOLLOW, "variables": {"after": "x"}}, 400),
            ({"query": "{"}, 400),
        ):
            async with session.post(url, json=request, headers=headers) as answer:
                assert answer.status == status
                assert orjson.loads(await answer.read())["errors"]
        async with session.post(url, json={"query": FOLLOW}, headers={**headers, "last-event-id": "x"}) as answer:
            assert answer.status == 400
        async with session.post(
            url, json={"query": FOLLOW}, headers={**headers, "authorization": "Bearer x"}
        ) as answer:
            assert answer.status == 401


async def test_the_npm_clients_are_told_the_same(url: str, opened: Platform, alder: Twin) -> None:
    """graphql-ws and graphql-sse of npm: queries, a refused document, and two events each."""
    try:
        folder = installed("live", PACKAGES)
    except NpmUnavailable as reason:
        pytest.skip(f"graphql-ws and graphql-sse need Node with npm: {reason}")
    process = await asyncio.create_subprocess_exec(
        "node", str(SCRIPT), url, alder.bearers["city_administrator"], "2", cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert (await process.stdout.readline()).strip() == b"ready"
        area = await _happen(opened, alder)
        await _happen(opened, alder)
        found = orjson.loads((await process.communicate())[0])
    assert process.returncode == 0
    assert found["bySocket"] == found["byStream"] == {"data": {"__typename": "Query"}}
    assert found["refused"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert found["socketTold"] == found["streamTold"]
    events = [message["data"]["events"] for message in found["socketTold"]]
    assert [event["subject"] for event in events] == [{"__typename": "Area", "id": area}] * 2
    assert events[1]["position"] == events[0]["position"] + 1

"""Receivers that do what a test says, and a city whose worker moves when it is told to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from cityloom.core.ids import new_id
from cityloom.events.sequencer import Sequencer
from cityloom.modules.grid.events import ShiftCancelled
from cityloom.testing.probes import mutation
from cityloom.webhooks.dispatch import Dispatcher
from cityloom.webhooks.fanout import Fanout
from cityloom.webhooks.shaping import shaper_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from uuid import UUID

    from cityloom.core.principal import Principal
    from cityloom.core.work import Works
    from cityloom.testing.access import City
    from cityloom.testing.front import Front
    from cityloom.webhooks.sender import Sender

#: An event that any city can have, with made-up ids in it.
EVENT = "grid.shift.cancelled.v1"


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The header `webhook-id`."""
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """Records what it gets; `answers` are given one by one, then 204 for ever."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[web.StreamResponse | int | Callable[[web.Request], Awaitable[web.StreamResponse]]] = field(
        default_factory=list
    )
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        async with self.arrived:
            self.received.append(Received(headers, body))
            self.arrived.notify_all()
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, int):
            return web.Response(status=answer, text="" if answer == 204 else "no")  # noqa: PLR2004 - No Content
        return answer if isinstance(answer, web.StreamResponse) else await answer(request)

    async def wait_for(self, count: int, *, seconds: float = 20) -> None:
        """Wait until so many requests have arrived."""
        async with asyncio.timeout(seconds), self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= count)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a port of this machine."""
    receiver = Receiver()
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", receiver.serve)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http://127.0.0.1:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass
class PostOffice:
    """A city with an integrator, and a worker that moves when it is told to."""

    city: City
    front: Front
    integrator: Principal
    dispatcher: Dispatcher
    fanout: Fanout
    sequencer: Sequencer

    @classmethod
    async def open(cls, city: City, front: Front, sender: Sender) -> PostOffice:
        """The office of a fresh city."""
        await city.role("integrator", "template:integrator", "allow events.*", "allow grid.*")
        await city.account("integrator", ("integrator", None))
        works: Works = front.works
        return cls(
            city,
            front,
            await city.principal("integrator"),
            Dispatcher(works, sender),
            Fanout(works, shaper_of(front.services)),
            Sequencer(works),
        )

    async def ask(self, name: str, type_: str, selection: str = "id", **input_: Any) -> dict[str, Any]:  # noqa: ANN401 - any input
        """Carry out a mutation as the integrator; it must not be refused."""
        answer = await self.front.data(self.integrator, mutation(name, type_, selection), {"input": input_})
        found: dict[str, Any] = answer[name]
        assert found["__typename"] == type_, found
        return found

    async def endpoint(self, url: str, **input_: Any) -> dict[str, Any]:  # noqa: ANN401 - any input
        """A new endpoint with its secrets."""
        input_.setdefault("events", ["grid.*"])
        return await self.ask(
            "webhookEndpointCreate",
            "WebhookEndpointCreated",
            "id keys { id algorithm secret publicKey }",
            url=url,
            **input_,
        )

    async def happen(self, *subjects: UUID | None, area_path: str | None = None) -> list[UUID]:
        """Let something happen to each subject, or to new ones, in one transaction; answers the subjects."""
        found = [subject or new_id() for subject in subjects]
        async with self.front.works.begin(self.integrator) as work:
            for subject in found:
                work.emit(ShiftCancelled(subject_id=subject, area_path=area_path, account_id=new_id()))
        return found

    async def collect(self) -> None:
        """Bring everything that has happened into deliveries."""
        await self.sequencer.drain(self.city.id)
        while (await self.fanout.advance(self.city.id)).is_behind:
            pass

    async def deliver(self) -> None:
        """Send everything that is due now, and what becomes due by that."""
        while await self.dispatcher.round():
            await self.dispatcher.idle()

    async def settle(self) -> None:
        """Collect and deliver."""
        await self.collect()
        await self.deliver()

    async def rows(self, sql: str, *args: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any argument
        """Rows of the city's tables; `$1` is the city."""
        async with self.city.work() as work:
            return [dict(row) for row in await (await work.connection()).fetch(sql, self.city.id, *args)]

    async def deliveries(self) -> list[dict[str, Any]]:
        """All deliveries, oldest first."""
        return await self.rows("SELECT * FROM webhook_deliveries WHERE tenant_id = $1 ORDER BY sequence, id")

    async def attempts(self) -> list[dict[str, Any]]:
        """All attempts, oldest first."""
        return await self.rows("SELECT * FROM webhook_attempts WHERE tenant_id = $1 ORDER BY id")

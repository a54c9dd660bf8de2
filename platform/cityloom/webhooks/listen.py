"""`cityloom listen`: the city's events, live, posted to a program on this machine as a webhook would be.

It pulls them over the subscription (server-sent events), so that no tunnel is needed, and signs with the same code as
the platform does: what verifies here verifies there.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated, Any

import aiohttp
import orjson
import typer

from cityloom.core.clock import Clock, SystemClock
from cityloom.webhooks import signing
from cityloom.webhooks.addresses import Egress
from cityloom.webhooks.sender import Sender
from cityloom.webhooks.targets import chained

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from cityloom.webhooks.sender import Result

DOCUMENT = """
subscription ($after: String, $types: [String!]) {
  events(after: $after, types: $types) {
    type occurredAt id position cursor subject { id } subjectSequence facts changed actorKind actor { id }
  }
}
"""
_AGAIN_SECONDS = 1.0
#: The programmer's own machine posts where the programmer says.
_EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


def listen(
    forward: Annotated[str, typer.Option(help="Where to post: http://localhost:3000/hook")],
    token: Annotated[str, typer.Option(envvar="CITYLOOM_TOKEN", help="A bearer or an API key, as for the API.")],
    url: Annotated[str, typer.Option(envvar="CITYLOOM_URL", help="The platform.")] = "http://127.0.0.1:8000",
    events: Annotated[list[str] | None, typer.Option(help="Types, for example `cases.*`; all by default.")] = None,
    after: Annotated[str | None, typer.Option(help="A cursor: begin behind it; else with what is new.")] = None,
    secret: Annotated[str | None, typer.Option(help="Sign with this `whsec_…`; else one is made and shown.")] = None,
) -> None:
    """Post the city's events to a program on this machine, signed as webhooks are."""
    made = secret or signing.new_secret("HMAC_SHA256").secret
    typer.echo(f"签名密钥 · signing secret  {made}\n转发至 · forwarding to  {forward}\n")
    forwarder = Forwarder(url, token, forward, made, tuple(events or ()), after)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(forwarder.run(typer.echo))


@dataclass
class Forwarder:
    """Pulls from a platform and posts to a program; goes on behind the last event when the connection is lost."""

    url: str
    token: str
    forward: str
    secret: str
    types: tuple[str, ...] = ()
    after: str | None = None
    clock: Clock = field(default_factory=SystemClock)
    sequence: int = 0

    async def run(self, say: Any) -> None:  # noqa: ANN401 - takes a line
        """Until cancelled."""
        chain = signing.genesis("listen")
        signer = signing.signer(self.secret)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with Sender(Egress(is_strict=False, networks=_EVERYWHERE), self.clock) as sender:
            while True:
                try:
                    async with aiohttp.ClientSession(timeout=timeout) as session:
                        async for event in self.pull(session):
                            body = envelope(event)
                            self.sequence += 1
                            previous, chain = chain, signing.link(chain, self.sequence, body)
                            webhook_id = signing.chained_id(self.sequence, chain)
                            headers = signing.headers(webhook_id, self.clock.now(), body, [signer])
                            result = await sender.send(self.forward, body, headers | chained(self.sequence, previous))
                            self.after = event["cursor"]
                            say(told(event, result))
                except (aiohttp.ClientError, OSError) as error:
                    say(f"连接中断,重试 · connection lost, again: {type(error).__name__}")
                await asyncio.sleep(_AGAIN_SECONDS)

    async def pull(self, session: aiohttp.ClientSession) -> AsyncIterator[dict[str, Any]]:
        """The events of one connection; a refusal ends the program with its message."""
        variables = {"after": self.after, "types": list(self.types) or None}
        headers = {"authorization": f"Bearer {self.token}", "accept": "text/event-stream"}
        async with session.post(
            f"{self.url}/graphql", json={"query": DOCUMENT, "variables": variables}, headers=headers
        ) as answer:
            if answer.status != 200 or answer.content_type != "text/event-stream":  # noqa: PLR2004 - OK
                raise SystemExit((await answer.text())[:1_000])
            async for message in messages(answer.content):
                if message.get("errors"):
                    raise SystemExit(orjson.dumps(message["errors"]).decode())
                if message.get("data"):
                    yield message["data"]["events"]


async def messages(stream: AsyncIterable[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The JSON of each message of a stream of server-sent events."""
    kind, data = "", b""
    async for raw in stream:
        line = raw.rstrip(b"\r\n")
        if not line:
            if data and kind in {"", "next"}:
                yield orjson.loads(data)
            kind, data = "", b""
        elif line.startswith(b"event:"):
            kind = line[6:].strip().decode()
        elif line.startswith(b"data:"):
            data += line[5:].strip()


def envelope(event: dict[str, Any]) -> bytes:
    """The body of a webhook for an event as the subscription tells it."""
    data = {
        "id": event["id"],
        "position": event["position"],
        "cursor": event["cursor"],
        "subject": event["subject"] and event["subject"]["id"],
        "subjectSequence": event["subjectSequence"],
        "facts": event["facts"],
        "changed": event["changed"],
        "actor": {"kind": event["actorKind"], "id": event["actor"] and event["actor"]["id"]},
    }
    return orjson.dumps({"type": event["type"], "timestamp": event["occurredAt"], "data": data})


def told(event: dict[str, Any], result: Result) -> str:
    """One line about one event."""
    came = result.outcome if result.status is None else str(result.status)
    return f"{event['occurredAt']}  {event['type']}  → {came}  {result.duration_ms} ms"

"""Kill everything at random while cases run, and compare what was committed with what was received.

Each cycle kills the API server, a worker or PostgreSQL with SIGKILL at random moments, one after the other, while
clients report and discuss cases and receivers fail, hang, drop, duplicate and reorder. Then everything heals, the
platform is given time to finish, and two ledgers are compared: the events that are in the database, and what the
receivers have written down.

    0 lost        every committed event reached every endpoint
    0 phantom     nothing was received that was not committed, and no body differs from any other of its id
    duplicates    only under an equal `webhook-id`
    order         of a subject, no event was received before an earlier one
    chain         every endpoint's numbers have no gap and every hash is right
    durable       every mutation that was answered is in the database
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import orjson
from aiohttp import web
from sqlalchemy import select
from sqlalchemy.engine import make_url

from cityloom.access import models as access
from cityloom.access.service.sessions import open_session
from cityloom.app import platform
from cityloom.core import logs
from cityloom.core.database import asyncpg_arguments
from cityloom.core.embedded import EmbeddedPostgres
from cityloom.core.embedded.refusals import EmbeddedDatabaseFailed
from cityloom.core.ids import tenant_tag
from cityloom.core.migrations import migrate
from cityloom.installed import import_models
from cityloom.serving import DATABASE_VARIABLE
from cityloom.settings import Settings
from cityloom.tenancy.system import system_principal
from cityloom.testing.serving import free_port
from cityloom.webhooks import signing

ROOT = Path(__file__).resolve().parents[2]
CITY = "yanji"
MANNERS = ("steady", "failing", "hanging", "dropping", "duplicating", "reordering", "in_order")
WORKERS = ("worker", "second-worker")
#: The whole of one try here: what hangs shall not take minutes.
TIMEOUT = 1.0
HEAL_SECONDS = 300.0


@dataclass
class Receiver:
    """One endpoint's ledger; `manner` is how it misbehaves until it is healed."""

    manner: str
    random: random.Random
    endpoint_id: str = ""
    is_healed: bool = False
    arrivals: list[tuple[str, int, str, bytes]] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Write down what arrives, then behave as this receiver does."""
        body = await request.read()
        headers = request.headers
        arrival = (
            headers[signing.ID], int(headers[signing.SEQUENCE]), headers[signing.PREVIOUS_HASH], body,
        )  # fmt: skip
        self.arrivals.append(arrival)
        if self.is_healed or self.manner in {"steady", "in_order"}:
            return web.Response(status=204)
        draw = self.random.random()
        match self.manner:
            case "failing" if draw < 0.5:
                return web.Response(status=self.random.choice([400, 500, 502, 503]))
            case "hanging" if draw < 0.3:
                await asyncio.sleep(TIMEOUT * 3)
            case "dropping" if draw < 0.4 and request.transport is not None:
                request.transport.abort()
            case "duplicating" if draw < 0.4:
                # A proxy on the way that repeats what it was not sure of.
                self.arrivals.append(arrival)
            case "reordering":
                await asyncio.sleep(self.random.random() * 0.3)
        return web.Response(status=204)


class Chaos:
    """The platform in processes of its own, the load, the receivers and the ledgers."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)  # noqa: S311 - chaos, no secret
        self.postgres = EmbeddedPostgres(folder / "postgres")
        self.admin_url = ""
        self.port = free_port()
        self.settings = Settings(var=folder, tenants=ROOT / "tenants", port=self.port)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.receivers = [Receiver(manner, random.Random(seed + at)) for at, manner in enumerate(MANNERS)]  # noqa: S311 - as above
        self.tenant_id = UUID(int=0)
        self.bearer = ""
        self.answered: set[str] = set()
        self.cases: list[str] = []
        self.matters: list[str] = []
        self.areas: list[str] = []
        self.session: aiohttp.ClientSession
        self.receivers_url = ""
        self.begins_after = 0

    # What runs

    async def open(self) -> None:
        """Make the database, onboard the city, start everything, create the endpoints."""
        import_models()
        self.admin_url = await asyncio.to_thread(self.postgres.start)
        await migrate(self.admin_url, self.folder)
        async with platform(self.settings, self.admin_url) as opened:
            done = await opened.tenants.apply(opened.tenants.folder(CITY), actor="chaos")
            self.tenant_id = done.tenant_id
            async with opened.works.begin(system_principal(self.tenant_id)) as work:
                account = await work.session.scalar(select(access.Account.id).where(access.Account.login == "admin"))
                if account is None:
                    raise SystemExit(f"{CITY} has no account `admin`")
                self.bearer = (await open_session(work, account)).token
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        await self._receive()
        self.start_api()
        for name in WORKERS:
            self.start_worker(name)
        await self._ready()
        found = await self.ask("{ matters(first: 20) { nodes { id } } areas(first: 20) { nodes { id } } }")
        self.matters = [node["id"] for node in found["matters"]["nodes"]]
        self.areas = [node["id"] for node in found["areas"]["nodes"]]
        # What happened before there were endpoints is none of their business.
        await self.heal()
        connection = await self.connect()
        self.begins_after = await connection.fetchval("SELECT max(position) FROM events") or 0
        await connection.close()
        for receiver in self.receivers:
            created = await self.ask(
                "mutation ($input: WebhookEndpointCreateInput!) { webhookEndpointCreate(input: $input) {"
                " __typename ... on WebhookEndpointCreated { id } ... on Refusal { reason } } }",
                {
                    "input": {
                        "url": f"{self.receivers_url}/{receiver.manner}",
                        "events": ["cases.*"],
                        "ordering": "PER_ENDPOINT" if receiver.manner == "in_order" else "PER_SUBJECT",
                    }
                },
            )
            receiver.endpoint_id = created["webhookEndpointCreate"]["id"]

    async def _receive(self) -> None:
        app = web.Application(client_max_size=2**24)
        for receiver in self.receivers:
            app.router.add_post(f"/{receiver.manner}", receiver.serve)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.receivers_url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            DATABASE_VARIABLE: self.admin_url,
            "CITYLOOM_VAR": str(self.folder),
            "CITYLOOM_TENANTS": str(ROOT / "tenants"),
            "CITYLOOM_WEBHOOK_TIMEOUT": str(TIMEOUT),
            "CITYLOOM_LOG_LEVEL": "error",
            "PYTHONPATH": str(ROOT / "platform"),
        }

    def _spawn(self, name: str, *arguments: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self.children[name] = subprocess.Popen(
            [sys.executable, "-m", *arguments], env=self._environment(), stdout=log, stderr=log, start_new_session=True
        )

    def start_api(self) -> None:
        """Serve HTTP in a process group of its own."""
        options = ["--interface", "asgi", "--host", "127.0.0.1", "--port", str(self.port), "--factory"]
        self._spawn("api", "granian", *options, "cityloom.app:create_app")

    def start_worker(self, name: str) -> None:
        """One of the workers."""
        self._spawn(name, "cityloom", "worker")

    def kill(self, name: str) -> None:
        """SIGKILL to the whole group."""
        child = self.children[name]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    async def kill_postgres(self) -> None:
        """SIGKILL to the postmaster; its children notice and end."""
        pid = int((self.folder / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)

    async def start_postgres(self) -> None:
        """Start it again: at the same place, so that the others find it."""
        deadline = time.monotonic() + 60
        while True:
            self.postgres = EmbeddedPostgres(self.folder / "postgres")
            try:
                url = await asyncio.to_thread(self.postgres.start)
            except EmbeddedDatabaseFailed:
                # Children of the killed one may not have ended yet.
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.5)
            else:
                break
        if url != self.admin_url:
            raise SystemExit("PostgreSQL came back at another place")

    def supervise(self) -> None:
        """Start what has ended by itself, as a supervisor would: for example because the database was not there."""
        for name, child in list(self.children.items()):
            if child.poll() is not None:
                if name == "api":
                    self.start_api()
                else:
                    self.start_worker(name)

    async def _ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self.supervise()
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self.session.get(f"http://127.0.0.1:{self.port}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)
        raise SystemExit("the API server did not become ready: see api.log")

    async def ask(self, text: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """The data of one operation as the city's administrator."""
        async with self.session.post(
            f"http://127.0.0.1:{self.port}/graphql",
            json={"query": text, "variables": variables or {}},
            headers={"authorization": f"Bearer {self.bearer}", "accept": "application/graphql-response+json"},
        ) as answer:
            body = orjson.loads(await answer.read())
        if body.get("errors") or not body.get("data"):
            raise aiohttp.ClientError(str(body)[:300])
        data: dict[str, Any] = body["data"]
        return data

    # What happens

    async def client(self, until: float) -> None:
        """Report cases and discuss them, whatever answers or does not."""
        while time.monotonic() < until:
            try:
                await self._step()
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                await asyncio.sleep(0.05)

    async def _step(self) -> None:
        if len(self.cases) < 5 or self.random.random() < 0.3:
            given: dict[str, Any] = {
                "matterId": self.random.choice(self.matters),
                "areaId": self.random.choice(self.areas),
                "description": "chaos",
            }
            name, type_, selection = "caseReport", "CaseTracking", "case { id }"
        else:
            given = {"id": self.random.choice(self.cases[-30:]), "text": "…"}
            name, type_, selection = "caseComment", "CaseStep", "id"
        title = name[0].upper() + name[1:]
        found = (
            await self.ask(
                f"mutation ($input: {title}Input!) {{ {name}(input: $input) {{ __typename "
                f"... on {type_} {{ {selection} }} ... on Refusal {{ reason }} }} }}",
                {"input": given},
            )
        )[name]
        if found["__typename"] == "CaseTracking" and found["case"]:
            self.cases.append(found["case"]["id"])
            self.answered.add(found["case"]["id"])

    async def wreck(self, until: float) -> list[str]:
        """Kill one after the other, each at a random moment, and start it again after a while."""
        done = []
        while (left := until - time.monotonic()) > 0.5:
            await asyncio.sleep(min(left, 0.3 + self.random.random() * 2.5))
            name = self.random.choice(("api", "postgres", *WORKERS))
            done.append(name)
            if name == "postgres":
                await self.kill_postgres()
                await asyncio.sleep(self.random.random() * 0.5)
                await self.start_postgres()
            else:
                self.kill(name)
                await asyncio.sleep(self.random.random() * 0.3)
                if name == "api":
                    self.start_api()
                else:
                    self.start_worker(name)
        return done

    async def cycle(self, seconds: float) -> list[str]:
        """Load and chaos for a while, then healing; what was killed."""
        for receiver in self.receivers:
            receiver.is_healed = False
        until = time.monotonic() + seconds
        *_, killed = await asyncio.gather(*(self.client(until) for _ in range(6)), self.wreck(until))
        for receiver in self.receivers:
            receiver.is_healed = True
        await self._ready()
        await self.heal()
        return killed

    async def connect(self) -> asyncpg.Connection[asyncpg.Record]:
        """The database as its administrator: the ledger is read past every policy."""
        return await asyncpg.connect(**asyncpg_arguments(make_url(self.admin_url)))

    async def heal(self) -> None:
        """Wait until nothing is open any more; what waits for its next try is asked for, as an owner would."""
        deadline = time.monotonic() + HEAL_SECONDS
        connection = await self.connect()
        try:
            while True:
                row = await connection.fetchrow(
                    "SELECT (SELECT count(*) FROM outbox) AS unplaced,"
                    " (SELECT count(*) FROM webhook_lanes l JOIN event_heads h USING (tenant_id)"
                    "  WHERE l.position < h.position) AS behind,"
                    " (SELECT count(*) FROM webhook_deliveries WHERE state IN ('WAITING', 'DUE')) AS open"
                )
                if not any(row.values()):
                    return
                if time.monotonic() > deadline:
                    raise SystemExit(f"not finished after {HEAL_SECONDS:.0f} s: {dict(row)}")
                self.supervise()
                if row["open"]:
                    await self._ask_for_missing()
                await asyncio.sleep(0.3)
        finally:
            await connection.close()

    async def _ask_for_missing(self) -> None:
        for receiver in self.receivers:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await self.ask(
                    "mutation ($input: WebhookEndpointReplayInput!) { webhookEndpointReplay(input: $input) {"
                    " __typename } }",
                    {"input": {"id": receiver.endpoint_id, "onlyMissing": True}},
                )

    # What is compared

    async def audit(self) -> tuple[list[str], Counter[str]]:
        """Every difference between the ledgers, and the figures."""
        connection = await self.connect()
        try:
            rows = await connection.fetch("SELECT * FROM events WHERE tenant_id = $1 ORDER BY position", self.tenant_id)
        finally:
            await connection.close()
        faults: list[str] = []
        positions = [row["position"] for row in rows]
        if positions != list(range(1, len(rows) + 1)):
            faults.append("stream: positions have gaps")
        tag = tenant_tag(self.tenant_id)
        events = {
            f"evnt_{tag}_{UUID(bytes=row['id'].bytes).hex}": row
            for row in rows
            if row["type"].startswith("cases.") and row["position"] > self.begins_after
        }
        subjects = {f"{row['subject_tag']}_{tag}_{UUID(bytes=row['subject_id'].bytes).hex}" for row in rows}
        faults += [f"durable: {case} was answered and is not there" for case in self.answered - subjects]
        counts: Counter[str] = Counter(events=len(events))
        for receiver in self.receivers:
            found, figures = compare(receiver, events)
            faults += found
            counts += figures
        return faults, counts

    async def close(self) -> None:
        """Stop what still runs."""
        for name in list(self.children):
            self.kill(name)
        await self.session.close()
        await asyncio.to_thread(self.postgres.stop)


def compare(receiver: Receiver, events: dict[str, Any]) -> tuple[list[str], Counter[str]]:
    """One receiver's ledger against the committed events."""
    name = receiver.manner
    faults: list[str] = []
    ids: dict[str, set[str]] = defaultdict(set)
    bodies: dict[str, set[bytes]] = defaultdict(set)
    last: dict[str, int] = {}
    chain: dict[int, tuple[str, str, bytes]] = {}
    seen: set[str] = set()
    for webhook_id, sequence, previous, body in receiver.arrivals:
        data = orjson.loads(body)["data"]
        ids[data["id"]].add(webhook_id)
        bodies[webhook_id].add(hashlib.sha256(body).digest())
        chain[sequence] = (webhook_id, previous, body)
        if webhook_id in seen:
            continue
        seen.add(webhook_id)
        if data["subjectSequence"] <= last.get(data["subject"], 0):
            faults.append(f"{name}: order: {data['subject']} {data['subjectSequence']} after {last[data['subject']]}")
        last[data["subject"]] = data["subjectSequence"]
    faults += [f"{name}: lost: {one}" for one in events.keys() - ids.keys()]
    faults += [f"{name}: phantom: {one}" for one in ids.keys() - events.keys()]
    faults += [f"{name}: {event} came under {len(found)} ids" for event, found in ids.items() if len(found) > 1]
    faults += [f"{name}: {one} had different bodies" for one, found in bodies.items() if len(found) > 1]
    expected = signing.genesis(receiver.endpoint_id)
    for number in range(1, len(chain) + 1):
        if number not in chain:
            faults.append(f"{name}: chain: number {number} is missing")
            break
        webhook_id, previous, body = chain[number]
        here = signing.link(expected, number, body)
        if previous != expected.hex() or webhook_id != signing.chained_id(number, here):
            faults.append(f"{name}: chain: number {number} does not link")
        expected = here
    arrivals = len(receiver.arrivals)
    return faults, Counter(received=arrivals, distinct=len(seen), repeated=arrivals - len(seen))


async def run(given: argparse.Namespace, folder: Path) -> int:
    """Cycle after cycle; ends with 1 at the first fault."""
    chaos = Chaos(folder, given.seed)
    killed: Counter[str] = Counter()
    began, done = time.monotonic(), 0
    try:
        await chaos.open()
        for number in range(1, given.cycles + 1):
            killed.update(await chaos.cycle(given.load))
            faults, counts = await chaos.audit()
            done = number
            print(
                f"cycle {number:3}: {counts['events']} committed × {len(MANNERS)} endpoints, {counts['received']}"
                f" received, {counts['repeated']} repeated; kills: {dict(killed)}; {len(faults)} faults"
                f" ({time.monotonic() - began:.0f} s)",
                flush=True,
            )
            if faults:
                print("\n".join(faults[:30]))
                return 1
            if given.seconds and time.monotonic() - began > given.seconds:
                break
    finally:
        await chaos.close()
    print(f"{done} cycles: 0 lost, 0 phantom, duplicates only under an equal webhook-id, order per subject kept")
    return 0


def main() -> None:
    """Parse and run in a folder that is thrown away."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--load", type=float, default=8.0, help="seconds of load and kills in each cycle")
    parser.add_argument("--seconds", type=float, default=0, help="begin no further cycle after so long; 0: no limit")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--keep", type=Path, help="use this folder, and keep it with its logs")
    given = parser.parse_args()
    logs.setup(form="console", level="error")
    print(f"seed {given.seed}", flush=True)
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
        raise SystemExit(asyncio.run(run(given, given.keep.resolve())))
    with tempfile.TemporaryDirectory(prefix="cityloom-chaos-") as folder:
        raise SystemExit(asyncio.run(run(given, Path(folder))))


if __name__ == "__main__":
    main()

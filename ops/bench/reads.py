"""The benchmarks of reads: nested, point, page, aggregate."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import documents
import httpx
from contest import Contestant, Result, Round, Target, contest
from load import http_request
from servers import CITYLOOM, HANDWRITTEN, PLAIN, POSTGRAPHILE, Server
from sqlalchemy.engine import make_url

from cityloom.core.database import asyncpg_arguments
from cityloom.core.ids import encode_id
from cityloom.core.principal import subtree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from city import City, Staff

_GLOBAL_ID = re.compile(r"[a-z]{4}_[0-9a-f]{8}_([0-9a-f]{32})\Z")


@dataclass(frozen=True)
class Options:
    """How long and how hard."""

    rounds: int
    seconds: float
    connections: int
    postmaster: int | None


@dataclass(frozen=True)
class Ring:
    """What a bench of reads works with."""

    admin_url: str
    city: City
    servers: dict[str, Server]
    options: Options

    def contestant(
        self, name: str, server: str, path: str, bodies: Sequence[dict[str, Any]], staff: Staff
    ) -> Contestant:
        """A way of asking one of the servers, signed in."""
        found = self.servers[server]
        headers = {"Authorization": f"Bearer {staff.bearer}"}
        requests = [http_request(path, json.dumps(body).encode(), headers) for body in bodies]
        return Contestant(name, found.port, requests, found.pid)


def contents(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """JSON with global ids as the row ids in them, so that contestants can be compared."""
    if isinstance(value, dict):
        return {name: contents(item) for name, item in value.items()}
    if isinstance(value, list):
        return [contents(item) for item in value]
    if isinstance(value, str) and (match := _GLOBAL_ID.match(value)):
        return str(UUID(hex=match[1]))
    return value


async def answer(contestant: Contestant, at: int = 0) -> Any:  # noqa: ANN401 - any JSON
    """The data that a contestant answers to one of its requests."""
    head, _, body = contestant.requests[at].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    async with httpx.AsyncClient(timeout=60) as client:
        found = await client.post(
            f"http://127.0.0.1:{contestant.port}{lines[0].split()[1]}", content=body, headers=headers
        )
    told = found.json()
    if found.status_code != 200 or told.get("errors"):
        raise RuntimeError(f"{contestant.name}: {found.status_code} {found.text[:500]}")
    return contents(told["data"])


async def demand_equal(contestants: Sequence[Contestant]) -> Any:  # noqa: ANN401 - any JSON
    """Refuse to time contestants that do not answer the same."""
    first = await answer(contestants[0])
    for other in contestants[1:]:
        found = await answer(other)
        if found != first:
            both = f"{json.dumps(found)[:700]}\n{json.dumps(first)[:700]}"
            raise RuntimeError(f"{other.name} answers other data than {contestants[0].name}:\n{both}")
    return first


async def _contest(
    ring: Ring, contestants: Sequence[Contestant], connections: int | None = None
) -> dict[str, list[Round]]:
    options = ring.options
    return await contest(
        contestants,
        rounds=options.rounds,
        seconds=options.seconds,
        connections=connections or options.connections,
        postmaster=options.postmaster,
    )


def _targets(ring: Ring, **wanted: float) -> list[Target]:
    names = {"handwritten": HANDWRITTEN, "postgraphile": POSTGRAPHILE, "plain": PLAIN}
    return [Target(names[key], value) for key, value in wanted.items() if names[key] in ring.servers]


async def nested(ring: Ring) -> Result:
    """100 dwellings with their first two residents."""
    staff, tenant = ring.city.staff["street"], str(ring.city.tenant_id)
    known = [
        (CITYLOOM, "/graphql", {"query": documents.NESTED, "variables": {"use": documents.USE}}),
        (HANDWRITTEN, "/nested", {"use": documents.USE}),
        (
            POSTGRAPHILE,
            "/graphql",
            {"query": documents.NESTED_POSTGRAPHILE, "variables": {"tenant": tenant, "use": documents.USE}},
        ),
        (PLAIN, "/graphql", {"query": documents.NESTED_PLAIN, "variables": {"use": documents.USE}}),
    ]
    contestants = [
        ring.contestant(name, name, path, [body], staff) for name, path, body in known if name in ring.servers
    ]
    data = await demand_equal(contestants)
    nodes = data["dwellings"]["nodes"]
    return Result(
        "reads.nested",
        "100 dwellings with 5 fields, each with 2 residents with 8 fields",
        await _contest(ring, contestants),
        _targets(ring, handwritten=0.85, postgraphile=3, plain=10),
        {
            "scope": f"a street lead of an area with {staff.residents:,} of {ring.city.residents:,} residents",
            "answer": f"{len(nodes)} dwellings, {sum(len(n['residents']['nodes']) for n in nodes)} residents",
        },
    )


async def point(ring: Ring) -> Result:
    """One node by its id."""
    staff, tenant = ring.city.staff["street"], ring.city.tenant_id
    rows = await sample(ring.admin_url, tenant, staff, 500)
    ids = [encode_id("resd", tenant, row) for row in rows]
    known: list[tuple[str, str, list[dict[str, Any]]]] = [
        (CITYLOOM, "/graphql", [{"query": documents.POINT, "variables": {"id": i}} for i in ids]),
        (HANDWRITTEN, "/point", [{"id": i} for i in ids]),
        (
            POSTGRAPHILE,
            "/graphql",
            [
                {"query": documents.POINT_POSTGRAPHILE, "variables": {"tenant": str(tenant), "id": str(row)}}
                for row in rows
            ],
        ),
        (PLAIN, "/graphql", [{"query": documents.POINT_PLAIN, "variables": {"id": i}} for i in ids]),
    ]
    contestants = [
        ring.contestant(name, name, path, bodies, staff) for name, path, bodies in known if name in ring.servers
    ]
    observed = ring.contestant(f"{HANDWRITTEN}, observed", HANDWRITTEN, "/observed/point", known[1][2], staff)
    contestants.insert(2, observed)
    await demand_equal(contestants)
    return Result(
        "reads.point",
        "one resident by id, 3 fields; 500 residents in turn",
        await _contest(ring, contestants),
        _targets(ring, handwritten=0.6, postgraphile=1, plain=4),
    )


async def sample(admin_url: str, tenant: UUID, staff: Staff, count: int) -> list[UUID]:
    """Ids of that many residents of the area that somebody works in."""
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        rows = await connection.fetch(
            "SELECT id FROM residents WHERE tenant_id = $1 AND area_path >= $2 AND area_path < $3 "
            "ORDER BY md5(id::text) LIMIT $4",
            tenant,
            *subtree(staff.area_path),
            count,
        )
    finally:
        await connection.close()
    return [UUID(bytes=row["id"].bytes) for row in rows]


async def page(ring: Ring) -> Result:
    """A far page of a long list, by cursor and by offset, with the count of all and without."""
    staff, tenant = ring.city.staff["city"], str(ring.city.tenant_id)
    after = await cursor_before(ring, staff, documents.FAR_PAGE)
    contestants: list[Contestant] = []
    far = f"page {documents.FAR_PAGE}"
    for counted in (True, False):
        total, label = ("totalCount", ", totalCount") if counted else ("", "")
        ours = documents.PAGE % (total, "")
        for name, cursor in (("page 1", None), (far, after)):
            body = {"query": ours, "variables": {"sex": documents.SEX, "after": cursor}}
            contestants.append(ring.contestant(f"{CITYLOOM}, {name}{label}", CITYLOOM, "/graphql", [body], staff))
        if POSTGRAPHILE in ring.servers:
            theirs = documents.PAGE_POSTGRAPHILE % total
            for name, offset in (("page 1", 0), (far, (documents.FAR_PAGE - 1) * documents.PAGE_SIZE)):
                variables = {"tenant": tenant, "sex": documents.SEX, "offset": offset}
                body = {"query": theirs, "variables": variables}
                contestants.append(
                    ring.contestant(f"{POSTGRAPHILE}, {name}{label}", POSTGRAPHILE, "/graphql", [body], staff)
                )
    by_name = {c.name: c for c in contestants}
    counts = {}
    for name in (far, f"{far}, totalCount"):
        same = [by_name[f"{who}, {name}"] for who in (CITYLOOM, POSTGRAPHILE) if f"{who}, {name}" in by_name]
        counts[name] = (await demand_equal(same))["residents"].get("totalCount")
    rounds = await _contest(ring, contestants, connections=1)
    result = Result("reads.page", f"page {documents.FAR_PAGE} of a filtered, ordered connection, one client", rounds)
    result.notes = {"rows in the list": counts[f"{far}, totalCount"]}
    for who in (CITYLOOM, POSTGRAPHILE):
        for label in (", totalCount", ""):
            if f"{who}, {far}{label}" in rounds:
                flat = result.median(f"{who}, {far}{label}", "p50_ms") / result.median(
                    f"{who}, page 1{label}", "p50_ms"
                )
                result.notes[f"{who}{label}: page {documents.FAR_PAGE} over page 1"] = f"{flat:.2f}"
    return result


async def cursor_before(ring: Ring, staff: Staff, far: int) -> str:
    """The cursor before a far page, by turning over every page before it."""
    query = documents.PAGE % ("", "endCursor")
    headers = {"Authorization": f"Bearer {staff.bearer}"}
    after = ""
    async with httpx.AsyncClient(timeout=60, headers=headers) as client:
        for _ in range(far - 1):
            body = {"query": query, "variables": {"sex": documents.SEX, "after": after or None}}
            told = (await client.post(f"http://127.0.0.1:{ring.servers[CITYLOOM].port}/graphql", json=body)).json()
            after = told["data"]["residents"]["pageInfo"]["endCursor"]
    return after


async def aggregate(ring: Ring) -> Result:
    """Residents counted by area."""
    contestants = []
    for scope in ("city", "grid"):
        staff = ring.city.staff[scope]
        pair = [
            ring.contestant(
                f"{CITYLOOM}, {scope} scope", CITYLOOM, "/graphql", [{"query": documents.AGGREGATE}], staff
            ),
            ring.contestant(f"{HANDWRITTEN}, {scope} scope", HANDWRITTEN, "/aggregate", [{}], staff),
        ]
        await demand_equal(pair)
        contestants += pair
    rounds = await _contest(ring, contestants, connections=1)
    result = Result(
        "reads.aggregate",
        f"{ring.city.residents:,} residents by the area they live in (by tag: `registry.reads`), one client",
        rounds,
        [Target(f"{HANDWRITTEN}, city scope", 0.9)],
    )
    ratio = statistics.median(
        a.load.per_second / b.load.per_second
        for a, b in zip(rounds[f"{CITYLOOM}, grid scope"], rounds[f"{HANDWRITTEN}, grid scope"], strict=True)
    )
    result.notes["grid scope, ratio to hand-written"] = f"{ratio:.2f} (target ≥ 0.9)"
    result.notes["grid scope, p50"] = f"{result.median(f'{CITYLOOM}, grid scope', 'p50_ms'):.2f} ms (target ≤ 5 ms)"
    return result


async def prepare_peers(admin_url: str) -> None:
    """What a peer needs in the database."""
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        await connection.execute(documents.RELATION_FOR_POSTGRAPHILE)
    finally:
        await connection.close()
    await asyncio.sleep(0)


BENCHES = {"reads.nested": nested, "reads.point": point, "reads.page": page, "reads.aggregate": aggregate}

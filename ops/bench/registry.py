"""The benchmarks of the registry in use: portrait, search, identity, tags by area; at 500,000 residents and at 10 M.

What counts is the database's own time: each statement is what the platform sends, run by `EXPLAIN (ANALYZE, TIMING
OFF)` as the application's role, planned for its values as the platform has it planned, over many different keys.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import orjson
from contest import ROOT, console
from fill_registry import PAPERS, fill_large, fill_tags
from graphql import parse, validate
from rich.table import Table
from servers import CITYLOOM, serving
from sqlalchemy import Text, cast, func, select
from sqlalchemy.engine import make_url

from cityloom.app import platform
from cityloom.core.database import APP, SERVER_SETTINGS, asyncpg_arguments
from cityloom.core.ids import encode_id
from cityloom.core.roles import TIMEOUTS, role_password
from cityloom.graph.compiler import Compiler
from cityloom.modules.registry.models import Building, Dwelling, Household, Resident
from cityloom.modules.tags.models import Tag
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from city import City, Staff

    from cityloom.app import Platform
    from cityloom.core.principal import Principal
    from cityloom.settings import Settings

PORTRAIT = (ROOT / "tests" / "bench" / "portrait.graphql").read_text("utf-8")
SEARCH = """query Search($text: String!, $after: String) {
  residentSearch(text: $text, first: 20, after: $after, orderBy: {by: RECORDED}) {
    nodes { id name sex birthYear household { dwelling { number building { name } } } } pageInfo { hasNextPage }
  }
}"""
BY_NAME = """query Names($text: String!) {
  residents(where: {search: $text}, first: 20, orderBy: {by: RECORDED}) { nodes { id name birthYear } }
}"""
TAGGED = """query Tagged($codes: [String!]!) {
  residents(where: {hasTag: $codes}, first: 20, orderBy: {by: RECORDED}) { nodes { id name birthYear } }
}"""
CITY_TAGS = "query CityTags { tagStats(by: [TAG, AREA_DEPTH_2]) { keys count isSuppressed } }"
GRID_TAGS = "query GridTags($area: ID!) { tagStats(by: [TAG], area: $area) { keys count isSuppressed } }"


@dataclass(frozen=True)
class Question:
    """One bench: a document, by whom it is asked, and the variables of each key."""

    name: str
    document: str
    scope: str
    keys: list[dict[str, Any]]
    target_ms: float | None = None


@dataclass
class Figures:
    """Milliseconds of the database, planning apart, for pages read for the first time and again, and through HTTP."""

    database: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    planning: list[float] = field(default_factory=list)
    http: list[float] = field(default_factory=list)
    #: A statement was stopped by the timeout of the application's role: the last time is that timeout.
    is_stopped: bool = False

    def as_json(self) -> dict[str, Any]:
        """Median and p95 of each."""
        return {
            name: {
                "median": round(statistics.median(values), 3),
                "p95": round(quantile(values, 0.95), 3),
                "n": len(values),
            }
            for name, values in vars(self).items()
            if isinstance(values, list) and values
        }


def quantile(values: list[float], share: float) -> float:
    """The value below which this share of all lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def run(settings: Settings, admin_url: str, city: City, *, keys: int, records: int) -> dict[str, Any]:
    """Measure the city, and with `records` a second tenant of so many residents; answers the figures."""
    figures: dict[str, Any] = {}
    async with platform(settings, admin_url) as opened:
        await fill_tags(opened.works, admin_url, city.tenant_id)
        figures["500k"] = await _measure(opened, settings, admin_url, city, keys)
        if records:
            large = await fill_large(opened, admin_url, city, records)
            figures[f"{records:,}"] = await _measure(opened, settings, admin_url, large, keys)
    return figures


async def _measure(opened: Platform, settings: Settings, admin_url: str, city: City, keys: int) -> dict[str, Any]:
    questions = await _questions(opened, city.tenant_id, city, keys)
    arguments = asyncpg_arguments(make_url(admin_url)) | {"user": APP, "password": role_password(settings.var, APP)}
    found: dict[str, Figures] = {}
    connection = await asyncpg.connect(**arguments, server_settings=SERVER_SETTINGS)
    try:
        for question in questions:
            caller = await _principal(opened, city.staff[question.scope])
            found[question.name] = await _ask(opened, connection, caller, question)
    finally:
        await connection.close()
    async with serving(admin_url, city, [CITYLOOM], settings.var) as servers:
        await _ask_over_http(servers[CITYLOOM].port, city, questions, found)
    _show(city, questions, found)
    return {q.name: {"scope": q.scope, "target_ms": q.target_ms, **found[q.name].as_json()} for q in questions}


async def _ask_over_http(port: int, city: City, questions: list[Question], found: dict[str, Figures]) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        for question in questions:
            if found[question.name].is_stopped:
                continue
            headers = {"Authorization": f"Bearer {city.staff[question.scope].bearer}"}
            for given in question.keys:
                body = {"query": question.document, "variables": given}
                began = time.perf_counter()
                answer = await client.post("/graphql", json=body, headers=headers)
                found[question.name].http.append((time.perf_counter() - began) * 1000)
                if answer.status_code != 200 or "errors" in answer.json():
                    raise RuntimeError(f"{question.name}: {answer.text[:500]}")


async def _principal(opened: Platform, staff: Staff) -> Principal:
    return await opened.authenticator.principal(staff.bearer)


async def _ask(
    opened: Platform, connection: asyncpg.Connection[asyncpg.Record], caller: Principal, question: Question
) -> Figures:
    schema, compiler, figures = opened.tenant_api.contracts.whole.graphql, Compiler(), Figures()
    document = parse(question.document)
    if errors := validate(schema, document):
        raise RuntimeError(errors)
    for given in question.keys:
        sent: list[tuple[str, Any]] = []

        async def note(sql: str, args: Any, sent: list[tuple[str, Any]] = sent) -> Any:  # noqa: ANN401 - arguments of any type
            sent.append((sql, args))
            return (None,) * 4

        query = compiler.plan(schema, document, None, given, caller, document_key=question.document)
        await query.run(note, context=opened.works.services)
        ((sql, args),) = sent
        try:
            explained = await _explained(connection, sql, args, varies=query.plan.varies)
            again = await _explained(connection, sql, args, varies=query.plan.varies)
        except asyncpg.QueryCanceledError:
            # Nobody waits longer; the others of its kind would take as long.
            figures.database.append(TIMEOUTS[APP]["statement_timeout"])
            figures.is_stopped = True
            break
        plan = orjson.loads(explained)[0]
        figures.database.append(plan["Execution Time"])
        figures.again.append(orjson.loads(again)[0]["Execution Time"])
        figures.planning.append(plan["Planning Time"])
    return figures


async def _explained(
    connection: asyncpg.Connection[asyncpg.Record], sql: str, args: Sequence[Any], *, varies: bool
) -> str:
    """How the statement ran, in JSON: planned for its values as `Database.lists` has it, or once for any values."""
    how = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON)"
    if varies:
        await connection.execute("SET plan_cache_mode = force_custom_plan")
        return str(await connection.fetchval(f"{how} {sql}", *args))
    literals = [await connection.fetchval("SELECT quote_literal($1::text)", str(one)) for one in args]
    asked = f"EXECUTE asked ({', '.join(literals)})"
    await connection.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE asked AS {sql}")
    try:
        # The first time it is planned; nothing is read by that.
        await connection.execute(f"EXPLAIN {asked}")
        return str(await connection.fetchval(f"{how} {asked}"))
    finally:
        await connection.execute("DEALLOCATE asked")


async def _questions(opened: Platform, tenant_id: UUID, city: City, keys: int) -> list[Question]:
    async with opened.works.begin(system_principal(tenant_id)) as work:
        # Spread over the whole city, and the same in every run.
        spread = func.hashtext(cast(Resident.id, Text)) % max(1, city.residents // (2 * keys)) == 0
        rows = (
            await work.session.execute(
                select(Resident.id, Resident.name, Resident.area_id, Dwelling.number, Building.name.label("building"))
                .join(Household, Household.id == Resident.household_id)
                .join(Dwelling, Dwelling.id == Household.dwelling_id)
                .join(Building, Building.id == Dwelling.building_id)
                .where(spread)
                .limit(keys)
            )
        ).all()
        count = func.count()
        common = await work.session.execute(
            select(Resident.name).group_by(Resident.name).order_by(count.desc(), Resident.name).limit(20)
        )
        names = list(common.scalars())
        path = city.staff["grid"].area_path
        grid = list(await work.session.scalars(select(Resident.id).where(Resident.area_path == path).limit(keys)))
        codes = list(await work.session.scalars(select(Tag.code).order_by(Tag.code)))
        first = select(Resident).order_by(Resident.id).limit(PAPERS)
        sealed = list(await work.session.scalars(first))[:: PAPERS // keys]
        held = await opened.works.services[KeyRing].of(tenant_id)
        numbers = [held.open("residents", "identity_number", one.id, one.identity_number) for one in sealed]

    def ids(found: list[Any]) -> list[dict[str, Any]]:
        return [{"id": encode_id("resd", tenant_id, one)} for one in found]

    def area(area_id: UUID) -> dict[str, Any]:
        return {"area": encode_id("area", tenant_id, area_id)}

    grids = list({row.area_id: None for row in rows})
    starts = [{"text": row.name[:2]} for row in rows]
    doors = [{"text": f"{row.building} {row.number}"} for row in rows]
    tagged = [{"codes": [code]} for code in codes]
    few = max(5, keys // 10)
    return [
        Question("registry.portrait", PORTRAIT, "city", ids([row.id for row in rows]), 5.0),
        Question("registry.portrait, grid worker", PORTRAIT, "grid", ids(grid), 5.0),
        Question("registry.identity", SEARCH, "city", [{"text": number} for number in numbers], 5.0),
        Question("registry.search, whole name", SEARCH, "city", [{"text": row.name} for row in rows], 20.0),
        Question("registry.search, commonest names", SEARCH, "city", [{"text": name} for name in names], 20.0),
        Question("registry.search, two characters", SEARCH, "city", starts, 20.0),
        Question("registry.search, two characters, grid worker", SEARCH, "grid", starts, 20.0),
        Question("registry.search, address", SEARCH, "city", doors, 20.0),
        Question("registry.search, by filter", BY_NAME, "city", starts, 20.0),
        Question("registry.search, tag", TAGGED, "city", tagged, 20.0),
        Question("registry.search, tag, grid worker", TAGGED, "grid", tagged, 20.0),
        Question("registry.tags, city", CITY_TAGS, "city", [{}] * few, 100.0),
        Question("registry.tags, grid", GRID_TAGS, "city", [area(one) for one in grids], 5.0),
        Question("registry.tags, grid worker", GRID_TAGS, "grid", [area(city.staff["grid"].area_id)] * few, 5.0),
    ]


def _show(city: City, questions: list[Question], found: dict[str, Figures]) -> None:
    table = Table(title=f"registry.reads: {city.residents:,} residents", title_justify="left")
    headings = "database p50 ms", "p95", "again p50", "planning p50", "HTTP p50", "HTTP p95", "target ms", ""
    for heading in ("", "keys", *headings):
        table.add_column(heading, justify="left" if not heading else "right")
    for question in questions:
        figures = found[question.name]
        middle, high = statistics.median(figures.database), quantile(figures.database, 0.95)
        is_met = question.target_ms is not None and middle <= question.target_ms and not figures.is_stopped
        verdict = "" if question.target_ms is None else "met" if is_met else "MISSED"
        table.add_row(
            question.name,
            str(len(figures.database)),
            f"{middle:.2f}",
            f"{high:.2f}",
            f"{statistics.median(figures.again):.2f}" if figures.again else "",
            f"{statistics.median(figures.planning):.2f}" if figures.planning else "",
            "stopped" if figures.is_stopped else f"{statistics.median(figures.http):.1f}",
            "" if figures.is_stopped else f"{quantile(figures.http, 0.95):.1f}",
            "" if question.target_ms is None else f"{question.target_ms:g}",
            verdict,
        )
    console.print(table)

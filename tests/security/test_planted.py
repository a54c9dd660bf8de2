"""Ten thousand identity numbers and phones are planted and used: none of them is found in anything that is kept.

Searched are every table of the database as bytes, the log, the traces, events and bodies of webhooks, for the numbers
in clear and in hexadecimal; what is text for base64 too. Digits are the same in URLs and in JSON.
"""

from __future__ import annotations

import base64
import io
import logging
import re
from datetime import date
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import insert
from sqlalchemy.engine import make_url

from cityloom.core import logs, telemetry
from cityloom.core.database import asyncpg_arguments
from cityloom.core.ids import decode_id, encode_id, new_id
from cityloom.demo.papers import identity_number, phone_number, plate_number
from cityloom.events.sequencer import Sequencer
from cityloom.modules.registry import models as registry
from cityloom.modules.registry import people
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.system import system_principal
from cityloom.testing.imports import HEADERS, Desk, Made, counts, text_of, wide
from cityloom.testing.twins import plant
from cityloom.webhooks.fanout import Fanout
from cityloom.webhooks.shaping import shaper_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from opentelemetry.sdk.trace import ReadableSpan
    from starlette.applications import Starlette

    from cityloom.app import Platform
    from cityloom.testing.twins import Twin

FIRST, MANY, BY_HAND = 2_000_000, 10_000, 12
#: So many more come in files.
BROUGHT = 30
BORN = date(1975, 6, 15)
_DIGITS = re.compile(rb"[0-9Xx]{11,}")
_HEX = re.compile(rb"(?:3[0-9]){11,}(?:58)?")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}")


def identity(number: int) -> str:
    """The n-th planted identity number."""
    return identity_number(FIRST + number, BORN, "MALE")


def phone(number: int) -> str:
    """The n-th planted phone."""
    return phone_number(FIRST + number)


PLANTED = frozenset(text.encode() for at in range(MANY + BROUGHT) for text in (identity(at), phone(at)))


def hits(data: bytes, *, is_text: bool = False) -> set[bytes]:
    """The planted numbers in some bytes: one pass for runs of digits, and membership in a set."""
    found = _among(match[0].upper() for match in _DIGITS.finditer(data))
    found |= _among(bytes.fromhex(match[0].decode()) for match in _HEX.finditer(data))
    if is_text:
        for match in _BASE64.finditer(data):
            run = match[0].replace(b"-", b"+").replace(b"_", b"/")
            for start in range(4):
                whole = run[start : start + (len(run) - start) // 4 * 4]
                found |= _among(inner[0] for inner in _DIGITS.finditer(base64.b64decode(whole)))
    return found


def _among(runs: Iterator[bytes]) -> set[bytes]:
    return {
        piece
        for run in runs
        for size in (11, 18)
        for at in range(len(run) - size + 1)
        if (piece := run[at : at + size]) in PLANTED
    }


WITH_X = next(number for at in range(99) if (number := identity(at)).endswith("X"))


@pytest.mark.parametrize("number", [identity(3), phone(7), WITH_X])
def test_the_search_finds_what_is_there(number: str) -> None:
    clear = number.encode()
    assert hits(b"\x00\x01 86" + clear + b"9/") == {clear}
    assert hits(b"\\x" + clear.hex().encode()) == {clear}
    for before in (b"", b"a", b"ab"):
        assert hits(b'"' + base64.b64encode(before + clear + b" tail") + b'"', is_text=True) == {clear}
    assert not hits(f"{int(number[:10]) + 1}{number[10:]}".encode())


KIN = """mutation($i: ResidentChangeInput!) { residentChange(input: $i) {
  ... on Resident { customRestricted } ... on Refusal { message } } }"""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the platform logs as it does in production, in detail."""
    root = logging.getLogger()
    handlers, level, stream = root.handlers[:], root.level, io.StringIO()
    logs.setup(form="json", level="debug", stream=stream)
    logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Sequence[ReadableSpan]]]:
    """What was exported of traces by the time of the call."""
    kept = InMemorySpanExporter()
    recorded = telemetry.Telemetry({}, exporter=kept)
    monkeypatch.setattr(telemetry, "_is_tracing", True)
    monkeypatch.setattr(telemetry, "_tracer", recorded.tracer)

    def exported() -> Sequence[ReadableSpan]:
        recorded.traces.force_flush()
        return kept.get_finished_spans()

    yield exported
    recorded.shutdown()


async def plant_people(opened: Platform, twin: Twin) -> list[UUID]:
    """The residents, sealed as services seal them, in one household; the first ones come by the API instead."""
    household_id = decode_id(twin.ids["Household"][0], twin.id, "hshd")
    async with opened.works.begin(system_principal(twin.id)) as work:
        keys = await opened.works.services[KeyRing].of(twin.id)
        household = await work.session.get_one(registry.Household, (twin.id, household_id))
        rows = []
        for at in range(BY_HAND, MANY):
            row_id = new_id()
            rows.append(
                {
                    "tenant_id": twin.id,
                    "id": row_id,
                    "name": "张三",
                    "sex": "MALE",
                    "household_id": household_id,
                    "area_id": household.area_id,
                    "area_path": household.area_path,
                    **people.identity_columns(keys, row_id, identity(at)),
                    **people.phone_columns(keys, row_id, phone(at)),
                    **people.birth_columns(keys, row_id, BORN),
                }
            )
        await work.session.execute(insert(registry.Resident), rows)
    return [row["id"] for row in rows]


async def use(twin: Twin, ids: list[UUID]) -> dict[str, Any]:
    """Everything that is done with such numbers, well and badly; the answers of unmasking and export."""
    created = [
        await twin.ask(
            "city_administrator",
            """mutation($i: ResidentCreateInput!, $k: String) { residentCreate(input: $i, idempotencyKey: $k) {
              ... on Resident { id phone identityNumber } } }""",
            {
                "i": {
                    "householdId": twin.ids["Household"][0],
                    "name": "李四",
                    "identityNumber": identity(at),
                    "phone": f"+86 {phone(at)[:3]}-{phone(at)[3:]}",
                },
                "k": f"plant {at}",
            },
        )
        for at in range(BY_HAND)
    ]
    first = created[0]["residentCreate"]["id"]
    # In one of the city's own fields that is restricted, in clear to who may see it, and found by it.
    field = {"thing": "RESIDENT", "code": "kin", "titleZh": "紧急联系人", "titleEn": "Kin", "kind": "TEXT"}
    await twin.make("customFieldDefine", {**field, "sensitivity": "RESTRICTED"}, "CustomField")
    for at, one in enumerate(created):
        given = {"id": one["residentCreate"]["id"], "custom": {"kin": f"{phone(80 + at)} {identity(80 + at)}"}}
        answer = await twin.ask("city_administrator", KIN, {"i": given})
        assert answer["residentChange"]["customRestricted"] == given["custom"]
    found = """query($w: String!) { residents(where: {custom: {field: "kin", eq: $w}}) { totalCount } }"""
    asked = {"w": f"{phone(80)} {identity(80)}"}
    assert (await twin.ask("city_administrator", found, asked))["residents"]["totalCount"] == 1
    for at in range(20, 40):
        searched = {"n": identity(at), "p": phone(at)}
        query = """query($n: String!, $p: String!) { a: residents(where: {identityNumber: $n}) { nodes { id } }
          b: residents(where: {phone: $p}) { nodes { phone } } }"""
        assert len((await twin.ask("grid_worker", query, searched))["a"]["nodes"]) == 1
    # By URL, and inside the text of a document, where nobody should write them.
    bearer = {"authorization": f"Bearer {twin.bearers['grid_worker']}"}
    inline = f'{{ residents(where: {{phone: "{phone(41)}"}}) {{ totalCount }} }}'
    assert (await twin.client.get("/graphql", params={"query": inline}, headers=bearer)).status_code == 200
    for broken in (
        f'{{ residents(where: {{phone: "{phone(42)}"}}) {{ noSuchField }} }}',
        f"{{ residents(where: {{phone: {identity(43)}}}) {{ totalCount }} }}",
        f"{{ {identity(44)} ",
    ):
        assert "errors" in (await twin.send("grid_worker", broken)).json()
    refused = """mutation($i: ResidentCreateInput!) { residentCreate(input: $i) {
      ... on Refusal { code message details } } }"""
    wrong = {"householdId": twin.ids["Household"][0], "name": "王五", "identityNumber": identity(50)}
    for values in (wrong, {**wrong, "phone": identity(51)}, {**wrong, "identityNumber": phone(52)}):
        answer = (await twin.ask("city_administrator", refused, {"i": values}))["residentCreate"]
        assert answer["code"] in {"CONFLICT", "INVALID_INPUT"}
    await twin.make(
        "purposeCreate",
        {
            "code": "AUDIT",
            "titleZh": "核查",
            "titleEn": "Check",
            "basis": "LEGAL_DUTY",
            "fields": [f"registry.resident.{name}" for name in ("phone", "identity_number", "birth_on")],
        },
        "PrivacyPurpose",
    )
    unmask = """mutation($i: SubjectUnmaskInput!) { subjectUnmask(input: $i) {
      ... on Unmasking { fields { value } } ... on Refusal { reason } } }"""
    asked = {"id": encode_id("resd", twin.id, ids[100]), "purpose": "AUDIT"}
    fields = ["registry.resident.phone", "registry.resident.identity_number"]
    shown = await twin.ask("city_administrator", unmask, {"i": {**asked, "fields": fields}})
    noted = {**asked, "fields": fields, "note": f"电话 {phone(60)}"}
    assert (await twin.ask("city_administrator", unmask, {"i": noted}))["subjectUnmask"] == {"reason": "TEXT_UNFIT"}
    headers = {"authorization": f"Bearer {twin.bearers['city_administrator']}"}
    exported = await twin.client.get(f"/privacy/people/{first}", params={"purpose": "AUDIT"}, headers=headers)
    assert exported.status_code == 200
    assert exported.headers["cache-control"] == "no-store"
    for role, status in (("grid_worker", 403), (None, 401)):
        bearer = {} if role is None else {"authorization": f"Bearer {twin.bearers[role]}"}
        assert (await twin.client.get(f"/privacy/people/{first}", headers=bearer)).status_code == status
    return {"shown": shown, "exported": exported.json()}


async def bring(opened: Platform, twin: Twin) -> list[dict[str, Any]]:
    """Files with such numbers, in restricted fields too, and where they do not belong; what came of each.

    The last one is taken over. The others stay staged: as such they are searched.
    """
    desk, grid = Desk(opened, twin), "999903001001001"
    headers = [*HEADERS, "紧急联系人"]

    def row(at: int, kin: str, *, mixed_up: bool = False) -> list[str]:
        papers = (phone(at), identity(at)) if mixed_up else (identity(at), phone(at))
        return [*wide(Made("张三", *papers, BORN), at=str(at), grid=grid), kin]

    people = [row(MANY + at, f"{phone(MANY + 20 + at)} {identity(MANY + 20 + at)}") for at in range(10)]
    sheets = [
        ("registry", headers, people),
        ("registry", headers, [row(MANY + 10, phone(MANY + 11) * 50, mixed_up=True)]),
        ("vehicles", ["车牌", "车主身份证号", "车辆类型"], [[identity(MANY + 12), phone(MANY + 13), phone(MANY + 14)]]),
        ("vehicles", ["车牌", "车主身份证号", "车辆类型"],
         [[plate_number(FIRST), identity(0), "轿车"], [plate_number(FIRST + 1), identity(MANY + 15), "轿车"]]),
    ]  # fmt: skip
    shown = []
    for target, titles, rows in sheets:
        id_ = str((await desk.send(text_of(titles, rows).encode(), target)).json()["id"])
        shown.append(await desk.check(id_))
    return [*shown, await desk.apply(await desk.upload(text_of(headers, people).encode()))]


async def fail(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug whose message has numbers in it: masked for the caller, and logged."""

    def broken(_keys: object, _row_id: object, number: str | None) -> dict[str, Any]:
        raise ValueError(f"a bug with {number} and {identity(70)}")

    with monkeypatch.context() as patched:
        patched.setattr(people, "phone_columns", broken)
        answer = await twin.send(
            "city_administrator",
            "mutation($i: ResidentCreateInput!) { residentCreate(input: $i) { __typename } }",
            {"i": {"householdId": twin.ids["Household"][0], "name": "赵六", "phone": phone(71)}},
        )
    assert "errors" in answer.json()
    assert not hits(answer.content, is_text=True)


async def test_no_planted_number_is_kept_anywhere(
    opened: Platform,
    app: Starlette,
    admin_url: str,
    log: io.StringIO,
    spans: Callable[[], Sequence[ReadableSpan]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    twin = await plant(opened, app, "willow", division="999903")
    await twin.ask(
        "city_administrator",
        """mutation($i: WebhookEndpointCreateInput!) { webhookEndpointCreate(input: $i) {
          __typename ... on Refusal { message } } }""",
        {"i": {"url": "https://hooks.example.com/in", "events": ["registry.*", "privacy.*"]}},
    )
    ids = await plant_people(opened, twin)
    answers = await use(twin, ids)
    imported = await bring(opened, twin)
    assert [counts(one) for one in imported] == [
        (10, 0, 0, 0, 0), (0, 0, 0, 0, 1), (0, 0, 0, 0, 1), (1, 0, 0, 0, 1), (10, 0, 0, 0, 0)
    ]  # fmt: skip
    assert not hits(repr(imported).encode(), is_text=True)
    await fail(twin, monkeypatch)
    # The answers have them: that is what they are for.
    at = BY_HAND + 100
    assert [one["value"] for one in answers["shown"]["subjectUnmask"]["fields"]] == [identity(at), phone(at)]
    assert answers["exported"]["data"]["residents.id"][0]["identity_number"] == identity(0)

    await Sequencer(opened.works).drain(twin.id)
    fanout = Fanout(opened.works, shaper_of(opened.works.services))
    while (await fanout.advance(twin.id)).is_behind:
        pass
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        deliveries = await connection.fetchval("SELECT count(*) FROM webhook_deliveries WHERE tenant_id = $1", twin.id)
        assert deliveries >= BY_HAND
        for (table,) in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            content = io.BytesIO()
            await connection.copy_from_table(table, output=content, format="binary")
            assert not hits(content.getvalue()), table
        texts = ("outbox", "events", "audit_records", "idempotency_records", "webhook_deliveries", "disclosures")
        for table in texts:
            content = io.BytesIO()
            await connection.copy_from_table(table, output=content, format="csv")
            assert not hits(content.getvalue(), is_text=True), table
    finally:
        await connection.close()
    told = "".join(span.to_json() for span in spans())
    assert told
    assert log.getvalue()
    assert not hits(told.encode(), is_text=True)
    assert not hits(log.getvalue().encode(), is_text=True)

"""Mutations whose answer is a secret or no row are carried out once under one idempotency key, and keep no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
import pytest_asyncio
from sqlalchemy import String, Table, cast, func, or_, select

from cityloom.access.service import accounts, clients
from cityloom.access.service.sessions import Logins
from cityloom.access.tokens import parse_token
from cityloom.core.database import Base
from cityloom.core.ids import encode_id
from cityloom.core.rls import kind
from cityloom.graph.execution import Request
from cityloom.graph.models import IdempotencyRecord
from cityloom.testing.access import City, World

if TYPE_CHECKING:
    from cityloom.app import Platform

PASSWORD, ANOTHER = "correct horse battery", "another long one"


@pytest_asyncio.fixture
async def city(opened: Platform) -> City:
    """A city with an administrator, an account, and an API client."""
    world = World(
        opened.database,
        opened.works.clock,  # type: ignore[arg-type] # only asked for the time
        opened.snapshots.catalogue,
        opened.directory,
        opened.snapshots,
        opened.authenticator,
        opened.works,
        opened.works.services[Logins],
    )
    made = await world.city()
    await made.role("boss", "allow *")
    await made.account("boss", ("boss", None))
    await made.account("wang")
    async with made.work() as work:
        await accounts.set_password(work, made.accounts["wang"], PASSWORD)
    return made


async def inputs(city: City) -> dict[str, dict[str, Any]]:
    """What is sent for each mutation."""
    async with city.work() as work:
        client = await clients.create_client(work, "exporter", ["registry.*"])
    session = parse_token(await city.bearer("wang"))
    assert session is not None
    return {
        "sessionRevoke": {"id": encode_id("sesn", city.id, session.id)},
        "passwordSet": {"accountId": encode_id("acct", city.id, city.accounts["wang"]), "password": ANOTHER},
        "apiKeyCreate": {"clientId": encode_id("clnt", city.id, client.id)},
    }


ANSWERS = {
    "sessionRevoke": "... on SessionRevoked { id }",
    "passwordSet": "... on PasswordWasSet { accountId }",
    "apiKeyCreate": "... on ApiKeyCreated { id key }",
}


async def send(opened: Platform, city: City, field: str, values: dict[str, Any], key: str = "k-1") -> dict[str, Any]:
    kind_ = field[0].upper() + field[1:]
    text = (
        f"mutation($input: {kind_}Input!, $key: String) {{ {field}(input: $input, idempotencyKey: $key) {{"
        f" __typename {ANSWERS[field]} ... on Refusal {{ code reason }} }} }}"
    )
    request = Request(text=text, variables={"input": values, "key": key})
    answer = orjson.loads((await opened.tenant_api.execute(await city.principal("boss"), request, "en")).body)
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"][field]
    return found


async def footprint(city: City) -> dict[str, int]:
    async with city.work() as work:
        tables = [table for table in Base.metadata.sorted_tables if kind(table) == "tenant"]
        # Signing in for the next request is the test's own doing.
        return {
            table.name: await work.session.scalar(
                select(func.count()).select_from(table).where(table.c.tenant_id == city.id)
            )
            or 0
            for table in tables
            if table.name != "sign_ins"
        }


def _holds(table: Table, secret: str) -> Any:
    texts = [func.strpos(cast(column, String), secret) > 0 for column in table.c if _is_text(column)]
    return or_(*texts) if texts else None


def _is_text(column: Any) -> bool:
    return column.type.__class__.__name__ in {"Text", "String", "JSONB", "ARRAY"}


async def places_of(city: City, secret: str) -> list[str]:
    """The tables of the city that hold a text anywhere."""
    found = []
    async with city.work() as work:
        for table in Base.metadata.sorted_tables:
            condition = _holds(table, secret) if kind(table) == "tenant" else None
            if condition is not None and await work.session.scalar(
                select(func.count()).select_from(table).where(table.c.tenant_id == city.id, condition)
            ):
                found.append(table.name)
    return found


@pytest.mark.parametrize("field", ANSWERS)
async def test_a_repeat_is_told_so_and_changes_nothing(opened: Platform, city: City, field: str) -> None:
    values = (await inputs(city))[field]
    first = await send(opened, city, field, values)
    assert first["__typename"] != "Refusal", first
    before = await footprint(city)
    again = await send(opened, city, field, values)
    assert (again["__typename"], again["code"], again["reason"]) == ("Refusal", "CONFLICT", "ALREADY_CARRIED_OUT")
    assert await footprint(city) == before
    other = await send(opened, city, field, _other(values))
    assert other["reason"] == "IDEMPOTENCY_KEY_REUSED"
    assert await footprint(city) == before


def _other(values: dict[str, Any]) -> dict[str, Any]:
    """The same kind of input with one value different."""
    if "password" in values:
        return values | {"password": "yet another one"}
    name, value = next(iter(values.items()))
    return values | {name: value[:-4] + "0000"}


async def test_no_secret_is_kept_for_the_repeat(opened: Platform, city: City) -> None:
    sent = await inputs(city)
    made = await send(opened, city, "apiKeyCreate", sent["apiKeyCreate"], "k-key")
    await send(opened, city, "passwordSet", sent["passwordSet"], "k-password")
    assert await places_of(city, "exporter"), "the search finds what is there"
    assert await places_of(city, made["key"][-43:]) == []
    assert await places_of(city, ANOTHER) == []
    async with city.work() as work:
        records = (await work.session.scalars(select(IdempotencyRecord))).all()
    assert {record.key: record.result_id for record in records} == {"k-key": None, "k-password": None}

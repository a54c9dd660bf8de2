"""Shaping documents: checked when they are stored, run for one event in one statement, under their owner's rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from cityloom.core.errors import Refusal
from cityloom.core.ids import id_prefix
from cityloom.core.principal import FieldAccess, Scope
from cityloom.graph.allowance import TooExpensive
from cityloom.graph.shaping import ShapeRefused, Shaping
from cityloom.tenancy.system import system_principal
from cityloom.testing.rights import StatedRights, principal

if TYPE_CHECKING:
    from cityloom.app import Platform
    from cityloom.core.principal import Principal
    from cityloom.testing.twins import Twin

AREA = "query ($subject: ID!) { node(id: $subject) { id ... on Area { name } } }"


@pytest.fixture
def shaping(opened: Platform) -> Shaping:
    found: Shaping = opened.works.services[Shaping]
    return found


@pytest.fixture
def owner(alder: Twin) -> Principal:
    return system_principal(alder.id, locale="en")


def _nobody(twin: Twin, tag: str) -> str:
    return id_prefix(tag, twin.id) + "0" * 32


async def test_a_document_is_priced_and_run(shaping: Shaping, alder: Twin, owner: Principal) -> None:
    shape = await shaping.check(owner, AREA, subjects=[_nobody(alder, "area"), _nobody(alder, "resd")])
    assert (shape.cost, shape.variables) == (1, frozenset({"subject"}))
    area, event = alder.ids["Area"][0], _nobody(alder, "evnt")
    found = await shaping.run(owner, AREA, event=event, subject=area)
    assert orjson.loads(found.data)["node"]["id"] == area
    assert alder.canary in orjson.loads(found.data)["node"]["name"]
    gone = await shaping.run(owner, AREA, event=event, subject=_nobody(alder, "area"))
    assert (gone.data, gone.errors) == (b'{"node":null}', ())
    both = "query ($event: ID!, $subject: ID!) { event(id: $event) { type } node(id: $subject) { __typename } }"
    assert (await shaping.check(owner, both, subjects=[area])).variables == {"event", "subject"}
    told = await shaping.run(owner, both, event=event, subject=area)
    assert orjson.loads(told.data) == {"event": None, "node": {"__typename": "Area"}}


async def test_the_owners_rights_hold_and_no_others(
    shaping: Shaping, alder: Twin, birch: Twin, owner: Principal
) -> None:
    event, area = _nobody(alder, "evnt"), alder.ids["Area"][0]
    rights = StatedRights(
        {"registry.resident.read": Scope(everywhere=True)}, {"registry.resident.phone": FieldAccess.ABSENT}
    )
    caller = principal(alder.id, rights)
    assert (await shaping.run(caller, AREA, event=event, subject=area)).data == b'{"node":null}'
    assert (await shaping.run(owner, AREA, event=event, subject=birch.ids["Area"][0])).data == b'{"node":null}'
    phone = "query ($subject: ID!) { node(id: $subject) { ... on Resident { phone } } }"
    found = await shaping.run(caller, phone, event=event, subject=alder.ids["Resident"][0])
    assert found.data == b'{"node":{"phone":null}}'
    assert len(found.errors) == 1


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "{ nothing }",
        "{ __typename } query Other { __typename }",
        "query ($other: ID!) { node(id: $other) { id } }",
        "subscription { events { id } }",
        "mutation ($subject: ID!) { areaClose(input: { id: $subject }) { __typename } }",
        '{ queryPrice(query: "{ __typename }") { cost } }',
        "query ($subject: Int!) { areas(first: $subject) { nodes { id } } }",
    ],
)
async def test_what_cannot_shape_is_refused(shaping: Shaping, alder: Twin, owner: Principal, document: str) -> None:
    with pytest.raises((ShapeRefused, Refusal)) as refused:
        await shaping.check(owner, document, subjects=[_nobody(alder, "area")])
    assert "document" in refused.value.path or refused.value.path == ()


async def test_what_would_cost_too_much_is_refused(shaping: Shaping, alder: Twin, owner: Principal) -> None:
    deep = (
        "{ areas(first: 100) { nodes { buildings(first: 100) { nodes { dwellings(first: 100) { nodes { id } } } } } } }"
    )
    with pytest.raises(TooExpensive):
        await shaping.check(owner, deep, subjects=[_nobody(alder, "area")])

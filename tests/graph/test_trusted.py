"""Trusted documents: registered from three forms of manifests, asked for by id, and the only ones of a held client."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import pytest_asyncio

from cityloom.access.models import Account, ApiClient
from cityloom.core.errors import InvalidInput
from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import Principal, PrincipalKind
from cityloom.core.work import Works
from cityloom.graph.compiled import CompiledReads
from cityloom.graph.compiler import Compiler
from cityloom.graph.documents import document_id
from cityloom.graph.execution import GraphExecutor, Request
from cityloom.graph.module import MODULE
from cityloom.graph.schema import Contracts
from cityloom.graph.trusted import TrustedDocuments, read_manifest
from cityloom.testing.rights import StatedRights

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock

    Ask = Callable[..., Awaitable[dict[str, Any]]]

TEXT = "query Name { __typename }"
HASH = hashlib.sha256(TEXT.encode()).hexdigest()
CONTRACTS = Contracts((MODULE,), "tenant")
REGISTER = """mutation ($input: TrustedDocumentsRegisterInput!) { trustedDocumentsRegister(input: $input) {
  ... on TrustedDocuments { documentIds added } ... on Refusal { code reason message path } } }"""
REMOVE = """mutation ($input: TrustedDocumentsRemoveInput!) { trustedDocumentsRemove(input: $input) {
  ... on TrustedDocumentsRemoved { removed } ... on Refusal { code reason message path } } }"""
LISTED = "{ trustedDocuments { totalCount nodes { documentId name body } } }"
RESTRICT = """mutation ($input: ClientRestrictInput!) { clientRestrict(input: $input) {
  ... on ClientRestriction { isRestricted } ... on Refusal { code reason path } } }"""


@pytest_asyncio.fixture
async def caller(database: Database, clock: ManualClock) -> Principal:
    """An API client of a tenant of its own."""
    found = Principal(new_id(), PrincipalKind.API_CLIENT, StatedRights(may_all=True), client_id=new_id(), locale="en")
    async with Works(database, clock=clock).begin(found) as work:
        account = Account(
            id=new_id(), login="mini-program", name="Mini program", kind="SERVICE", created_at=clock.now()
        )
        work.session.add(account)
        await work.session.flush()
        work.session.add(
            ApiClient(
                id=found.client_id,
                name="Mini program",
                account_id=account.id,
                permissions=["*"],
                created_at=clock.now(),
            )
        )
    return found


@pytest.fixture
def moment() -> list[float]:
    """What the look-ups take for the time, in seconds."""
    return [0.0]


@pytest.fixture
def ask(database: Database, clock: ManualClock, moment: list[float]) -> Ask:
    works = Works(database, clock=clock)

    async def modules_of(_principal: Principal) -> frozenset[str]:
        return frozenset()

    executor = GraphExecutor(
        CONTRACTS,
        modules_of=modules_of,
        begin=works.begin,
        reads=CompiledReads(Compiler(), database, {}),
        trusted=TrustedDocuments(database, monotonic=lambda: moment[0]),
    )

    async def ask(
        who: Principal, text: str | None = None, document: str | None = None, **variables: Any
    ) -> dict[str, Any]:
        request = Request(text=text, document_id=document, variables=variables)
        answer: dict[str, Any] = orjson.loads((await executor.execute(who, request, "en")).body)
        return answer

    return ask


@pytest.mark.parametrize(
    ("manifest", "own"),
    [
        (
            {
                "format": "apollo-persisted-query-manifest",
                "version": 1,
                "operations": [{"id": HASH, "name": "Name", "type": "query", "body": TEXT}],
            },
            HASH,
        ),
        ({"0" * 32: TEXT}, "0" * 32),
        ({"a" * 40: TEXT}, "a" * 40),
    ],
    ids=["Apollo", "Relay", "GraphQL Code Generator"],
)
async def test_manifests_of_three_tools_are_read(
    ask: Ask, caller: Principal, manifest: dict[str, Any], own: str
) -> None:
    body = orjson.dumps(manifest).decode()
    registered = await ask(caller, REGISTER, input={"manifest": body})
    assert registered["data"]["trustedDocumentsRegister"] == {"documentIds": [f"sha256:{HASH}"], "added": 2}
    again = await ask(caller, REGISTER, input={"manifest": body})
    assert again["data"]["trustedDocumentsRegister"]["added"] == 0
    for name in (f"sha256:{HASH}", own):
        assert await ask(caller, document=name) == {"data": {"__typename": "Query"}}


def test_the_id_is_the_hash_of_the_text() -> None:
    assert document_id(TEXT) == f"sha256:{HASH}"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "1", '{"a": 1}', '{"operations": [{"id": "x"}]}', '{"operations": [3]}', "{"]
)
def test_other_manifests_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_manifest(text)
    assert refused.value.path == ("input", "manifest")


def test_a_manifest_has_a_largest_size() -> None:
    with pytest.raises(InvalidInput, match="2001 documents"):
        read_manifest(orjson.dumps({str(number): TEXT for number in range(2_001)}).decode())


async def test_a_document_belongs_to_its_tenant_and_client(ask: Ask, caller: Principal) -> None:
    client = encode_id("clnt", caller.tenant_id, caller.client_id or new_id())
    await ask(caller, REGISTER, input={"manifest": orjson.dumps({"k": TEXT}).decode(), "clientId": client})
    assert "data" in await ask(caller, document=f"sha256:{HASH}")
    for other in (replace(caller, client_id=new_id()), replace(caller, tenant_id=new_id())):
        answer = await ask(other, document=f"sha256:{HASH}")
        assert answer["errors"][0]["extensions"]["reason"] == "UNKNOWN_DOCUMENT"


async def test_a_held_client_sends_registered_documents_only(ask: Ask, caller: Principal, moment: list[float]) -> None:
    await ask(caller, REGISTER, input={"manifest": orjson.dumps({"k": TEXT}).decode()})
    staff = replace(caller, kind=PrincipalKind.STAFF, client_id=None, account_id=new_id())
    client = encode_id("clnt", caller.tenant_id, caller.client_id or new_id())

    async def hold(*, is_restricted: bool) -> None:
        answer = await ask(staff, RESTRICT, input={"clientId": client, "isRestricted": is_restricted})
        assert answer["data"]["clientRestrict"] == {"isRestricted": is_restricted}
        moment[0] += 1.0

    await hold(is_restricted=True)
    assert (await ask(caller, TEXT))["errors"][0]["extensions"]["reason"] == "TRUSTED_DOCUMENTS_ONLY"
    assert await ask(caller, document=f"sha256:{HASH}") == {"data": {"__typename": "Query"}}
    assert "data" in await ask(staff, TEXT)
    await hold(is_restricted=False)
    assert "data" in await ask(caller, TEXT)


async def test_registering_needs_the_permission(ask: Ask, caller: Principal) -> None:
    nobody = replace(caller, rights=StatedRights())
    registered = await ask(nobody, REGISTER, input={"manifest": orjson.dumps({"k": TEXT}).decode()})
    assert registered["data"]["trustedDocumentsRegister"]["code"] == "FORBIDDEN"
    assert (await ask(caller, document=f"sha256:{HASH}"))["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_a_removed_document_is_unknown_within_a_second(ask: Ask, caller: Principal, moment: list[float]) -> None:
    client = encode_id("clnt", caller.tenant_id, caller.client_id or new_id())
    manifest, wanted = orjson.dumps({"k": TEXT}).decode(), f"sha256:{HASH}"
    await ask(caller, REGISTER, input={"manifest": manifest, "clientId": client})
    assert "data" in await ask(caller, document=wanted)
    listed = (await ask(caller, LISTED))["data"]["trustedDocuments"]
    assert [(node["documentId"], node["body"]) for node in listed["nodes"]] == [(wanted, TEXT), ("k", TEXT)]
    nobody = replace(caller, rights=StatedRights())
    refused = await ask(nobody, REMOVE, input={"documentIds": [wanted], "clientId": client})
    assert refused["data"]["trustedDocumentsRemove"]["code"] == "FORBIDDEN"
    # The ids of all callers, of another tenant's client, and of another tenant are others.
    foreign = encode_id("clnt", new_id(), new_id())
    other = replace(caller, tenant_id=new_id())
    for who, given in ((caller, {}), (caller, {"clientId": foreign}), (other, {"clientId": client}), (other, {})):
        answer = await ask(who, REMOVE, input={"documentIds": [wanted, "k"], **given})
        assert answer["data"]["trustedDocumentsRemove"] == {"removed": 0}
    moment[0] += 1.0
    assert "data" in await ask(caller, document=wanted)
    removed = await ask(caller, REMOVE, input={"documentIds": [wanted, "unknown"], "clientId": client})
    assert removed["data"]["trustedDocumentsRemove"] == {"removed": 1}
    moment[0] += 1.0
    assert (await ask(caller, document=wanted))["errors"][0]["extensions"]["reason"] == "UNKNOWN_DOCUMENT"
    assert "data" in await ask(caller, document="k")
    again = await ask(caller, REGISTER, input={"manifest": manifest, "clientId": client})
    assert again["data"]["trustedDocumentsRegister"]["added"] == 1
    assert "data" in await ask(caller, document=wanted)


async def test_a_client_of_another_tenant_is_absent(ask: Ask, caller: Principal) -> None:
    foreign = encode_id("clnt", new_id(), new_id())
    answer = await ask(caller, RESTRICT, input={"clientId": foreign, "isRestricted": True})
    assert answer["data"]["clientRestrict"] == {
        "code": "NOT_FOUND",
        "reason": "NOT_FOUND",
        "path": ["input", "clientId"],
    }


async def test_the_price_is_told_without_running(ask: Ask, caller: Principal) -> None:
    query = """query ($d: String!, $v: JSON) {
        queryPrice(document: $d, variables: $v) { cost allowed isAffordable depth fields } }"""
    answer = await ask(caller, query, d="query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", v={"ids": []})
    price = answer["data"]["queryPrice"]
    assert (price["depth"], price["fields"], price["isAffordable"]) == (2, 2, True)
    assert price["cost"] >= 0
    for wrong in ("{ missing }", "{", "{" + "a " * 900 + "}"):
        refused = await ask(caller, query, d=wrong)
        assert refused["errors"][0]["extensions"]["code"] in {"INVALID_INPUT", "LIMIT_EXCEEDED"}


async def test_there_must_be_such_a_client(ask: Ask, caller: Principal) -> None:
    """A well-formed id that no client has, and the id of something else, are as absent as another tenant's."""
    for absent in (encode_id("clnt", caller.tenant_id, new_id()), encode_id("area", caller.tenant_id, new_id())):
        for held in (True, False):
            answer = await ask(caller, RESTRICT, input={"clientId": absent, "isRestricted": held})
            assert answer["data"]["clientRestrict"]["code"] == "NOT_FOUND"
        answer = await ask(caller, REGISTER, input={"manifest": orjson.dumps({"k": TEXT}).decode(), "clientId": absent})
        assert answer["data"]["trustedDocumentsRegister"]["code"] == "NOT_FOUND"

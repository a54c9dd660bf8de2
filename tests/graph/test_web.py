"""GraphQL over HTTP: media types, status codes, and what a request may look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from cityloom.graph.allowance import INTROSPECTION_COST, Allowance
from cityloom.graph.limits import Limits

if TYPE_CHECKING:
    from cityloom.testing.sandbox import Sandbox

RESPONSE = "application/graphql-response+json"


async def test_a_query_is_answered(sandbox: Sandbox) -> None:
    async with sandbox.client() as client:
        answer = await client.post("/graphql", json={"query": "{ lamp(number: 7) { number after { number } } }"})
    assert answer.status_code == 200
    assert answer.content == b'{"data":{"lamp":{"number":7,"after":{"number":8}}}}'
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "status", "media"),
    [
        (None, 200, "application/json"),
        ("*/*", 200, "application/json"),
        ("application/*", 200, "application/json"),
        ("application/json", 200, "application/json"),
        (RESPONSE, 200, RESPONSE),
        (f"{RESPONSE}, application/json;q=0.9", 200, RESPONSE),
        (f"application/json, {RESPONSE};q=0.5", 200, "application/json"),
        ("text/html, */*;q=0.1", 200, "application/json"),
        ("text/html", 406, "application/json"),
        (f"{RESPONSE};q=0", 406, "application/json"),
        ("application/json;q=broken", 406, "application/json"),
    ],
)
async def test_the_media_type_is_negotiated(sandbox: Sandbox, accept: str | None, status: int, media: str) -> None:
    async with sandbox.client() as client:
        del client.headers["accept"]
        headers = {"accept": accept} if accept else {}
        answer = await client.post("/graphql", json={"query": "{__typename}"}, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, f"{media}; charset=utf-8")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('application/json;charset="UTF-8"', 200),
        ("application/json; charset=gbk", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("application/graphql", 415),
        ("", 415),
    ],
)
async def test_only_json_is_read(sandbox: Sandbox, content_type: str, status: int) -> None:
    headers = {"content-type": content_type} if content_type else {}
    async with sandbox.client() as client:
        answer = await client.post("/graphql", content=b'{"query":"{__typename}"}', headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"{", "no JSON"),
        (b'{"query": "\xff"}', "no JSON"),
        (b'"text"', "JSON object"),
        (b"{}", "either"),
        (b'{"query": null}', "either"),
        (b'{"query": "{__typename}", "documentId": "sha256:0"}', "either"),
        (b'{"query": 1}', "`query` has to be a string"),
        (b'{"query": "{a}", "variables": []}', "`variables` has to be an object"),
        (b'{"query": "{a}", "operationName": {}}', "`operationName` has to be a string"),
        (b'{"query": "{a}", "extensions": "x"}', "`extensions` has to be an object"),
        (b"[" * 2_000 + b"]" * 2_000, "no JSON"),
        (b'{"query": "\\ud800"}', "no JSON"),
    ],
)
async def test_a_malformed_body_is_refused_by_name(sandbox: Sandbox, body: bytes, said: str) -> None:
    headers = {"content-type": "application/json", "accept-language": "en"}
    async with sandbox.client() as client:
        answer = await client.post("/graphql", content=body, headers=headers)
    assert answer.status_code == 400
    assert said in answer.json()["errors"][0]["message"]
    assert answer.json()["errors"][0]["extensions"]["code"] == "INVALID_INPUT"
    assert "data" not in answer.json()


@pytest.mark.parametrize("query", ["{", "{ missing }", "query ($n: Int!) { lamp(number: $n) { number } }"])
async def test_a_document_that_is_wrong_is_400_only_where_the_client_knows_the_media_type(
    sandbox: Sandbox, query: str
) -> None:
    async with sandbox.client() as client:
        new = await client.post("/graphql", json={"query": query}, headers={"accept": RESPONSE})
        old = await client.post("/graphql", json={"query": query}, headers={"accept": "application/json"})
    assert (new.status_code, old.status_code) == (400, 200)
    assert "data" not in new.json()
    assert new.json() == old.json()


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(sandbox: Sandbox) -> None:
    sent = 0

    async def body() -> Any:
        nonlocal sent
        for _ in range(1_000):
            sent += 1
            yield b" " * 1_000

    async with sandbox.client(limits=Limits(body_bytes=10_000)) as client:
        stated = await client.post("/graphql", content=b" " * 20_000, headers={"content-type": "application/json"})
        streamed = await client.post("/graphql", content=body(), headers={"content-type": "application/json"})
    assert (stated.status_code, streamed.status_code) == (413, 413)
    assert stated.json()["errors"][0]["extensions"]["details"] == {
        "limit": "body_bytes",
        "allowed": 10_000,
        "actual": 20_000,
    }
    assert sent <= 12


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_refused(sandbox: Sandbox, method: str) -> None:
    async with sandbox.client() as client:
        answer = await client.request(method, "/graphql")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_get_answers_queries_with_a_credential_only(sandbox: Sandbox) -> None:
    query = {"query": "query ($n: Int!) { lamp(number: $n) { number } }", "variables": '{"n": 4}'}
    change = {"query": "mutation { lampChange(input: {number: 1}) { __typename } }"}
    async with sandbox.client() as client, sandbox.client(None) as stranger:
        asked = await client.get("/graphql", params=query)
        changed = await client.get("/graphql", params=change, headers={"accept": RESPONSE})
        forged = await stranger.get("/graphql", params=query)
        broken = await client.get("/graphql", params={"query": "{__typename}", "variables": "{"})
    assert asked.json() == {"data": {"lamp": {"number": 4}}}
    assert (changed.status_code, changed.headers["allow"]) == (405, "GET, POST")
    assert (forged.status_code, forged.headers["www-authenticate"]) == (401, "Bearer")
    assert broken.status_code == 400


async def test_a_credential_that_is_not_valid_is_401(sandbox: Sandbox) -> None:
    async with sandbox.client("nobody") as client:
        answer = await client.post("/graphql", json={"query": "{__typename}"})
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_batches_are_refused_unless_they_are_allowed(sandbox: Sandbox) -> None:
    batch = [{"query": "{__typename}"}, {"query": "{lamp{number}}"}]
    async with sandbox.client() as client, sandbox.client(limits=Limits(batch=2)) as batching:
        refused = await client.post("/graphql", json=batch)
        answered = await batching.post("/graphql", json=batch)
        too_many = await batching.post("/graphql", json=[*batch, *batch])
    assert (refused.status_code, too_many.status_code) == (400, 400)
    assert refused.json()["errors"][0]["extensions"]["details"]["limit"] == "batch"
    assert answered.json() == [{"data": {"__typename": "Query"}}, {"data": {"lamp": {"number": 1}}}]


async def test_messages_are_in_the_callers_language(sandbox: Sandbox) -> None:
    query = {"query": "{ refused }"}
    async with sandbox.client() as client:
        en = (await client.post("/graphql", json=query, headers={"accept-language": "en-GB"})).json()
        zh = (await client.post("/graphql", json=query, headers={"accept-language": "fr, zh-CN;q=0.5"})).json()
    assert en == {
        "data": {"refused": None},
        "errors": [
            {
                "message": "It may not be.",
                "path": ["refused"],
                "extensions": {"code": "INVALID_INPUT", "reason": "INVALID_INPUT", "inputPath": ["number"]},
                "locations": [{"line": 1, "column": 3}],
            }
        ],
    }
    assert zh["errors"][0]["message"] == "不行。"


async def test_the_cost_is_answered_on_request(sandbox: Sandbox) -> None:
    query = {"query": "{ lamp { number } b: lamp { number } }"}
    async with sandbox.client() as client:
        silent = await client.post("/graphql", json=query)
        asked = await client.post("/graphql", json={**query, "extensions": {"cost": True}})
        header = await client.post("/graphql", json=query, headers={"cityloom-cost": "true"})
    assert "extensions" not in silent.json()
    assert asked.json()["extensions"]["cost"]["operation"] == 2
    assert header.json()["extensions"]["cost"]["allowed"] == Allowance().operation


async def test_looking_at_the_schema_is_dear(sandbox: Sandbox) -> None:
    query = {"query": "{ __schema { queryType { name } } }", "extensions": {"cost": True}}
    async with sandbox.client() as client:
        answer = await client.post("/graphql", json=query)
    assert answer.json()["extensions"]["cost"]["operation"] == INTROSPECTION_COST + 1


async def test_who_asks_too_much_is_told_when_to_come_back(sandbox: Sandbox) -> None:
    small = Allowance(operation=2, capacity=3, per_second=0.5)
    async with sandbox.client(allowance_of=lambda _: small) as client:
        first = await client.post("/graphql", json={"query": "{ a: lamp { number } b: lamp { number } }"})
        second = await client.post("/graphql", json={"query": "{ a: lamp { number } b: lamp { number } }"})
        third = await client.post("/graphql", json={"query": "{a: lamp{number} b: lamp{number} c: lamp{number}}"})
    assert first.status_code == 200
    assert (second.status_code, second.headers["retry-after"]) == (429, "2")
    assert second.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert third.json()["errors"][0]["extensions"]["code"] == "TOO_EXPENSIVE"


async def test_a_bug_is_masked_and_says_its_trace_id(sandbox: Sandbox) -> None:
    async with sandbox.client() as client:
        read = await client.post("/graphql", json={"query": "{ broken }"})
        change = await client.post(
            "/graphql", json={"query": "mutation { lampChange(input: {number: 13}) { __typename } }"}
        )
    for answer in (read, change):
        assert b"swordfish" not in answer.content
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "INTERNAL"
        assert error["extensions"]["traceId"] in error["message"]
        assert set(error["extensions"]) == {"code", "traceId"}


async def test_a_refusal_of_a_mutation_is_data(sandbox: Sandbox) -> None:
    query = """mutation ($number: Int!) { lampChange(input: {number: $number}) {
        ... on Lamp { number } ... on Refusal { code reason message path details } } }"""
    async with sandbox.client() as client:
        client.headers["accept-language"] = "en"
        done = await client.post("/graphql", json={"query": query, "variables": {"number": 3}})
        refused = await client.post("/graphql", json={"query": query, "variables": {"number": -3}})
    assert done.json() == {"data": {"lampChange": {"number": 3}}}
    assert refused.json()["data"]["lampChange"] == {
        "code": "INVALID_INPUT",
        "reason": "INVALID_INPUT",
        "message": "A number is positive.",
        "path": ["input", "number"],
        "details": None,
    }


async def test_variables_are_held_to_the_limits(sandbox: Sandbox) -> None:
    query = "query ($n: Int!) { lamp(number: $n) { number } }"
    deep: Any = 1
    for _ in range(50):
        deep = [deep]
    async with sandbox.client() as client:
        nested = await client.post("/graphql", json={"query": query, "variables": {"n": deep}})
        null = await client.post("/graphql", json={"query": query, "variables": {"n": "a\x00b"}})
        unused = await client.post("/graphql", json={"query": query, "variables": {"n": 1, "other": 2}})
    assert nested.json()["errors"][0]["extensions"]["details"]["limit"] == "input_depth"
    assert null.json()["errors"][0]["extensions"]["reason"] == "NULL_CHARACTER"
    assert unused.json() == {"data": {"lamp": {"number": 1}}}


async def test_operations_are_chosen_by_name(sandbox: Sandbox) -> None:
    query = "query A { lamp(number: 1) { number } } query B { lamp(number: 2) { number } }"
    async with sandbox.client() as client:
        chosen = await client.post("/graphql", json={"query": query, "operationName": "B"})
        unnamed = await client.post("/graphql", json={"query": query})
        unknown = await client.post("/graphql", json={"query": query, "operationName": "C"})
        none = await client.post("/graphql", json={"query": "fragment F on Lamp { number }"})
    assert chosen.json() == {"data": {"lamp": {"number": 2}}}
    assert unnamed.json()["errors"][0]["extensions"]["reason"] == "OPERATION_NOT_NAMED"
    assert unknown.json()["errors"][0]["extensions"]["reason"] == "UNKNOWN_OPERATION"
    assert none.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_a_deadline_ends_an_operation(sandbox: Sandbox) -> None:
    async with sandbox.client(deadline_seconds=0.01) as client:
        answer = await client.post("/graphql", json={"query": "{ waiting }"})
    assert answer.json()["errors"][0]["extensions"]["code"] == "TIMED_OUT"


async def test_graphiql_comes_from_our_own_files(sandbox: Sandbox) -> None:
    async with sandbox.client(None) as client:
        page = await client.get("/console/graphiql")
        files = [part.split('"')[0] for part in page.text.split('src="')[1:] + page.text.split('href="')[1:]]
        answers = [await client.get(f"/console/{name}") for name in files]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "://" not in page.text
    assert len(files) == 6
    assert {answer.status_code for answer in answers} == {200}


async def test_answers_are_json_whatever_is_asked(sandbox: Sandbox) -> None:
    async with sandbox.client() as client:
        answer = await client.post("/graphql", json={"query": '{ lamp(number: "\u2028<script>") { number } }'})
    assert orjson.loads(answer.content)["errors"]

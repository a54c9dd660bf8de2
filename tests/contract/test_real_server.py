"""The platform as clients meet it: a real server process, asked by programs that nobody here wrote."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from cityloom.access.service.operators import ensure_operator, open_operator_session
from cityloom.serving import DATABASE_VARIABLE
from cityloom.testing import audits
from cityloom.testing.database import ROOT, VAR
from cityloom.testing.fuzz import EXAMPLES, fuzz
from cityloom.testing.serving import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cityloom.app import Platform
    from cityloom.testing.twins import Twin


@pytest.fixture(scope="module")
def url(admin_url: str) -> Iterator[str]:
    """The address of the real application, served as `cityloom up` serves it."""
    environment = {
        DATABASE_VARIABLE: admin_url,
        "CITYLOOM_VAR": str(VAR),
        "CITYLOOM_TENANTS": str(ROOT / "tenants"),
        "CITYLOOM_LOG_LEVEL": "error",
    }
    with served("cityloom.app:create_app", environment) as address:
        yield address


@pytest_asyncio.fixture(loop_scope="session")
async def operator(opened: Platform) -> str:
    """The bearer of an operator."""
    clock = opened.works.clock
    row_id = await ensure_operator(opened.database, "audits", name="Audits", clock=clock)
    return await open_operator_session(opened.database, row_id, clock=clock, lifetime=timedelta(hours=1))


@pytest.mark.parametrize("surface", ["/graphql", "/platform/graphql"])
def test_all_61_audits_of_graphql_over_http_pass(url: str, alder: Twin, operator: str, surface: str) -> None:
    try:
        audits.install()
    except audits.AuditsUnavailable as reason:
        pytest.skip(f"the graphql-http audits need Node with npm: {reason}")
    bearer = operator if surface.startswith("/platform") else alder.bearers["city_administrator"]
    found = audits.run(url + surface, bearer)
    assert [(item["id"], item["name"], item["reason"]) for item in found if item["status"] != "ok"] == []
    assert len(found) == 61


@pytest.mark.fuzz
def test_generated_documents_meet_no_server_error_in_the_tenant_api(url: str, alder: Twin, opened: Platform) -> None:
    sent = fuzz(f"{url}/graphql", alder.bearers["city_administrator"])
    schema = opened.tenant_api.contracts.whole.graphql
    assert schema.query_type
    assert schema.mutation_type
    assert {f"Query.{name}" for name in schema.query_type.fields} <= set(sent)
    assert {f"Mutation.{name}" for name in schema.mutation_type.fields} <= set(sent)
    assert sum(sent.values()) >= len(sent) * min(EXAMPLES, 2)


@pytest.mark.fuzz
def test_generated_documents_meet_no_server_error_in_the_control_plane(
    url: str, operator: str, opened: Platform
) -> None:
    sent = fuzz(f"{url}/platform/graphql", operator)
    schema = opened.platform_api.contracts.whole.graphql
    assert schema.query_type
    assert {f"Query.{name}" for name in schema.query_type.fields} <= set(sent)


def test_probes_and_metrics_answer_and_name_nobody(url: str, alder: Twin) -> None:
    assert httpx.get(f"{url}/healthz").text == "ok\n"
    assert httpx.get(f"{url}/readyz").json() == {"ready": True, "faults": []}
    asked = httpx.post(
        f"{url}/graphql",
        json={"query": "{ residents(first: 5) { edges { node { name phone } } } }"},
        headers={"authorization": f"Bearer {alder.bearers['city_administrator']}"},
    )
    assert alder.canary in asked.text
    metrics = httpx.get(f"{url}/metrics").text
    assert "cityloom_graph_operations" in metrics
    assert "cityloom_http_duration" in metrics
    assert alder.canary not in metrics


def test_graphiql_is_whole_without_any_other_host(url: str) -> None:
    page = httpx.get(f"{url}/console/graphiql")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "//" not in page.text.replace("<!doctype html>", "").replace("http://www.w3.org", "")
    for path in (
        "graphiql.min.js",
        "react.production.min.js",
        "react-dom.production.min.js",
        "graphiql.min.css",
        "page.js",
    ):
        assert httpx.get(f"{url}/console/graphiql/files/{path}").status_code == 200


@pytest.mark.parametrize("bearer", ["x", "cs_0_0_0", "a.b.c", "Bearer", "cl_test_x", "é" * 10, "x" * 9000])
def test_a_bad_credential_is_refused_in_both_surfaces(url: str, bearer: str) -> None:
    for surface in ("/graphql", "/platform/graphql"):
        answer = httpx.post(
            url + surface,
            json={"query": "{ __typename }"},
            headers=[
                (b"authorization", f"Bearer {bearer}".encode("latin-1")),
                (b"accept", b"application/graphql-response+json"),
            ],
        )
        assert answer.status_code in {401, 431, 400}
        assert answer.status_code == 401 or len(bearer) > 8000

"""Spans and metrics: what they carry and what they refuse."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from cityloom.core import telemetry
from cityloom.core.telemetry import Telemetry, UnlistedAttribute, span, trace_id

if TYPE_CHECKING:
    from collections.abc import Iterator


class Recorder:
    """Telemetry that keeps its spans."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.telemetry = Telemetry({}, exporter=self.spans)
        self.tracer = self.telemetry.tracer

    def everything(self) -> str:
        self.telemetry.flush()
        return "".join(span.to_json() for span in self.spans.get_finished_spans())


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.telemetry.shutdown()


def test_a_span_carries_listed_attributes(recorder: Recorder) -> None:
    with span("graphql.execute", {"tenant.slug": "alder"}, kind=SpanKind.SERVER, tracer=recorder.tracer):
        telemetry.describe({"graphql.cost": 12})
    found = json.loads(recorder.everything())
    assert (found["name"], found["attributes"]) == ("graphql.execute", {"tenant.slug": "alder", "graphql.cost": 12})


@pytest.mark.parametrize("name", ["graphql.arguments", "db.query.parameter.0", "enduser.id"])
def test_an_unlisted_attribute_raises_in_tests(name: str, recorder: Recorder) -> None:
    with pytest.raises(UnlistedAttribute, match=name), span("graphql", {name: "王小明"}, tracer=recorder.tracer):
        pass
    with span("graphql", tracer=recorder.tracer), pytest.raises(UnlistedAttribute):
        telemetry.describe({name: "王小明"})


def test_an_unlisted_attribute_is_dropped_in_production(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_STRICT", False)
    with span("query 王小明", {"enduser.id": "王小明", "rows": 2}, tracer=recorder.tracer):
        telemetry.describe({"variable": "王小明"})
    found = json.loads(recorder.everything())
    assert (found["name"], found["attributes"]) == ("unnamed", {"rows": 2})


def test_a_failure_leaves_its_class_and_not_its_words(recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="11010519491231002X"), span("jobs.run", tracer=recorder.tracer):
        raise ValueError("11010519491231002X")
    found = json.loads(recorder.everything())
    assert found["status"] == {"status_code": "ERROR"}
    assert found["attributes"] == {"error.type": "ValueError"}
    assert found["events"] == []


def test_what_a_library_adds_behind_our_back_is_filtered(recorder: Recorder) -> None:
    with recorder.tracer.start_as_current_span("SELECT * FROM residents") as foreign:
        foreign.set_attribute("db.statement", "SELECT '王小明'")
        foreign.set_attribute("http.route", "/call/13812345678")
        foreign.add_event("exception", {"exception.message": "王小明"})
        foreign.record_exception(ValueError("王小明"))
    said = recorder.everything()
    assert "\\u738b" not in said
    assert "王小明" not in said
    assert json.loads(said)["attributes"] == {"http.route": "/call/***"}


def test_a_callers_trace_is_continued(recorder: Recorder) -> None:
    with span("http.request", traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01", tracer=recorder.tracer):
        assert trace_id() == "ab" * 16


def test_a_malformed_trace_starts_a_new_one(recorder: Recorder) -> None:
    with span("http.request", traceparent="00-zz", tracer=recorder.tracer):
        assert len(trace_id()) == 32


def test_there_is_always_a_trace_id_and_it_stays() -> None:
    assert len(trace_id()) == 32
    assert trace_id() == trace_id()


def test_without_an_endpoint_each_request_has_a_trace_id_of_its_own() -> None:
    with span("http request", kind=SpanKind.SERVER, traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01"):
        assert trace_id() == "ab" * 16
        with span("inside"):
            assert trace_id() == "ab" * 16
    with span("http request", kind=SpanKind.SERVER, traceparent=f"00-{'0' * 32}-{'cd' * 8}-01"):
        first = trace_id()
        assert trace_id() == first
    with span("http request", kind=SpanKind.SERVER):
        assert len({trace_id(), first, "ab" * 16}) == 3


def test_without_an_endpoint_spans_have_ids_but_are_not_recorded() -> None:
    quiet = Telemetry({})
    with span("http.request", tracer=quiet.tracer) as current:
        assert not current.is_recording()
        assert trace_id() == format(current.get_span_context().trace_id, "032x")
    quiet.shutdown()


@pytest.mark.parametrize(
    ("environ", "sends"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_usual_variables_decide_what_is_sent(environ: dict[str, str], sends: bool) -> None:  # noqa: FBT001 - a table
    assert telemetry._sends(environ, "TRACES") is sends


class Receiver(ThreadingHTTPServer):
    """An OTLP endpoint that keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: dict[str, bytes] = {}


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.received[self.path] = body
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_an_otlp_endpoint_receives_traces_and_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{receiver.server_port}")
        sending = Telemetry(os.environ)
        sending.metrics.get_meter("t").create_counter("probes").add(1, {"outcome": "ok", "name": "王小明"})
        with sending.tracer.start_as_current_span("probe.run", attributes={"name": "王小明", "rows": 1}):
            pass
        sending.flush()
        sending.shutdown()
        receiver.shutdown()
        thread.join()
    assert b"probe.run" in receiver.received["/v1/traces"]
    assert b"probes" in receiver.received["/v1/metrics"]
    assert not any("王小明".encode() in body for body in receiver.received.values())


METERED = """
from cityloom.core import telemetry
requests = telemetry.counter("requests", "Requests answered.")
seconds = telemetry.histogram("request_duration", "Time to answer.")
process = telemetry.setup()
requests.add(2, {"tenant.slug": "alder", "name": "secret"})
seconds.record(0.003, {"outcome": "ok"})
print(*process.prometheus()[0].decode().splitlines(), process.prometheus()[1], sep="\\n")
"""


def test_metrics_are_prometheus_text_without_unlisted_labels() -> None:
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": ""}
    run = [sys.executable, "-W", "error", "-c", METERED]
    said = subprocess.run(run, env=environ, capture_output=True, text=True, check=True).stdout
    assert 'requests_total{tenant_slug="alder"} 2.0' in said
    assert 'request_duration_seconds_bucket{le="0.005",outcome="ok"} 1.0' in said
    assert "secret" not in said
    assert "text/plain" in said

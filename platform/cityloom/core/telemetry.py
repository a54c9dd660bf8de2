"""Traces and metrics by OpenTelemetry, set up from its usual environment variables, with nothing personal in them.

Without an OTLP endpoint in the environment nothing is sent and spans are not even recorded, but every request still has
a trace id. Metrics are always collected, for `/metrics`. Three walls keep people out of the spans: only attributes of
`ATTRIBUTES` are taken, exceptions leave their class and not their message, and what libraries add is filtered
once more before it is exported.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as PlainHistogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from cityloom.core.logs import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opentelemetry.metrics import Histogram
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import Attributes, AttributeValue

#: Everything that a span or a metric may say. Add a name here only if its values can never be about a person.
ATTRIBUTES: frozenset[str] = frozenset(
    {
        "tenant.slug",
        "principal.kind",
        "module",
        "locale",
        "graphql.operation.type",
        "graphql.document.id",
        "graphql.cost",
        "graphql.depth",
        "graphql.plan.cached",
        "graphql.errors",
        "refusal.code",
        "refusal.reason",
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "http.request.body.size",
        "http.response.body.size",
        "db.system.name",
        "db.operation.name",
        "db.collection.name",
        "db.response.returned_rows",
        "db.statements",
        "db.pool",
        "job.name",
        "job.attempt",
        "event.type",
        "webhook.attempt",
        "rows",
        "count",
        "outcome",
    }
)

_NAME = re.compile(r"[a-z][a-z0-9_]*(?:[. ][a-z][a-z0-9_]*)*\Z")
_VALUE_CHARACTERS = 128
_SCOPE = "cityloom"
# Set by pytest 8.2 and later: an attribute that production drops is an error where a test can show it.
_STRICT = "PYTEST_VERSION" in os.environ
# Asks the provider that `setup` installs; looking it up for every span would cost as much as the span.
_tracer = trace.get_tracer(_SCOPE)
_made_up: ContextVar[str] = ContextVar("made_up_trace_id")
_is_tracing = False
_is_sending_metrics = False
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")


#: Where `Durations` are kept while no metrics are sent.
_DURATIONS = CollectorRegistry()
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class UnlistedAttribute(ValueError):
    """A span or a metric was given an attribute that is not in `ATTRIBUTES`, or a name made from data."""


class Telemetry:
    """The telemetry of one process: where spans and metrics go."""

    def __init__(self, environ: Mapping[str, str], *, exporter: SpanExporter | None = None) -> None:
        """Set up from the OTEL_* variables; `exporter` receives the spans as well, whatever these say."""
        resource = Resource.create({"service.name": environ.get("OTEL_SERVICE_NAME", _SCOPE)})
        self._registry = CollectorRegistry()
        readers: list[MetricReader] = [
            PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=self._registry)
        ]
        exporters = [exporter] if exporter else []
        if _sends(environ, "METRICS"):
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

            readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
        if _sends(environ, "TRACES"):
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            exporters.append(OTLPSpanExporter())
        # With a sampler that takes none, a span costs a microsecond and still has a trace id.
        self.traces = TracerProvider(resource=resource, sampler=None if exporters else ALWAYS_OFF)
        for each in exporters:
            self.traces.add_span_processor(BatchSpanProcessor(FilteringExporter(each)))
        #: Whether metrics go anywhere but to who asks for them.
        self.is_sending_metrics = len(readers) > 1
        #: Whether spans go anywhere.
        self.is_tracing = bool(exporters)
        #: Makes spans; use `span` where the process's own telemetry is meant.
        self.tracer: Tracer = self.traces.get_tracer(_SCOPE)
        self.metrics = MeterProvider(
            metric_readers=readers,
            resource=resource,
            views=[View(instrument_name="*", attribute_keys=set(ATTRIBUTES))],
            # An exemplar ties a figure to the trace of one request: nobody reads them here, and each costs 3 µs.
            exemplar_filter=AlwaysOffExemplarFilter(),
        )

    def prometheus(self) -> tuple[bytes, str]:
        """The metrics in Prometheus' text format, and the content type to answer it with."""
        return generate_latest(self._registry) + generate_latest(_DURATIONS), CONTENT_TYPE_LATEST

    def flush(self) -> None:
        """Send what waits; blocks for at most five seconds."""
        self.traces.force_flush(5_000)
        self.metrics.force_flush(5_000)

    def shutdown(self) -> None:
        """Send what waits and stop for good."""
        self.traces.shutdown()
        self.metrics.shutdown()


class FilteringExporter(SpanExporter):
    """Hands spans on with nothing but listed attributes: no exception message, no event, no status description."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the filtered spans on."""
        return self._inner.export([_filtered(span) for span in spans])

    def shutdown(self) -> None:
        """Stop the exporter within."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporter within; whether it was done in time."""
        return self._inner.force_flush(timeout_millis)


@cache
def setup() -> Telemetry:
    """The telemetry of this process, from its environment; made at the first call, in the process that serves."""
    global _is_tracing, _is_sending_metrics
    telemetry = Telemetry(os.environ)
    _is_tracing, _is_sending_metrics = telemetry.is_tracing, telemetry.is_sending_metrics
    trace.set_tracer_provider(telemetry.traces)
    metrics.set_meter_provider(telemetry.metrics)
    return telemetry


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    traceparent: str | None = None,
    tracer: Tracer | None = None,
) -> Iterator[Span]:
    """Time what happens inside.

    The name is a constant of the code. `traceparent` is the W3C header of a caller whose trace this continues. An
    exception marks the span as failed with its class, and passes.
    """
    if not _NAME.match(name):
        _object(f"span name {name!r}: write it in the code, in small letters, with nothing from a request in it")
        name = "unnamed"
    if tracer is None and not _is_tracing:
        # Nobody is sent anything: a trace id is all there is to have, and OpenTelemetry takes 20 µs to say so.
        if _STRICT:
            allowed(attributes or {})
        known = _TRACEPARENT.match(traceparent) if traceparent else None
        token = _made_up.set(known[1] if known else "") if known or kind is SpanKind.SERVER else None
        try:
            yield trace.INVALID_SPAN
        finally:
            if token is not None:
                _made_up.reset(token)
        return
    parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent}) if traceparent else None
    with (tracer or _tracer).start_as_current_span(
        name,
        context=parent,
        kind=kind,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        if attributes and (current.is_recording() or _STRICT):
            current.set_attributes(allowed(attributes))
        try:
            yield current
        except BaseException as error:
            current.set_attribute("error.type", type(error).__qualname__)
            current.set_status(Status(StatusCode.ERROR))
            raise


def describe(attributes: Mapping[str, AttributeValue]) -> None:
    """Add attributes to the current span."""
    if not _is_tracing and not _STRICT:
        return
    current = trace.get_current_span()
    if current.is_recording() or _STRICT:
        current.set_attributes(allowed(attributes))


def allowed(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """The listed ones of these attributes, with values that cannot hide a person; in tests an unlisted one raises."""
    for name in attributes.keys() - ATTRIBUTES:
        _object(f"attribute {name!r}: add it to telemetry.ATTRIBUTES if its values can never be about a person")
    return {name: _value(value) for name, value in attributes.items() if name in ATTRIBUTES}


def trace_id() -> str:
    """The current trace as 32 hexadecimal digits, for an error that a user reports; made up outside of any span."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        return format(context.trace_id, "032x")
    made_up = _made_up.get("")
    if not made_up:
        made_up = os.urandom(16).hex()
        _made_up.set(made_up)
    return made_up


class Counter:
    """A metric that only grows: adding is a look-up in a dictionary, which is read when metrics are collected.

    OpenTelemetry's own counter takes 10 µs for each addition, a tenth of what answering a small query takes.
    """

    def __init__(self, name: str, description: str, unit: str) -> None:
        self._sums: dict[tuple[tuple[str, AttributeValue], ...], float] = {}
        metrics.get_meter(_SCOPE).create_observable_counter(name, [self._observe], unit, description)

    def add(self, amount: float, attributes: Mapping[str, AttributeValue] | None = None) -> None:
        """Count; attributes have few values each, because every combination is kept."""
        key = tuple(attributes.items()) if attributes else ()
        self._sums[key] = self._sums.get(key, 0) + amount

    def _observe(self, _options: metrics.CallbackOptions) -> list[metrics.Observation]:
        listed: dict[tuple[tuple[str, AttributeValue], ...], float] = {}
        for key, total in self._sums.copy().items():
            kept = tuple(item for item in key if item[0] in ATTRIBUTES)
            listed[kept] = listed.get(kept, 0) + total
        return [metrics.Observation(total, dict(key)) for key, total in listed.items()]


def counter(name: str, description: str, unit: str = "1") -> Counter:
    """A metric that only grows; may be made at import. Unlisted labels are dropped."""
    return Counter(name, description, unit)


def gauge(name: str, description: str, read: Callable[[], float], unit: str = "1") -> None:
    """A metric that goes up and down, read when metrics are collected; `read` must not wait."""
    metrics.get_meter(_SCOPE).create_observable_gauge(
        name, [lambda _options: [metrics.Observation(read())]], unit, description
    )


class Durations:
    """A distribution of seconds by attributes, for what happens at every request.

    Where metrics are sent by OTLP it is OpenTelemetry's histogram; one record of that costs 15 µs. Where they are only
    asked for at `/metrics` it is Prometheus' own, which costs 2.
    """

    def __init__(self, name: str, description: str, attributes: tuple[str, ...]) -> None:
        allowed(dict.fromkeys(attributes, ""))
        self._attributes = attributes
        self._sent = histogram(name, description)
        labels = [attribute.replace(".", "_") for attribute in attributes]
        plain = name.replace(".", "_") + "_seconds"
        self._kept = PlainHistogram(plain, description, labels, buckets=_BOUNDS, registry=_DURATIONS)
        self._children: dict[tuple[str | int, ...], PlainHistogram] = {}

    def record(self, seconds: float, *values: str | int) -> None:
        """Add one, with the values of the attributes in their order."""
        if _is_sending_metrics:
            self._sent.record(seconds, dict(zip(self._attributes, values, strict=True)))
            return
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._kept.labels(*values)
        child.observe(seconds)


def histogram(name: str, description: str, unit: str = "s", *, buckets: Sequence[float] = ()) -> Histogram:
    """A distribution, of seconds where no other unit is given; may be made at import."""
    bounds = buckets or _BOUNDS
    return metrics.get_meter(_SCOPE).create_histogram(
        name, unit, description, explicit_bucket_boundaries_advisory=bounds
    )


def _sends(environ: Mapping[str, str], signal: str) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get(f"OTEL_{signal}_EXPORTER") == "none":
        return False
    return bool(environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))


def _object(message: str) -> None:
    if _STRICT:
        raise UnlistedAttribute(message)


def _value(value: AttributeValue) -> AttributeValue:
    return redact(value)[:_VALUE_CHARACTERS] if isinstance(value, str) else value


def _filtered(span: ReadableSpan) -> ReadableSpan:
    attributes: Attributes = {
        name: _value(value) for name, value in (span.attributes or {}).items() if name in ATTRIBUTES
    }
    return ReadableSpan(
        name=span.name if _NAME.match(span.name) else "unnamed",
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )

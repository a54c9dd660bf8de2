"""Examining an endpoint: some twenty probes, each with what it should do, a score, and hints.

A probe is one or several requests as the platform would send them, or as somebody else might who does not know the
keys. What is sent is no event: its type is `webhooks.endpoint.probe.v1`, so a receiver can tell it apart.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from cityloom.core.ids import encode_id, new_id
from cityloom.webhooks import signing
from cityloom.webhooks.sender import Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from cityloom.core.clock import Clock
    from cityloom.webhooks.sender import Sender
    from cityloom.webhooks.targets import Target

TYPE = "webhooks.endpoint.probe.v1"
#: Slower than this, an endpoint does its work before it answers (milliseconds).
SLOW_MS = 3_000
_OLD = timedelta(minutes=10)
_LARGE = 200_000
_BURST = 20


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of one probe."""

    name: str
    title: str
    is_passed: bool
    expected: str
    actual: str
    hint: str | None


@dataclass(frozen=True, slots=True)
class Examiner:
    """Sends probes to one endpoint."""

    target: Target
    sender: Sender
    clock: Clock
    endpoint_id: str
    stranger: signing.Signer

    async def send(
        self,
        *,
        webhook_id: str | None = None,
        data: Any = None,  # noqa: ANN401 - any JSON
        age: timedelta = timedelta(0),
        signers: Sequence[signing.Signer] | None = None,
        alter: Callable[[dict[str, str]], dict[str, str]] = lambda headers: headers,
        altered_body: Callable[[bytes], bytes] = lambda body: body,
        body: bytes | None = None,
    ) -> Result:
        """One request, signed by all keys at this moment where nothing else is said."""
        at = self.clock.now() - age
        webhook_id = webhook_id or f"probe_{new_id().hex}"
        body = self.body(at, data) if body is None else body
        signed = signing.headers(webhook_id, at, body, self.target.signers.values() if signers is None else signers)
        return await self.sender.send(self.target.url, altered_body(body), {**self.target.headers, **alter(signed)})

    def body(self, at: datetime, data: Any = None) -> bytes:  # noqa: ANN401 - any JSON
        """A probe's body in the form of an event's."""
        moment = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        content = {"type": TYPE, "timestamp": moment, "data": {"endpoint": self.endpoint_id, "probe": data}}
        return orjson.dumps(content)


def _without(name: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda headers: {key: value for key, value in headers.items() if key != name}


def _with(name: str, change: Callable[[str], str]) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda headers: {**headers, name: change(headers[name])}


def _shown(result: Result) -> str:
    return str(result.status) if result.status is not None else result.outcome


_VERIFY = "Verify the signature over the raw bytes before anything else, with a library of standardwebhooks.com."
_TIME = "Refuse timestamps more than five minutes from now, in both directions: a recorded request can be sent again."
_ACCEPT = "Answer any well-signed body with a status from 200 to 299, whatever its type: new types will come."

#: Name, what it is, what to mend, and what is changed about a good request: all of these must be refused.
_REFUSED: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("signature_missing", "A body without a signature", _VERIFY, {"alter": _without(signing.SIGNATURE)}),
    ("signature_empty", "An empty signature", _VERIFY, {"alter": _with(signing.SIGNATURE, lambda _: "")}),
    (
        "signature_garbage",
        "A signature that is none",
        _VERIFY,
        {"alter": _with(signing.SIGNATURE, lambda _: "v1,AAAA")},
    ),
    ("body_altered", "A body that was altered on the way", _VERIFY, {"altered_body": lambda body: body[:-1] + b" }"}),
    ("id_altered", "Another id than was signed", _VERIFY, {"alter": _with(signing.ID, lambda one: one + "0")}),
    ("id_missing", "No id", _VERIFY, {"alter": _without(signing.ID)}),
    (
        "timestamp_altered",
        "Another time than was signed",
        _VERIFY,
        {"alter": _with(signing.TIMESTAMP, lambda one: str(int(one) - 1))},
    ),
    ("timestamp_missing", "No time", _VERIFY, {"alter": _without(signing.TIMESTAMP)}),
    ("timestamp_old", "A good signature that is ten minutes old", _TIME, {"age": _OLD}),
    ("timestamp_future", "A good signature from ten minutes ahead", _TIME, {"age": -_OLD}),
)


async def examine(examiner: Examiner) -> list[Probe]:
    """All probes, one after the other; an endpoint that cannot be reached at all gets no further ones."""
    first = await examiner.send()
    probes = [_accepted("plain", "A good request", first, _ACCEPT)]
    if first.status is None:
        return probes
    for name, title, hint, change in _REFUSED:
        probes.append(_refused(name, title, await examiner.send(**change), hint))
    stranger = await examiner.send(signers=[examiner.stranger])
    probes.append(_refused("signature_of_a_stranger", "A signature by a key that is not yours", stranger, _VERIFY))
    more: tuple[Callable[[Examiner], Awaitable[Probe]], ...] = (
        _rotated,
        _duplicate,
        _reordered,
        _large,
        _unicode,
        _unknown,
        _ordinary_headers,
        _together,
    )
    probes.extend([await probe(examiner) for probe in more])
    return [*probes, _prompt(first), await _after(examiner)]


def score(probes: Sequence[Probe]) -> int:
    """How many of a hundred: each probe counts alike, and an endpoint that takes unsigned bodies has none."""
    if any(not probe.is_passed for probe in probes if probe.name in {"plain", "signature_of_a_stranger"}):
        return 0
    return round(100 * sum(probe.is_passed for probe in probes) / len(probes)) if probes else 0


def as_rows(probes: Sequence[Probe]) -> list[dict[str, Any]]:
    """The probes as they are stored."""
    return [asdict(probe) for probe in probes]


def examiner_of(
    target: Target, sender: Sender, clock: Clock, *, tenant_id: UUID, endpoint_id: UUID, tag: str
) -> Examiner:
    """An examiner for an endpoint, with a stranger's key of its own."""
    stranger = signing.signer(signing.new_secret("HMAC_SHA256").secret)
    return Examiner(target, sender, clock, encode_id(tag, tenant_id, endpoint_id), stranger)


def _accepted(name: str, title: str, result: Result, hint: str) -> Probe:
    return Probe(name, title, result.is_delivered, "200–299", _shown(result), None if result.is_delivered else hint)


def _refused(name: str, title: str, result: Result, hint: str) -> Probe:
    passed = result.outcome == "REFUSED" and result.status is not None and result.status < 500  # noqa: PLR2004 - a server's own fault
    return Probe(name, title, passed, "400–499", _shown(result), None if passed else hint)


async def _rotated(examiner: Examiner) -> Probe:
    """As during a rotation: the known signature is not the first one."""
    signers = [examiner.stranger, *examiner.target.signers.values()]
    hint = "During a rotation several keys sign: accept a body if any of the signatures is by a key that you know."
    return _accepted(
        "rotated_key", "A new key's signature before the known one", await examiner.send(signers=signers), hint
    )


async def _duplicate(examiner: Examiner) -> Probe:
    webhook_id, body = f"probe_{new_id().hex}", examiner.body(examiner.clock.now())
    results = [await examiner.send(webhook_id=webhook_id, body=body) for _ in range(2)]
    worst = min(results, key=lambda one: one.is_delivered)
    hint = "Deliveries may come twice under one `webhook-id`: remember the ids, answer 2xx again, do nothing more."
    return _accepted("duplicate", "The same delivery twice", worst, hint)


async def _reordered(examiner: Examiner) -> Probe:
    late = examiner.body(examiner.clock.now() - timedelta(minutes=2), "earlier")
    results = [await examiner.send(data="later"), await examiner.send(body=late)]
    worst = min(results, key=lambda one: one.is_delivered)
    hint = "Of different subjects a later event may come first: go by `data.subjectSequence`, not by the arrival."
    return _accepted("reordered", "An earlier event after a later one", worst, hint)


async def _large(examiner: Examiner) -> Probe:
    hint = "Bodies shaped by a document can be large: take at least 256 kB."
    return _accepted("large", "A body of 200 kB", await examiner.send(data="x" * _LARGE), hint)


async def _unicode(examiner: Examiner) -> Probe:
    data = "网格员 🏘️ \u0000 \u2028 ﷽ 𠮷野家 é é \\ \" '"
    hint = "Verify the bytes as they came, and read them as UTF-8: names here are Chinese."
    return _accepted("unicode", "Chinese, emoji, rare and control characters", await examiner.send(data=data), hint)


async def _unknown(examiner: Examiner) -> Probe:
    content = {"type": "modules.of.tomorrow.v9", "timestamp": examiner.clock.now().isoformat(), "data": {"new": [None]}}
    return _accepted(
        "unknown_type", "A type that does not exist yet", await examiner.send(body=orjson.dumps(content)), _ACCEPT
    )


async def _ordinary_headers(examiner: Examiner) -> Probe:
    def lower(headers: dict[str, str]) -> dict[str, str]:
        return {name.title(): value for name, value in headers.items()}

    hint = "Names of headers have no case: `Webhook-Id` is `webhook-id`."
    return _accepted("header_case", "Header names in another case", await examiner.send(alter=lower), hint)


async def _together(examiner: Examiner) -> Probe:
    results = await asyncio.gather(*(examiner.send(data=number) for number in range(_BURST)))
    worst = min(results, key=lambda one: one.is_delivered)
    hint = "Many deliveries come at once: take them in, work later; or state a rate limit at the endpoint."
    return _accepted("together", f"{_BURST} at once", worst, hint)


def _prompt(first: Result) -> Probe:
    passed = first.duration_ms <= SLOW_MS
    hint = "Store the body, answer, and work afterwards: after 15 seconds a delivery counts as failed."
    return Probe(
        "prompt", "How soon a good request is answered", passed, f"≤ {SLOW_MS} ms", f"{first.duration_ms} ms",
        None if passed else hint,
    )  # fmt: skip


async def _after(examiner: Examiner) -> Probe:
    hint = "After bad requests good ones must still be taken: do not block the sender's address."
    return _accepted("still_there", "A good request after all the bad ones", await examiner.send(), hint)

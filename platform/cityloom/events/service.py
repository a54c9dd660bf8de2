"""Writing the outbox: part of the one statement that writes what a unit of work has changed."""

from __future__ import annotations

from collections import Counter
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import PrincipalKind
from cityloom.core.telemetry import trace_id
from cityloom.core.writes import Part
from cityloom.events.signals import OUTBOX, Signals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cityloom.core.events import Event
    from cityloom.core.principal import Principal
    from cityloom.core.work import Work

#: The type tags of who can act: an account, and an API client.
ACCOUNT, CLIENT = "acct", "clnt"

#: Counts the subjects in the order of their ids, so that two units of work never wait for each other in a ring.
#: `later` is how many events of the same subject follow in this unit of work.
_WRITE = Part(
    {
        "told": """
  SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::bigint[], $7::text[], $8::text[], $9::text[])
  AS told(id, type, subject_tag, subject_id, later, area_path, facts, changed)
""",
        "counted": """
  INSERT INTO event_subjects AS known (tenant_id, id, subject_tag, last)
  SELECT $1::uuid, subject_id, subject_tag, count(*) FROM told
  GROUP BY subject_id, subject_tag ORDER BY subject_id, subject_tag
  ON CONFLICT (tenant_id, id, subject_tag) DO UPDATE SET last = known.last + excluded.last
  RETURNING known.id, known.subject_tag, known.last
""",
        "put_out": """
  INSERT INTO outbox (tenant_id, id, type, subject_tag, subject_id, subject_sequence, area_path, facts, changed,
    actor_kind, actor_tag, actor_id, trace_id, occurred_at)
  SELECT $1::uuid, told.id, told.type, told.subject_tag, told.subject_id, counted.last - told.later,
    told.area_path, told.facts::jsonb, string_to_array(told.changed, ','),
    $10::text, $11::text, $12::uuid, $13::text, $14::timestamptz
  FROM told JOIN counted ON counted.id = told.subject_id AND counted.subject_tag = told.subject_tag
""",
    },
    arguments=13,
)

#: The same for one event, as nearly every unit of work has: values instead of arrays, and nothing to sort or join.
_WRITE_ONE = Part(
    {
        "counted": """
  INSERT INTO event_subjects AS known (tenant_id, id, subject_tag, last) VALUES ($1::uuid, $5::uuid, $4::text, 1)
  ON CONFLICT (tenant_id, id, subject_tag) DO UPDATE SET last = known.last + 1
  RETURNING known.last
""",
        "put_out": """
  INSERT INTO outbox (tenant_id, id, type, subject_tag, subject_id, subject_sequence, area_path, facts, changed,
    actor_kind, actor_tag, actor_id, trace_id, occurred_at)
  SELECT $1::uuid, $2::uuid, $3::text, $4::text, $5::uuid, counted.last, $6::text, $7::text::jsonb,
    string_to_array($8::text, ','),
    $9::text, $10::text, $11::uuid, $12::text, $13::timestamptz
  FROM counted
""",
    },
    arguments=12,
)


async def write_outbox(work: Work) -> None:
    """Write the events of a unit of work; runs before its commit. Afterwards the sequencers are told."""
    if not work.outbox:
        return
    tenant_id = work.tenant_id
    tail = (*actor_of(work.principal), trace_id(), work.now())
    if len(work.outbox) == 1:
        (event,) = work.outbox
        work.attach(
            _WRITE_ONE,
            new_id(),
            event.type,
            event.subject_tag,
            event.subject_id,
            event.area_path,
            *_texts(event, tenant_id),
            *tail,
        )
    else:
        work.attach(_WRITE, *map(list, zip(*_rows(work.outbox, tenant_id), strict=True)), *tail)
    signals = work.services.get(Signals)
    if signals is not None:
        work.after_commit.append(partial(signals.tell, OUTBOX, str(tenant_id)))


def _rows(outbox: Sequence[Event], tenant_id: UUID) -> Iterator[tuple[Any, ...]]:
    later = Counter((event.subject_tag, event.subject_id) for event in outbox)
    # Ids of one millisecond are in no order of their own.
    for row_id, event in zip(sorted(new_id() for _ in outbox), outbox, strict=True):
        subject = (event.subject_tag, event.subject_id)
        later[subject] -= 1
        yield (row_id, event.type, *subject, later[subject], event.area_path, *_texts(event, tenant_id))


def _texts(event: Event, tenant_id: UUID) -> tuple[str, str]:
    """The facts as JSON, and the names of what has changed with commas between."""
    changed = ",".join(dict.fromkeys(map(camel, event.changed_fields())))
    return orjson.dumps(public_facts(event, tenant_id)).decode(), changed


def actor_of(principal: Principal) -> tuple[str, str | None, UUID | None]:
    """Who acts: the kind, and the type tag and id of the account or API client. Operators are of no tenant: no id."""
    match principal.kind:
        case PrincipalKind.API_CLIENT if principal.client_id is not None:
            return principal.kind.value, CLIENT, principal.client_id
        case PrincipalKind.STAFF | PrincipalKind.RESIDENT | PrincipalKind.API_CLIENT if principal.account_id:
            return principal.kind.value, ACCOUNT, principal.account_id
    return principal.kind.value, None, None


def public_facts(event: Event, tenant_id: UUID) -> dict[str, Any]:
    """An event's facts as integrators read them: names as in the API, ids of things as global ids.

    `fields` is left out: `changed` says it.
    """
    return {
        camel(name): _public(value, event.nodes.get(name), tenant_id)
        for name, value in event.facts().items()
        if name != "fields"
    }


def _public(value: object, tag: str | None, tenant_id: UUID) -> object:
    if isinstance(value, UUID):
        return encode_id(tag, tenant_id, value) if tag else str(value)
    if isinstance(value, tuple | list | set | frozenset):
        return [_public(item, tag, tenant_id) for item in value]
    return value


@cache
def camel(name: str) -> str:
    """A name as the API writes it: `dwelling_id` becomes `dwellingId`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)

"""Events in GraphQL: one, the stream by pull, and the stream live."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry

from cityloom.audit.api import ActorKind
from cityloom.core.events import subject_tags
from cityloom.events import models as m
from cityloom.events.catalogue import EventCatalogue
from cityloom.events.cursors import SIGNATURE, cursor_of, position_of
from cityloom.events.permissions import READ
from cityloom.events.service import ACCOUNT, CLIENT
from cityloom.graph import bound as b


def _cursor(event: Any) -> sa.ColumnElement[str]:  # noqa: ANN401 - an alias of the model
    keys = sa.func.json_build_array(SIGNATURE, event.position)
    encoded = sa.func.encode(sa.func.convert_to(sa.cast(keys, sa.Text()), "UTF8"), "base64")
    return sa.func.translate(encoded, "+/=\n", "-_")


@b.bound(
    m.EventRecord,
    tag="evnt",
    module="events",
    read=READ,
    scope=b.ScopeRule(area=m.EventRecord.area_path),
    orderings={"POSITION": b.Ordering((m.EventRecord.position,), "By `position`.", is_unique=True)},
)
class Event(b.Node):
    """Something that has happened, once and for all: which type, to which thing, by whom, with which facts.

    Events are seen from a few milliseconds after the change that they tell of was committed, in one order for the whole
    city. An event of an area is seen by who may read events there; one that lies in no area by who may read all events.
    """

    type: str = b.column(m.EventRecord.type, "What happened: `cases.case.closed.v1`. `schema/events/` describes each.")
    position: b.BigInt = b.column(m.EventRecord.position, "Its place in the city's stream, from 1 without gaps.")
    cursor: str = b.expression(
        _cursor, "Its place as a cursor: give it as `after` to `events`, here or in a subscription, to go on behind it."
    )
    subject: b.Node | None = b.any_node(
        tag=m.EventRecord.subject_tag,
        row=m.EventRecord.subject_id,
        tags=subject_tags,
        description="What it happened to, as it is now; null where that is gone or may not be seen.",
    )
    subject_sequence: b.BigInt = b.column(
        m.EventRecord.subject_sequence, "How many events its subject has had up to this one, from 1 without gaps."
    )
    area_path: str | None = b.column(
        m.EventRecord.area_path, "The path of the area that it happened in, as it was then; null where it was in none."
    )
    facts: b.JSON = b.column(m.EventRecord.facts, "What is to be known about it, by the type: ids and changed values.")
    changed: list[str] = b.column(m.EventRecord.changed, "Names of the subject's fields that have changed by it.")
    actor_kind: ActorKind = b.column(m.EventRecord.actor_kind, "What sort of caller did it.")
    actor: b.Node | None = b.any_node(
        tag=m.EventRecord.actor_tag,
        row=m.EventRecord.actor_id,
        tags=lambda: frozenset({ACCOUNT, CLIENT}),
        description="Whose doing it was: an account or an API client; null where there is none or it may not be seen.",
    )
    occurred_at: datetime = b.column(m.EventRecord.occurred_at, "When it happened, by the server's clock.")


def _wanted(
    event: Any,  # noqa: ANN401 - an alias of the model
    types: Annotated[
        list[str] | None,
        b.argument(
            "Only events of these types. `*` stands for one word and at the end for all that follow:"
            " `cases.case.closed.v1`, `cases.*`, `*.*.created.v1`."
        ),
    ] = None,
    subject: Annotated[strawberry.ID | None, b.argument("Only events of this thing.")] = None,
) -> sa.ColumnElement[bool]:
    conditions: list[sa.ColumnElement[bool]] = []
    if types is not None:
        conditions.append(event.type == sa.func.any(types))
    if subject is not None:
        conditions.append(b.is_thing(event.subject_tag, event.subject_id, subject))
    return sa.and_(sa.true(), *conditions)


def _understood(arguments: dict[str, Any], principal: Any, services: Any) -> dict[str, Any]:  # noqa: ANN401 - as declared
    """Wildcards as names of types, and the subject checked: one of another city's is a thing without events."""
    found = dict(arguments)
    if found.get("types") is not None:
        found["types"] = list(services[EventCatalogue].matching(*found["types"]))
    if found.get("subject") is not None:
        found["subject"] = b.thing_key(found["subject"], principal.tenant_id, path=("subject",))
    return found


@b.query(module="events")
class EventsQuery:
    """What has happened."""

    event: Event | None = b.root_one(Event, "One event; null where it is absent, or may not be seen.")
    events: b.Connection[Event] = b.root_connection(
        Event,
        "The city's stream in its order: with the last `cursor` as `after`, a reader misses nothing.",
        narrow=_wanted,
        prepare=_understood,
    )


@b.subscription(module="events")
class EventsSubscription:
    """What happens."""

    events: Event = b.root_stream(
        Event,
        "The city's stream, live: one message for each event, in its order. After an interruption give the last"
        " `cursor` as `after`: nothing is missed and nothing comes twice.",
        position=m.EventRecord.position,
        start=position_of,
        cursor=cursor_of,
        narrow=_wanted,
        prepare=_understood,
    )

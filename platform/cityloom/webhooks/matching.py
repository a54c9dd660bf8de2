"""Which events an endpoint gets: type patterns, conditions on facts, and what its owner may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cityloom.events.catalogue import matcher

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from cityloom.core.principal import Scope
    from cityloom.events.stream import StreamedEvent

#: What an endpoint's owner needs for each event.
READS_EVENTS = "events.event.read"


def is_named(patterns: Sequence[str], event_type: str) -> bool:
    """Whether one of the patterns names the type."""
    return any(fits is not None and fits.match(event_type) for fits in map(matcher, patterns))


def satisfies(conditions: Mapping[str, Any] | None, facts: Mapping[str, Any], changed: Sequence[str]) -> bool:
    """Whether an event is as the conditions ask: every fact has one of its values, one of the fields has changed.

    `{"facts": {"status": ["OPEN", "CLOSED"]}, "changed": ["department"]}`; a fact that is not there is null.
    """
    if conditions is None:
        return True
    if any(not _is_one_of(facts.get(name), values) for name, values in conditions.get("facts", {}).items()):
        return False
    names = conditions.get("changed")
    return not names or not set(names).isdisjoint(changed)


def _is_one_of(value: object, values: Sequence[object]) -> bool:
    # In Python true is 1; in JSON it is not.
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in values)


def sees(scope: Scope | None, event: StreamedEvent) -> bool:
    """Whether somebody with this scope of `events.event.read` may see the event."""
    if scope is None:
        return False
    return scope.everywhere if event.area_path is None else scope.covers(event.area_path)


def wants(
    endpoint_id: UUID | None,
    patterns: Sequence[str],
    conditions: Mapping[str, Any] | None,
    scope: Scope | None,
    event: StreamedEvent,
) -> bool:
    """Whether an endpoint gets the event. Nothing about itself: news of its failures would only be more failures."""
    return (
        is_named(patterns, event.type)
        and event.subject_id != endpoint_id
        and satisfies(conditions, event.facts, event.changed)
        and sees(scope, event)
    )

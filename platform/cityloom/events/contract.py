"""The events as files for integrators: a JSON Schema (2020-12) for each type, and all of them as AsyncAPI 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from cityloom.core.principal import PrincipalKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cityloom.events.catalogue import EventCatalogue, EventType

ASYNCAPI: Final = "asyncapi.json"
_ID: Final = "_[0-9a-f]{8}_[0-9a-f]{32}$"


def files(catalogue: EventCatalogue) -> dict[str, str]:
    """Every file of `schema/events/`, by its name in there."""
    found = {f"{one.name}.json": _text(schema_of(one)) for one in catalogue}
    return found | {ASYNCAPI: _text(asyncapi(catalogue))}


def breaking_changes(committed: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What a receiver that was written for the committed files could no longer rely on, a line for each.

    A type never changes its meaning: it does not go away, and its facts keep their names and forms. New types and new
    facts are not in anybody's way.
    """
    found = []
    for name in sorted(committed.keys() - {ASYNCAPI}):
        type_ = name.removesuffix(".json")
        if name not in now:
            found.append(f"The event {type_} was removed.")
            continue
        before, after = (_of_data(orjson.loads(text[name])) for text in (committed, now))
        found += [
            f"The event {type_}: {key} was removed or has another form."
            for key in sorted(before)
            if after.get(key) != before[key]
        ]
    return found


def _of_data(schema: dict[str, Any]) -> dict[str, Any]:
    """The forms of everything in `data`, without descriptions."""
    properties = schema["properties"]["data"]["properties"]
    facts = {f"facts.{key}": value for key, value in properties["facts"]["properties"].items()}
    others = {key: value for key, value in properties.items() if key != "facts"}
    return {key: _undescribed(value) for key, value in {**others, **facts}.items()}


def _undescribed(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _undescribed(item) for key, item in value.items() if key != "description"}
    return [_undescribed(item) for item in value] if isinstance(value, list) else value


def schema_of(one: EventType) -> dict[str, Any]:
    """The JSON Schema of one type's payload, as webhooks, the pull feed's reader and `cityloom listen` get it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{one.name}.json",
        "title": one.name,
        "description": f"{one.description.en} {one.description.zh}",
        "type": "object",
        "properties": {
            "type": {"const": one.name},
            "timestamp": {"type": "string", "format": "date-time", "description": "When it happened, in UTC."},
            "data": {
                "type": "object",
                "properties": {
                    "id": _id("evnt", "The event's id: equal wherever the event comes from."),
                    "position": {"type": "integer", "minimum": 1, "description": "Its place in the city's stream."},
                    "cursor": {"type": "string", "description": "The same place, as `after` takes it."},
                    "subject": _id(one.subject_tag, "What it happened to."),
                    "subjectSequence": {"type": "integer", "minimum": 1, "description": "Which event of its subject."},
                    "facts": one.facts,
                    "changed": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "Names of the subject's fields that have changed.",
                    },
                    "actor": {
                        "type": "object",
                        "properties": {
                            "kind": {"enum": [kind.value for kind in PrincipalKind]},
                            "id": {"type": ["string", "null"], "description": "The account or API client, or null."},
                        },
                        "required": ["kind", "id"],
                        "additionalProperties": False,
                    },
                    "selection": {"description": "What the endpoint's document selects, where it has one."},
                },
                "required": [
                    "id",
                    "position",
                    "cursor",
                    "subject",
                    "subjectSequence",
                    "facts",
                    "changed",
                    "actor",
                ],
                "additionalProperties": False,
            },
        },
        "required": ["type", "timestamp", "data"],
        "additionalProperties": False,
    }


def asyncapi(catalogue: EventCatalogue) -> dict[str, Any]:
    """All types as one AsyncAPI 3 document: a channel for each module, a message for each type."""
    modules: dict[str, list[EventType]] = {}
    for one in catalogue:
        modules.setdefault(one.module, []).append(one)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Cityloom events",
            "version": "1",
            "description": (
                "What happens in a city. Types never change their meaning: a new meaning is a new version of the type. "
                "Each message is delivered at least once, in the order of its subject; `data.id` tells repeats."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {
            module: {
                "address": f"{module}.*",
                "title": module,
                "messages": {one.name: {"$ref": f"#/components/messages/{one.name}"} for one in found},
            }
            for module, found in modules.items()
        },
        "operations": {
            f"receive_{module}": {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{module}"},
                "summary": f"Events of the module {module}.",
            }
            for module in modules
        },
        "components": {
            "messages": {
                one.name: {
                    "name": one.name,
                    "title": one.description.zh,
                    "summary": one.description.en,
                    "contentType": "application/json",
                    "payload": {"$ref": f"./{one.name}.json"},
                }
                for one in catalogue
            }
        },
    }


def _id(tag: str, description: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{tag}{_ID}", "description": description}


def _text(value: dict[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"

"""Every event that the code knows is published, described, versioned, and tells nothing about people."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
import pytest
from graphql import GraphQLObjectType
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it has no stubs

import cityloom
from cityloom.core.events import Event
from cityloom.core.ids import new_id
from cityloom.core.module import Module
from cityloom.core.text import Text
from cityloom.events import contract
from cityloom.events.catalogue import EventCatalogue, EventPatternUnknown, UndescribedEvent
from cityloom.events.envelope import render
from cityloom.events.service import public_facts
from cityloom.events.stream import StreamedEvent
from cityloom.graph.compiler.selection import bound_of
from cityloom.graph.schema import shared_contracts
from cityloom.installed import SLICES, modules
from cityloom.testing.clock import ManualClock
from cityloom.testing.database import ROOT

if TYPE_CHECKING:
    from uuid import UUID

CATALOGUE = EventCatalogue.of(modules())
#: Names of facts that would be about a person, or a text that somebody wrote.
SENSITIVE = re.compile(
    r"(^|_)(name|full_name|phone|mobile|email|address|identity|number|birth|born|password|secret|token|hash|text|note|"
    r"comment|reason|message|title|body|description|url|longitude|latitude|position|track|answer|login)(_|$)"
)
#: Facts with such a name that say nothing about a person, each with the reason.
HARMLESS = {
    ("areas.area.created.v1", "name"): "the public name of an area",
}
#: Types of subjects that the API answers no node for, each with the reason.
WITHOUT_NODE = {"tent": "the caller's own city is the field `city`", "sesn": "sessions are shown to nobody"}


def _classes() -> list[type[Event]]:
    """Every event class that any module of the package defines."""
    for slice_name in SLICES:
        package = importlib.import_module(slice_name)
        for found in pkgutil.walk_packages(package.__path__, f"{slice_name}."):
            importlib.import_module(found.name)
    known: list[type[Event]] = []
    stack = list(Event.__subclasses__())
    while stack:
        cls = stack.pop()
        stack += cls.__subclasses__()
        # A dataclass with slots is a copy of the class that was written, which goes on to exist without fields.
        if cls.__module__.startswith(f"{cityloom.__name__}.") and "testing" not in cls.__module__:
            known.append(getattr(importlib.import_module(cls.__module__), cls.__name__))
    return sorted(set(known), key=lambda cls: cls.type)


def test_every_event_class_is_published() -> None:
    published = {one.cls for one in CATALOGUE}
    assert [cls for cls in _classes() if cls not in published] == []
    assert len(published) > 80


def test_types_are_of_one_class_each() -> None:
    names = [getattr(cls, "type", "") for module in modules() for cls in module.events]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("one", list(CATALOGUE), ids=lambda one: one.name)
def test_no_fact_is_about_a_person(one: Any) -> None:
    for field in fields(one.cls):
        told = field.name not in {"subject_id", "area_path"} and SENSITIVE.search(field.name)
        assert not told or (one.name, field.name) in HARMLESS, f"{one.name} tells {field.name}"


def test_ids_are_of_types_that_there_are() -> None:
    schema = shared_contracts(modules(), "tenant").whole.graphql
    tags = {
        bound.tag
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLObjectType) and (bound := bound_of(type_)) is not None and bound.tag
    }
    named = {one.subject_tag for one in CATALOGUE} | {tag for one in CATALOGUE for tag in one.cls.nodes.values() if tag}
    assert named - tags == WITHOUT_NODE.keys()
    for one in CATALOGUE:
        assert set(one.cls.nodes) <= {field.name for field in fields(one.cls)}, one.name


def test_wildcards() -> None:
    everything = tuple(one.name for one in CATALOGUE)
    assert CATALOGUE.matching("**") == CATALOGUE.matching("*") == everything
    assert CATALOGUE.matching("cases.case.closed.v1") == ("cases.case.closed.v1",)
    assert set(CATALOGUE.matching("cases.*")) == {name for name in everything if name.startswith("cases.")}
    assert set(CATALOGUE.matching("*.*.created.v1")) == {name for name in everything if name.endswith(".created.v1")}
    assert set(CATALOGUE.matching("**.v1", "cases.**")) == set(everything)
    assert CATALOGUE.matching("*", modules=frozenset({"cases"})) == CATALOGUE.matching("cases.*")
    for wrong in (
        "",
        "cases",
        "cases.case.closed",
        "case.*.v1",
        ".*",
        "cases..v1",
        "CASES.*",
        "(a+)+",
        "cases.cas*.v1",
    ):
        with pytest.raises(EventPatternUnknown):
            CATALOGUE.matching("**", wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undescribed(Event):
    type: ClassVar[str] = "areas.area.hidden.v1"
    subject_tag: ClassVar[str] = "area"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unversioned(Event):
    """An area was hidden."""

    type: ClassVar[str] = "areas.area.hidden"
    subject_tag: ClassVar[str] = "area"
    zh: ClassVar[str] = "区域已隐藏。"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unnamed(Event):
    """An area was hidden by somebody."""

    type: ClassVar[str] = "areas.area.hidden.v1"
    subject_tag: ClassVar[str] = "area"
    zh: ClassVar[str] = "区域被隐藏。"

    by_id: int | UUID


@pytest.mark.parametrize("cls", [Undescribed, Unversioned, Unnamed])
def test_what_is_not_fit_to_be_published_is_refused(cls: type[Event]) -> None:
    module = Module(name="areas", title=Text("区域", "Areas"), description=Text("区域", "Areas"), events=(cls,))
    with pytest.raises((UndescribedEvent, NameError)):
        EventCatalogue.of([module])


def _example(hint: str, name: str) -> Any:
    """A value of the annotated type."""
    if "UUID" in hint:
        return (new_id(),) if hint.startswith("tuple") else new_id()
    if hint.startswith("tuple"):
        return ("text",)
    return {"bool": True, "int": 7, "float": 1.5}.get(hint.split(" ", maxsplit=1)[0], name)


@pytest.mark.parametrize("one", list(CATALOGUE), ids=lambda one: one.name)
def test_payloads_are_what_their_schema_says(one: Any) -> None:
    schema = contract.schema_of(one)
    Draft202012Validator.check_schema(schema)
    tenant_id = new_id()
    annotations = {
        name: hint for cls in reversed(one.cls.__mro__) for name, hint in inspect.get_annotations(cls).items()
    }
    facts = {
        field.name: _example(str(annotations[field.name]), field.name)
        for field in fields(one.cls)
        if field.name != "area_path"
    }
    event = one.cls(**facts)
    streamed = StreamedEvent(
        position=12,
        id=new_id(),
        type=one.name,
        subject_tag=one.subject_tag,
        subject_id=event.subject_id,
        subject_sequence=3,
        area_path="1.2.",
        facts=orjson.loads(orjson.dumps(public_facts(event, tenant_id))),
        changed=("useOf",),
        actor_kind="STAFF",
        actor_tag="acct",
        actor_id=new_id(),
        trace_id=None,
        occurred_at=ManualClock().now(),
    )
    told = orjson.loads(render(streamed, tenant_id, b'{"node":null}'))
    Draft202012Validator(schema).validate(told)
    assert told["data"]["selection"] == {"node": None}
    del told["data"]["facts"]
    assert list(Draft202012Validator(schema).iter_errors(told))


def test_the_committed_files_are_what_the_code_says() -> None:
    folder = ROOT / "schema" / "events"
    expected = contract.files(CATALOGUE)
    assert {path.name for path in folder.iterdir()} == set(expected)
    for name, text in expected.items():
        assert (folder / name).read_text(encoding="utf-8") == text, f"{name}: run `make schema`"


def test_a_type_that_changes_its_meaning_is_noticed() -> None:
    now = contract.files(CATALOGUE)
    assert contract.breaking_changes(now, now) == []
    name = "cases.case.overdue.v1.json"
    without = {file: text for file, text in now.items() if file != name}
    assert contract.breaking_changes(without, now) == []
    assert contract.breaking_changes(now, without) == ["The event cases.case.overdue.v1 was removed."]
    other = orjson.loads(now[name])
    other["properties"]["data"]["properties"]["facts"]["properties"]["clock"] = {"type": "integer"}
    other["properties"]["data"]["properties"]["facts"]["properties"]["more"] = {"type": "integer"}
    assert contract.breaking_changes(now, now | {name: orjson.dumps(other).decode()}) == [
        "The event cases.case.overdue.v1: facts.clock was removed or has another form."
    ]


def test_asyncapi_refers_to_what_there_is() -> None:
    document = contract.asyncapi(CATALOGUE)
    assert document["asyncapi"] == "3.0.0"
    messages = document["components"]["messages"]
    assert set(messages) == {one.name for one in CATALOGUE}
    listed = [name for channel in document["channels"].values() for name in channel["messages"]]
    assert sorted(listed) == sorted(messages)
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]

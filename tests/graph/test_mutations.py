"""Mutations over a real database: one transaction each, refusals that change nothing, keys that repeat answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest
import strawberry
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from cityloom.core.database import asyncpg_arguments
from cityloom.core.errors import InvalidInput
from cityloom.core.ids import new_id
from cityloom.core.module import GraphApi, Module
from cityloom.core.principal import Principal, PrincipalKind
from cityloom.core.text import Text
from cityloom.core.work import Work, Works
from cityloom.graph import bound as b
from cityloom.graph.compiled import CompiledReads
from cityloom.graph.compiler import Compiler
from cityloom.graph.execution import GraphExecutor, Request
from cityloom.graph.idempotency import KEPT, forget
from cityloom.graph.models import IdempotencyRecord, TrustedDocument
from cityloom.graph.schema import Contracts
from cityloom.testing.rights import StatedRights, principal

if TYPE_CHECKING:
    from collections.abc import Callable

    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock


@b.bound(TrustedDocument, tag="docu", module="notes", read="notes.note.read", orderings={"ID": TrustedDocument.id})
class Note(b.Node):
    """A note."""

    title: str = b.column(TrustedDocument.document_id, "What it is called.")
    body: str = b.column(TrustedDocument.body, "What it says.")
    slow: str = b.expression(lambda note: func.concat(note.body, func.pg_sleep(60)), "Takes a minute to read.")


@b.query(module="notes")
class NoteQuery:
    """Reads."""

    notes: b.Connection[Note] = b.root_connection(Note, "All notes.")


@strawberry.input(description="A note to write.")
class NoteWriteInput:
    """A note to write."""

    title: str = strawberry.field(description="What it is called.")
    body: str = strawberry.field(description="What it says.", default="-")


@strawberry.type(description="How long a note would be.")
class NotePreview:
    """How long a note would be."""

    length: int = strawberry.field(description="In characters.")


@dataclass
class Calls:
    """How often services ran, and what they wait for."""

    count: int = 0
    gate: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)


CALLS = Calls()


async def write_note(work: Work, input: NoteWriteInput) -> TrustedDocument:  # noqa: A002 - the argument's name in GraphQL
    """Write it, then refuse or fail where the title says so: what was written has to go away."""
    CALLS.count += 1
    note = TrustedDocument(
        client_id=None, document_id=input.title, body=input.body, name=None, registered_by=None, created_at=work.now()
    )
    work.session.add(note)
    await work.session.flush()
    if input.title.startswith("refused"):
        raise InvalidInput("不行。", "It may not be.", path=("title",))
    if input.title.startswith("broken"):
        raise RuntimeError("the password is swordfish")
    CALLS.begun.set()
    if CALLS.gate is not None:
        await CALLS.gate.wait()
    return note


async def preview_note(_work: Work, input: NoteWriteInput) -> NotePreview:  # noqa: A002 - as above
    """How long it would be."""
    CALLS.count += 1
    return NotePreview(length=len(input.body))


@b.mutation_root(module="notes")
class NoteMutation:
    """Changes."""

    note_write: Note = b.mutation(write_note, "Write a note.")
    note_preview: NotePreview = b.mutation(preview_note, "How long a note would be.", changes=False)
    note_token: NotePreview = b.mutation(preview_note, "Answers what is not kept.")


NOTES = Module(
    "notes",
    Text("便笺", "Notes"),
    Text("便笺", "Notes."),
    is_core=True,
    tenant_api=GraphApi(queries=(NoteQuery,), mutations=(NoteMutation,), types=(Note,)),
)
CONTRACTS = Contracts((NOTES,), "tenant")
WRITE = """mutation ($input: NoteWriteInput!, $key: String) { noteWrite(input: $input, idempotencyKey: $key) {
  __typename ... on Note { id title body } ... on Refusal { code reason message path details } } }"""


@dataclass
class Desk:
    """One caller of one fresh tenant."""

    executor: GraphExecutor
    works: Works
    caller: Principal

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        outcome = await self.executor.execute(self.caller, Request(query, variables=variables), "en")
        answer: dict[str, Any] = orjson.loads(outcome.body)
        return answer

    async def write(self, title: str, key: str | None = None, body: str = "-") -> dict[str, Any]:
        answer = await self.ask(WRITE, input={"title": title, "body": body}, key=key)
        written: dict[str, Any] = answer["data"]["noteWrite"]
        return written

    async def count(self, model: type[Any] = TrustedDocument) -> int:
        async with self.works.begin(self.caller) as work:
            statement = select(func.count()).select_from(model).where(model.tenant_id == self.caller.tenant_id)
            return (await work.session.scalars(statement)).one()


@pytest.fixture
def desk_of(database: Database, clock: ManualClock) -> Callable[..., Desk]:
    works = Works(database, clock=clock)

    async def modules_of(_principal: Principal) -> frozenset[str]:
        return frozenset({"notes"})

    def make(caller: Principal | None = None, **options: Any) -> Desk:
        CALLS.count, CALLS.gate, CALLS.begun = 0, None, asyncio.Event()
        reads = CompiledReads(Compiler(), database, {})
        executor = GraphExecutor(CONTRACTS, modules_of=modules_of, begin=works.begin, reads=reads, **options)
        return Desk(executor, works, caller or principal(new_id()))

    return make


@pytest.fixture
def desk(desk_of: Callable[..., Desk]) -> Desk:
    return desk_of()


async def test_the_payload_is_read_in_the_transaction_and_committed(desk: Desk) -> None:
    written = await desk.write("first")
    assert written["title"] == "first"
    assert written["id"].startswith("docu_")
    read = await desk.ask("{ notes { nodes { id title } totalCount } }")
    assert read["data"]["notes"] == {"nodes": [{"id": written["id"], "title": "first"}], "totalCount": 1}


async def test_a_refusal_is_data_and_changes_nothing(desk: Desk) -> None:
    assert await desk.write("refused") == {
        "__typename": "Refusal",
        "code": "INVALID_INPUT",
        "reason": "INVALID_INPUT",
        "message": "It may not be.",
        "path": ["input", "title"],
        "details": None,
    }
    assert await desk.count() == 0


async def test_a_bug_is_masked_and_changes_nothing(desk: Desk) -> None:
    answer = await desk.ask(WRITE, input={"title": "broken"})
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert b"swordfish" not in orjson.dumps(answer)
    assert await desk.count() == 0


async def test_each_root_field_is_a_transaction_of_its_own(desk: Desk) -> None:
    answer = await desk.ask(
        """mutation { a: noteWrite(input: {title: "a"}) { __typename }
                      b: noteWrite(input: {title: "refused b"}) { __typename }
                      c: noteWrite(input: {title: "c"}) { __typename } }"""
    )
    assert {key: value["__typename"] for key, value in answer["data"].items()} == {
        "a": "Note",
        "b": "Refusal",
        "c": "Note",
    }
    assert await desk.count() == 2


async def test_what_the_caller_may_not_see_afterwards_is_not_done(desk_of: Callable[..., Desk]) -> None:
    desk = desk_of(principal(new_id(), StatedRights()))
    written = await desk.write("unseen")
    assert (written["code"], written["reason"]) == ("FORBIDDEN", "OUT_OF_SIGHT")
    assert await desk.count() == 0


async def test_the_same_key_and_input_repeat_the_answer(desk: Desk) -> None:
    first = await desk.write("once", "key")
    again = await desk.write("once", "key")
    assert again == first
    assert (CALLS.count, await desk.count(), await desk.count(IdempotencyRecord)) == (1, 1, 1)


async def test_the_order_and_form_of_input_do_not_matter(desk: Desk) -> None:
    first = await desk.write("once", "key", body="text")
    literal = (
        'mutation { noteWrite(idempotencyKey: "key", input: {body: "text", title: "once"}) { ...N } } '
        "fragment N on Note { id title body __typename }"
    )
    assert (await desk.ask(literal))["data"]["noteWrite"] == first
    assert CALLS.count == 1


async def test_the_same_key_with_other_input_is_refused(desk: Desk) -> None:
    await desk.write("once", "key")
    refused = await desk.write("twice", "key")
    assert (refused["code"], refused["path"]) == ("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])
    other_field = await desk.ask(
        'mutation { noteToken(input: {title: "once"}, idempotencyKey: "key") { ... on Refusal { code } } }'
    )
    assert other_field["data"]["noteToken"] == {"code": "IDEMPOTENCY_KEY_REUSED"}
    assert await desk.count() == 1


async def test_a_refused_mutation_leaves_its_key_free(desk: Desk) -> None:
    assert (await desk.write("refused", "key"))["__typename"] == "Refusal"
    assert (await desk.write("accepted", "key"))["__typename"] == "Note"


async def test_two_at_once_under_one_key_are_one(desk: Desk) -> None:
    CALLS.gate = asyncio.Event()
    first = asyncio.create_task(desk.write("once", "key"))
    async with asyncio.timeout(10):
        await CALLS.begun.wait()
    second = asyncio.create_task(desk.write("once", "key"))
    done, _ = await asyncio.wait({second}, timeout=0.2)
    assert not done, "the second waits for the first"
    CALLS.gate.set()
    assert await second == await first
    assert (CALLS.count, await desk.count()) == (1, 1)


async def test_keys_belong_to_their_caller(desk: Desk) -> None:
    await desk.write("mine", "key")
    colleague = Desk(desk.executor, desk.works, principal(desk.caller.tenant_id))
    assert (await colleague.write("theirs", "key"))["__typename"] == "Note"


async def test_keys_of_anonymous_callers_are_not_kept(desk: Desk) -> None:
    anonymous = Principal(desk.caller.tenant_id, PrincipalKind.ANONYMOUS, StatedRights(may_all=True))
    stranger = Desk(desk.executor, desk.works, anonymous)
    await stranger.write("one", "key")
    await stranger.write("two", "key")
    assert (CALLS.count, await stranger.count(IdempotencyRecord)) == (2, 0)


@pytest.mark.parametrize("key", ["", "k" * 201])
async def test_a_key_has_1_to_200_characters(desk: Desk, key: str) -> None:
    refused = await desk.write("once", key)
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", ["idempotencyKey"])


async def test_previews_are_made_again_and_what_is_not_kept_is_not_repeated(desk: Desk) -> None:
    preview = """mutation { notePreview(input: {title: "t", body: "four"}, idempotencyKey: "p") {
        ... on NotePreview { length } } }"""
    token = (
        'mutation { noteToken(input: {title: "t"}, idempotencyKey: "t") { __typename ... on Refusal { code reason } } }'
    )
    assert [(await desk.ask(preview))["data"]["notePreview"] for _ in range(2)] == [{"length": 4}] * 2
    assert (await desk.ask(token))["data"]["noteToken"] == {"__typename": "NotePreview"}
    assert (await desk.ask(token))["data"]["noteToken"] == {
        "__typename": "Refusal",
        "code": "CONFLICT",
        "reason": "ALREADY_CARRIED_OUT",
    }


async def test_records_are_forgotten_after_seven_days(desk: Desk, clock: ManualClock) -> None:
    await desk.write("old", "old")
    clock.advance(seconds=KEPT.total_seconds() + 1)
    await desk.write("new", "new")
    async with desk.works.begin(desk.caller) as work:
        await forget(work)
    assert await desk.count(IdempotencyRecord) == 1


async def test_both_ways_of_answering_are_equal_byte_by_byte(desk: Desk) -> None:
    """`__schema` sends the operation through the executor; without it the compiled bytes are the answer."""
    for number in range(3):
        await desk.write(f"note {number} “引号” \\ \u2028")
    fields = """a: notes(first: 2) { nodes { id title __typename } pageInfo { hasNextPage } }
        __typename b: notes { totalCount }"""
    developer = Principal(
        desk.caller.tenant_id, PrincipalKind.STAFF, desk.caller.rights, account_id=new_id(), is_developer=True
    )
    whole = await desk.executor.execute(developer, Request(f"{{ {fields} }}"), "en")
    mixed = await desk.executor.execute(developer, Request(f"{{ {fields} s: __schema {{ __typename }} }}"), "en")
    assert whole.body == mixed.body.replace(b',"s":{"__typename":"__Schema"}', b"")
    assert len(orjson.loads(whole.body)["data"]["a"]["nodes"]) == 2


async def test_the_deadline_cancels_the_statement_in_the_database(desk_of: Callable[..., Desk], admin_url: str) -> None:
    desk = desk_of(deadline_seconds=0.5)
    await desk.write("one")
    answer = await desk.ask("{ notes { nodes { slow } } }")
    assert answer["errors"][0]["extensions"]["code"] == "TIMED_OUT"
    assert answer["data"] is None
    admin = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    running = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
        AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"""
    try:
        assert await admin.fetchval(running) == 0
    finally:
        await admin.close()
    assert (await desk.ask("{ notes { totalCount } }"))["data"] == {"notes": {"totalCount": 1}}, (
        "the connection is sound"
    )


async def test_the_deadline_rolls_a_mutation_back(desk_of: Callable[..., Desk]) -> None:
    desk = desk_of(deadline_seconds=0.5)
    CALLS.gate = asyncio.Event()
    answer = await desk.ask(WRITE, input={"title": "late"})
    assert answer["errors"][0]["extensions"]["code"] == "TIMED_OUT"
    assert await desk.count() == 0

"""A step of a case is one read and one write, whatever it changes: throughput is counted here, not timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.ids import decode_id
from cityloom.modules.cases import service

if TYPE_CHECKING:
    from cityloom.core.work import Work
    from cityloom.testing.cases import Office
    from cityloom.testing.front import Front


async def _sent(work: Work, found: list[str]) -> list[str]:
    # The driver tells of a statement before the answer to the next one comes.
    await work.transaction.connection.fetchval("SELECT 1")
    return [sql for sql in found if sql != "SELECT 1" and "typeinfo" not in sql and "'jit'" not in sql]


KEYED = """
mutation ($input: CaseDispatchInput!, $key: String) { caseDispatch(input: $input, idempotencyKey: $key) {
  ... on CaseStep { number case { state department { code } } } } }
"""


async def test_a_mutation_is_six_round_trips(office: Office, front: Front) -> None:
    given = {"id": await office.report(), "departmentId": office.department("urban")}
    async with front.works.begin(office.who["worker"]) as work:
        found: list[str] = []
        # The connection that was used last is used next.
        work.transaction.connection.add_query_logger(lambda logged: found.append(logged.query))
    answer = await front.data(office.who["worker"], KEYED, {"input": given, "key": "once"})
    assert answer["caseDispatch"]["case"]["department"]["code"] == "urban"
    async with front.works.begin(office.who["worker"]) as work:
        before, begin, claim, read, write, payload, commit, after = await _sent(work, found)
    assert (before, commit) == ("COMMIT", "COMMIT")
    assert after == begin
    assert begin.startswith("BEGIN; SET LOCAL app.tenant_id = ")
    assert claim.startswith("INSERT INTO idempotency_records")
    assert "FOR UPDATE" in read
    assert "UPDATE idempotency_records" in write
    assert "UPDATE cases" in write
    assert "row_to_json" in payload


async def test_a_step_is_one_read_and_one_write(office: Office, front: Front) -> None:
    case_id = decode_id(await office.report(), office.tree.tenant_id, "case")
    steps = (
        ("worker", "DISPATCH", service.Given(department_id=office.departments["urban"])),
        ("urban", "ACCEPT", service.Given()),
        ("urban", "RESOLVE", service.Given(comment="done")),
        ("worker", "VERIFY", service.Given()),
    )
    for who, verb, given in steps:
        async with front.works.begin(office.who[who]) as work:
            found: list[str] = []
            work.transaction.connection.add_query_logger(lambda logged, found=found: found.append(logged.query))
            await service.act(work, case_id, verb=verb, given=given)
            await work.write()
            read, write = await _sent(work, found)
        assert "FOR UPDATE" in read
        for table in ("cases", "case_steps", "case_clock_entries", "case_trackings", "audit_records", "outbox"):
            assert f" {table} " in write

"""The audit log proves itself: whatever is done to the stored log by who can do everything to the database is found."""

from __future__ import annotations

import ast
import base64
import hashlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from obstore.store import MemoryStore
from sqlalchemy.engine import make_url

from cityloom.audit import verifier
from cityloom.audit.checkpoints import Checkpoints, Signer, SigningKeyExposed
from cityloom.audit.module import MODULE
from cityloom.audit.sealing import seal
from cityloom.audit.service import write_entries
from cityloom.audit.verifier import INSERTED, SEALS, Verifier
from cityloom.core.database import asyncpg_arguments
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.core.work import Works
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from cityloom.core.database import Database
    from cityloom.testing.clock import ManualClock


@dataclass
class Log:
    """The log of a fresh tenant, and the hands of an administrator of the database."""

    works: Works
    clock: ManualClock
    admin_url: str
    checkpoints: Checkpoints
    tenant: UUID = field(default_factory=new_id)

    async def record(self, count: int, *, sealed: bool = True, signed: bool = True) -> None:
        """Entries, ten seconds apart, as services write them."""
        for number in range(count):
            self.clock.advance(seconds=10)
            async with self.works.begin(system_principal(self.tenant)) as work:
                work.audit(
                    AuditEntry(
                        action="tests.lamp.mend",
                        object_tag="test",
                        object_id=new_id(),
                        purpose='路灯\n"quoted" \u007f \u2028' if number % 2 else None,
                        before={"a": number},
                        after={"a": number + 1, "b": "两"},
                    )
                )
        if sealed:
            await self.seal()
        if signed:
            await self.sign()

    async def seal(self) -> int:
        async with self.works.begin(system_principal(self.tenant)) as work:
            return await seal(work)

    async def sign(self) -> int | None:
        async with self.works.begin(system_principal(self.tenant)) as work:
            return await self.checkpoints.sign(work)

    async def faults(self, witness: bytes | None = None) -> set[str]:
        """The kinds of faults that the verifier finds, with their places."""
        signed = await self.checkpoints.of(self.tenant)
        reader = Verifier(self.tenant.hex, [self.checkpoints.signer.public], signed, witness)
        connection = await asyncpg.connect(**asyncpg_arguments(make_url(self.admin_url)))
        try:
            for row in await connection.fetch(SEALS, self.tenant):
                reader.take(row["position"], row["hash"], row["entry"])
            for row in await connection.fetch(INSERTED, self.tenant):
                reader.insert(row["id"].hex, str(row["recorded_at"]))
        finally:
            await connection.close()
        return {f"{one.kind} {one.position or '-'}" for one in reader.end()}

    async def tamper(self, *statements: str) -> None:
        """Statements of somebody who may do everything in the database; `$1` is the tenant."""
        connection = await asyncpg.connect(**asyncpg_arguments(make_url(self.admin_url)))
        try:
            for statement in statements:
                await connection.execute(statement, self.tenant)
        finally:
            await connection.close()

    async def rewrite(self, start: int) -> None:
        """Seal everything from a position on again, as one who knows how the platform does it."""
        connection = await asyncpg.connect(**asyncpg_arguments(make_url(self.admin_url)))
        try:
            value = bytes(32)
            for row in await connection.fetch(SEALS, self.tenant):
                text = orjson.dumps(orjson.loads(row["entry"]), option=orjson.OPT_SORT_KEYS)
                made = hashlib.sha256(value + text).digest()
                value = row["hash"] if row["position"] < start else made
                await connection.execute(
                    "UPDATE audit_seals SET hash = $3 WHERE tenant_id = $1 AND position = $2",
                    self.tenant, row["position"], value,
                )  # fmt: skip
        finally:
            await connection.close()


@pytest.fixture
def log(database: Database, clock: ManualClock, admin_url: str, tmp_path: Path) -> Log:
    works = Works(database, clock=clock, writers=(write_entries,))
    return Log(works, clock, admin_url, Checkpoints(MemoryStore(), Signer.in_file(tmp_path / "audit")))


OF = "s.tenant_id = $1 AND r.tenant_id = $1 AND r.id = s.record_id AND s.position"
CUT = (
    f"DELETE FROM audit_records r USING audit_seals s WHERE {OF} > 80",  # noqa: S608 - texts of this file
    "DELETE FROM audit_seals WHERE tenant_id = $1 AND position > 80",
    "DELETE FROM audit_checkpoints WHERE tenant_id = $1 AND position > 80",
)
DELETE = f"DELETE FROM audit_records r USING audit_seals s WHERE {OF} = 3"  # noqa: S608 - as above
REHASH = "UPDATE audit_seals SET hash = sha256(hash) WHERE tenant_id = $1 AND position = 3"
SEAL = """
INSERT INTO audit_seals (tenant_id, id, position, record_id, hash, latest_at, sealed_at)
SELECT $1, gen_random_uuid(), 82, r.id, sha256('x'), now(), now() FROM audit_records r WHERE r.tenant_id = $1
AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.tenant_id = $1 AND s.record_id = r.id)
"""
INSERT = """
INSERT INTO audit_records (tenant_id, id, recorded_at, actor_kind, action, object_tag, object_id, changed_fields)
SELECT $1, gen_random_uuid(), min(recorded_at), 'STAFF', 'tests.lamp.mend', 'test', gen_random_uuid(), '[]'
FROM audit_records WHERE tenant_id = $1
"""


def entry(position: int, change: str) -> str:
    """Change an entry by its position."""
    return f"UPDATE audit_records r SET {change} FROM audit_seals s WHERE {OF} = {position}"  # noqa: S608 - as above


async def test_an_untouched_log_has_no_fault(log: Log) -> None:
    assert await log.faults() == set()
    await log.record(5)
    await log.record(70)
    assert await log.faults() == set()
    # What is not sealed yet is not held against anybody, and is sealed once.
    await log.record(2, sealed=False, signed=False)
    assert await log.faults() == set()
    assert await log.seal() == 2
    assert await log.seal() == 0
    assert await log.sign() == 77
    assert await log.sign() is None
    assert await log.faults() == set()


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ([entry(3, "action = 'tests.lamp.break'")], {"changed 3"}),
        ([entry(3, "recorded_at = recorded_at + interval '1 microsecond'")], {"changed 3"}),
        ([entry(1, "account_id = gen_random_uuid()")], {"changed 1"}),
        ([entry(2, "changed_fields = '[]'")], {"changed 2"}),
        ([REHASH], {"changed 3", "changed 4"}),
        ([DELETE], {"deleted 3"}),
        (["DELETE FROM audit_seals WHERE tenant_id = $1 AND position = 3"], {"gap 4", "changed 4"}),
        (
            [
                "UPDATE audit_seals SET position = 99 WHERE tenant_id = $1 AND position = 3",
                "UPDATE audit_seals SET position = 3 WHERE tenant_id = $1 AND position = 4",
                "UPDATE audit_seals SET position = 4 WHERE tenant_id = $1 AND position = 99",
            ],
            {"changed 3", "changed 4", "changed 5"},
        ),
        (
            [CUT[1]],
            {"cut 84"},
        ),
        (
[*CUT],
            {"cut 84"},
        ),
    ],
    ids=["flip", "time", "actor", "fields", "hash", "delete", "unseal", "reorder", "seals cut", "tail cut"],
)  # fmt: skip
async def test_what_is_done_to_the_log_is_found(log: Log, statements: list[str], found: set[str]) -> None:
    await log.record(4)
    await log.record(80)
    await log.tamper(*statements)
    assert found <= await log.faults()


async def test_an_entry_put_in_is_found_sealed_or_not(log: Log) -> None:
    await log.record(80)
    await log.tamper(INSERT)
    assert await log.faults() == {"inserted -"}
    # Nor does the platform seal it with what comes later.
    await log.record(1)
    assert await log.faults() == {"inserted -"}
    # Whoever seals it, as the platform would do it, gives it a place that it is too old for.
    await log.tamper(SEAL)
    await log.rewrite(82)
    assert await log.faults() == {"inserted 82"}


async def test_a_chain_that_was_made_again_is_a_fork(log: Log) -> None:
    await log.record(4)
    await log.record(4)
    await log.tamper(entry(3, "action = 'tests.lamp.break'"))
    await log.rewrite(3)
    # The chain is right in itself: only what was signed tells.
    assert await log.faults() == {"fork 4", "fork 8"}


async def _replay(log: Log) -> None:
    first, *_ = await log.checkpoints.of(log.tenant)
    await log.checkpoints.store.put_async(f"{log.tenant.hex}/{99:020d}.json", first)


async def _take_out(log: Log) -> None:
    await log.checkpoints.store.delete_async(f"{log.tenant.hex}/{8:020d}.json")


async def _take_out_first(log: Log) -> None:
    await log.checkpoints.store.delete_async(f"{log.tenant.hex}/{4:020d}.json")


async def _forge(log: Log) -> None:
    path = f"{log.tenant.hex}/{8:020d}.json"
    found: dict[str, Any] = orjson.loads((await log.checkpoints.of(log.tenant))[1])
    found["stated"] = found["stated"].replace('"position":8', '"position":7')
    await log.checkpoints.store.put_async(path, orjson.dumps(found))


async def _sign_with_another_key(log: Log) -> None:
    path = f"{log.tenant.hex}/{8:020d}.json"
    found: dict[str, Any] = orjson.loads((await log.checkpoints.of(log.tenant))[1])
    found["signature"] = base64.b64encode(Ed25519PrivateKey.generate().sign(found["stated"].encode())).decode()
    await log.checkpoints.store.put_async(path, orjson.dumps(found))


async def _of_another_city(log: Log) -> None:
    other = Log(log.works, log.clock, log.admin_url, log.checkpoints)
    await other.record(12)
    (signed,) = await log.checkpoints.of(other.tenant)
    await log.checkpoints.store.put_async(f"{log.tenant.hex}/{12:020d}.json", signed)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_replay, {"checkpoint 4"}),
        (_take_out, {"checkpoint 12"}),
        (_take_out_first, {"checkpoint 8"}),
        (_forge, {"signature -", "checkpoint 12"}),
        (_sign_with_another_key, {"signature -", "checkpoint 12"}),
        (_of_another_city, {"checkpoint 12"}),
    ],
)
async def test_what_is_done_to_the_checkpoints_is_found(
    log: Log, change: Callable[[Log], Awaitable[None]], found: set[str]
) -> None:
    for _ in range(3):
        await log.record(4)
    assert await log.faults() == set()
    await change(log)
    assert found <= await log.faults()


async def test_a_log_and_a_store_set_back_together_are_found_by_the_auditors_own_checkpoint(log: Log) -> None:
    await log.record(4)
    await log.record(4)
    witness = (await log.checkpoints.of(log.tenant))[-1]
    assert await log.faults(witness) == set()
    await _take_out(log)
    await log.tamper(*(one.replace("> 80", "> 4") for one in CUT))
    assert await log.faults() == set()
    assert await log.faults(witness) == {"rollback 8", "cut 8"}


async def test_a_checkpoint_that_was_put_but_not_noted_is_taken_as_it_is(log: Log) -> None:
    await log.record(4)
    before = await log.checkpoints.of(log.tenant)
    await log.tamper("DELETE FROM audit_checkpoints WHERE tenant_id = $1")
    log.clock.advance(seconds=60)
    assert await log.sign() == 4
    assert await log.checkpoints.of(log.tenant) == before
    await log.record(1)
    assert await log.faults() == set()


def test_the_verifier_shares_no_code_with_what_it_verifies() -> None:
    """It stands on the standard library and on Ed25519 alone, whatever it imports and wherever."""
    tree = ast.parse(Path(verifier.__file__).read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert ours == {"cryptography.exceptions", "cryptography.hazmat.primitives.asymmetric.ed25519"}


async def test_the_jobs_seal_and_sign_outside_of_the_database_every_minute(log: Log) -> None:
    await log.record(3, sealed=False, signed=False)
    jobs = {job.name: job for job in MODULE.jobs}
    assert {name: job.every.total_seconds() for name, job in jobs.items()} == {"audit.seal": 60, "audit.sign": 60}
    log.works.services[Checkpoints] = log.checkpoints
    for name in ("audit.seal", "audit.sign"):
        async with log.works.begin(system_principal(log.tenant)) as work:
            await jobs[name].run(work)
    (signed,) = await log.checkpoints.of(log.tenant)
    assert orjson.loads(orjson.loads(signed)["stated"])["position"] == 3
    # What is outside finds what is done inside a minute later.
    await log.tamper(entry(2, "action = 'tests.lamp.break'"))
    await log.rewrite(2)
    assert await log.faults() == {"fork 3"}


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "audit"
    first = Signer.in_file(path)
    assert Signer.in_file(path).public == first.public
    path.chmod(0o640)
    with pytest.raises(SigningKeyExposed):
        Signer.in_file(path)

"""A city leaves with all its data, nothing of it stays, and nobody else notices."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import shutil
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest
from sqlalchemy import event

from cityloom.access.authentication import ANONYMOUS, NO_TENANT, OperatorRights
from cityloom.audit.checkpoints import Checkpoints
from cityloom.core import rls
from cityloom.core.crypto import FileKeyProvider, KeyEncryptionKeyMissing
from cityloom.core.database import Base, TenantTable
from cityloom.core.ids import new_id
from cityloom.core.principal import Principal, PrincipalKind
from cityloom.core.sealed import sealed_tables
from cityloom.core.tallies import all_tallies
from cityloom.departures import bundle, service
from cityloom.departures.erasing import delete_rows
from cityloom.departures.errors import BundleDiffers, KeysDestroyed, NotLeaving
from cityloom.departures.models import REVERSIBLE
from cityloom.departures.running import Departures
from cityloom.departures.verifier import Reading, is_signed
from cityloom.graph.execution import Request
from cityloom.tenancy.errors import TenantGone, TenantNotFound
from cityloom.tenancy.keys import KeyRing
from cityloom.testing.database import VAR, dump_database
from cityloom.testing.rights import StatedRights, principal
from cityloom.testing.twins import pack
from tests.departures.conftest import OPENED

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.testing.database import TestServer
    from cityloom.testing.twins import Twin
    from tests.departures.conftest import Place

OPERATOR = Principal(NO_TENANT, PrincipalKind.OPERATOR, OperatorRights(), account_id=new_id(), locale="en")
INPUTS = {"tenantLeave": "TenantLeaveInput", "tenantStay": "TenantStayInput", "tenantErase": "TenantEraseInput"}
SHOWN = "... on TenantDeparture { step manifestHash folder certificate signature }"
LEAVING = "TENANT_LEAVING"


async def change(place: Place, caller: Principal, field: str, given: dict[str, Any]) -> dict[str, Any]:
    """What a mutation of the control plane answers."""
    text = (
        f"mutation($input: {INPUTS[field]}!) {{ {field}(input: $input) {{ __typename {SHOWN}"
        " ... on Refusal { code reason message } } }"
    )
    outcome = await place.opened.platform_api.execute(caller, Request(text=text, variables={"input": given}), "en")
    answer = orjson.loads(outcome.body)
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"][field]
    return found


async def last(place: Place, slug: str) -> Any:
    """The newest departure of a city, which has one."""
    found = await service.departure_of(place.opened.works, slug)
    assert found is not None
    return found


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a table in a bundle."""
    with gzip.open(folder / bundle.table_path(name)) as file:
        return [json.loads(line) for line in file]


def key_of(place: Place) -> str:
    """The platform's public key, as an auditor keeps it."""
    outside: Checkpoints = place.opened.works.services[Checkpoints]
    return outside.signer.public


async def test_a_city_leaves_and_nothing_of_it_stays(
    place: Place, alder: Twin, server: TestServer, tmp_path: Path
) -> None:
    _, birch = await place.city()
    before = await place.fingerprint(birch)
    assert await alder.ask("grid_worker", "{ city { name } }")

    given = {"slug": alder.slug, "confirm": alder.slug, "reason": "合同到期"}
    assert (await change(place, OPERATOR, "tenantLeave", given))["step"] == "ASKED"
    assert (await change(place, OPERATOR, "tenantLeave", given))["step"] == "ASKED"
    # Nobody gets in any more, in the caller's language; and nobody is told more than that.
    for document in ("{ city { name } }", "mutation { sessionRevoke(input: {}) { __typename } }"):
        answer = (await alder.send("city_administrator", document)).json()
        assert answer["errors"][0]["extensions"]["reason"] == LEAVING
    refused = await alder.client.get("/files/x", headers={"authorization": f"Bearer {alder.bearers['grid_worker']}"})
    assert refused.status_code == 403

    departure = await last(place, alder.slug)
    await place.departures.carry_on(departure.id)
    assert (
        await place.admin.fetchval(
            "SELECT count(*) FROM sign_ins WHERE tenant_id = $1 AND revoked_at IS NULL", alder.id
        )
        == 0
    )
    erase = {"slug": alder.slug, "manifestHash": "0" * 64}
    assert (await change(place, OPERATOR, "tenantErase", erase))["reason"] == "BUNDLE_MISSING"
    await place.settle(departure)

    # The bundle holds every table, opened, and is what it says it is.
    departure = await last(place, alder.slug)
    assert departure.step == "EXPORTED", departure.failure
    folder = Path(departure.folder)
    reading = Reading(folder, key_of(place))
    assert reading.read() == []
    assert reading.manifest_hash == departure.manifest_hash
    _is_whole(folder, await place.counts(alder.id))

    # A backup of before the keys are destroyed.
    backup = tmp_path / f"{alder.id.hex[-8:]}.dump"
    await dump_database(place.url, backup)
    assert (await change(place, OPERATOR, "tenantErase", erase))["reason"] == "BUNDLE_DIFFERS"
    erase["manifestHash"] = str(departure.manifest_hash)
    assert (await change(place, OPERATOR, "tenantErase", erase))["step"] == "CONFIRMED"
    assert await place.departures.run_due() == 5

    gone = await change(place, OPERATOR, "tenantErase", erase | {"slug": alder.slug})
    assert gone["reason"] == "NOT_LEAVING"
    departure = await last(place, alder.slug)
    assert departure.step == "GONE", departure.failure
    assert not any((await place.counts(alder.id)).values())
    assert [name async for name, _ in place.store.objects(alder.id)] == []
    await _is_certified(place, departure)
    await _is_unknown(place, alder)
    assert await place.fingerprint(birch) == before

    # What was in the backup is opened by nobody.
    # What was made up to have a row in every table refers to nothing: no foreign keys.
    async with server.restored(backup, "--section=pre-data", "--section=data") as database:
        ring = KeyRing(FileKeyProvider(VAR / "keys" / "tenants"), database, place.clock)
        with pytest.raises(KeyEncryptionKeyMissing):
            await ring.of(alder.id)
        assert (await ring.of(birch)).field_key_id is not None


def _has_every_table(folder: Path, counts: dict[str, int]) -> set[str]:
    """Every table of the models is there with all its rows; their names."""
    mapped = {str(m.persist_selectable) for m in Base.registry.mappers if issubclass(m.class_, TenantTable)}
    tallies = {tally.table.name for tally in all_tallies()}
    assert mapped | tallies == {table.name for table in Base.metadata.sorted_tables if rls.kind(table) == "tenant"}
    assert mapped == {path.name.partition(".")[0] for path in (folder / "tables").iterdir()}
    assert {name: len(rows(folder, name)) for name in mapped} == {
        name: counts[name] for name in counts.keys() - tallies
    }
    return mapped


def _is_whole(folder: Path, counts: dict[str, int]) -> None:
    """Everything is there, what was sealed is readable, and credentials are not."""
    mapped = _has_every_table(folder, counts)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert (folder / "pack" / "tenant.toml").exists()
    assert len(list((folder / "files").iterdir())) >= 2
    withheld = bundle.withheld()
    for name in mapped:
        found = rows(folder, name)
        known = {column.name for column in Base.metadata.tables[name].c}
        if name in {"outbox", "upload_tickets"}:
            continue  # all of it is in the stream, or revoked
        assert found[0].keys() == known - set(withheld.get(name, ())), name
        telling = [c for c in found[0] if c.endswith(("_secret", "password_hash", "token_hash", "wrapped"))]
        assert telling == [], name
    opened = {(one.table.name, column) for one in sealed_tables() for column in one.columns}
    opened -= {(name, column) for name, columns in withheld.items() for column in columns}
    assert OPENED in {row["phone"] for row in rows(folder, "case_reports")}
    assert any(row["identity_number"].startswith("000000") for row in rows(folder, "residents"))
    for name, column in opened:
        assert all(row[column] is None or isinstance(row[column], str) for row in rows(folder, name)), (name, column)


async def _is_unknown(place: Place, alder: Twin) -> None:
    """Whoever asks for a city that is gone gets what they get of one that never was; its name is not taken again."""
    with pytest.raises(TenantNotFound) as refusal:
        await place.opened.directory.by_slug(alder.slug)
    assert refusal.value.details == {"slug": alder.slug}
    answers = [(await alder.send(role, "{ city { name } }")).json()["errors"] for role in ("grid_worker", None)]
    assert [errors[0]["extensions"]["code"] for errors in answers] == ["UNAUTHENTICATED", "UNAUTHENTICATED"]
    with pytest.raises(TenantGone):
        await place.opened.tenants.apply(pack(alder.slug, "X", "999903"), actor="tests")


async def _is_certified(place: Place, departure: Any) -> None:
    """The certificate is signed, also outside, and what it tells an auditor to ask finds nothing."""
    text, signature = departure.certificate.encode(), departure.signature
    assert is_signed(text, base64.b64decode(signature), key_of(place))
    assert not is_signed(text + b" ", base64.b64decode(signature), key_of(place))
    stated = json.loads(text)
    assert stated["handed_over"]["manifest_sha256"] == departure.manifest_hash
    assert stated["handed_over"]["last_checkpoint_sha256"]
    assert stated["rows_deleted"]["by_table"] == departure.counts
    assert stated["rows_deleted"]["by_table"].keys() >= {table.name for table in bundle.tenant_tables()}
    assert not any(row["rows"] for row in await place.admin.fetch(stated["verified"]["by"]))
    outside: Checkpoints = place.opened.works.services[Checkpoints]
    kept = f"departures/{departure.tenant_id.hex}/{departure.id.hex}.json"
    assert orjson.loads(bytes(outside.store.get(kept).bytes()))["signature"] == signature


class Killer:
    """Kills a process at the n-th thing that it asks the database, wherever it is then."""

    def __init__(self, place: Place) -> None:
        self.left = 0
        self.victim: asyncio.Task[int] | None = None
        for engine in (place.opened.database.engine, place.opened.database.operator_engine):
            for what in ("before_cursor_execute", "checkout"):
                event.listen(engine.sync_engine, what, self._count)

    def _count(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0 and self.victim is not None:
            self.victim.cancel()

    async def run(self, place: Place, departure_id: UUID, *, at: int) -> bool:
        """Carry a departure on, as a process of its own; whether it was killed."""
        self.left, self.victim = at, asyncio.create_task(place.departures.carry_on(departure_id))
        # What it had begun is rolled back or left lying, and nobody tidies up after it.
        await asyncio.wait({self.victim})
        return self.victim.cancelled()


async def test_it_goes_on_wherever_it_was_killed(place: Place) -> None:
    slug, city = await place.city()
    asked = await service.ask_to_leave(place.opened.works, slug, confirm=slug, reason="x", actor="tests")
    killed_at: list[str] = []
    killer, found = Killer(place), asked
    while found.ended_at is None:
        if await killer.run(place, asked.id, at=3 + 5 * len(killed_at)):
            killed_at.append(found.step)
        place.clock.advance(seconds=61)
        found = await last(place, slug)
        if found.step == "EXPORTED":
            assert Reading(Path(found.folder), key_of(place)).read() == []
            await service.confirm_erasure(place.opened.works, slug, manifest_hash=found.manifest_hash, actor="tests")
    assert found.step == "GONE", found.failure
    assert killed_at.count("SETTLED") > 3
    assert not any((await place.counts(city)).values())
    await _is_certified(place, found)


async def _shell(place: Place, *arguments: str) -> asyncio.subprocess.Process:
    """`cityloom departure …` as a process of its own, over the same database and stores."""
    settings = place.opened.settings
    environment = os.environ | {
        "DATABASE_URL": place.url,
        "CITYLOOM_VAR": str(settings.var),
        "CITYLOOM_FILES": str(settings.files),
        "CITYLOOM_AUDIT_CHECKPOINTS": str(settings.audit_checkpoints),
    }
    command = [sys.executable, "-m", "cityloom", "departure", *arguments]
    return await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)


async def test_a_shell_that_is_killed_is_succeeded_by_another(place: Place) -> None:
    """A process that has loaded no more than its command needs forgets no table either."""
    slug, city = await place.city()
    works = place.opened.works
    asked = await service.ask_to_leave(works, slug, confirm=slug, reason="x", actor="tests")
    first = await _shell(place, "run", slug)
    parts = "SELECT count(*) FROM departure_parts WHERE departure_id = $1"
    while first.returncode is None and await place.admin.fetchval(parts, asked.id) < 5:
        pass
    first.kill()
    assert await first.wait() != 0
    assert (await last(place, slug)).step == "SETTLED"
    assert await (await _shell(place, "run", slug)).wait() == 0
    found = await last(place, slug)
    _has_every_table(Path(found.folder), await place.counts(city))
    assert await (await _shell(place, "verify-bundle", found.folder)).wait() == 0
    assert await (await _shell(place, "erase", slug, "--manifest", found.manifest_hash)).wait() == 0
    assert await (await _shell(place, "run", slug)).wait() == 0
    found = await last(place, slug)
    assert found.step == "GONE", found.failure
    assert not any((await place.counts(city)).values())
    await _is_certified(place, found)


async def test_a_table_that_no_model_knows_stops_everything(place: Place) -> None:
    slug, city = await place.city()
    works = place.opened.works
    asked = await service.ask_to_leave(works, slug, confirm=slug, reason="x", actor="tests")
    await place.settle(asked)
    found = await last(place, slug)
    await place.admin.execute("CREATE TABLE forgotten (tenant_id uuid, id uuid)")
    try:
        await place.admin.execute("GRANT SELECT (tenant_id, id) ON forgotten TO cityloom_worker")
        await place.admin.execute("INSERT INTO forgotten VALUES ($1, $1)", city)
        await service.confirm_erasure(works, slug, manifest_hash=found.manifest_hash, actor="tests")
        await place.departures.carry_on(asked.id)
        found = await last(place, slug)
        assert (found.step, found.confirmed_at, found.keys_destroyed_at) == ("EXPORTED", None, None)
    finally:
        await place.admin.execute("DROP TABLE forgotten")


async def test_a_step_that_was_done_but_not_noted_is_done_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    slug, city = await place.city()
    works = place.opened.works
    asked = await service.ask_to_leave(works, slug, confirm=slug, reason="x", actor="tests")
    original, died = Departures._step, []

    async def dies(self: Departures, departure: Any) -> Any:
        done = await original(self, departure)
        if departure.step not in died:
            died.append(departure.step)
            raise asyncio.CancelledError
        return done

    monkeypatch.setattr(Departures, "_step", dies)
    found = asked
    while found.ended_at is None:
        try:
            await place.departures.carry_on(asked.id)
        except asyncio.CancelledError:
            continue
        place.clock.advance(seconds=60)
        found = await last(place, slug)
        if found.step == "EXPORTED":
            await service.confirm_erasure(works, slug, manifest_hash=found.manifest_hash, actor="tests")
    assert died == [*REVERSIBLE[:3], "CONFIRMED", "SHREDDING", "SHREDDED", "EMPTIED", "CLEARED"]
    assert found.step == "GONE", found.failure
    assert not any((await place.counts(city)).values())


async def test_a_departure_is_taken_back_until_keys_are_destroyed(place: Place) -> None:
    slug, city = await place.city()
    works = place.opened.works
    before = await place.fingerprint(city)
    asked = await service.ask_to_leave(works, slug, confirm=slug, reason="x", actor="tests")
    await place.settle(asked)
    back = await change(place, OPERATOR, "tenantStay", {"slug": slug})
    assert back["step"] == "TAKEN_BACK"
    assert (await place.opened.tenants.tenant(slug)).state == "ACTIVE"
    assert (await place.opened.directory.by_slug(slug)).is_writable
    after = await place.fingerprint(city)
    assert {name for name in before if before[name] != after[name]} <= {
        *("access_versions", "api_client_keys", "audit_checkpoints", "audit_records", "audit_seals", "event_heads"),
        *("event_subjects", "events", "outbox", "sign_ins", "upload_tickets"),
    }
    with pytest.raises(NotLeaving):
        await service.take_back(works, slug, actor="tests")

    # The second time it is too late.
    again = await service.ask_to_leave(works, slug, confirm=slug, reason="x", actor="tests")
    assert again.id != asked.id
    await place.settle(again)
    found = await last(place, slug)
    assert found.manifest_hash is not None
    with pytest.raises(BundleDiffers):
        await service.confirm_erasure(works, slug, manifest_hash="", actor="tests")
    await service.confirm_erasure(works, slug, manifest_hash=found.manifest_hash.upper(), actor="tests")
    await place.admin.execute("UPDATE tenant_departures SET step = 'SHREDDING' WHERE id = $1", again.id)
    with pytest.raises(KeysDestroyed):
        await service.take_back(works, slug, actor="tests")


async def test_a_city_that_has_changed_is_not_destroyed(place: Place) -> None:
    slug, city = await place.city()
    works = place.opened.works
    asked = await service.ask_to_leave(works, slug, confirm=slug, reason="x", actor="tests")
    await place.settle(asked)
    found = await last(place, slug)
    first = str(found.manifest_hash)
    # Somebody has added a row that no bundle has.
    await place.admin.execute("INSERT INTO tenant_limits VALUES ($1, gen_random_uuid(), 'areas', 7)", city)
    await service.confirm_erasure(works, slug, manifest_hash=first, actor="tests")
    await place.departures.carry_on(asked.id)
    found = await last(place, slug)
    assert (found.step, found.confirmed_at) == ("EXPORTED", None)
    assert found.manifest_hash != first
    assert Reading(Path(found.folder), key_of(place)).read() == []
    assert 7 in {row["value"] for row in rows(Path(found.folder), "tenant_limits")}


async def test_a_bundle_that_was_touched_is_found_out(place: Place, tmp_path: Path) -> None:
    slug, _ = await place.city()
    asked = await service.ask_to_leave(place.opened.works, slug, confirm=slug, reason="x", actor="tests")
    await place.settle(asked)
    found = await last(place, slug)
    key = key_of(place)

    def faults(at: str, content: bytes | None) -> list[str]:
        copy = tmp_path / new_id().hex
        shutil.copytree(found.folder, copy)
        (copy / at).unlink(missing_ok=True)
        if content is not None:
            (copy / at).write_bytes(content)
        return Reading(copy, key).read()

    photo = next(path.name for path in (Path(found.folder) / "files").iterdir() if "index" not in path.name)
    assert any("changed" in fault for fault in faults("tables/residents.jsonl.gz", gzip.compress(b"{}\n")))
    assert any("missing" in fault for fault in faults("tables/residents.jsonl.gz", None))
    assert any("changed" in fault for fault in faults(f"files/{photo}", b"another photo!"))
    assert any("not in the manifest" in fault for fault in faults("tables/more.jsonl", b"{}\n"))
    assert any("signature" in fault for fault in faults("manifest.json", b"{}"))
    assert Reading(Path(found.folder), "A" * 43 + "=").read() != []
    openssl = shutil.which("openssl")
    if openssl is not None:
        told = "pkeyutl -verify -pubin -inkey key.pem -rawin -in manifest.json -sigfile manifest.sig"
        run = partial(subprocess.run, cwd=found.folder, check=True, capture_output=True)
        await asyncio.to_thread(run, [openssl, *told.split()])


@pytest.mark.parametrize("field", INPUTS)
async def test_nobody_but_an_operator_lets_a_city_leave(place: Place, field: str) -> None:
    slug, city = await place.city()
    given: dict[str, dict[str, str]] = {
        "tenantLeave": {"slug": slug, "confirm": slug, "reason": "x"},
        "tenantStay": {"slug": slug},
        "tenantErase": {"slug": slug, "manifestHash": "0" * 64},
    }
    administrator = principal(city, StatedRights())
    for caller, code in ((ANONYMOUS, "UNAUTHENTICATED"), (administrator, "FORBIDDEN")):
        assert (await change(place, caller, field, given[field]))["code"] == code
        outcome = await place.opened.platform_api.execute(
            caller, Request(text=f'{{ tenantDeparture(slug: "{slug}") {{ step }} }}', variables={}), "en"
        )
        assert orjson.loads(outcome.body)["errors"][0]["extensions"]["code"] == code
    assert await service.departure_of(place.opened.works, slug) is None
    assert (await place.opened.tenants.tenant(slug)).state == "ACTIVE"


async def test_mistakes_are_refused_and_change_nothing(place: Place) -> None:
    slug, city = await place.city()
    before = await place.fingerprint(city)
    for given, reason in (
        ({"slug": slug, "confirm": f"{slug} ", "reason": "x"}, "NAME_MISTYPED"),
        ({"slug": slug, "confirm": slug, "reason": "  "}, "INVALID_INPUT"),
        ({"slug": "nowhere", "confirm": "nowhere", "reason": "x"}, "TENANT_NOT_FOUND"),
    ):
        assert (await change(place, OPERATOR, "tenantLeave", given))["reason"] == reason
    assert (await change(place, OPERATOR, "tenantStay", {"slug": slug}))["reason"] == "NOT_LEAVING"
    erase = {"slug": slug, "manifestHash": "0" * 64}
    assert (await change(place, OPERATOR, "tenantErase", erase))["reason"] == "NOT_LEAVING"
    assert await place.fingerprint(city) == before
    assert (await place.opened.tenants.tenant(slug)).state == "ACTIVE"


async def test_a_worker_reads_nothing_and_deletes_no_city_that_stays(place: Place) -> None:
    _, city = await place.city()
    before = await place.fingerprint(city)
    await delete_rows(place.opened.database, city)
    assert await place.fingerprint(city) == before
    connection = await place.opened.database.connect_worker()
    try:
        await connection.execute("SELECT set_config('app.tenant_id', $1, false)", str(city))
        for table in bundle.tenant_tables():
            column = next((c.name for c in table.c if c.name not in {"tenant_id", "id"}), None)
            if column is not None:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f'SELECT "{column}" FROM "{table.name}" LIMIT 1')  # noqa: S608 - names of models
    finally:
        await connection.close()


async def test_one_process_at_a_time_carries_a_departure_out(place: Place) -> None:
    slug, _ = await place.city()
    asked = await service.ask_to_leave(place.opened.works, slug, confirm=slug, reason="x", actor="tests")
    done = await asyncio.gather(*(place.departures.carry_on(asked.id) for _ in range(3)))
    assert sorted(done) == [0, 0, 1]

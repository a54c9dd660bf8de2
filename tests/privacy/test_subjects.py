"""All that is stored of a person is told to them and can be erased; what a slice forgets to declare is found."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from sqlalchemy import func, select, text

from cityloom.core.database import Base
from cityloom.core.ids import new_id
from cityloom.core.rls import kind
from cityloom.core.sealed import sealed_tables
from cityloom.core.subjects import Fate
from cityloom.installed import modules
from cityloom.modules.registry import models as registry
from cityloom.modules.registry import service as residents
from cityloom.privacy import models as m
from cityloom.privacy import permissions, service
from cityloom.privacy.ledger import LedgerForged
from cityloom.privacy.service import retention
from cityloom.privacy.settings import PrivacySettings
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.system import system_principal
from tests.privacy.conftest import PHONE, READ

if TYPE_CHECKING:
    from cityloom.core.subjects import Holding
    from cityloom.testing.clock import ManualClock
    from tests.privacy.conftest import Town

HOLDINGS = [holding for module in modules() for holding in module.holdings]
#: Binary columns that are no envelopes, each for what it is.
PLAIN_BYTES = {
    "api_client_keys.token_hash": "a hash of a random secret",
    "audit_checkpoints.digest": "a hash over the log",
    "audit_seals.hash": "a hash over the log",
    "idempotency_records.input_hash": "a hash of what was sent, which is to be equal",
    "login_throttles.key_hash": "a hash of who tried",
    "operator_sign_ins.token_hash": "a hash of a random secret",
    "registry_staged_answers.indexes": "blind indexes of what is staged beside, made anew with the rows",
    "registry_staged_residents.likeness": "a keyed hash over rows of one import",
    "registry_staged_vehicles.owner_index": "a blind index of what is not staged, made anew with the rows",
    "sign_ins.token_hash": "a hash of a random secret",
    "tenant_data_keys.wrapped": "a key, wrapped by the provider's",
    "upload_tickets.token_hash": "a hash of a random secret",
    "webhook_deliveries.body": "what is sent, from events without protected values",
    "webhook_deliveries.previous_hash": "a hash over what was sent",
    "webhook_keys.public_key": "a public key",
    "webhook_lanes.chain_hash": "a hash over what was sent",
}
ERASURE = "... on Erasure { id reason counts notedAt person { id } }"


def test_every_column_that_names_a_person_is_declared() -> None:
    declared = {(holding.table, holding.column) for holding in HOLDINGS}
    missing = []
    for table in Base.metadata.sorted_tables:
        named = {
            element.parent.name
            for constraint in table.foreign_key_constraints
            for element in constraint.elements
            if element.column.table.name == "residents" and element.column.name == "id"
        }
        named |= {column.name for column in table.c if column.name == "resident_id"}
        named |= {
            f"{thing}_id" for thing in ("subject", "object") if {f"{thing}_tag", f"{thing}_id"} <= set(table.c.keys())
        }
        missing += [f"{table.name}.{column}" for column in named if (table.name, column) not in declared]
    assert not missing


@pytest.mark.parametrize("holding", HOLDINGS, ids=lambda one: f"{one.table}.{one.column}")
def test_a_declaration_fits_its_table(holding: Holding) -> None:
    table = Base.metadata.tables[holding.table]
    assert {holding.column, *holding.cleared, *holding.hidden} <= set(table.c.keys())
    assert bool(holding.cleared) == (holding.fate is Fate.CLEAR)
    if holding.fate is not Fate.KEEP:
        assert "append_only" not in table.info
    # What is sealed or indexed of a person does not outlive their erasure.
    sealed = {one.table.name: {*one.columns, *one.indexes.values()} for one in sealed_tables()}
    if holding.fate is Fate.CLEAR:
        assert sealed.get(holding.table, set()) <= set(holding.cleared)


def test_every_binary_column_says_whether_it_is_an_envelope() -> None:
    known = {
        f"{one.table.name}.{name}" for one in sealed_tables() for name in (*one.columns, *one.indexes.values())
    } | set(PLAIN_BYTES)
    found = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.c
        if column.type.python_type is bytes
    }
    assert found == known


async def export(town: Town, grid: str = "s1c1g1") -> dict[str, Any]:
    """The export of a resident, as the platform writes it."""
    async with town.front.works.begin(town.tree.administrator) as work:
        person = await service.begin_export(work, town.id(grid), purpose="ARCHIVE")
        pieces = [piece async for piece in service.export_rows(work, person)]
    found: dict[str, Any] = orjson.loads(b"".join(pieces))
    return found


async def test_an_export_holds_everything_in_clear_and_proves_it(town: Town) -> None:
    async with town.front.works.begin(town.tree.administrator) as work:
        resident = town.residents["s1c1g1"].id
        await residents.move_resident(work, resident, town.households["s2c1g1"])
        await residents.move_resident(work, resident, town.households["s1c1g1"])
    found = await export(town)
    (record,) = found["data"]["residents.id"]
    assert {name: record[name] for name in ("identity_number", "phone")} == town.papers["s1c1g1"]
    assert (record["name"], record["birth_on"]) == ("王小明", "1980-02-29")
    assert "identity_index" not in record
    assert len(found["data"]["resident_stays.resident_id"]) == 1
    assert [one["kind"] for one in found["data"]["disclosures.subject_id"]] == ["EXPORT"]
    for part in found["manifest"]:
        rows = found["data"][part["data"]]
        digest = hashlib.sha256(b"".join(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in rows))
        assert (part["rows"], part["sha256"]) == (len(rows), digest.hexdigest()), part["data"]
    assert {part["data"] for part in found["manifest"]} == {f"{one.table}.{one.column}" for one in HOLDINGS}


async def test_an_erased_person_is_nowhere_any_more(town: Town) -> None:
    admin = town.tree.someone(READ, permissions.ERASE, permissions.READ_ERASURES, at="s2")
    resident, papers = town.residents["s1c1g1"], town.papers["s1c1g1"]
    async with town.front.works.begin(town.tree.administrator) as work:
        await residents.move_resident(work, resident.id, town.households["s2c1g1"])
        # What lies where the caller sees nothing is erased as well.
        elsewhere = town.tree.areas["s1c1g1"]
        work.session.add(
            registry.ResidentStay(
                resident_id=resident.id,
                household_id=town.households["s1c1g1"],
                from_on=date(2020, 1, 1),
                until_on=date(2020, 2, 1),
                area_id=elsewhere.id,
                area_path=elsewhere.path,
            )
        )
    before = (await export(town))["data"]["residents.id"][0]
    answer = await town.ask(admin, "subjectErase", ERASURE, id=town.id("s1c1g1"), reason="申请 2026-3")
    assert answer["counts"] == {"residents": 1, "resident_name_tokens": 2, "resident_stays": 2}
    assert answer["person"] == {"id": town.id("s1c1g1")}
    async with town.front.works.begin(town.tree.administrator) as work:
        for table in Base.metadata.sorted_tables:
            if "tenant_id" not in table.c or kind(table) != "tenant":
                continue
            rows = await work.session.scalars(
                text(f'SELECT t::text FROM "{table.name}" AS t WHERE tenant_id = :tenant'),  # noqa: S608 - a table's name
                {"tenant": town.tree.tenant_id},
            )
            for row in rows:
                assert not [value for value in papers.values() if value in row], table.name
                for hidden in ("identity_masked", "phone_masked"):
                    assert before[hidden] not in row, table.name
        left = await work.session.get_one(registry.Resident, (town.tree.tenant_id, resident.id))
        assert (left.name, left.identity_number, left.phone_index, left.household_id) == ("已清除", None, None, None)
    # The same number may be registered again: nobody has it.
    async with town.front.works.begin(town.tree.administrator) as work:
        await residents.create_resident(
            work, household_id=town.households["s1c1g1"], name="李雷", identity_number=papers["identity_number"]
        )
    again = await town.ask(admin, "subjectErase", ERASURE, id=town.id("s1c1g1"), reason="x")
    assert again["reason"] == "ERASED_ALREADY"


async def test_a_legal_hold_stands_against_erasure(town: Town) -> None:
    admin = town.tree.someone(
        READ, permissions.ERASE, permissions.CHANGE_HOLDS, permissions.READ_HOLDS, permissions.READ_ERASURES
    )
    shape, person = "... on LegalHold { id reason liftedAt person { id } }", town.id("s1c1g1")
    hold = await town.ask(admin, "legalHoldPlace", shape, id=person, reason="法院 2026 民初 5 号")
    assert hold["person"]["id"] == person
    assert (await town.ask(admin, "legalHoldPlace", shape, id=person, reason="again"))["reason"] == "HELD_ALREADY"
    before = await town.front.footprint(town.tree.tenant_id)
    refused = await town.ask(admin, "subjectErase", ERASURE, id=person, reason="申请")
    assert (refused["refused"], refused["reason"]) == ("INVALID_STATE", "HELD_BY_LAW")
    for who, code in (
        (town.tree.someone(READ, permissions.READ_ERASURES), "FORBIDDEN"),
        (town.tree.someone(READ, permissions.ERASE, at="s2"), "NOT_FOUND"),
    ):
        assert (await town.ask(who, "subjectErase", ERASURE, id=person, reason="申请"))["refused"] == code
    assert await town.front.footprint(town.tree.tenant_id) == before
    lifted = await town.ask(admin, "legalHoldLift", shape, id=hold["id"], reason="结案")
    assert lifted["liftedAt"] is not None
    assert (await town.ask(admin, "legalHoldLift", shape, id=hold["id"], reason="x"))["reason"] == "HOLD_LIFTED"
    assert (await town.ask(admin, "subjectErase", ERASURE, id=person, reason="申请"))["__typename"] == "Erasure"


async def test_a_forged_entry_of_the_ledger_erases_nobody(town: Town) -> None:
    from cityloom.audit.checkpoints import Checkpoints

    outside: Checkpoints = town.front.services[Checkpoints]
    tenant = town.tree.tenant_id
    stated = {"erasure": new_id().hex, "person": f"resd:{town.residents['s1c1g1'].id.hex}", "reason": "x"}
    signed = {"stated": orjson.dumps({**stated, "tenant": tenant.hex}).decode(), "signature": "AAAA"}
    await outside.store.put_async(f"erasures/{tenant.hex}/{new_id().hex}.json", orjson.dumps(signed))
    with pytest.raises(LedgerForged):
        async with town.front.works.begin(system_principal(tenant)) as work:
            await service.reapply(work)


class _Stated:
    """A directory that knows one city's settings of privacy."""

    def __init__(self, settings: PrivacySettings) -> None:
        self.module_settings = {"privacy": settings}

    async def get(self, _tenant_id: object) -> _Stated:
        """The city."""
        return self


async def test_retention_counts_first_and_lets_go_what_is_due(town: Town, clock: ManualClock) -> None:
    caller = town.tree.someone(READ, permissions.UNMASK)
    given = {"id": town.id("s1c1g1"), "fields": [PHONE], "purpose": "HOME_VISIT"}
    await town.ask(caller, "subjectUnmask", "... on Unmasking { expiresAt }", **given)
    async with town.front.works.begin(town.tree.administrator) as work:
        await residents.leave(work, town.residents["s1c1g1"].id, status="MOVED_AWAY")
        await residents.leave(work, town.residents["s2c1g1"].id, status="DECEASED")
        await service.place_hold(work, town.id("s2c1g1"), reason="诉讼")
    stated = PrivacySettings(retention={"departed_residents": 365, "disclosures": 30, "shoes": 5})
    works, tenant = town.front.works, town.tree.tenant_id
    works.services[TenantDirectory] = _Stated(stated)
    try:
        for days, expected in ((29, {}), (2, {"disclosures": 1}), (340, {"disclosures": 1, "departed_residents": 1})):
            clock.advance(days=days)
            before = await town.front.footprint(tenant)
            async with works.begin(system_principal(tenant)) as work:
                due = {one.kind.name: one.count for one in await retention.due(work) if one.count}
                assert await retention.unknown_kinds(work) == ["shoes"]
            assert due == expected
            assert await town.front.footprint(tenant) == before
        async with works.begin(system_principal(tenant)) as work:
            assert await retention.carry_out(work) == 1
        async with works.begin(system_principal(tenant)) as work:
            assert not [one for one in await retention.due(work) if one.count]
            names = (await work.session.scalars(select(registry.Resident.name).order_by(registry.Resident.id))).all()
            assert await work.session.scalar(select(func.count()).select_from(m.Disclosure)) == 0
    finally:
        del works.services[TenantDirectory]
    # Who is under a hold is not let go.
    assert sorted(names) == ["已清除", "王小明"]
    after = await town.front.footprint(tenant)
    assert after["erasures"] == 1

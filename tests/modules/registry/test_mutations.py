"""Each mutation of the registry: four callers, what it writes, and that a refusal leaves everything as it was."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Text, cast, func, select, update
from sqlalchemy.exc import IntegrityError

from cityloom.access.models import Account
from cityloom.core.database import Base
from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import FieldAccess, Principal, PrincipalKind, Scope
from cityloom.core.rls import kind
from cityloom.demo.papers import identity_number, phone_number
from cityloom.modules.registry.models import Resident
from cityloom.testing.front import anonymous
from cityloom.testing.rights import StatedRights

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Update

    from cityloom.core.work import Work
    from cityloom.testing.front import Front
    from tests.modules.registry.conftest import Town

REFUSAL = "... on Refusal { refused: code reason message path details }"
READS = tuple(f"registry.{thing}.read" for thing in ("building", "dwelling", "household", "resident"))


@dataclass(frozen=True)
class Case:
    """A mutation and its input in the community s1c1."""

    field: str
    permission: str
    input: Callable[[Town], dict[str, Any]]

    @property
    def thing(self) -> str:
        """The type that it answers."""
        return next(
            word for word in ("Building", "Dwelling", "Household", "Resident") if self.field.startswith(word.lower())
        )

    def text(self) -> str:
        """The document."""
        name = self.field[0].upper() + self.field[1:]
        answer = f"... on {self.thing} {{ id version area {{ code }} }}"
        return f"mutation($i: {name}Input!) {{ r: {self.field}(input: $i) {{ __typename {answer} {REFUSAL} }} }}"


CASES = [
    Case(
        "buildingCreate",
        "registry.building.create",
        lambda t: {"areaId": t.tree.global_id("s1c1g1"), "code": "N1", "name": "新楼", "storeys": 9},
    ),
    Case("buildingChange", "registry.building.change", lambda t: {"id": t.here.id("building"), "storeys": 7}),
    Case(
        "buildingMove",
        "registry.building.move",
        lambda t: {"id": t.here.id("building"), "areaId": t.tree.global_id("s1c1g2")},
    ),
    Case(
        "dwellingCreate",
        "registry.dwelling.create",
        lambda t: {"buildingId": t.here.id("building"), "number": "302", "floor": 3, "use": "RENTED"},
    ),
    Case("dwellingChange", "registry.dwelling.change", lambda t: {"id": t.here.id("dwelling"), "use": "HOMESTAY"}),
    Case(
        "dwellingMove",
        "registry.dwelling.move",
        lambda t: {"id": t.here.id("dwelling"), "buildingId": t.near_free},
    ),
    Case(
        "householdCreate",
        "registry.household.create",
        lambda t: {"dwellingId": t.here.id("dwelling"), "number": "N1"},
    ),
    Case("householdChange", "registry.household.change", lambda t: {"id": t.here.id("household"), "number": "H9"}),
    Case(
        "householdMove",
        "registry.household.move",
        lambda t: {"id": t.here.id("household"), "dwellingId": t.near.id("dwelling")},
    ),
    Case(
        "residentCreate",
        "registry.resident.create",
        lambda t: {"householdId": t.here.id("household"), "name": "李雷", "sex": "MALE", "relationship": "SIBLING"},
    ),
    Case("residentChange", "registry.resident.change", lambda t: {"id": t.here.id("resident"), "name": "王大明"}),
    Case(
        "residentMove",
        "registry.resident.move",
        lambda t: {"id": t.here.id("resident"), "householdId": t.near.id("household")},
    ),
    Case(
        "residentLeave",
        "registry.resident.move",
        lambda t: {"id": t.here.id("resident"), "departure": "MOVED_AWAY"},
    ),
]
BY_FIELD = {case.field: case for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.field)
async def test_four_callers(front: Front, town: Town, case: Case) -> None:
    given = {"i": case.input(town)}
    before = await front.footprint(town.tree.tenant_id)
    refused = {
        "anonymous": anonymous(town.tree.tenant_id),
        "wrong role": town.tree.someone("areas.area.read", *READS),
        "right role in another area": town.tree.someone(case.permission, *READS, at="s2"),
    }
    for who, caller in refused.items():
        answer = (await front.data(caller, case.text(), given))["r"]
        # In the other area nobody knows of these things; an area is no secret.
        wanted = {"FORBIDDEN", "NOT_FOUND"} if who.startswith("right") else {"FORBIDDEN"}
        assert answer["__typename"] == "Refusal", (who, answer)
        assert answer["refused"] in wanted, (who, answer)
        assert await front.footprint(town.tree.tenant_id) == before, who
    allowed = town.tree.someone("areas.area.read", case.permission, *READS, at="s1c1")
    answer = (await front.data(allowed, case.text(), given))["r"]
    assert answer["__typename"] == case.thing, answer
    after = await front.footprint(town.tree.tenant_id)
    assert after["outbox"] == before["outbox"] + 1
    assert after["audit_records"] > before["audit_records"]


@pytest.mark.parametrize("case", [c for c in CASES if not c.field.endswith("Create")], ids=lambda case: case.field)
async def test_half_a_right_is_none(front: Front, town: Town, case: Case) -> None:
    """Moving needs the right where the thing goes to as well as where it is."""
    given = {"i": case.input(town)}
    if not {"areaId", "buildingId", "householdId", "dwellingId"} & given["i"].keys():
        return
    before = await front.footprint(town.tree.tenant_id)
    for grid in ("s1c1g1", "s1c1g2"):
        caller = town.tree.someone("areas.area.read", case.permission, *READS, at=grid)
        answer = (await front.data(caller, case.text(), given))["r"]
        assert answer["refused"] in {"FORBIDDEN", "NOT_FOUND"}, answer
    assert await front.footprint(town.tree.tenant_id) == before


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.field)
async def test_the_other_tenant_sees_an_absent_thing(front: Front, town: Town, other: Town, case: Case) -> None:
    before = await front.footprint(town.tree.tenant_id), await front.footprint(other.tree.tenant_id)
    administrator = other.tree.administrator
    foreign = (await front.data(administrator, case.text(), {"i": case.input(town)}))["r"]
    absent = {
        key: encode_id(value[:4], other.tree.tenant_id, new_id()) if key == "id" or key.endswith("Id") else value
        for key, value in case.input(town).items()
    }
    assert foreign == (await front.data(administrator, case.text(), {"i": absent}))["r"]
    assert foreign["refused"] == "NOT_FOUND"
    assert (await front.footprint(town.tree.tenant_id), await front.footprint(other.tree.tenant_id)) == before


LIMITS = "INVALID_INPUT"
BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("buildingCreate", {"code": ""}, "TEXT_MALFORMED", "code"),
    ("buildingCreate", {"code": "B0"}, "BUILDING_CODE_TAKEN", "code"),
    ("buildingCreate", {"storeys": 0}, "NUMBER_OUT_OF_RANGE", "storeys"),
    ("buildingCreate", {"areaId": "nonsense"}, "MALFORMED_ID", "areaId"),
    ("buildingCreate", {"position": {"longitude": 42.9, "latitude": 129.5}}, "COORDINATE_OUT_OF_RANGE", "centre"),
    ("buildingChange", {"name": None}, LIMITS, "name"),
    ("buildingChange", {"version": 7}, "CHANGED_MEANWHILE", "version"),
    ("dwellingCreate", {"number": "301"}, "DWELLING_NUMBER_TAKEN", "number"),
    ("dwellingCreate", {"floor": 1000}, "NUMBER_OUT_OF_RANGE", "floor"),
    ("dwellingCreate", {"sizeDm2": 0}, "NUMBER_OUT_OF_RANGE", "sizeDm2"),
    ("householdCreate", {"number": "H1"}, "HOUSEHOLD_NUMBER_TAKEN", "number"),
    ("householdCreate", {"areaId": None, "dwellingId": None}, LIMITS, "dwellingId"),
    ("householdMove", {"movedOn": "2099-01-01"}, "DATE_OUT_OF_RANGE", "movedOn"),
    ("residentCreate", {"name": "x" * 61}, "TEXT_MALFORMED", "name"),
    ("residentCreate", {"identityNumber": "11010519491231002A"}, "INVALID_IDENTITY_NUMBER", "identityNumber"),
    ("residentCreate", {"identityNumber": "110105194912310021"}, "INVALID_IDENTITY_NUMBER", "identityNumber"),
    ("residentCreate", {"phone": "12345678901"}, "INVALID_MOBILE_NUMBER", "phone"),
    ("residentCreate", {"birthOn": "2099-01-01"}, "DATE_OUT_OF_RANGE", "birthOn"),
    ("residentCreate", {"birthOn": "1800-01-01"}, "DATE_OUT_OF_RANGE", "birthOn"),
    ("residentCreate", {"relationship": "HEAD"}, "HOUSEHOLD_HAS_HEAD", "relationship"),
    ("residentCreate", {"householdId": "hshd_1"}, "MALFORMED_ID", "householdId"),
    ("residentChange", {"version": 7}, "CHANGED_MEANWHILE", "version"),
    ("residentMove", {"relationship": "HEAD"}, "HOUSEHOLD_HAS_HEAD", "relationship"),
]


@pytest.mark.parametrize(("field", "change", "reason", "name"), BAD)
async def test_bad_input_names_the_field_and_changes_nothing(
    front: Front, town: Town, field: str, change: dict[str, Any], reason: str, name: str
) -> None:
    case = BY_FIELD[field]
    before = await front.footprint(town.tree.tenant_id)
    given = {"i": {**case.input(town), **change}}
    found = (await front.data(town.tree.administrator, case.text(), given))["r"]
    assert found["__typename"] == "Refusal", found
    assert (found["reason"], found["path"]) == (reason, ["input", name]), found
    assert await front.footprint(town.tree.tenant_id) == before
    chinese = await front.ask(town.tree.administrator, case.text(), given, locale="zh")
    assert any("\u4e00" <= c <= "\u9fff" for c in chinese["data"]["r"]["message"])


async def test_papers_that_contradict_each_other_are_refused(front: Front, town: Town) -> None:

    case, born_on = BY_FIELD["residentCreate"], date(1990, 5, 17)
    number = identity_number(77, born_on, "FEMALE")
    base = {**case.input(town), "identityNumber": number}
    for change, reason in (
        ({"sex": "MALE"}, "SEX_CONTRADICTS"),
        ({"sex": "FEMALE", "birthOn": "1990-05-18"}, "BIRTH_DATE_CONTRADICTS"),
    ):
        found = (await front.data(town.tree.administrator, case.text(), {"i": {**base, **change}}))["r"]
        assert found["reason"] == reason
        assert number not in str(found), "a refusal does not repeat what was typed"
    taken = {**base, "sex": "MALE", "identityNumber": identity_number(0, date(1980, 2, 29), "MALE")}
    found = (await front.data(town.tree.administrator, case.text(), {"i": taken}))["r"]
    assert found["reason"] == "IDENTITY_NUMBER_TAKEN"


async def test_what_is_stored_sealed_is_nowhere_in_clear(front: Front, town: Town) -> None:

    secrets = [identity_number(0, date(1980, 2, 29), "MALE"), phone_number(0), "1980-02-29", "19800229"]
    async with front.works.begin(town.tree.administrator) as work:
        for table in Base.metadata.sorted_tables:
            if kind(table) != "tenant":
                continue
            whole = cast(func.row_to_json(table.table_valued()), Text)
            for (row,) in await work.session.execute(select(whole).where(table.c.tenant_id == town.tree.tenant_id)):
                assert not [secret for secret in secrets if secret in row], table.name


async def test_the_chain_moves_together(front: Front, town: Town) -> None:
    everything = """{ buildings { nodes { code area { code } } } dwellings { nodes { id area { code } } }
        households { nodes { number area { code } } } residents { nodes { household { number } area { code } } } }"""
    moves = [
        ("buildingMove", {"id": town.here.id("building"), "areaId": town.tree.global_id("s2c2g2")}),
        ("householdMove", {"id": town.near.id("household"), "dwellingId": town.far.id("dwelling")}),
        (
            "residentMove",
            {"id": town.here.id("resident"), "householdId": town.far.id("household"), "relationship": "SIBLING"},
        ),
    ]
    for field, given in moves:
        answer = (await front.data(town.tree.administrator, BY_FIELD[field].text(), {"i": given}))["r"]
        assert answer["__typename"] != "Refusal", answer
    found = await front.data(town.tree.administrator, everything)
    assert {b["code"]: b["area"]["code"] for b in found["buildings"]["nodes"]} == {
        "B0": "S2C2G2",
        "B1": "S1C1G2",
        "B2": "S2C1G1",
        "FREE": "S1C1G2",
    }
    assert {h["number"]: h["area"]["code"] for h in found["households"]["nodes"]} == {
        "H0": "S2C2G2",
        "H1": "S2C1G1",
        "H2": "S2C1G1",
    }
    assert [r["area"]["code"] for r in found["residents"]["nodes"]] == ["S2C1G1"] * 3


async def test_a_worker_sees_their_grid_and_only_masks(front: Front, town: Town) -> None:

    fields = {"registry.resident.phone": FieldAccess.MASKED}
    worker = town.tree.someone("areas.area.read", *READS, at="s1c1g1", fields=fields)
    text = """query($a: ID!, $b: ID!) {
        here: resident(id: $a) { name phone identityNumber } far: resident(id: $b) { name } }"""
    answer = await front.ask(worker, text, {"a": town.here.id("resident"), "b": town.far.id("resident")})
    phone = phone_number(0)
    assert answer["data"]["here"] == {"name": "王小明", "phone": f"{phone[:3]}****{phone[-4:]}", "identityNumber": None}
    assert answer["data"]["far"] is None
    assert [error["path"] for error in answer["errors"]] == [["here", "identityNumber"]]
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_who_leaves_can_come_back_but_not_the_dead(front: Front, town: Town) -> None:
    leave, move = BY_FIELD["residentLeave"], BY_FIELD["residentMove"]
    resident, administrator = town.here.id("resident"), town.tree.administrator
    back = {"id": resident, "householdId": town.near.id("household")}
    assert (await front.data(administrator, leave.text(), {"i": leave.input(town)}))["r"]["__typename"] == "Resident"
    again = (await front.data(administrator, leave.text(), {"i": leave.input(town)}))["r"]
    assert again["reason"] == "RESIDENT_LEFT_ALREADY"
    assert (await front.data(administrator, move.text(), {"i": back}))["r"]["area"]["code"] == "S1C1G2"
    died = {"id": resident, "departure": "DECEASED"}
    assert (await front.data(administrator, leave.text(), {"i": died}))["r"]["__typename"] == "Resident"
    assert (await front.data(administrator, move.text(), {"i": back}))["r"]["reason"] == "RESIDENT_NOT_LIVING"
    told = await front.data(
        administrator,
        "query($id: ID!) { resident(id: $id) { status household { id } stays { household { number } } } }",
        {"id": resident},
    )
    # All of it on the day on which the resident was recorded: nowhere for as long as a day.
    assert told["resident"] == {"status": "DECEASED", "household": None, "stays": []}


async def test_an_account_is_one_residents_and_an_administrators_to_give(front: Front, town: Town) -> None:
    tenant, administrator = town.tree.tenant_id, town.tree.administrator
    accounts = {}
    async with front.works.begin(administrator) as work:
        for login, kind_ in (("wang", "RESIDENT"), ("worker", "STAFF")):
            row = Account(login=login, name=login, kind=kind_, created_at=work.now())
            work.session.add(row)
            await work.session.flush()
            accounts[login] = row.id
    text = (
        "mutation($i: ResidentChangeInput!) { r: residentChange(input: $i) "
        f"{{ __typename ... on Resident {{ name }} {REFUSAL} }} }}"
    )
    given = {"id": town.here.id("resident"), "accountId": encode_id("acct", tenant, accounts["wang"])}
    worker = town.tree.someone(*READS, "areas.area.read", "registry.resident.change", at="s1c1g1")
    query = "{ residents { nodes { id } } }"
    me = Principal(
        tenant,
        PrincipalKind.RESIDENT,
        StatedRights({"registry.resident.read": Scope(own=True)}),
        account_id=accounts["wang"],
    )
    before = await front.footprint(tenant)
    nobody = encode_id("acct", tenant, new_id())
    for caller, changes, reason in (
        (worker, {}, "FORBIDDEN"),
        (administrator, {"accountId": encode_id("acct", tenant, accounts["worker"])}, "ACCOUNT_OF_NOBODY"),
        (administrator, {"accountId": nobody}, "NOT_FOUND"),
    ):
        answer = (await front.data(caller, text, {"i": given | changes}))["r"]
        assert answer.get("reason") == reason, answer
    assert await front.footprint(tenant) == before
    assert (await front.data(me, query))["residents"]["nodes"] == []
    assert (await front.data(administrator, text, {"i": given}))["r"]["__typename"] == "Resident"
    assert (await front.data(me, query))["residents"]["nodes"] == [{"id": given["id"]}]
    again = given | {"id": town.far.id("resident")}
    assert (await front.data(administrator, text, {"i": again}))["r"]["reason"] == "ACCOUNT_TAKEN"
    assert (await front.data(administrator, text, {"i": given | {"accountId": None}}))["r"]["__typename"] == "Resident"
    assert (await front.data(me, query))["residents"]["nodes"] == []
    assert (await front.data(administrator, text, {"i": again}))["r"]["__typename"] == "Resident"


async def test_an_account_is_given_to_one_of_two_residents_at_once(front: Front, town: Town) -> None:
    tenant, administrator = town.tree.tenant_id, town.tree.administrator
    async with front.works.begin(administrator) as work:
        account = Account(login="wang", name="wang", kind="RESIDENT", created_at=work.now())
        work.session.add(account)
        await work.session.flush()
    text = (
        "mutation($i: ResidentChangeInput!) { r: residentChange(input: $i) "
        f"{{ __typename ... on Resident {{ name }} {REFUSAL} }} }}"
    )
    chains = (town.here, town.near, town.far)
    given = [{"id": chain.id("resident"), "accountId": encode_id("acct", tenant, account.id)} for chain in chains]
    answers = await asyncio.gather(*(front.data(administrator, text, {"i": one}) for one in given))
    told = sorted(one["r"].get("reason", "given") for one in answers)
    assert told == ["ACCOUNT_TAKEN", "ACCOUNT_TAKEN", "given"]
    # Whoever forgets to ask is stopped by the database.
    rows = update(Resident).where(Resident.id.in_([chain.rows["resident"].id for chain in chains]))
    async with front.works.begin(administrator) as work:
        with pytest.raises(IntegrityError, match="uq_residents_tenant_id_account_id"):
            await _within(work, rows.values(account_id=account.id))


async def _within(work: Work, statement: Update) -> None:
    async with work.session.begin_nested():
        await work.session.execute(statement)

"""Vehicles from sheets of their own: whose they are is registered, and nothing of plates and numbers is in clear."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from cityloom.audit.models import AuditRecord
from cityloom.core.database import Base
from cityloom.demo.papers import credit_code, identity_number, plate_number
from cityloom.events.models import OutboxRecord
from cityloom.modules.registry.imports.vehicles import VEHICLES
from cityloom.tenancy.system import system_principal
from cityloom.testing.imports import GRID, HEADERS, NEAR, Desk, Made, codes, counts, somebody, text_of, wide

if TYPE_CHECKING:
    from collections.abc import Sequence

SHEET = ("号牌号码", "车辆类型", "车主身份证号", "统一社会信用代码", "登记日期", "车主姓名")
FOUND = """query ($p: String!) { vehicles(first: 2, where: {plate: $p}) { nodes { plate kind version area { code }
  resident { name } organisation { creditCode } custom customRestricted
  holdings { fromOn untilOn resident { name } organisation { creditCode } } } } }"""
_numbers = count(900)


@dataclass(frozen=True)
class Street:
    """A city with somebody in the first grid, somebody in the near one, and a company in the first."""

    desk: Desk
    here: Made
    near: Made
    company: str


@pytest.fixture(scope="module")
async def street(desk: Desk) -> Street:
    """The people and the company to whom vehicles belong."""
    made = Street(desk, somebody(), somebody("FEMALE"), credit_code(next(_numbers)))
    rows = [wide(made.here, at="1"), wide(made.near, at="2", grid=NEAR)]
    assert (await desk.apply(await desk.upload(text_of(HEADERS, rows).encode())))["state"] == "COMPLETED"
    firms = text_of(["单位名称", "统一社会信用代码", "网格编码"], [["晨光物流", made.company, GRID]]).encode()
    id_ = str((await desk.send(firms, "organisations")).json()["id"])
    assert (await desk.apply(id_))["state"] == "COMPLETED"
    return made


def plate() -> str:
    """A plate that no other test uses."""
    return plate_number(next(_numbers))


async def send(desk: Desk, rows: Sequence[Sequence[object]], headers: Sequence[str] = SHEET) -> str:
    """Upload vehicles."""
    answer = await desk.send(text_of(headers, rows).encode(), "vehicles")
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


async def found(desk: Desk, number: str) -> list[dict[str, Any]]:
    """The vehicles with a plate."""
    nodes: list[dict[str, Any]] = (await desk.city.ask(desk.role, FOUND, {"p": number}))["vehicles"]["nodes"]
    return nodes


async def test_vehicles_are_taken_over_with_those_whose_they_are(street: Street) -> None:
    desk, car, bicycle = street.desk, plate(), f"电A{next(_numbers)}"
    dotted = f"{car[:2]}·{car[2:].lower()}"
    rows = [
        [dotted, "小型汽车", street.here.identity.lower(), "", "2024年3月5日", street.here.name],
        [bicycle, "电动自行车", "", street.company, "", ""],
    ]
    id_ = await send(desk, rows)
    shown = await desk.check(id_)
    assert (counts(shown), codes(shown)) == ((2, 0, 0, 0, 0), [])
    columns = [one["column"] for one in shown["sheets"][0]["headers"]]
    assert columns == ["plate", "vehicle_kind", "owner_identity_number", "credit_code", "held_since", None]
    assert await found(desk, car) == []
    done = await desk.apply(id_)
    assert (done["state"], counts(done), done["things"]) == (
        "COMPLETED", (2, 0, 0, 0, 0), [{"thing": "vehicle", "new": 2, "changed": 0}],
    )  # fmt: skip
    owner = {"resident": {"name": street.here.name}, "organisation": None}
    assert await found(desk, car) == [
        {
            "plate": f"{car[:2]}***{car[-2:]}",
            "kind": "CAR",
            "version": 1,
            "area": {"code": GRID},
            **owner,
            "custom": {},
            "customRestricted": {},
            "holdings": [{"fromOn": "2024-03-05", "untilOn": None, **owner}],
        }
    ]
    (other,) = await found(desk, bicycle)
    assert (other["kind"], other["resident"], other["organisation"]) == (
        "ELECTRIC_BICYCLE", None, {"creditCode": street.company},
    )  # fmt: skip
    assert [one["organisation"] for one in other["holdings"]] == [{"creditCode": street.company}]
    # The same again changes nothing; another kind is skipped, or taken over, as the rule says. Blank cells say nothing.
    assert counts(await desk.apply(await send(desk, rows))) == (0, 0, 2, 0, 0)
    renamed = [[car, "货车", "", "", "", ""], [bicycle, "", "", "", "", ""]]
    skipped = await desk.apply(await send(desk, renamed))
    assert (counts(skipped), codes(skipped)) == ((0, 0, 1, 1, 0), [(2, "plate", "ALREADY_REGISTERED")])
    changed = await desk.apply(await send(desk, renamed), rule="UPDATE")
    assert (counts(changed), changed["things"][0]["changed"]) == ((0, 1, 1, 0, 0), 1)
    (truck,) = await found(desk, car)
    assert (truck["kind"], truck["version"], truck["resident"]) == ("TRUCK", 2, {"name": street.here.name})
    assert len(truck["holdings"]) == 1


async def test_rows_are_refused_with_reasons_and_then_nothing_is_taken_over(street: Street) -> None:
    desk, right, known = street.desk, plate(), street.here.identity
    stranger = identity_number(4_000_000, street.here.born_on, "MALE")
    wrong = [
        ("plate", "PLATE_INVALID", ["Z-1", "汽车", known, "", ""]),
        # What an electric bicycle may have is no plate of a car.
        ("plate", "PLATE_INVALID", ["A12345", "轿车", known, "", ""]),
        ("plate", "LINK_NOT_NAMED", ["", "轿车", known, "", ""]),
        ("vehicle_kind", "CELL_WORD_UNKNOWN", [plate(), "飞船", known, "", ""]),
        ("vehicle_kind", "VEHICLE_UNKNOWN", [plate(), "", known, "", ""]),
        ("owner_identity_number", "VEHICLE_UNKNOWN", [plate(), "轿车", "", "", ""]),
        ("owner_identity_number", "INVALID_IDENTITY_NUMBER", [plate(), "轿车", known[:-2], "", ""]),
        ("owner_identity_number", "DIGITS_LOST", [plate(), "轿车", "1.10101198002291E+17", "", ""]),
        ("owner_identity_number", "HOLDER_UNKNOWN", [plate(), "轿车", stranger, "", ""]),
        ("credit_code", "HOLDER_UNKNOWN", [plate(), "轿车", "", credit_code(next(_numbers)), ""]),
        ("credit_code", "TWO_HOLDERS", [plate(), "轿车", known, street.company, ""]),
        ("held_since", "DATE_OUT_OF_RANGE", [plate(), "轿车", known, "", "2999-01-01"]),
    ]
    rows = [[*row, ""] for _, _, row in wrong]
    id_ = await send(desk, [*rows, [right, "轿车", known, "", "", ""]])
    shown = await desk.check(id_)
    assert codes(shown) == [(at, column, code) for at, (column, code, _) in enumerate(wrong, 2)]
    assert counts(shown) == (1, 0, 0, 0, len(wrong))
    assert all(one["messageZh"] and one["messageEn"] for one in shown["findings"]["nodes"])
    told = repr(shown)
    assert not [number for number in (known[:-2], stranger, *(row[0] for row in rows[3:])) if number in told]
    assert (await desk.apply(id_))["state"] == "CHECKED"
    assert await found(desk, right) == []
    done = await desk.apply(id_, skipsRefused=True)
    assert (done["state"], counts(done)) == ("COMPLETED", (1, 0, 0, 0, len(wrong)))
    assert len(await found(desk, right)) == 1


async def test_duplicates_are_found_in_the_file_and_vehicles_stay_whose_they_are(street: Street) -> None:
    desk, car = street.desk, plate()
    rows = [
        [car, "轿车", street.here.identity, "", "", ""],
        [f"{car[:2]} {car[2:]}", "货车", "", street.company, "", ""],
    ]
    shown = await desk.check(await send(desk, rows))
    assert (counts(shown), codes(shown)) == ((1, 0, 0, 1, 0), [(3, "plate", "STATED_TWICE")])
    assert counts(await desk.check(await send(desk, rows), rule="UPDATE")) == (1, 0, 0, 0, 1)
    assert counts(await desk.apply(await send(desk, rows))) == (1, 0, 0, 1, 0)
    shown = await desk.check(await send(desk, rows[:1]), rule="REFUSE")
    assert codes(shown) == [(2, "plate", "PLATE_TAKEN")]
    stranger = identity_number(4_000_001, street.here.born_on, "MALE")
    others = [
        [car, "轿车", street.near.identity, "", "", ""],
        [car, "轿车", "", street.company, "", ""],
        [car, "轿车", stranger, "", "", ""],
    ]
    for row, column in zip(others, ("owner_identity_number", "credit_code", "owner_identity_number"), strict=True):
        done = await desk.apply(await send(desk, [row]), rule="UPDATE")
        assert (done["state"], codes(done)) == ("CHECKED", [(2, column, "HELD_BY_ANOTHER")])
    (one,) = await found(desk, car)
    assert (one["version"], one["resident"], len(one["holdings"])) == (1, {"name": street.here.name}, 1)


async def test_the_importers_rights_hold(street: Street) -> None:
    """A community worker holds 001001; the other resident lives in 001002."""
    desk, worker, away = street.desk, street.desk.of("community_worker"), plate()
    far = [away, "轿车", street.near.identity, "", "", ""]
    assert (await desk.apply(await send(desk, [far])))["state"] == "COMPLETED"
    rows = [[plate(), *far[1:]], [away, "货车", *far[2:]], [plate(), "轿车", street.here.identity, "", "", ""]]
    shown = await worker.check(await send(worker, rows), rule="UPDATE")
    # Who is out of sight is not there; of a plate that is taken elsewhere nothing else is told.
    assert codes(shown) == [(2, "owner_identity_number", "HOLDER_UNKNOWN"), (3, "plate", "PLATE_TAKEN")]
    assert counts(shown) == (1, 0, 0, 0, 2)
    wrong = await desk.of("analyst").send(text_of(SHEET, rows).encode(), "vehicles")
    assert (wrong.status_code, wrong.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
    assert await found(desk, rows[0][0]) == []


async def test_the_citys_own_fields_come_with_them(street: Street) -> None:
    desk = street.desk
    fields = (
        ("brand", "品牌", "PLAIN", False),
        ("colour", "颜色", "PLAIN", True),
        ("vin", "车架号", "RESTRICTED", False),
    )
    for code, title, sensitivity, is_required in fields:
        given: dict[str, Any] = {"thing": "VEHICLE", "code": code, "titleZh": title, "titleEn": code, "kind": "TEXT"}
        given |= {"sensitivity": sensitivity, "isRequired": is_required}
        await desk.city.make("customFieldDefine", given, "CustomField")
    headers, one, two = [*SHEET[:3], "品牌", "车辆颜色", "车架号"], plate(), plate()
    rows = [
        [one, "轿车", street.here.identity, "红旗", "黑", "LFP0000000000007"],
        [two, "轿车", street.here.identity, "红旗", "", ""],
    ]
    id_ = await send(desk, rows, headers)
    assert codes(await desk.check(id_)) == [(3, "custom.vehicle.colour", "ANSWERS_WRONG")]
    assert counts(await desk.apply(id_, skipsRefused=True)) == (1, 0, 0, 0, 1)
    (car,) = await found(desk, one)
    assert (car["custom"], car["customRestricted"]) == ({"brand": "红旗", "colour": "黑"}, {"vin": rows[0][-1]})
    assert counts(await desk.apply(await send(desk, rows[:1], headers))) == (0, 0, 1, 0, 0)
    rows[0][-1] = "LFP0000000000008"
    assert counts(await desk.apply(await send(desk, rows[:1], headers), rule="UPDATE")) == (0, 1, 0, 0, 0)
    (car,) = await found(desk, one)
    assert (car["version"], car["customRestricted"]) == (2, {"vin": rows[0][-1]})


async def test_what_is_staged_is_sealed_and_staged_again_after_a_crash(street: Street) -> None:
    desk, car = street.desk, plate()
    # The field that must be answered, of the test before, is answered whichever of them runs.
    rows = [[car, "轿车", street.here.identity, "黑"]]
    id_ = await send(desk, rows, [*SHEET[:3], "颜色"])
    assert counts(await desk.check(id_)) == (1, 0, 0, 0, 0)
    async with desk.opened.works.begin(system_principal(desk.city.id)) as work:
        for table in Base.metadata.sorted_tables:
            if table.name.startswith(("import", "registry_staged")):
                held = repr((await work.session.execute(select(table).where(table.c.tenant_id == desk.city.id))).all())
                assert street.here.identity not in held, table.name
                assert car not in held, table.name
        assert await VEHICLES.is_staged(work, desk.row_id(id_))
        await VEHICLES.discard(work, desk.row_id(id_))
    done = await desk.apply(id_)
    assert (done["state"], counts(done)) == ("COMPLETED", (1, 0, 0, 0, 0))
    assert len(await found(desk, car)) == 1


async def test_who_is_recorded_after_the_check_has_the_vehicle(street: Street) -> None:
    desk, car, late = street.desk, plate(), somebody()
    id_ = await send(desk, [[car, "轿车", late.identity, "黑"]], [*SHEET[:3], "颜色"])
    assert codes(await desk.check(id_)) == [(2, "owner_identity_number", "HOLDER_UNKNOWN")]
    row = wide(late, at="9")
    assert (await desk.apply(await desk.upload(text_of(HEADERS, [row]).encode())))["state"] == "COMPLETED"
    done = await desk.apply(id_)
    assert (done["state"], counts(done), codes(done)) == ("COMPLETED", (1, 0, 0, 0, 0), [])
    assert (await found(desk, car))[0]["resident"] == {"name": late.name}
    # One event and one entry tell of all rows, and neither of what is in them.
    async with desk.opened.works.begin(system_principal(desk.city.id)) as work:
        mine = OutboxRecord.subject_id == desk.row_id(id_), OutboxRecord.type == "imports.import.completed.v1"
        event = (await work.session.scalars(select(OutboxRecord).where(*mine))).one()
        assert (event.facts["target"], event.facts["rowsNew"]) == ("vehicles", 1)
        noted = AuditRecord.object_id == desk.row_id(id_), AuditRecord.action == "imports.import.complete"
        assert len((await work.session.scalars(select(AuditRecord.id).where(*noted))).all()) == 1

"""What departments ask for: derived where it is known, asked once where it is not, and counted."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.core.ids import encode_id, new_id
from cityloom.reports.burden import Form, counted, months, times
from cityloom.reports.errors import MonthWrong
from cityloom.reports.matching import Known, match, normal

if TYPE_CHECKING:
    from cityloom.testing.exports import ExportCity

ADMIN = "city_administrator"
REQUEST = """... on ReportRequest { id state overrideReason report { id document }
  fields { position name match isCertain path decision } }"""
BURDEN = """query ($month: String!) { burdenStats(fromMonth: $month, toMonth: $month) {
  departmentName formsBefore formsAfter minutesBefore minutesAsked minutesSaved } }"""


async def file(city: ExportCity, role: str, title: str, *fields: tuple[str, int], **more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "title": title,
        "departmentId": city.twin.ids["Department"][0],
        "frequency": "MONTHLY",
        "units": 10,
        "fields": [{"name": name, "minutes": minutes} for name, minutes in fields],
    }
    return await city.mutate(role, "reportRequestFile", values | more, REQUEST)


def shown(request: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["name"], one["match"], one["decision"]) for one in request["fields"]]


async def burden(city: ExportCity) -> dict[str, int]:
    (found,) = await city.data(ADMIN, BURDEN, {"month": f"{city.clock.now():%Y-%m}"})
    return {key: int(value) for key, value in found.items() if key != "departmentName"}


async def test_forms_become_fewer(city: ExportCity) -> None:
    """Three forms, of which one is left: one is known wholly, one asks for what another asks already."""
    await city.mutate(
        ADMIN,
        "derivableFieldDefine",
        {
            "code": "population",
            "titleZh": "常住人口",
            "titleEn": "Residents",
            "rootField": "areas",
            "path": "residentCount",
            "synonyms": ["人口总数", "总人口"],
        },
        "... on ReportField { id }",
    )
    known = (("总人口(人)", 30), ("户 数", 20))
    before = await city.footprint()
    refused = await file(city, ADMIN, "人口基础台账", *known)
    assert (refused["code"], refused["reason"]) == ("CONFLICT", "WHOLLY_DERIVABLE")
    short = await file(city, ADMIN, "人口基础台账", *known, onDerivable="ASK", overrideReason=" x ")
    assert short["reason"] == "TEXT_MISSING"
    for role in ("auditor", "street_lead", "community_worker"):
        assert (await file(city, role, "人口基础台账", *known))["code"] == "FORBIDDEN"
    elsewhere = {"departmentId": encode_id("dept", city.id, new_id())}
    assert (await file(city, ADMIN, "台账", *known, **elsewhere))["code"] == "NOT_FOUND"
    for fields in ((), (("户数", 1), ("户数(户)", 1)), (("户数", -1),)):
        assert (await file(city, ADMIN, "台账", *fields))["reason"] in {"NOTHING_ASKED", "NUMBER_WRONG"}
    assert await city.footprint() == before

    generated = await file(city, ADMIN, "人口基础台账", *known, onDerivable="GENERATE")
    assert generated["state"] == "GENERATED"
    assert [one["path"] for one in generated["fields"]] == ["residentCount", "householdCount"]
    rows = "query ($id: ID!) { reportResult(id: $id) { columns { path } rows { cells } } }"
    found = await city.data(ADMIN, rows, {"id": generated["report"]["id"]})
    assert [one["path"] for one in found["columns"]] == ["code", "name", "residentCount", "householdCount"]
    (grid,) = [row["cells"] for row in found["rows"] if row["cells"][0] == "999901001001001"]
    assert (grid[1], grid[3]) == (f"{city.twin.canary}网格001001", 1)
    assert await burden(city) == {
        "formsBefore": 1,
        "formsAfter": 0,
        "minutesBefore": 500,
        "minutesAsked": 0,
        "minutesSaved": 500,
    }

    asked = await file(city, ADMIN, "文明创建月报", ("总人口", 30), ("志愿活动场次", 60), ("房屋总数", 15))
    assert shown(asked) == [
        ("总人口", "DERIVABLE", "OPEN"),
        ("志愿活动场次", "NONE", "OPEN"),
        ("房屋总数", "DERIVABLE", "OPEN"),
    ]
    assert [one["isCertain"] for one in asked["fields"]] == [True, False, False]
    assert asked["state"] == "PROPOSED"
    assert (await decide(city, ADMIN, asked["id"], [2]))["reason"] == "FIELD_NOT_PROPOSED"
    assert (await decide(city, "auditor", asked["id"], [1]))["code"] == "FORBIDDEN"
    decided = await decide(city, ADMIN, asked["id"], [1], [3])
    assert decided["state"] == "ASKED"
    assert [one["decision"] for one in decided["fields"]] == ["CONFIRMED", "OPEN", "REJECTED"]

    twice = await file(city, ADMIN, "精神文明季报", ("志愿活动场次", 60))
    assert shown(twice) == [("志愿活动场次", "ASKED_ELSEWHERE", "OPEN")]
    assert (await decide(city, ADMIN, twice["id"], [1]))["state"] == "GENERATED"
    assert await burden(city) == {
        "formsBefore": 3,
        "formsAfter": 1,
        "minutesBefore": (50 + 105 + 60) * 10,
        "minutesAsked": 75 * 10,
        "minutesSaved": (50 + 30 + 60) * 10,
    }
    insisted = await file(city, ADMIN, "普查", *known, onDerivable="ASK", overrideReason="国家普查要求入户填报")
    assert (insisted["state"], insisted["overrideReason"]) == ("ASKED", "国家普查要求入户填报")
    assert (await burden(city))["formsAfter"] == 2
    gone = await city.by_id(ADMIN, "reportRequestWithdraw", insisted["id"], "... on ReportRequest { state }")
    assert gone["state"] == "WITHDRAWN"
    assert (await decide(city, ADMIN, insisted["id"], [1]))["reason"] == "REQUEST_SETTLED"
    assert (await burden(city))["formsAfter"] == 1
    # Who relied on another form asks again once that is gone.
    await city.by_id(ADMIN, "reportRequestWithdraw", asked["id"], "... on ReportRequest { state }")
    settled = "query ($id: ID!) { reportRequest(id: $id) { state fields { decision } } }"
    left = await city.data(ADMIN, settled, {"id": twice["id"]})
    assert left == {"state": "ASKED", "fields": [{"decision": "OPEN"}]}
    report = generated["report"]["id"]
    assert (await city.by_id(ADMIN, "reportRemove", report))["reason"] == "REPORT_IN_USE"


async def decide(
    city: ExportCity, role: str, id_: str, confirmed: list[int], rejected: list[int] | None = None
) -> dict[str, Any]:
    values = {"id": id_, "confirmed": confirmed, "rejected": rejected or []}
    return await city.mutate(role, "reportRequestDecide", values, REQUEST)


KNOWN = [
    Known("areas", "residentCount", frozenset(map(normal, ("居民数", "常住人口", "Residents")))),
    Known("areas", "householdCount", frozenset(map(normal, ("户数", "Households")))),
]


@pytest.mark.parametrize(
    ("name", "path", "is_certain"),
    [
        ("常住人口", "residentCount", True),
        (" 常住人口 (人)", "residentCount", True),
        ("户数(户)", "householdCount", True),
        ("HOUSEHOLDS", "householdCount", True),
        ("常住人口数", "residentCount", False),
        ("志愿者人数", None, None),
        ("()", None, None),
    ],
)
def test_names_are_matched(name: str, path: str | None, is_certain: bool | None) -> None:  # noqa: FBT001 - a case
    found = match(name, KNOWN, percent=75)
    assert (None if found is None else found.known.path) == path
    assert (None if found is None else found.is_certain) is is_certain


def test_how_often_a_form_is_filled_in() -> None:
    march, june = date(2026, 3, 1), date(2026, 6, 1)
    assert [times(frequency, march, march) for frequency in ("ONCE", "DAILY", "WEEKLY", "MONTHLY", "QUARTERLY")] == [
        *(1, 31, 5, 1, 1)
    ]
    assert [times(frequency, june, march) for frequency in ("ONCE", "DAILY", "YEARLY")] == [0, 30, 0]
    assert [f"{one:%Y-%m}" for one in months(date(2025, 11, 1), date(2026, 2, 1))] == [
        *("2025-11", "2025-12", "2026-01", "2026-02")
    ]
    with pytest.raises(MonthWrong):
        list(months(date(2026, 2, 1), date(2026, 1, 1)))


FORMS = st.builds(
    Form,
    department_id=st.sampled_from([UUID(int=1), UUID(int=2)]),
    frequency=st.sampled_from(["ONCE", "DAILY", "WEEKLY", "MONTHLY", "QUARTERLY", "YEARLY"]),
    units=st.integers(1, 9),
    first=st.sampled_from(list(months(date(2026, 1, 1), date(2026, 6, 1)))),
    last=st.none() | st.sampled_from(list(months(date(2026, 3, 1), date(2026, 9, 1)))),
    minutes_before=st.integers(5, 20),
    minutes_after=st.integers(0, 5),
    is_asked=st.booleans(),
)


@given(st.lists(FORMS, max_size=6), st.lists(FORMS, max_size=6))
def test_the_burden_adds_up(some: list[Form], others: list[Form]) -> None:
    span = list(months(date(2026, 1, 1), date(2026, 12, 1)))

    def total(forms: list[Form]) -> list[int]:
        found = counted(forms, span).values()
        assert all(0 <= one.forms_after <= one.forms_before and one.minutes_saved >= 0 for one in found)
        return [
            sum(getattr(one, name) for one in found)
            for name in ("forms_before", "forms_after", "minutes_before", "minutes_asked")
        ]

    assert [a + b for a, b in zip(total(some), total(others), strict=True)] == total([*some, *others])

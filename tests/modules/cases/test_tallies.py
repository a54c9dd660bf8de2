"""Tallies of closed cases, with the open ones beside them, answer what all rows would, and are kept by every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from cityloom.core.principal import Scope, subtree
from cityloom.modules.cases.measures import MEASURES
from cityloom.testing.probes import mutation
from cityloom.testing.rights import StatedRights, principal
from cityloom.testing.tallies import both_ways, drift, fold

if TYPE_CHECKING:
    from cityloom.testing.cases import Office

VISIT = mutation("caseVisitReturn", "CaseStep", "verb")
#: Cases that differ in everything that a board groups by or sums; two in three are closed.
_CASES = text("""
INSERT INTO cases (tenant_id, id, tracking_code, matter_id, workflow_id, state, light, is_open, priority, source,
  description, area_id, area_path, department_id, reported_at, closed_at, response_seconds, closure_seconds, was_late,
  level, clocks, satisfaction, reopen_count, breached_at, changed_at)
SELECT :tenant, gen_random_uuid(), 'T' || n, :matter, w.id, CASE WHEN n % 3 = 0 THEN 'found' ELSE 'closed' END,
  CASE WHEN n % 3 = 0 THEN 'RED' WHEN n % 5 = 0 THEN 'BLUE' ELSE 'GREEN' END, n % 3 = 0,
  CASE WHEN n % 4 = 0 THEN 'HIGH' ELSE 'NORMAL' END, CASE WHEN n % 2 = 0 THEN 'GRID' ELSE 'SNAP' END, 'case', a.id,
  a.path,
  CASE n % 4 WHEN 0 THEN :urban WHEN 1 THEN :water END::uuid, now(), CASE WHEN n % 3 > 0 THEN now() END,
  CASE WHEN n % 2 = 0 THEN n END, CASE WHEN n % 3 > 0 THEN 10 * n END, n % 7 = 0, n % 3, '{}', 1 + n % 5, n % 2,
  CASE WHEN n % 6 = 0 THEN now() END, now()
FROM generate_series(1, 90) AS n
JOIN workflow_versions w ON w.tenant_id = :tenant
JOIN (SELECT id, path, row_number() OVER (ORDER BY path) AS place FROM areas WHERE tenant_id = :tenant) AS a
  ON a.place = 1 + n % 11
""")
SUMS = " ".join(
    ("count", "open", *("".join((name.split("_")[0], *map(str.title, name.split("_")[1:]))) for name in MEASURES))
)
TALLIED = {
    "{ caseStats(by: [LIGHT]) { keys count open } }": "case_tallies",
    "{ caseStats(by: []) { keys count } }": "case_tallies",
    "{ caseStats(by: [AREA, STATE]) { keys count } }": "case_tallies",
    "{ caseStats(by: [SOURCE, PRIORITY, LEVEL], first: 4) { keys count } }": "case_tallies",
    "{ caseStats(by: [LIGHT], where: {isOpen: {eq: false}}) { keys count } }": "case_tallies",
    "{ caseStats(by: [LIGHT], where: {isOpen: {eq: true}, level: {gte: 1}}) { keys count } }": "case_tallies",
    f"{{ caseStats(by: [DEPARTMENT, LIGHT]) {{ keys {SUMS} }} }}": "case_department_tallies",
    f"{{ caseStats(by: [LIGHT]) {{ keys {SUMS} }} }}": "case_department_tallies",
}
COUNTED = (
    "{ caseStats(by: [MATTER]) { keys count } }",
    "{ caseStats(by: [LIGHT]) { keys count closureSecondsMedian } }",
    '{ caseStats(by: [LIGHT], where: {closedAt: {gte: "2020-01-01T00:00:00Z"}}) { keys count } }',
    "{ caseStats(by: [DAY]) { keys count } }",
)


async def _fill(office: Office) -> None:
    async with office.front.works.begin(office.tree.administrator) as work:
        given = {"tenant": work.tenant_id, "matter": office.matters["rubbish"]}
        departments = {name: str(row_id) for name, row_id in office.departments.items()}
        await work.session.execute(_CASES, given | departments)


@pytest.mark.parametrize("is_folded", [False, True])
async def test_every_caller_is_answered_the_same_both_ways(office: Office, *, is_folded: bool) -> None:
    await _fill(office)
    tree = office.tree
    if is_folded:
        assert await fold(office.front.works, tree.tenant_id)
    assert await drift(office.front.works, tree.tenant_id) == []
    street = Scope(areas=(subtree(tree.areas["s1"].path),))
    callers = {
        "all": tree.administrator,
        "a street": principal(tree.tenant_id, StatedRights({"cases.case.read": street, "areas.area.read": street})),
        "a grid": tree.someone("cases.case.read", at="s1c1g1"),
        "nobody": tree.someone("areas.area.read"),
    }
    for name, caller in callers.items():
        for asked, table in TALLIED.items():
            ours, rows, sources = await both_ways(office.front.works, caller, asked)
            assert ours == rows, (name, asked)
            assert sources == [table], asked
    for asked in COUNTED:
        ours, rows, sources = await both_ways(office.front.works, tree.administrator, asked)
        assert ours == rows
        assert sources == ["cases"], asked


async def test_a_right_by_department_or_reporter_is_asked_of_what_knows_it(office: Office) -> None:
    await _fill(office)
    for asked in ("{ caseStats(by: [LIGHT]) { keys count } }", "{ caseStats(by: [SOURCE]) { keys count } }"):
        for who, table in (("urban", "case_department_tallies"), ("resident", "cases")):
            ours, rows, sources = await both_ways(office.front.works, office.who[who], asked)
            assert ours == rows
            assert sources == ["cases" if "SOURCE" in asked else table], (who, asked)


async def test_every_step_keeps_the_tallies(office: Office) -> None:
    """Closing, the return visit, and reopening."""
    case = await office.report()
    works, tenant_id = office.front.works, office.tree.tenant_id
    for who, verb, more in (
        ("worker", "dispatch", {"departmentId": office.department("urban")}),
        ("urban", "accept", {}),
        ("urban", "resolve", {}),
        ("worker", "verify", {}),
        ("worker", "close", {}),
        ("worker", "reopen", {"comment": "again"}),
    ):
        answer = await office.step(who, verb, case, **more)
        assert answer["__typename"] == "CaseStep", answer
        if verb == "close":
            given = {"input": {"id": case, "satisfaction": 5}}
            assert await office.front.data(office.who["worker"], VISIT, given)
        assert await drift(works, tenant_id) == []
        ours, rows, _ = await both_ways(works, office.tree.administrator, next(iter(TALLIED)))
        assert ours == rows
        if verb == "close":
            assert ours["caseStats"] == [{"keys": ["GREEN"], "count": 1, "open": 0}]
            assert await fold(works, tenant_id) == 2

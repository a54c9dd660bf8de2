"""Random walks through random workflows: one state, legal transitions, clock = ledger, deadlines that no edit moves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.modules.cases import clocks as ck
from cityloom.modules.cases.business import BusinessCalendar, is_national_workday, read_hours
from cityloom.modules.cases.flow import Workflow, faults, leads_to_end, reachable, read_limit, stranded
from cityloom.testing.cases import LIGHTS
from cityloom.testing.examples import examples

START = datetime(2026, 9, 28, 1, 0, tzinfo=UTC)
CALENDAR = BusinessCalendar()
LIMITS = st.sampled_from([None, "1m", "45m", "2h", "3d", "30wm", "2wh", "1wd", "3wd"])


def text(word: str) -> dict[str, str]:
    return {"zh": word, "en": word}


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    """Sound workflows: states in a line to an end, with random further ways, pauses, limits and rungs."""
    count = draw(st.integers(2, 6))
    states: list[dict[str, Any]] = []
    for at in range(count):
        is_last, pauses = at == count - 1, 0 < at < count - 1 and draw(st.booleans())
        states.append(
            {
                "code": f"s{at}",
                "name": text(f"s{at}"),
                "light": draw(st.sampled_from(["RED", "BLUE", "YELLOW", "GREEN"])),
                "is_terminal": is_last,
                "clock": "PAUSE" if pauses else "RUN",
                "limit": None if is_last or pauses else draw(LIMITS),
            }
        )
    ways = [(at, at + 1) for at in range(count - 1)]
    ways += draw(st.lists(st.tuples(st.integers(0, count - 2), st.integers(0, count - 1)), max_size=6))
    transitions = [
        {"code": f"t{n}", "verb": "ACT", "name": text("t"), "from_states": [f"s{a}"], "to": f"s{b}", "who": ["anyone"]}
        for n, (a, b) in enumerate(ways)
    ]
    if draw(st.booleans()):
        back = draw(st.integers(0, count - 2))
        transitions.append(
            {
                "code": "reopen",
                "verb": "REOPEN",
                "name": text("t"),
                "from_states": [f"s{count - 1}"],
                "to": f"s{back}",
                "who": ["anyone"],
            }
        )
    rungs = draw(st.lists(st.sampled_from([None, "10m", "1h", "1wd"]), max_size=3))
    return Workflow.model_validate(
        {
            "code": "random",
            "title": text("random"),
            "initial": "s0",
            "limit": draw(LIMITS),
            "warn_at": draw(st.lists(st.sampled_from([0.25, 0.5, 0.8]), unique=True, max_size=3)),
            "states": states,
            "transitions": transitions,
            "escalation": [{"after": after, "to": "role:lead"} for after in rungs],
        }
    )


@given(flow=workflows(), steps=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 6_000)), max_size=25))
@examples(100)
def test_walks_keep_the_invariants(flow: Workflow, steps: list[tuple[int, int]]) -> None:
    assert faults(flow) == []
    now, state = START, flow.state(flow.initial)
    ledger: list[ck.Entry] = []
    clocks = ck.Clocks()

    def write(entries: list[ck.Entry]) -> None:
        nonlocal clocks
        for entry in entries:
            clocks = clocks.add(entry, CALENDAR)
            ledger.append(entry)

    write(ck.entering(clocks, flow, state, state.limit, now, CALENDAR))
    for pick, minutes in steps:
        now += timedelta(minutes=minutes)
        due, clocks_after, ahead = ck.fallen_due(clocks, flow, now, CALENDAR)
        write(due)
        # What is due by now is written once, with its own moment, and looking again finds nothing.
        assert clocks == clocks_after
        assert all(entry.at <= now for entry in due)
        assert [entry.at for entry in due] == sorted(entry.at for entry in due)
        assert ck.fallen_due(clocks, flow, now, CALENDAR) == ([], clocks, ahead)
        # The row's projection is the ledger's sum, and survives being stored.
        assert clocks == ck.fold(ledger, CALENDAR) == ck.restored(ck.stored(clocks))
        options = flow.options(state.code)
        if not options or pick % 5 == 0:
            # An edit, a comment, a photo: nothing is written, so no deadline can move.
            continue
        chosen = options[pick % len(options)]
        assert state.code in chosen.from_states
        state = flow.state(chosen.to or state.code)
        before = clocks
        write(ck.entering(clocks, flow, state, state.limit, now, CALENDAR))
        if state.is_terminal:
            assert clocks.live == {}
        elif state.clock == "PAUSE":
            assert clocks.due_at is None
            assert all(clock.running_since is None for clock in clocks.live.values())
        elif state.limit is not None:
            clock = clocks.live["STATE"]
            assert clock.state == state.code
            assert clock.due_at is not None
            left = max(clock.limit - clock.used, timedelta())
            assert clock.due_at == CALENDAR.add(clock.running_since or now, left, is_working=clock.is_working)
        if state.clock == "RUN" and not state.is_terminal and "CASE" in before.live and "CASE" in clocks.live:
            # The whole case's clock goes on whatever state it is in: time used never shrinks.
            assert ck.used(clocks.live["CASE"], now, CALENDAR) >= before.live["CASE"].used


@given(
    start=st.integers(0, 60 * 24 * 500),
    spans=st.lists(st.integers(0, 4_000), min_size=1, max_size=5),
    works=st.booleans(),
)
def test_adding_and_measuring_time_are_inverse(start: int, spans: list[int], works: bool) -> None:  # noqa: FBT001 - drawn
    begin = START + timedelta(minutes=start)
    total = sum((timedelta(minutes=span) for span in spans), timedelta())
    at = begin
    for span in spans:
        at = CALENDAR.add(at, timedelta(minutes=span), is_working=works)
    assert CALENDAR.between(begin, at, is_working=works) == total
    once = CALENDAR.add(begin, total, is_working=works)
    assert CALENDAR.between(begin, once, is_working=works) == total


def test_holidays_and_make_up_days_of_the_state_count() -> None:
    """National Day 2026: 1 to 7 October are free, 20 September and 10 October are worked (State Council)."""
    assert [is_national_workday(date(2026, 10, day)) for day in (1, 7, 8, 10, 11)] == [False, False, True, True, False]
    friday = datetime(2026, 9, 30, 9, 0, tzinfo=UTC)
    # 17:00 in China on 30 September: half an hour is left of that day, the rest is after the holidays.
    assert CALENDAR.add(friday, timedelta(hours=1), is_working=True) == datetime(2026, 10, 8, 1, 0, tzinfo=UTC)


def test_the_citys_own_days_win() -> None:
    own = BusinessCalendar(read_hours(("09:00-12:00",)), {date(2026, 10, 1): True, date(2026, 10, 8): False})
    begin = datetime(2026, 10, 1, 0, 0, tzinfo=UTC)
    assert own.add(begin, timedelta(hours=3), is_working=True) == datetime(2026, 10, 1, 4, 0, tzinfo=UTC)
    assert own.add(begin, timedelta(hours=4), is_working=True) == datetime(2026, 10, 9, 2, 0, tzinfo=UTC)


def test_beyond_the_announced_years_weeks_are_as_usual() -> None:
    assert [is_national_workday(date(2031, 1, day)) for day in (3, 4, 5, 6)] == [True, False, False, True]


@pytest.mark.parametrize("hours", [(), ("09:00",), ("12:00-09:00",), ("09:00-12:00", "11:00-13:00"), ("09:00-24:30",)])
def test_odd_working_hours_are_refused(hours: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"hours|form"):
        read_hours(hours)


def test_limits_are_read() -> None:
    assert read_limit("30m").span == timedelta(minutes=30)
    assert (read_limit("3wd").days, read_limit("3wd").is_working) == (3, True)
    assert CALENDAR.span(read_limit("2wd")) == timedelta(hours=15)


def changed(**changes: Any) -> Workflow:
    return Workflow.model_validate(LIGHTS | changes)


def test_a_sound_workflow_has_no_fault() -> None:
    flow = changed()
    assert faults(flow) == []
    assert reachable(flow, {"found"}) == leads_to_end(flow) == {state.code for state in flow.states}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"initial": "nowhere"}, "initial"),
        ({"initial": "closed"}, "initial"),
        ({"initial": "held"}, "initial"),
        ({"states": [*LIGHTS["states"], LIGHTS["states"][0]]}, "states.7.code"),
        ({"states": [*LIGHTS["states"], {**LIGHTS["states"][0], "code": "island"}]}, "states.7.code"),
        ({"states": [{**s, "is_terminal": False} for s in LIGHTS["states"]]}, "states"),
        ({"states": [{**s, "limit": "1h"} for s in LIGHTS["states"]]}, "states.3.limit"),
        ({"transitions": [{**LIGHTS["transitions"][0], "to": "nowhere"}]}, "transitions.0.to"),
        ({"transitions": [{**LIGHTS["transitions"][0], "from_states": ["nowhere"]}]}, "transitions.0.from_states"),
        ({"transitions": [t for t in LIGHTS["transitions"] if t["verb"] != "CLOSE"]}, "states.0.code"),
        (
            {
                "transitions": [
                    *LIGHTS["transitions"],
                    {**LIGHTS["transitions"][0], "code": "x", "from_states": ["closed"]},
                ]
            },
            "transitions.11.from_states",
        ),
    ],
)
def test_faults_are_found_where_they_are(change: dict[str, Any], place: str) -> None:
    assert place in {fault.place for fault in faults(changed(**change))}


def test_open_cases_without_a_way_on_are_counted() -> None:
    flow = changed()
    assert stranded(flow, {"found": 3, "gone": 2, "elsewhere": 0}) == {"gone": 2}

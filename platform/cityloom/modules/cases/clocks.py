"""The ledger of a case's clocks and everything that follows from it: deadlines, warnings, breaches, escalation. No I/O.

A case has two clocks: STATE, for the state that it is in, and CASE, for the whole of it. Entries are only ever added;
`Clocks` is what they add up to, and folding the ledger again gives the same. A comment, an edit or a photo writes no
entry, so it can move no deadline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cityloom.modules.cases.flow import read_limit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cityloom.modules.cases.business import BusinessCalendar
    from cityloom.modules.cases.flow import State, Workflow

Which = Literal["STATE", "CASE"]
Kind = Literal["START", "DEADLINE", "PAUSE", "RESUME", "STOP", "WARN", "BREACH", "ESCALATE"]
BOTH: tuple[Which, Which] = ("STATE", "CASE")


class Entry(NamedTuple):
    """One line of the ledger. `at` is when it holds; `due_at` and `limit` belong to START and DEADLINE.

    `number` is the percentage of a WARN and the rung of an ESCALATE, counted from 1.
    """

    kind: Kind
    clock: Which
    at: datetime
    state: str | None = None
    limit: timedelta | None = None
    is_working: bool = False
    due_at: datetime | None = None
    number: int | None = None


class Clock(NamedTuple):
    """One clock as the ledger leaves it; `running_since` is None while it stands still."""

    limit: timedelta
    is_working: bool
    started_at: datetime
    state: str | None = None
    running_since: datetime | None = None
    used: timedelta = timedelta()
    due_at: datetime | None = None
    warned: frozenset[int] = frozenset()
    breached_at: datetime | None = None
    level: int = 0
    raised_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Clocks:
    """All live clocks of a case."""

    live: dict[str, Clock] = field(default_factory=dict)

    @property
    def due_at(self) -> datetime | None:
        """The next deadline of a running clock that is not over yet, else the earliest that was missed."""
        running = [c for c in self.live.values() if c.running_since is not None and c.due_at is not None]
        ahead = [c.due_at for c in running if c.breached_at is None]
        return min((due for due in (ahead or [c.due_at for c in running]) if due), default=None)

    @property
    def breached_at(self) -> datetime | None:
        """Since when the case is overdue; None while it is not."""
        return min((c.breached_at for c in self.live.values() if c.breached_at is not None), default=None)

    @property
    def level(self) -> int:
        """How many rungs up the ladder the case has gone; 0 while it is not overdue."""
        return max((c.level for c in self.live.values()), default=0)

    def add(self, entry: Entry, calendar: BusinessCalendar) -> Clocks:
        """What the clocks are after one more entry."""
        live = dict(self.live)
        clock = live.get(entry.clock)
        if entry.kind == "START":
            live[entry.clock] = Clock(
                entry.limit or timedelta(), entry.is_working, entry.at, entry.state, running_since=entry.at
            )
        elif clock is None:
            message = f"{entry.kind} of the clock {entry.clock}, which is not live"
            raise ValueError(message)
        elif entry.kind == "STOP":
            del live[entry.clock]
        else:
            live[entry.clock] = _after(clock, entry, calendar)
        return Clocks(live)


def _after(clock: Clock, entry: Entry, calendar: BusinessCalendar) -> Clock:
    match entry.kind:
        case "PAUSE":
            return clock._replace(used=used(clock, entry.at, calendar), running_since=None, due_at=None)
        case "RESUME":
            return clock._replace(running_since=entry.at)
        case "DEADLINE" if entry.due_at is not None:
            since = clock.running_since or entry.at
            span = clock.used + calendar.between(since, entry.due_at, is_working=clock.is_working)
            is_new = clock.due_at is not None and entry.due_at != clock.due_at
            fresh = clock._replace(warned=frozenset(), breached_at=None, level=0, raised_at=None) if is_new else clock
            return fresh._replace(due_at=entry.due_at, limit=span if entry.limit is None else entry.limit)
        case "WARN":
            return clock._replace(warned=clock.warned | {entry.number or 0})
        case "BREACH":
            return clock._replace(breached_at=entry.at)
        case "ESCALATE":
            return clock._replace(level=max(clock.level, entry.number or 0), raised_at=entry.at)
        case _:
            return clock


def used(clock: Clock, at: datetime, calendar: BusinessCalendar) -> timedelta:
    """How much of its limit a clock has used by a moment."""
    if clock.running_since is None:
        return clock.used
    return clock.used + calendar.between(clock.running_since, at, is_working=clock.is_working)


def fold(entries: Iterable[Entry], calendar: BusinessCalendar) -> Clocks:
    """What a whole ledger adds up to."""
    clocks = Clocks()
    for entry in entries:
        clocks = clocks.add(entry, calendar)
    return clocks


def entering(
    clocks: Clocks, flow: Workflow, state: State, limit: str | None, at: datetime, calendar: BusinessCalendar
) -> list[Entry]:
    """What is written when a case enters a state; `limit` is the state's own, or the matter's instead."""
    if state.is_terminal:
        return [Entry("STOP", which, at) for which in BOTH if which in clocks.live]
    if state.clock == "PAUSE":
        running = [which for which in BOTH if which in clocks.live and clocks.live[which].running_since is not None]
        return [Entry("PAUSE", which, at) for which in running]
    present = clocks.live.get("STATE")
    found: list[Entry] = []
    if present is not None and present.state == state.code and present.running_since is None:
        found += _resuming("STATE", present, at, calendar)
    else:
        found += [Entry("STOP", "STATE", at)] if present is not None else []
        found += _starting("STATE", state.code, limit, at, calendar)
    whole = clocks.live.get("CASE")
    if whole is None:
        found += _starting("CASE", None, flow.limit, at, calendar)
    elif whole.running_since is None:
        found += _resuming("CASE", whole, at, calendar)
    return found


def _starting(
    which: Which, state: str | None, text: str | None, at: datetime, calendar: BusinessCalendar
) -> list[Entry]:
    if text is None:
        return []
    limit = read_limit(text)
    span = calendar.span(limit)
    due = calendar.add(at, span, is_working=limit.is_working)
    return [
        Entry("START", which, at, state, span, limit.is_working),
        Entry("DEADLINE", which, at, state, span, limit.is_working, due),
    ]


def _resuming(which: Which, clock: Clock, at: datetime, calendar: BusinessCalendar) -> list[Entry]:
    left = max(clock.limit - clock.used, timedelta())
    due = calendar.add(at, left, is_working=clock.is_working)
    return [
        Entry("RESUME", which, at, clock.state),
        Entry("DEADLINE", which, at, clock.state, clock.limit, clock.is_working, due),
    ]


def supervised(clocks: Clocks, state: str, due_at: datetime, at: datetime) -> list[Entry]:
    """What is written when a supervisor sets the deadline of the present state themselves (限期督办)."""
    clock = clocks.live.get("STATE")
    if clock is None:
        return [
            Entry("START", "STATE", at, state, due_at - at),
            Entry("DEADLINE", "STATE", at, state, due_at - at, due_at=due_at),
        ]
    if clock.running_since is None:
        return []
    return [Entry("DEADLINE", "STATE", at, clock.state, None, clock.is_working, due_at)]


def coming(clocks: Clocks, flow: Workflow, calendar: BusinessCalendar) -> list[Entry]:
    """The next entry that each running clock will need if nothing happens before, soonest first."""
    found = [_next(which, clocks.live[which], flow, calendar) for which in BOTH if which in clocks.live]
    return sorted((one for one in found if one is not None), key=lambda entry: entry.at)


def _next(which: Which, clock: Clock, flow: Workflow, calendar: BusinessCalendar) -> Entry | None:
    since = clock.running_since
    if since is None or clock.due_at is None:
        return None
    if clock.breached_at is None:
        for fraction in sorted(flow.warn_at):
            number = round(fraction * 100)
            if number in clock.warned:
                continue
            left = max(clock.limit * fraction - clock.used, timedelta())
            at = calendar.add(since, left, is_working=clock.is_working)
            if at < clock.due_at:
                return Entry("WARN", which, at, clock.state, number=number)
        return Entry("BREACH", which, clock.due_at, clock.state)
    if clock.level < len(flow.escalation):
        rung = flow.escalation[clock.level]
        at = clock.raised_at or clock.breached_at
        if rung.after is not None:
            limit = read_limit(rung.after)
            at = calendar.add(at, calendar.span(limit), is_working=limit.is_working)
        return Entry("ESCALATE", which, max(at, since), clock.state, number=clock.level + 1)
    return None


def fallen_due(
    clocks: Clocks, flow: Workflow, now: datetime, calendar: BusinessCalendar
) -> tuple[list[Entry], Clocks, datetime | None]:
    """Every entry that was due by now, in order; the clocks after them; and when the next will be due."""
    written: list[Entry] = []
    while True:
        ahead = coming(clocks, flow, calendar)
        if not ahead or ahead[0].at > now:
            return written, clocks, ahead[0].at if ahead else None
        written.append(ahead[0])
        clocks = clocks.add(ahead[0], calendar)


def stored(clocks: Clocks) -> dict[str, Any]:
    """The clocks as JSON, for the case's own row: a projection that spares reading the ledger."""
    return {
        which: {
            "limit": clock.limit.total_seconds(),
            "is_working": clock.is_working,
            "started_at": clock.started_at.isoformat(),
            "state": clock.state,
            "running_since": clock.running_since.isoformat() if clock.running_since else None,
            "used": clock.used.total_seconds(),
            "due_at": clock.due_at.isoformat() if clock.due_at else None,
            "warned": sorted(clock.warned),
            "breached_at": clock.breached_at.isoformat() if clock.breached_at else None,
            "level": clock.level,
            "raised_at": clock.raised_at.isoformat() if clock.raised_at else None,
        }
        for which, clock in clocks.live.items()
    }


def restored(values: dict[str, Any]) -> Clocks:
    """The inverse of `stored`."""

    def moment(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text) if text else None

    return Clocks(
        {
            which: Clock(
                limit=timedelta(seconds=one["limit"]),
                is_working=one["is_working"],
                started_at=datetime.fromisoformat(one["started_at"]),
                state=one["state"],
                running_since=moment(one["running_since"]),
                used=timedelta(seconds=one["used"]),
                due_at=moment(one["due_at"]),
                warned=frozenset(one["warned"]),
                breached_at=moment(one["breached_at"]),
                level=one["level"],
                raised_at=moment(one["raised_at"]),
            )
            for which, one in values.items()
        }
    )

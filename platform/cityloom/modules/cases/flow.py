"""Workflows as data: states, transitions, limits, ladders; what is wrong with one, and where it leads. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Field

from cityloom.tenancy.packs.tables import PackRow, PackText

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Light = Literal["RED", "BLUE", "YELLOW", "GREEN"]
Verb = Literal[
    "DISPATCH",
    "WHISTLE",
    "ACCEPT",
    "RETURN",
    "TRANSFER",
    "HOLD",
    "RESUME",
    "ESCALATE",
    "RESOLVE",
    "VERIFY",
    "REJECT",
    "CLOSE",
    "REOPEN",
    "CANCEL",
    "ARCHIVE",
    "ACT",
]
Guard = Literal["not_resolver", "not_reporter", "not_overdue", "all_responded", "all_done"]
LIGHTS: tuple[str, ...] = get_args(Light)
VERBS: tuple[str, ...] = get_args(Verb)

#: Verbs that lead out of a closed case.
FROM_TERMINAL = frozenset({"REOPEN", "ARCHIVE"})
#: Verbs that say that the work of somebody else is good, or is not.
JUDGING = frozenset({"VERIFY", "REJECT"})
_LIMIT = re.compile(r"([1-9][0-9]{0,4})(m|h|d|wm|wh|wd)\Z")
_LIMIT_PATTERN = r"^[1-9][0-9]{0,4}(m|h|d|wm|wh|wd)$"

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
LimitText = Annotated[str, Field(pattern=_LIMIT_PATTERN)]
Who = Annotated[
    str,
    Field(
        pattern=r"^(anyone|reporter|assignee|department|handler|system|role:[a-z][a-z0-9_]*|post:[A-Za-z][A-Za-z0-9_]*)$"
    ),
]
Ladder = Annotated[str, Field(pattern=r"^(role:[a-z][a-z0-9_]*|post:[A-Za-z][A-Za-z0-9_]*|department|board)$")]
Need = Annotated[
    str, Field(pattern=r"^(comment|assignee|department|photo_before|photo_after|satisfaction|near:[1-9][0-9]{0,4})$")
]


@dataclass(frozen=True, slots=True)
class Limit:
    """A span of calendar time, of working time, or (`days`) of working days, whose length a calendar says."""

    span: timedelta
    is_working: bool = False
    days: int = 0


@lru_cache(maxsize=1_024)
def read_limit(text: str) -> Limit:
    """`30m`, `2h`, `3d` are calendar minutes, hours, days; `30wm`, `2wh`, `3wd` the same of working time."""
    match = _LIMIT.match(text)
    if match is None:
        message = f"no limit: {text!r}"
        raise ValueError(message)
    amount, unit = int(match[1]), match[2]
    if unit == "wd":
        return Limit(timedelta(), is_working=True, days=amount)
    minutes = {"m": 1, "h": 60, "d": 1440}[unit[-1]] * amount
    return Limit(timedelta(minutes=minutes), is_working=unit.startswith("w"))


class State(PackRow):
    """Where a case can stand. Clocks stand still in a state whose `clock` is PAUSE."""

    code: Code
    name: PackText
    light: Light
    limit: LimitText | None = None
    clock: Literal["RUN", "PAUSE"] = "RUN"
    is_terminal: bool = False


class Transition(PackRow):
    """A way from states to a state; without `to` the case stays where it is, and so do its clocks."""

    code: Code
    verb: Verb
    name: PackText
    from_states: Annotated[tuple[str, ...], Field(min_length=1, max_length=40)]
    to: str | None = None
    who: Annotated[tuple[Who, ...], Field(min_length=1, max_length=20)]
    needs: Annotated[tuple[Need, ...], Field(max_length=10)] = ()
    guards: Annotated[tuple[Guard, ...], Field(max_length=10)] = ()


class Rung(PackRow):
    """Whom an overdue case goes up to, this long after the rung before (the first: the deadline), or at once."""

    after: LimitText | None = None
    to: Ladder


class Workflow(PackRow):
    """One version of a workflow, as packs write it and as the database keeps it."""

    code: Code
    title: PackText
    description: PackText | None = None
    initial: str
    limit: LimitText | None = None
    warn_at: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(max_length=5)] = (0.5, 0.8)
    duty: Ladder | None = None
    reopen_days: Annotated[int, Field(ge=0, le=3650)] = 7
    states: Annotated[tuple[State, ...], Field(min_length=1, max_length=40)]
    transitions: Annotated[tuple[Transition, ...], Field(max_length=200)] = ()
    escalation: Annotated[tuple[Rung, ...], Field(max_length=10)] = ()

    def state(self, code: str) -> State:
        """A state by its code."""
        return next(state for state in self.states if state.code == code)

    def options(self, state: str) -> list[Transition]:
        """The transitions that lead on from a state."""
        return [one for one in self.transitions if state in one.from_states]

    def named(self, code: str) -> Transition | None:
        """A transition by its code."""
        return next((one for one in self.transitions if one.code == code), None)

    def roles(self) -> Iterator[tuple[str, str]]:
        """Every role that the workflow counts on, and where it says so."""
        for at, transition in enumerate(self.transitions):
            for who in transition.who:
                if who.startswith("role:"):
                    yield who.removeprefix("role:"), f"transitions.{at}.who"
        for at, rung in enumerate(self.escalation):
            if rung.to.startswith("role:"):
                yield rung.to.removeprefix("role:"), f"escalation.{at}.to"
        if self.duty is not None and self.duty.startswith("role:"):
            yield self.duty.removeprefix("role:"), "duty"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a workflow cannot be published."""

    place: str
    zh: str
    en: str


def faults(flow: Workflow) -> list[Fault]:
    """Everything that is wrong with a workflow in itself, whoever holds which role."""
    found = [*_names(flow)]
    if not found:
        found = [*_shape(flow), *_ways(flow)]
    return found


def _names(flow: Workflow) -> Iterator[Fault]:
    for what, codes in (("states", [s.code for s in flow.states]), ("transitions", [t.code for t in flow.transitions])):
        for at, code in enumerate(codes):
            if code in codes[:at]:
                yield Fault(f"{what}.{at}.code", f"{code!r} 重复", f"{code!r} is given twice")
    known = {state.code for state in flow.states}
    if flow.initial not in known:
        yield Fault("initial", f"没有状态 {flow.initial!r}", f"there is no state {flow.initial!r}")
    for at, transition in enumerate(flow.transitions):
        ends = [("from_states", code) for code in transition.from_states]
        ends += [("to", transition.to)] if transition.to is not None else []
        for field, code in ends:
            if code not in known:
                yield Fault(f"transitions.{at}.{field}", f"没有状态 {code!r}", f"there is no state {code!r}")


def _shape(flow: Workflow) -> Iterator[Fault]:
    if flow.state(flow.initial).is_terminal:
        yield Fault("initial", "初始状态不能是终态", "a case cannot begin in a terminal state")
    if flow.state(flow.initial).clock == "PAUSE":
        yield Fault("initial", "初始状态不能暂停计时", "a case cannot begin with its clocks paused")
    if not any(state.is_terminal for state in flow.states):
        yield Fault("states", "没有终态", "there is no terminal state")
    for at, state in enumerate(flow.states):
        if state.limit is not None and (state.is_terminal or state.clock == "PAUSE"):
            yield Fault(f"states.{at}.limit", "终态和暂停状态不能有时限", "a terminal or paused state has no limit")
    for at, transition in enumerate(flow.transitions):
        closed = [code for code in transition.from_states if flow.state(code).is_terminal]
        if closed and transition.verb not in FROM_TERMINAL:
            yield Fault(
                f"transitions.{at}.from_states",
                f"只有 REOPEN 和 ARCHIVE 可离开终态 {closed[0]!r}",
                f"only REOPEN and ARCHIVE lead out of the terminal state {closed[0]!r}",
            )


def _ways(flow: Workflow) -> Iterator[Fault]:
    reached = reachable(flow, {flow.initial})
    leading = leads_to_end(flow)
    for at, state in enumerate(flow.states):
        if state.code not in reached:
            yield Fault(
                f"states.{at}.code", f"状态 {state.code!r} 不可到达", f"the state {state.code!r} is unreachable"
            )
        elif state.code not in leading:
            yield Fault(
                f"states.{at}.code",
                f"状态 {state.code!r} 没有出路:无法到达终态",
                f"there is no way out of the state {state.code!r}: no terminal state can be reached",
            )


def _edges(flow: Workflow) -> Iterator[tuple[str, str]]:
    for transition in flow.transitions:
        for state in transition.from_states:
            yield state, transition.to or state


def reachable(flow: Workflow, begin: Iterable[str]) -> set[str]:
    """Every state that can be reached from these."""
    found, todo = set[str](), list(begin)
    edges = list(_edges(flow))
    while todo:
        at = todo.pop()
        if at not in found:
            found.add(at)
            todo += [end for start, end in edges if start == at]
    return found


def leads_to_end(flow: Workflow) -> set[str]:
    """Every state from which a terminal state can be reached, terminal states included."""
    found, todo = set[str](), [state.code for state in flow.states if state.is_terminal]
    edges = list(_edges(flow))
    while todo:
        at = todo.pop()
        if at not in found:
            found.add(at)
            todo += [start for start, end in edges if end == at]
    return found


def stranded(flow: Workflow, open_cases: Mapping[str, int]) -> dict[str, int]:
    """Of open cases counted by state, those that this version would leave without a way to an end."""
    leading = leads_to_end(flow)
    return {state: count for state, count in open_cases.items() if count and state not in leading}

"""What follows from a track: length, pauses, coverage, and which points cannot be believed. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from cityloom.modules.grid.geometry import Position, distance_m

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cityloom.modules.grid.geometry import Raster

#: So many points that agree with one another, and not with what was before, are believed: the first ones were wrong.
BELIEVED_AFTER = 3


class Flag(IntEnum):
    """Why a point is left out of the figures; it is kept all the same."""

    GOOD = 0
    JUMP = 1
    INACCURATE = 2


@dataclass(frozen=True, slots=True)
class Point:
    """A reported position; `at_ms` in Unix milliseconds, accuracy in metres."""

    at_ms: int
    longitude: float
    latitude: float
    accuracy_m: float | None = None

    @property
    def position(self) -> Position:
        """Longitude and latitude."""
        return self.longitude, self.latitude


@dataclass(frozen=True, slots=True)
class TrackRules:
    """What a city believes of a track, and what it calls a pause."""

    fastest_m_per_s: float = 20.0
    worst_accuracy_m: float = 100.0
    pause_radius_m: float = 30.0
    pause_s: int = 300
    gap_s: int = 300


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one track; flags stand in the order of the points."""

    flags: tuple[Flag, ...]
    length_m: float
    pause_s: float
    active_s: float
    duration_s: float
    visited: frozenset[tuple[int, int]]


def flag(points: Sequence[Point], rules: TrackRules) -> tuple[Flag, ...]:
    """Mark points (in the order of time) that are too inaccurate, or that nobody could have reached in the time.

    A point is held against the last good one. Where `BELIEVED_AFTER` flagged points in a row agree among themselves,
    the first of them becomes good: after a tunnel, or where the very first point was wrong.
    """
    flags: list[Flag] = []
    last: Point | None = None
    doubted: list[int] = []
    for at, point in enumerate(points):
        if point.accuracy_m is not None and point.accuracy_m > rules.worst_accuracy_m:
            flags.append(Flag.INACCURATE)
            continue
        if last is None or _reachable(last, point, rules):
            flags.append(Flag.GOOD)
            last, doubted = point, []
            continue
        flags.append(Flag.JUMP)
        if doubted and not _reachable(points[doubted[-1]], point, rules):
            doubted = []
        doubted.append(at)
        if len(doubted) == BELIEVED_AFTER:
            for believed in doubted:
                flags[believed] = Flag.GOOD
            last, doubted = point, []
    return tuple(flags)


def _reachable(a: Point, b: Point, rules: TrackRules) -> bool:
    seconds = (b.at_ms - a.at_ms) / 1000
    return distance_m(a.position, b.position) <= rules.fastest_m_per_s * seconds


def measure(
    points: Sequence[Point], rules: TrackRules, *, began_ms: int, ended_ms: int, raster: Raster | None = None
) -> Figures:
    """The figures of a track whose points are in the order of time, between beginning and end of its patrol.

    A pause is a time of at least `pause_s` in which nobody left a circle of `pause_radius_m` around where it began, or
    of more than `gap_s` without a believable point. Neither length nor activity grows during a pause; nor does the
    length across a jump that was believed in the end.
    """
    flags = flag(points, rules)
    good = [point for point, mark in zip(points, flags, strict=True) if mark is Flag.GOOD]
    resting = _resting(good, rules)
    length = pause = 0.0
    for (a, b), rests in zip(pairwise(good), resting, strict=True):
        seconds = (b.at_ms - a.at_ms) / 1000
        if rests or seconds > rules.gap_s:
            pause += seconds
        elif _reachable(a, b, rules):
            length += distance_m(a.position, b.position)
    edges = ((began_ms, good[0].at_ms), (good[-1].at_ms, ended_ms)) if good else ((began_ms, ended_ms),)
    pause += sum(silence for a, b in edges if (silence := (b - a) / 1000) > rules.gap_s or not good)
    duration = max(0.0, (ended_ms - began_ms) / 1000)
    pause = min(duration, max(0.0, pause))
    visited = frozenset() if raster is None else frozenset(raster.cell_of(p.position) for p in good) & raster.cells
    return Figures(flags, length, pause, duration - pause, duration, visited)


def _resting(good: Sequence[Point], rules: TrackRules) -> list[bool]:
    """For each step from one good point to the next, whether it lies in a pause on the spot."""
    resting = [False] * max(0, len(good) - 1)
    anchor = 0
    for at in range(1, len(good) + 1):
        if at < len(good) and distance_m(good[anchor].position, good[at].position) <= rules.pause_radius_m:
            continue
        if at - 1 > anchor and good[at - 1].at_ms - good[anchor].at_ms >= rules.pause_s * 1000:
            resting[anchor : at - 1] = [True] * (at - 1 - anchor)
        anchor = at
    return resting

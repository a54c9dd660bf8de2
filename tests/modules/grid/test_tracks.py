"""Length, pauses, jumps and coverage of tracks, against the plainest way to count them."""

from __future__ import annotations

from math import cos, floor, pi, radians, sin, sqrt
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.modules.grid import geometry, tracks
from cityloom.modules.grid.tracks import Flag, Point, TrackRules

if TYPE_CHECKING:
    from collections.abc import Sequence

WEST, SOUTH = 129.5, 42.9
RULES = TrackRules(fastest_m_per_s=20, worst_accuracy_m=100, pause_radius_m=30, pause_s=300, gap_s=300)
#: Degrees of latitude of one metre.
METRE = 1 / geometry.METRES_PER_DEGREE


def walk(*steps: tuple[float, float], accuracy: float | None = 5.0) -> list[Point]:
    """Points from `(seconds after the last one, metres north)`."""
    at, north, found = 0.0, 0.0, []
    for seconds, metres in steps:
        at, north = at + seconds, north + metres
        found.append(Point(round(at * 1000), WEST, SOUTH + north * METRE, accuracy))
    return found


def measure(points: Sequence[Point], **values: Any) -> tracks.Figures:
    ended = values.pop("ended", points[-1].at_ms if points else 0)
    return tracks.measure(points, RULES, began_ms=0, ended_ms=ended, **values)


def plain_distance(a: Point, b: Point) -> float:
    """Along the chord through the earth, and up again: another way than haversine."""

    def at(p: Point) -> tuple[float, float, float]:
        east, north = radians(p.longitude), radians(p.latitude)
        return cos(north) * cos(east), cos(north) * sin(east), sin(north)

    half = sqrt(sum((x - y) ** 2 for x, y in zip(at(a), at(b), strict=True))) / 2
    # asin by its series would do; for distances of a walk the angle is small and the chord is the arc.
    return 2 * geometry.RADIUS_M * (half + half**3 / 6)


steps = st.lists(st.tuples(st.integers(1, 600), st.integers(-400, 400)), min_size=0, max_size=40)


@given(steps)
def test_length_and_pauses_equal_brute_force(given_: list[tuple[int, int]]) -> None:
    points = walk(*given_)
    figures = measure(points)
    good = [p for p, flag in zip(points, figures.flags, strict=True) if flag is Flag.GOOD]
    # Greedy from the first point on: the longest stay around each anchor; whatever is shorter is no pause.
    resting: set[int] = set()
    anchor = 0
    while anchor < len(good):
        last = anchor
        while last + 1 < len(good) and plain_distance(good[anchor], good[last + 1]) <= RULES.pause_radius_m + 1e-6:
            last += 1
        if good[last].at_ms - good[anchor].at_ms >= RULES.pause_s * 1000:
            resting |= set(range(anchor, last))
        anchor = last + 1
    length = pause = 0.0
    for at in range(len(good) - 1):
        seconds = (good[at + 1].at_ms - good[at].at_ms) / 1000
        if at in resting or seconds > RULES.gap_s:
            pause += seconds
        elif plain_distance(good[at], good[at + 1]) <= RULES.fastest_m_per_s * seconds + 1e-6:
            length += plain_distance(good[at], good[at + 1])
    if good:
        first = good[0].at_ms / 1000
        pause += first if first > RULES.gap_s else 0
        silent_end = (points[-1].at_ms - good[-1].at_ms) / 1000
        pause += silent_end if silent_end > RULES.gap_s else 0
    else:
        pause = figures.duration_s
    assert figures.length_m == pytest.approx(length, abs=0.01)
    assert figures.pause_s == pytest.approx(pause, abs=0.001)
    assert figures.active_s == pytest.approx(figures.duration_s - pause, abs=0.001)
    assert 0 <= figures.active_s <= figures.duration_s


@given(steps)
def test_nothing_that_is_counted_is_faster_than_allowed(given_: list[tuple[int, int]]) -> None:
    figures = measure(walk(*given_))
    assert figures.length_m <= RULES.fastest_m_per_s * figures.active_s + 1e-6


def test_a_jump_is_flagged_and_does_not_count() -> None:
    points = walk(*[(10, 10)] * 10, (10, 5_000), (10, -4_990), *[(10, 10)] * 10)
    figures = measure(points)
    assert [at for at, flag in enumerate(figures.flags) if flag is not Flag.GOOD] == [10]
    assert figures.flags[10] is Flag.JUMP
    assert figures.length_m == pytest.approx(200, abs=0.5)


def test_a_wrong_first_point_is_not_believed_for_ever() -> None:
    points = walk((0, 9_000), (10, -9_000), *[(10, 10)] * 10)
    figures = measure(points)
    assert figures.flags[1:] == (Flag.GOOD,) * 11
    # From the wrong point to the right ones nobody walked.
    assert figures.length_m == pytest.approx(100, abs=0.5)


def test_inaccurate_points_are_flagged() -> None:
    points = [*walk(*[(10, 10)] * 3), Point(40_000, WEST, SOUTH + 40 * METRE, 500.0)]
    assert measure(points).flags == (Flag.GOOD, Flag.GOOD, Flag.GOOD, Flag.INACCURATE)


def test_standing_still_is_a_pause_and_trembling_no_walk() -> None:
    trembling = [(30, 8), (30, -8)] * 10
    figures = measure(walk(*[(10, 12)] * 12, *trembling, *[(10, 12)] * 12))
    # The pause has half a minute of walking in and out of its circle of 30 m.
    assert figures.pause_s == pytest.approx(620, abs=30)
    assert figures.length_m == pytest.approx(288, abs=60)


def test_silence_is_a_pause() -> None:
    figures = measure(walk((0, 0), (10, 10), (1_800, 500), (10, 10)))
    assert figures.pause_s == 1_800
    assert figures.length_m == pytest.approx(20, abs=0.1)
    assert measure([], ended=7_200_000).active_s == 0
    assert measure(walk((0, 0), (10, 10)), ended=7_200_000).active_s == 10


def rectangle(west: float, south: float, wide: float, high: float) -> dict[str, Any]:
    ring = [[west, south], [west + wide, south], [west + wide, south + high], [west, south + high], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


corners = st.lists(
    st.tuples(st.floats(0, 0.01, allow_subnormal=False), st.floats(0, 0.01, allow_subnormal=False)),
    min_size=3,
    max_size=8,
    unique=True,
)


@given(corners, st.integers(40, 200))
def test_raster_cells_are_those_whose_centre_lies_inside(ring: list[tuple[float, float]], cell_m: int) -> None:
    positions = [[WEST + x, SOUTH + y] for x, y in ring]
    boundary = {"type": "Polygon", "coordinates": [[*positions, positions[0]]]}
    found = geometry.raster(boundary, cell_m)
    columns = range(floor(WEST / found.width) - 1, floor((WEST + 0.011) / found.width) + 2)
    rows = range(floor(SOUTH / found.height) - 1, floor((SOUTH + 0.011) / found.height) + 2)
    plain = {
        (column, row)
        for column in columns
        for row in rows
        if geometry.contains(boundary, ((column + 0.5) * found.width, (row + 0.5) * found.height))
    }
    assert len(found.cells ^ plain) <= 0.01 * len(plain) + 1


@given(st.lists(st.tuples(st.floats(0, 0.0045), st.floats(0, 0.0045)), max_size=60))
def test_coverage_equals_counting_cells(at: list[tuple[float, float]]) -> None:
    boundary = rectangle(WEST, SOUTH, 0.0045, 0.0045)
    cells = geometry.raster(boundary, 50)
    points = [Point(n * 600_000, WEST + x, SOUTH + y, 5.0) for n, (x, y) in enumerate(at)]
    figures = measure(points, raster=cells)
    visited = {(floor(p.longitude / cells.width), floor(p.latitude / cells.height)) for p in points}
    assert figures.visited == visited & cells.cells


def test_a_raster_never_grows_out_of_hand() -> None:
    country = geometry.raster(rectangle(100, 30, 10, 10), 50)
    assert len(country.cells) <= geometry.MOST_CELLS
    assert country.cell_m > 50


@given(st.floats(-0.02, 0.02), st.floats(-0.02, 0.02))
def test_distance_from_a_rectangle(x: float, y: float) -> None:
    boundary = rectangle(WEST, SOUTH, 0.01, 0.01)
    position = (WEST + x, SOUTH + y)
    wide = geometry.METRES_PER_DEGREE * cos(position[1] * pi / 180)
    beside = max(0.0, -x, x - 0.01) * wide
    above = max(0.0, -y, y - 0.01) * geometry.METRES_PER_DEGREE
    assert geometry.distance_outside_m(boundary, position) == pytest.approx(sqrt(beside**2 + above**2), abs=0.5)


@given(st.floats(-179, 179), st.floats(-80, 80), st.floats(-0.02, 0.02), st.floats(-0.02, 0.02))
def test_haversine_equals_the_chord(x: float, y: float, dx: float, dy: float) -> None:
    a, b = Point(0, x, y), Point(0, x + dx, y + dy)
    assert geometry.distance_m(a.position, b.position) == pytest.approx(plain_distance(a, b), abs=0.01)


def test_a_hole_is_outside() -> None:
    outer = rectangle(WEST, SOUTH, 0.01, 0.01)["coordinates"][0]
    hole = rectangle(WEST + 0.004, SOUTH + 0.004, 0.002, 0.002)["coordinates"][0]
    boundary = {"type": "MultiPolygon", "coordinates": [[outer, hole]]}
    assert not geometry.contains(boundary, (WEST + 0.005, SOUTH + 0.005))
    assert geometry.distance_outside_m(boundary, (WEST + 0.005, SOUTH + 0.005)) > 50
    whole, holed = geometry.raster(rectangle(WEST, SOUTH, 0.01, 0.01), 50), geometry.raster(boundary, 50)
    assert len(holed.cells) < len(whole.cells)

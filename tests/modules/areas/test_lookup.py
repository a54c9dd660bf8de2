"""Which area is this in: the one statement against brute force, and the datums of Chinese maps."""

from __future__ import annotations

import math
from itertools import pairwise
from math import cos, hypot, radians
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.core.errors import Refusal
from cityloom.modules.areas import service
from cityloom.modules.areas.boundary import MAXIMUM_POSITIONS, read_boundary
from cityloom.modules.areas.coordinates import CoordinateSystem, from_wgs84, to_wgs84
from cityloom.testing.areas import AreaTree
from cityloom.testing.examples import examples

if TYPE_CHECKING:
    from cityloom.testing.front import Front

ASK = """query($x: Float!, $y: Float!, $kind: String) {
    areaAt(longitude: $x, latitude: $y, kind: $kind) { code } }"""
Rings = list[list[tuple[float, float]]]


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The distance of two near positions."""
    return hypot((a[0] - b[0]) * cos(radians(a[1])), a[1] - b[1]) * 111_320


@given(st.floats(74, 134), st.floats(19, 53), st.sampled_from(list(CoordinateSystem)))
def test_every_datum_there_and_back_is_within_a_metre(x: float, y: float, system: CoordinateSystem) -> None:
    there = from_wgs84(x, y, system)
    assert metres((x, y), to_wgs84(*there, system)) < 0.01
    if system is not CoordinateSystem.WGS84:
        assert 1 < metres((x, y), there) < 2_500, "the shift is some hundred metres"


def test_a_published_pair_of_coordinates() -> None:
    # Tiananmen by the test data of eviltransform: WGS-84 116.39123,39.9075 is GCJ-02 116.39747,39.9089.
    x, y = from_wgs84(116.39123, 39.9075, CoordinateSystem.GCJ02)
    assert metres((x, y), (116.397_47, 39.908_9)) < 5


def in_rings(x: float, y: float, rings: Rings) -> bool:
    """Even-odd rule by crossings, the textbook way."""
    inside = False
    for ring in rings:
        for (x1, y1), (x2, y2) in pairwise([*ring, ring[0]]):
            if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
                inside = not inside
    return inside


def near_edge(x: float, y: float, rings: Rings) -> bool:
    """Whether a position is so near to an edge that PostgreSQL's tolerance of a millionth of a degree decides."""
    for ring in rings:
        for (x1, y1), (x2, y2) in pairwise([*ring, ring[0]]):
            along = (x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)
            share = min(1.0, max(0.0, along / ((x2 - x1) ** 2 + (y2 - y1) ** 2)))
            if hypot(x - x1 - share * (x2 - x1), y - y1 - share * (y2 - y1)) < 1e-5:
                return True
    return False


@st.composite
def stars(draw: st.DrawFn) -> Rings:
    """A ring that may be concave, around (129.5, 42.9), sometimes with a hole around its middle."""
    corners = draw(st.integers(3, 9))
    radii = draw(st.lists(st.floats(0.02, 0.1), min_size=corners, max_size=corners))
    shift_x, shift_y = draw(st.floats(-0.05, 0.05)), draw(st.floats(-0.05, 0.05))

    def ring(scale: float) -> list[tuple[float, float]]:
        return [
            (
                round(129.5 + shift_x + scale * r * math.cos(2 * math.pi * i / corners), 6),
                round(42.9 + shift_y + scale * r * math.sin(2 * math.pi * i / corners), 6),
            )
            for i, r in enumerate(radii)
        ]

    return [ring(1.0), ring(0.4)] if draw(st.booleans()) else [ring(1.0)]


def polygon(rings: Rings) -> dict[str, Any]:
    """The rings as GeoJSON."""
    return {"type": "Polygon", "coordinates": [[list(at) for at in (*ring, ring[0])] for ring in rings]}


@given(
    shapes=st.lists(stars(), min_size=1, max_size=5),
    points=st.lists(st.tuples(st.floats(129.35, 129.65), st.floats(42.75, 43.05)), min_size=5, max_size=12),
)
@examples(6, shares_fixtures=True)
async def test_lookup_is_what_brute_force_says(
    front: Front, shapes: list[Rings], points: list[tuple[float, float]]
) -> None:
    tree = await AreaTree.plant(front.works, streets=1, communities=1, grids=2)
    names = ["city", "s1", "s1c1", "s1c1g1", "s1c1g2"]
    bounded = dict(zip(names, shapes, strict=False))
    async with front.works.begin(tree.administrator) as work:
        for name, rings in bounded.items():
            await service.set_boundary(work, tree.id(name), polygon(rings))
    for x, y in points:
        if any(near_edge(x, y, rings) for rings in bounded.values()):
            continue
        hits = [tree.areas[name] for name, rings in bounded.items() if in_rings(x, y, rings)]
        found = (await front.data(tree.administrator, ASK, {"x": x, "y": y}))["areaAt"]
        deepest = max((area.depth for area in hits), default=-1)
        if hits:
            assert found["code"] in {a.code for a in hits if a.depth == deepest}
        else:
            assert found is None
        streets = [a.code for a in hits if a.kind == "STREET"]
        only = (await front.data(tree.administrator, ASK, {"x": x, "y": y, "kind": "STREET"}))["areaAt"]
        assert (only or {}).get("code") == (streets[0] if streets else None)


async def test_the_map_of_another_datum_finds_the_same_grid(front: Front, alder: AreaTree) -> None:
    square = [[(129.50, 42.90), (129.51, 42.90), (129.51, 42.91), (129.50, 42.91)]]
    async with front.works.begin(alder.administrator) as work:
        await service.set_boundary(work, alder.id("s1c1g1"), polygon(square))
    ask = """query($x: Float!, $y: Float!, $s: CoordinateSystem!) {
        areaAt(longitude: $x, latitude: $y, system: $s) { code } }"""
    for system in CoordinateSystem:
        # 20 m inside and 20 m outside of the western edge, in each datum.
        for x, wanted in ((129.50025, {"code": "S1C1G1"}), (129.49975, None)):
            there = from_wgs84(x, 42.905, system)
            variables = {"x": there[0], "y": there[1], "s": system.value}
            assert (await front.data(alder.administrator, ask, variables))["areaAt"] == wanted
    refused = await front.ask(alder.administrator, ask, {"x": 200.0, "y": 42.9, "s": "WGS84"})
    assert refused["errors"][0]["extensions"]["code"] == "INVALID_INPUT"


async def test_a_closed_area_is_found_no_more(front: Front, alder: AreaTree) -> None:
    square = [[(129.50, 42.90), (129.51, 42.90), (129.51, 42.91), (129.50, 42.91)]]
    async with front.works.begin(alder.administrator) as work:
        await service.set_boundary(work, alder.id("s1c1g1"), polygon(square))
        await service.close_area(work, alder.id("s1c1g1"))
    found = await front.data(alder.administrator, ASK, {"x": 129.505, "y": 42.905})
    assert found["areaAt"] is None


OPEN = [[129.5, 42.9], [129.6, 42.9], [129.6, 43.0], [129.5, 43.0]]


@pytest.mark.parametrize(
    ("geometry", "path"),
    [
        (None, ()),
        ([], ()),
        ({"type": "Point", "coordinates": [129.5, 42.9]}, ("type",)),
        ({"type": "Polygon"}, ("coordinates",)),
        ({"type": "Polygon", "coordinates": []}, ("coordinates",)),
        ({"type": "Polygon", "coordinates": [OPEN]}, ("coordinates", 0)),
        ({"type": "Polygon", "coordinates": [OPEN[:2]]}, ("coordinates", 0)),
        ({"type": "Polygon", "coordinates": [[*OPEN, OPEN[0]]], "crs": "EPSG:4490"}, ()),
        ({"type": "Polygon", "coordinates": [[*OPEN[:3], [42.9, 129.5], OPEN[0]]]}, ("coordinates", 0, 3)),
        ({"type": "Polygon", "coordinates": [[*OPEN[:3], [129.5], OPEN[0]]]}, ("coordinates", 0, 3)),
        ({"type": "Polygon", "coordinates": [[*OPEN[:3], [True, 1], OPEN[0]]]}, ("coordinates", 0, 3)),
        ({"type": "Polygon", "coordinates": [[*OPEN[:3], [float("nan"), 1], OPEN[0]]]}, ("coordinates", 0, 3)),
        ({"type": "Polygon", "coordinates": [[OPEN[0]] * 4]}, ("coordinates", 0)),
        ({"type": "Polygon", "coordinates": [[OPEN[0]] * (MAXIMUM_POSITIONS + 1)]}, ("coordinates", 0)),
        ({"type": "MultiPolygon", "coordinates": [[[*OPEN, OPEN[0]]], [OPEN]]}, ("coordinates", 1, 0)),
    ],
)
def test_a_bad_boundary_is_refused_by_name(geometry: object, path: tuple[str | int, ...]) -> None:
    with pytest.raises(Refusal) as refused:
        read_boundary(geometry)
    assert refused.value.reason == "BOUNDARY_MALFORMED"
    assert refused.value.path[: 1 + len(path)] == ("boundary", *path)
    assert refused.value.message("zh") != refused.value.message("en")

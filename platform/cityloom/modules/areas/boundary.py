"""Boundaries: GeoJSON (RFC 7946) Polygon and MultiPolygon in WGS-84, checked and taken apart into rings."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from cityloom.modules.areas.errors import BoundaryMalformed

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Positions of one boundary, all rings together; the outline of a whole city at 1:10,000 has fewer.
MAXIMUM_POSITIONS = 20_000
#: Decimals that are kept: 0.11 m, finer than any boundary is surveyed, and what PostgreSQL's polygons compare by.
DECIMALS = 6
_SMALLEST_RING = 4

Position = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Ring:
    """One closed ring, without the closing repeat of its first position."""

    positions: tuple[Position, ...]
    is_hole: bool


@dataclass(frozen=True, slots=True)
class Boundary:
    """A checked boundary."""

    geometry: dict[str, Any]
    rings: tuple[Ring, ...]
    west: float
    south: float
    east: float
    north: float
    centre: Position


def read_boundary(geometry: object, path: tuple[str | int, ...] = ("boundary",)) -> Boundary:
    """Check a GeoJSON geometry; refuses (`BoundaryMalformed`) what is open, empty, outside of the globe or too long."""
    if not isinstance(geometry, dict):
        raise _malformed("须为 GeoJSON 对象", "it must be a GeoJSON object", path)
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in {"Polygon", "MultiPolygon"}:
        raise _malformed(
            "类型须为 Polygon 或 MultiPolygon", "its type must be Polygon or MultiPolygon", (*path, "type")
        )
    if set(geometry) - {"type", "coordinates", "bbox"}:
        extra = ", ".join(sorted(map(str, set(geometry) - {"type", "coordinates", "bbox"})))[:80]
        raise _malformed(f"不支持的成员 {extra}", f"it has members that are not supported: {extra}", path)
    base = (*path, "coordinates")
    polygons = coordinates if kind == "MultiPolygon" else [coordinates]
    if not isinstance(polygons, list) or not polygons:
        raise _malformed("没有坐标", "it has no coordinates", base)
    reader = _Reader()
    checked = [reader.polygon(p, (*base, i) if kind == "MultiPolygon" else base) for i, p in enumerate(polygons)]
    rings = tuple(ring for polygon in checked for ring in polygon)
    shape = [[[list(at) for at in (*ring.positions, ring.positions[0])] for ring in polygon] for polygon in checked]
    longitudes = [x for ring in rings for x, _ in ring.positions]
    latitudes = [y for ring in rings for _, y in ring.positions]
    return Boundary(
        geometry={"type": kind, "coordinates": shape if kind == "MultiPolygon" else shape[0]},
        rings=rings,
        west=min(longitudes),
        south=min(latitudes),
        east=max(longitudes),
        north=max(latitudes),
        centre=_centre(max((r for r in rings if not r.is_hole), key=lambda r: abs(_doubled_area(r.positions)))),
    )


def joined(geometries: list[dict[str, Any]]) -> dict[str, Any]:
    """One MultiPolygon that covers what the geometries cover."""
    polygons: list[Any] = []
    for geometry in geometries:
        polygons += geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return {"type": "MultiPolygon", "coordinates": polygons}


class _Reader:
    """Counts positions over all rings while it reads them."""

    def __init__(self) -> None:
        self._left = MAXIMUM_POSITIONS

    def polygon(self, rings: object, path: tuple[str | int, ...]) -> tuple[Ring, ...]:
        if not isinstance(rings, list) or not rings:
            raise _malformed("多边形没有环", "a polygon has no ring", path)
        return tuple(Ring(self._ring(ring, (*path, i)), is_hole=i > 0) for i, ring in enumerate(rings))

    def _ring(self, ring: object, path: tuple[str | int, ...]) -> tuple[Position, ...]:
        if not isinstance(ring, list) or len(ring) < _SMALLEST_RING:
            raise _malformed("环至少需要四个坐标点", "a ring has at least four positions", path)
        self._left -= len(ring)
        if self._left < 0:
            limit = MAXIMUM_POSITIONS
            raise _malformed(f"坐标点超过 {limit} 个", f"it has more than {limit} positions", path)
        positions = [_position(at, (*path, i)) for i, at in enumerate(ring)]
        if positions[0] != positions[-1]:
            raise _malformed(
                "环未闭合:首尾坐标点须相同", "a ring is not closed: its last position must equal its first", path
            )
        if abs(_doubled_area(positions[:-1])) < 10 ** (-2 * DECIMALS):
            raise _malformed("环没有面积", "a ring encloses nothing", path)
        return tuple(positions[:-1])


def _position(at: object, path: tuple[str | int, ...]) -> Position:
    if not isinstance(at, list | tuple) or len(at) != 2:  # noqa: PLR2004 - longitude and latitude
        raise _malformed("坐标点须为 [经度, 纬度]", "a position is [longitude, latitude]", path)
    x, y = at
    if isinstance(x, bool) or isinstance(y, bool) or not isinstance(x, int | float) or not isinstance(y, int | float):
        raise _malformed("坐标须为数字", "coordinates are numbers", path)
    if not (isfinite(x) and isfinite(y) and -180 <= x <= 180 and -90 <= y <= 90):  # noqa: PLR2004 - degrees
        raise _malformed(
            "坐标须为 WGS-84 [经度, 纬度],经度 -180 至 180,纬度 -90 至 90",
            "coordinates are WGS-84 [longitude, latitude] with -180 to 180 and -90 to 90",
            path,
        )
    return round(float(x), DECIMALS), round(float(y), DECIMALS)


def _doubled_area(ring: Sequence[Position]) -> float:
    """Twice the signed area, in square degrees, by the shoelace formula around the first position."""
    x0, y0 = ring[0]
    return sum(
        (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True)
    )


def _centre(ring: Ring) -> Position:
    """The centroid of a ring."""
    x0, y0 = ring.positions[0]
    doubled = _doubled_area(ring.positions)
    x = y = 0.0
    for (x1, y1), (x2, y2) in zip(ring.positions, (*ring.positions[1:], ring.positions[0]), strict=True):
        cross = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        x += (x1 + x2 - 2 * x0) * cross
        y += (y1 + y2 - 2 * y0) * cross
    return round(x0 + x / (3 * doubled), DECIMALS), round(y0 + y / (3 * doubled), DECIMALS)


def _malformed(zh: str, en: str, path: tuple[str | int, ...]) -> BoundaryMalformed:
    return BoundaryMalformed(path=path, reason_zh=zh, reason_en=en)

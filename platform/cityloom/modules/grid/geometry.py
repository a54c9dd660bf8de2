"""Distances, boundaries (GeoJSON, WGS-84 degrees) and rasters on the earth: pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import asin, cos, floor, hypot, pi, radians, sin, sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Position = tuple[float, float]

#: Mean radius of the earth in metres (IUGG).
RADIUS_M = 6_371_008.8
METRES_PER_DEGREE = RADIUS_M * pi / 180
#: Cells of one raster at most; beyond, cells grow to twice their size until it holds.
MOST_CELLS = 40_000


def distance_m(a: Position, b: Position) -> float:
    """Metres between two positions along a great circle (haversine)."""
    west, south, east, north = radians(a[0]), radians(a[1]), radians(b[0]), radians(b[1])
    chord = sin((north - south) / 2) ** 2 + cos(south) * cos(north) * sin((east - west) / 2) ** 2
    return 2 * RADIUS_M * asin(min(1.0, sqrt(chord)))


def rings(geometry: dict[str, Any]) -> Iterator[list[Position]]:
    """All rings of a Polygon or MultiPolygon, closed: the last position repeats the first."""
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    for polygon in polygons:
        for ring in polygon:
            yield [(float(x), float(y)) for x, y in ring]


def contains(geometry: dict[str, Any], position: Position) -> bool:
    """Whether a position lies within a boundary; a hole takes its inside away."""
    x, y = position
    inside = False
    for ring in rings(geometry):
        for (x1, y1), (x2, y2) in pairwise(ring):
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
                inside = not inside
    return inside


def distance_outside_m(geometry: dict[str, Any], position: Position) -> float:
    """Metres from a boundary for who is outside of it, 0 for who is inside; flat, so good for some kilometres."""
    if contains(geometry, position):
        return 0.0
    wide = METRES_PER_DEGREE * cos(radians(position[1]))

    def flat(at: Position) -> Position:
        return (at[0] - position[0]) * wide, (at[1] - position[1]) * METRES_PER_DEGREE

    return min(_from_origin(flat(a), flat(b)) for ring in rings(geometry) for a, b in pairwise(ring))


def _from_origin(a: Position, b: Position) -> float:
    """Distance of the origin from a segment."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    squared = dx * dx + dy * dy
    along = 0.0 if squared == 0 else min(1.0, max(0.0, -(a[0] * dx + a[1] * dy) / squared))
    return hypot(a[0] + along * dx, a[1] + along * dy)


@dataclass(frozen=True, slots=True)
class Raster:
    """Square cells of `cell_m` metres on a lattice fixed to the globe; those with their centre in a boundary."""

    cell_m: int
    width: float
    height: float
    cells: frozenset[tuple[int, int]]

    def cell_of(self, position: Position) -> tuple[int, int]:
        """The column and row of the cell that a position lies in."""
        return floor(position[0] / self.width), floor(position[1] / self.height)


def raster(geometry: dict[str, Any], cell_m: int) -> Raster:
    """The raster of a boundary; larger cells than asked for where there would be more than `MOST_CELLS`."""
    positions = [at for ring in rings(geometry) for at in ring]
    west, east = min(x for x, _ in positions), max(x for x, _ in positions)
    south, north = min(y for _, y in positions), max(y for _, y in positions)
    height = cell_m / METRES_PER_DEGREE
    # One width for the whole raster: within a grid the circles of latitude differ by less than a hundredth of a cell.
    width = height / max(0.01, cos(radians((south + north) / 2)))
    if ((east - west) / width + 2) * ((north - south) / height + 2) > MOST_CELLS:
        return raster(geometry, cell_m * 2)
    cells: set[tuple[int, int]] = set()
    for row in range(floor(south / height), floor(north / height) + 1):
        crossings = sorted(_crossings(geometry, (row + 0.5) * height))
        for enters, leaves in zip(crossings[::2], crossings[1::2], strict=False):
            column = floor(enters / width - 0.5)
            while (column + 0.5) * width < leaves:
                if (column + 0.5) * width >= enters:
                    cells.add((column, row))
                column += 1
    return Raster(cell_m, width, height, frozenset(cells))


def _crossings(geometry: dict[str, Any], y: float) -> Iterator[float]:
    """Longitudes at which a circle of latitude crosses a boundary."""
    for ring in rings(geometry):
        for (x1, y1), (x2, y2) in pairwise(ring):
            if (y1 > y) != (y2 > y):
                yield x1 + (y - y1) / (y2 - y1) * (x2 - x1)

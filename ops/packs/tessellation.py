"""Synthetic boundaries: a rectangle cut into rectangles, by the number of leaves below each area.

They are no real boundaries and are marked `synthetic`. Cuts lie on rounded coordinates that neighbours share, so the
areas of one level neither overlap nor leave gaps, and a child lies within its parent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in degrees."""

    west: float
    south: float
    east: float
    north: float

    def ring(self) -> list[list[float]]:
        """The closed ring, counter-clockwise (RFC 7946 §3.1.6)."""
        west, south, east, north = self.west, self.south, self.east, self.north
        return [[west, south], [east, south], [east, north], [west, north], [west, south]]

    def centre(self) -> tuple[float, float]:
        """The middle."""
        return round((self.west + self.east) / 2, DECIMALS), round((self.south + self.north) / 2, DECIMALS)


def tessellate(root: str, box: Box, children: Mapping[str, Sequence[str]]) -> dict[str, Box]:
    """A box for the root and everything below it."""
    leaves: dict[str, int] = {}

    def count(code: str) -> int:
        below = children.get(code, ())
        leaves[code] = sum(count(child) for child in below) if below else 1
        return leaves[code]

    count(root)
    boxes = {root: box}

    def cut(box: Box, codes: Sequence[str]) -> None:
        if len(codes) == 1:
            boxes[codes[0]] = box
            below = children.get(codes[0], ())
            if below:
                cut(box, below)
            return
        total = sum(leaves[code] for code in codes)
        taken, at = leaves[codes[0]], 1
        while at < len(codes) - 1 and taken + leaves[codes[at]] / 2 < total / 2:
            taken += leaves[codes[at]]
            at += 1
        share = taken / total
        # A degree of longitude is about two thirds of a degree of latitude at these places.
        if (box.east - box.west) * 0.75 >= box.north - box.south:
            line = round(box.west + (box.east - box.west) * share, DECIMALS)
            first, second = Box(box.west, box.south, line, box.north), Box(line, box.south, box.east, box.north)
        else:
            line = round(box.north - (box.north - box.south) * share, DECIMALS)
            first, second = Box(box.west, line, box.east, box.north), Box(box.west, box.south, box.east, line)
        cut(first, codes[:at])
        cut(second, codes[at:])

    if children.get(root):
        cut(box, children[root])
    return boxes

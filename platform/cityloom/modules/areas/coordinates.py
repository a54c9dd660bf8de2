"""Chinese map coordinates to and from WGS-84, in degrees.

GCJ-02 is the obfuscated datum that maps published in China must use; BD-09 is Baidu's second shift on top of it. The
formulas are the well-known ones that were published as "eviltransform" (github.com/googollee/eviltransform), with the
Krasovsky 1940 ellipsoid; the way back is solved by iteration, so that a round trip stays below a millimetre. Outside
of China's bounding box GCJ-02 equals WGS-84, as in those publications.
"""

from __future__ import annotations

from enum import StrEnum
from math import atan2, cos, hypot, pi, sin, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_AXIS = 6_378_245.0
_ECCENTRICITY_SQUARED = 0.006_693_421_622_965_943_23
_BAIDU = pi * 3000.0 / 180.0
_STEPS = 12
#: West, south, east, north: where the obfuscation applies.
_CHINA = (72.004, 0.8293, 137.8347, 55.8271)

Position = tuple[float, float]


class CoordinateSystem(StrEnum):
    """The datum of a longitude and latitude."""

    WGS84 = "WGS84"
    GCJ02 = "GCJ02"
    BD09 = "BD09"


def to_wgs84(longitude: float, latitude: float, system: CoordinateSystem) -> Position:
    """A position in WGS-84."""
    match system:
        case CoordinateSystem.WGS84:
            return longitude, latitude
        case CoordinateSystem.GCJ02:
            return _solve((longitude, latitude), gcj02_from_wgs84)
        case CoordinateSystem.BD09:
            return _solve(_solve((longitude, latitude), bd09_from_gcj02), gcj02_from_wgs84)


def from_wgs84(longitude: float, latitude: float, system: CoordinateSystem) -> Position:
    """A WGS-84 position in another datum."""
    match system:
        case CoordinateSystem.WGS84:
            return longitude, latitude
        case CoordinateSystem.GCJ02:
            return gcj02_from_wgs84((longitude, latitude))
        case CoordinateSystem.BD09:
            return bd09_from_gcj02(gcj02_from_wgs84((longitude, latitude)))


def gcj02_from_wgs84(position: Position) -> Position:
    """The published obfuscation."""
    longitude, latitude = position
    west, south, east_end, north_end = _CHINA
    if not (west <= longitude <= east_end and south <= latitude <= north_end):
        return position
    x, y = longitude - 105.0, latitude - 35.0
    common = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x)) + common
    north += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x)) + common
    east += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    radians = latitude / 180.0 * pi
    curvature = 1 - _ECCENTRICITY_SQUARED * sin(radians) ** 2
    meridian = (_AXIS * (1 - _ECCENTRICITY_SQUARED)) / (curvature * sqrt(curvature)) * pi / 180.0
    parallel = _AXIS / sqrt(curvature) * cos(radians) * pi / 180.0
    return longitude + east / parallel, latitude + north / meridian


def bd09_from_gcj02(position: Position) -> Position:
    """Baidu's shift of a GCJ-02 position."""
    x, y = position
    radius = hypot(x, y) + 0.000_02 * sin(y * _BAIDU)
    angle = atan2(y, x) + 0.000_003 * cos(x * _BAIDU)
    return radius * cos(angle) + 0.0065, radius * sin(angle) + 0.006


def _solve(target: Position, forward: Callable[[Position], Position]) -> Position:
    """The position that `forward` takes to the target: the shift changes slowly, so subtracting the error converges."""
    x, y = target
    for _ in range(_STEPS):
        reached = forward((x, y))
        x, y = x + target[0] - reached[0], y + target[1] - reached[1]
    return x, y

"""Polygons in packs: checked for form, with coordinates of six decimals (about a tenth of a metre)."""

from __future__ import annotations

from typing import Any

from cityloom.core.text import Text

DECIMALS = 6
MOST_POINTS = 20_000
FEWEST_POINTS = 4
LONGITUDE, LATITUDE = 180.0, 90.0


class _Fault(Exception):
    def __init__(self, zh: str, en: str) -> None:
        self.text = Text(zh, en)
        super().__init__(en)


def canonical_geometry(geometry: object) -> tuple[dict[str, Any] | None, Text | None]:
    """The geometry with rounded coordinates, or what is wrong with it (RFC 7946 §3.1.6: closed rings, WGS-84)."""
    if not isinstance(geometry, dict):
        return None, Text("缺少几何", "there is no geometry")
    try:
        match geometry.get("type"):
            case "Polygon":
                coordinates: list[Any] = _polygon(geometry.get("coordinates"))
            case "MultiPolygon":
                given = geometry.get("coordinates")
                if not isinstance(given, list) or not given:
                    raise _Fault("坐标为空", "there are no coordinates")  # noqa: TRY301 - one way out for every fault
                coordinates = [_polygon(one) for one in given]
            case other:
                raise _Fault(  # noqa: TRY301 - one way out for every fault
                    f"几何类型 {other!r} 不支持,应为 Polygon 或 MultiPolygon",
                    f"geometry {other!r} is not supported: Polygon or MultiPolygon",
                )
    except _Fault as fault:
        return None, fault.text
    return {"type": geometry["type"], "coordinates": coordinates}, None


def _polygon(given: object) -> list[list[list[float]]]:
    if not isinstance(given, list) or not given:
        raise _Fault("坐标为空", "there are no coordinates")
    return [_ring(ring) for ring in given]


def _ring(given: object) -> list[list[float]]:
    if not isinstance(given, list) or not FEWEST_POINTS <= len(given) <= MOST_POINTS:
        raise _Fault(
            f"环应有 {FEWEST_POINTS} 至 {MOST_POINTS} 个点", f"a ring has {FEWEST_POINTS} to {MOST_POINTS} points"
        )
    ring = [_point(point) for point in given]
    if ring[0] != ring[-1]:
        raise _Fault("环未闭合:首尾两点应相同", "the ring is not closed: its first and last point must be equal")
    return ring


def _point(given: object) -> list[float]:
    if (
        not isinstance(given, list)
        or len(given) != 2  # noqa: PLR2004 - longitude and latitude
        or not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given)
    ):
        raise _Fault("点应为 [经度, 纬度]", "a point is [longitude, latitude]")
    longitude, latitude = (round(float(value), DECIMALS) for value in given)
    if not (abs(longitude) <= LONGITUDE and abs(latitude) <= LATITUDE):
        raise _Fault(
            f"[{longitude}, {latitude}] 不是 WGS-84 经纬度",
            f"[{longitude}, {latitude}] is not longitude and latitude in WGS-84",
        )
    return [longitude + 0.0, latitude + 0.0]

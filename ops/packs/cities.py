"""The areas of the cities: real divisions, and below them grids in the numbers that the cities publish."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from divisions import chinese, draw, place_name, read_divisions, shares
from tessellation import Box

if TYPE_CHECKING:
    from pathlib import Path

COMMUNITIES_END, VILLAGES_END, VIRTUAL_END = 200, 400, 500


@dataclass(frozen=True, slots=True)
class Area:
    """One area of a pack."""

    code: str
    name: str
    kind: str
    parent: str


@dataclass(slots=True)
class City:
    """Areas of one city, with the box that its synthetic boundaries fill."""

    slug: str
    box: Box
    areas: list[Area] = field(default_factory=list)

    def add(self, code: str, name: str, kind: str, parent: str = "") -> str:
        """Add an area; answers its code."""
        self.areas.append(Area(code, name, kind, parent))
        return code

    def of(self, *kinds: str) -> list[Area]:
        """Areas of some kinds."""
        return [area for area in self.areas if area.kind in kinds]

    def children(self) -> dict[str, list[str]]:
        """Codes below each code."""
        below: dict[str, list[str]] = {}
        for area in self.areas:
            below.setdefault(area.parent, []).append(area.code)
        return below


def _settlement_kind(code: str) -> str:
    number = int(code[-3:])
    if number < COMMUNITIES_END:
        return "COMMUNITY"
    if number < VILLAGES_END:
        return "VILLAGE"
    return "COMMUNITY" if number < VIRTUAL_END else "LIVING_AREA"


def _grids(city: City, parent: str, name: str, count: int, kind: str = "GRID", noun: str = "网格") -> list[str]:
    return [city.add(f"{parent}{n:03d}", f"{name}第{chinese(n)}{noun}", kind, parent) for n in range(1, count + 1)]


def yanji(folder: Path) -> City:
    """延吉: county, streets and towns, communities and villages, grids of about 350 households."""
    city = City("yanji", Box(129.02, 42.67, 129.98, 43.22))
    township = {"0": "STREET", "1": "TOWN"}
    for row in read_divisions(folder, "222401"):
        if row.level == "county":
            city.add(row.code, row.name, "CITY")
        elif row.level == "township":
            city.add(row.code, row.name, township.get(row.code[6], "ENTERPRISE"), row.parent)
        else:
            kind, name = _settlement_kind(row.code), place_name(row.name)
            city.add(row.code, name, kind, row.parent)
            urban = kind == "COMMUNITY" and row.code[6] == "0"
            households = draw(row.code, 1_400, 3_600) if urban else draw(row.code, 90, 700)
            _grids(city, row.code, name, max(1, round(households / 350)))
            if urban and households > 3_000:
                city.add(f"{row.code}901", f"{name}商圈专属网格", "BUSINESS_GRID", row.code)
    return city


def longgang(folder: Path) -> City:
    """龙港镇: five levels; 396 grids at the fourth and 1,047 at the fifth."""
    city = City("longgang", Box(112.02, 35.52, 112.26, 35.70))
    rows = [row for row in read_divisions(folder, "140521") if row.code.startswith("140521100")]
    town = city.add(rows[0].code, rows[0].name, "TOWN")
    settlements = rows[1:]
    titles = ("城东", "城西", "河北", "河南", "东山")
    per_section = -(-len(settlements) // len(titles))
    sections = [city.add(f"{town}-{n}", f"{title}片区", "SECTION", town) for n, title in enumerate(titles, start=1)]
    weights = {
        row.code: draw(row.code, 900, 2_400) if _settlement_kind(row.code) == "COMMUNITY" else draw(row.code, 150, 900)
        for row in settlements
    }
    grids = shares(396, weights, least=2)
    for index, row in enumerate(settlements):
        city.add(row.code, place_name(row.name), _settlement_kind(row.code), sections[index // per_section])
    codes = [code for row in settlements for code in _grids(city, row.code, place_name(row.name), grids[row.code])]
    names = {area.code: area.name for area in city.areas}
    units = shares(1_047, {code: draw(code, 60, 260) for code in codes})
    for code in codes:
        for n in range(1, units[code] + 1):
            city.add(f"{code}M{n:02d}", f"{names[code]}第{chinese(n)}微网格", "MICRO_GRID", code)
    return city


def ruijin2(folder: Path) -> City:
    """瑞金二路街道: 3 zones, 16 neighbourhoods, 40 micro-grids, 658 building groups."""
    city = City("ruijin2", Box(121.4568, 31.2068, 121.4722, 31.2196))
    rows = [row for row in read_divisions(folder, "310101") if row.code.startswith("310101023")]
    street = city.add(rows[0].code, rows[0].name, "STREET")
    neighbourhoods = rows[1:]
    zones = [city.add(f"{street}-{n}", f"第{chinese(n)}片区", "ZONE", street) for n in range(1, 4)]
    zone_of = [zones[0]] * 6 + [zones[1]] * 5 + [zones[2]] * 5
    for row, zone in zip(neighbourhoods, zone_of, strict=True):
        city.add(row.code, place_name(row.name, "居民区"), "NEIGHBOURHOOD", zone)
    weights = {row.code: draw(row.code, 900, 2_600) for row in neighbourhoods}
    grids = shares(40, weights, least=2)
    codes = []
    for row in neighbourhoods:
        name = place_name(row.name, "居民区")
        codes += _grids(city, row.code, name, grids[row.code], "MICRO_GRID", "微网格")
    names = {area.code: area.name for area in city.areas}
    groups = shares(658, {code: draw(code, 300, 900) for code in codes}, least=6)
    for code in codes:
        for n in range(1, groups[code] + 1):
            city.add(f"{code}L{n:02d}", f"{names[code]}第{chinese(n)}楼组", "BUILDING_GROUP", code)
    return city


def fengtai(folder: Path) -> City:
    """凤台社区: one community, grids, and the courtyards (院落) in them."""
    city = City("fengtai", Box(112.8440, 35.4900, 112.8580, 35.5010))
    (row,) = [row for row in read_divisions(folder, "140502") if row.code == "140502001006"]
    community = city.add(row.code, place_name(row.name), "COMMUNITY")
    for grid in _grids(city, community, place_name(row.name), 12):
        for n in range(1, draw(grid, 3, 6) + 1):
            city.add(f"{grid}Y{n:02d}", f"{city.areas[0].name}{chinese(int(grid[-3:]))}网格{n}号院", "COURTYARD", grid)
    return city


def linfen(folder: Path) -> City:
    """临汾路街道: 20 neighbourhoods, micro-grids of about 300 households, building groups (楼组) in them."""
    city = City("linfen", Box(121.4470, 31.3060, 121.4700, 31.3230))
    rows = [row for row in read_divisions(folder, "310106") if row.code.startswith("310106021")]
    street = city.add(rows[0].code, rows[0].name, "STREET")
    neighbourhoods = rows[1:]
    grids = shares(96, {row.code: draw(row.code, 900, 2_100) for row in neighbourhoods}, least=3)
    for row in neighbourhoods:
        name = place_name(row.name, "居民区")
        city.add(row.code, name, "NEIGHBOURHOOD", street)
        for grid in _grids(city, row.code, name, grids[row.code], "MICRO_GRID", "微网格"):
            for n in range(1, draw(grid, 5, 9) + 1):
                noun = f"{name}第{chinese(int(grid[-3:]))}微网格第{chinese(n)}楼组"
                city.add(f"{grid}L{n:02d}", noun, "BUILDING_GROUP", grid)
    return city


def fuyu(folder: Path) -> City:
    """扶余西南街社区: 9 residents' committees, 18 grids of about 340 households, two to a committee."""
    city = City("fuyu", Box(126.0060, 44.9800, 126.0240, 44.9950))
    (row,) = [row for row in read_divisions(folder, "220781") if row.code == "220781003002"]
    community = city.add(row.code, row.name, "COMMUNITY")
    for n in range(1, 10):
        committee = city.add(f"{community}-{n}", f"第{chinese(n)}居民委", "RESIDENTS_COMMITTEE", community)
        for grid in (2 * n - 1, 2 * n):
            city.add(f"{community}{grid:03d}", f"第{chinese(grid)}网格", "GRID", committee)
    return city

"""Make the packs of these cities from the published divisions; the same divisions give the same bytes.

    python ops/packs/generate.py <folder of division tables> [<folder of tenants>]

Only the areas, departments, accounts and memberships are made; `tenant.toml` and the base packs are written by hand.
People in the packs are invented.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cities import City, fengtai, fuyu, linfen, longgang, ruijin2, yanji
from divisions import draw
from tessellation import tessellate

if TYPE_CHECKING:
    from collections.abc import Iterator

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗金朴崔韩许郑"
GIVEN = (
    "晓明",
    "雪梅",
    "建华",
    "春燕",
    "志强",
    "丽萍",
    "海峰",
    "玉兰",
    "国庆",
    "秀英",
    "永哲",
    "美花",
    "文静",
    "立新",
    "红梅",
)

DEPARTMENTS = (
    ("urban", "城市管理局", ""),
    ("urban-enforcement", "城管执法大队", "urban"),
    ("urban-sanitation", "环境卫生中心", "urban"),
    ("civil", "民政局", ""),
    ("housing", "住房和城乡建设局", ""),
    ("water", "水务局", ""),
    ("market", "市场监督管理局", ""),
    ("emergency", "应急管理局", ""),
    ("fire", "消防救援大队", "emergency"),
    ("health", "卫生健康局", ""),
    ("environment", "生态环境局", ""),
    ("justice", "司法局", ""),
)


class Staff:
    """Accounts of a pack with what they hold."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.accounts: list[tuple[str, ...]] = []
        self.memberships: list[tuple[str, ...]] = []

    def hire(self, login: str, role: str, *, area: str = "", department: str = "", is_developer: bool = False) -> None:
        """An account that holds one role."""
        seed = f"{self.city.slug}/{login}"
        name = SURNAMES[draw(seed, 0, len(SURNAMES) - 1)] + GIVEN[draw(f"{seed}/given", 0, len(GIVEN) - 1)]
        self.accounts.append((login, name, "zh", "true" if is_developer else "false", "true"))
        self.memberships.append((login, role, area, department, "false"))


def _grids_below(city: City, below: dict[str, list[str]], code: str) -> Iterator[str]:
    """The basic grids in an area, also those below committees of residents."""
    kinds = {area.code: area.kind for area in city.areas}
    for child in below.get(code, ()):
        if kinds[child] in {"GRID", "MICRO_GRID"}:
            yield child
        else:
            yield from _grids_below(city, below, child)


def staff(city: City) -> Staff:
    """One of each role, a lead for every street or zone, and workers for the first communities and their grids."""
    hired = Staff(city)
    root = city.areas[0].code
    below = city.children()
    hired.hire("admin", "city_administrator", is_developer=True)
    hired.hire("analyst", "analyst")
    hired.hire("auditor", "auditor")
    hired.hire("urban-officer", "department_officer", department="urban")
    for n, lead in enumerate(city.of("STREET", "TOWN", "ENTERPRISE", "SECTION", "ZONE"), start=1):
        if lead.code != root:
            hired.hire(f"lead-{n:02d}", "street_lead", area=lead.code)
    communities = city.of("COMMUNITY", "NEIGHBOURHOOD", "VILLAGE")[:6]
    for n, community in enumerate(communities, start=1):
        hired.hire(f"community-{n:02d}", "community_worker", area=community.code)
        grids = list(_grids_below(city, below, community.code))
        hired.hire(f"grid-lead-{n:02d}", "grid_lead", area=grids[0])
        for m, grid in enumerate(grids[:3], start=1):
            hired.hire(f"grid-{n:02d}-{m}", "grid_worker", area=grid)
    return hired


def csv_text(header: str, rows: list[tuple[str, ...]]) -> str:
    """A canonical CSV file."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows(sorted(rows))
    return buffer.getvalue()


def files(city: City) -> dict[str, str]:
    """The generated files of a city's pack."""
    boxes = tessellate(city.areas[0].code, city.box, city.children())
    areas, features = [], []
    for area in sorted(city.areas, key=lambda area: area.code):
        longitude, latitude = boxes[area.code].centre()
        areas.append((area.code, area.name, area.kind, area.parent, "2023-06-30", "", str(longitude), str(latitude)))
        feature = {
            "type": "Feature",
            "properties": {"code": area.code, "synthetic": True},
            "geometry": {"type": "Polygon", "coordinates": [boxes[area.code].ring()]},
        }
        features.append(json.dumps(feature, ensure_ascii=False, separators=(",", ":")))
    hired = staff(city)
    return {
        "areas.csv": csv_text("code,name,kind,parent,valid_from,valid_to,longitude,latitude", areas),
        "areas.geojson": '{"type":"FeatureCollection","features":[\n' + ",\n".join(features) + "\n]}\n",
        "departments.csv": csv_text("code,name,parent", list(DEPARTMENTS)),
        "accounts.csv": csv_text("login,name,locale,is_developer,enabled", hired.accounts),
        "memberships.csv": csv_text("login,role,area,department,own", hired.memberships),
    }


def main(divisions: Path, tenants: Path) -> None:
    """Write the generated files of all cities."""
    for make in (yanji, longgang, ruijin2, fengtai, linfen, fuyu):
        city = make(divisions)
        folder = tenants / city.slug
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files(city).items():
            (folder / name).write_text(content, encoding="utf-8", newline="\n")
        kinds: dict[str, int] = {}
        for area in city.areas:
            kinds[area.kind] = kinds.get(area.kind, 0) + 1
        print(city.slug, len(city.areas), kinds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[2] / "tenants")

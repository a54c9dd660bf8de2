"""The counties of a published division table as packs: a city each, with its towns and communities as areas."""

from __future__ import annotations

import csv
import lzma
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cityloom.tenancy.packs import PackSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MANIFEST = """\
slug = "c{code}"
names = {{ zh = "{name}", en = "County {code}" }}
division_code = "{code}"
extends = "packs/grid-city"
"""
_AREAS = "code,name,kind,parent,valid_from,valid_to,longitude,latitude\n"
_ACCOUNTS = "login,name,locale,is_developer,enabled\nadmin,管理员,zh,false,true\n"
_MEMBERSHIPS = "login,role,area,department,own\nadmin,city_administrator,,,false\n"
#: What the pack calls a level of the table.
_KINDS = {"county": "CITY", "township": "STREET", "community": "COMMUNITY"}


@dataclass(slots=True)
class County:
    """One county: its own row, and below it the rows of its towns and communities, parents first."""

    code: str
    name: str
    areas: list[str] = field(default_factory=list)

    @property
    def slug(self) -> str:
        """What its tenant is called."""
        return f"c{self.code}"

    def pack(self) -> PackSource:
        """Its pack: every area, and an administrator."""
        files = {
            "tenant.toml": _MANIFEST.format(code=self.code, name=self.name),
            "areas.csv": _AREAS + "\n".join(self.areas) + "\n",
            "accounts.csv": _ACCOUNTS,
            "memberships.csv": _MEMBERSHIPS,
        }
        return PackSource({name: text.encode() for name, text in files.items()})


def read_counties(path: Path) -> list[County]:
    """All counties of a table as `ops/packs/divisions.py` knows it, compressed by xz; by code."""
    found: dict[str, County] = {}
    for row in _rows(path):
        kind = _KINDS.get(row["level"])
        if kind is None:
            continue
        code, parent = row["code"], row["parent_code"] if kind != "CITY" else ""
        county = found.setdefault(code[:6], County(code[:6], row["name"]))
        county.areas.append(f"{code},{row['name']},{kind},{parent},,,,")
    return list(found.values())


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with lzma.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)

"""The published division tables that the packs are made from (see the data folder's own README for their source)."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NUMERALS = "零一二三四五六七八九"


@dataclass(frozen=True, slots=True)
class Division:
    """One row of a division table."""

    code: str
    name: str
    level: str
    parent: str


def read_divisions(folder: Path, county: str) -> list[Division]:
    """A county's rows, by code."""
    with (folder / f"{county}.csv").open(encoding="utf-8", newline="") as file:
        rows = [Division(r["code"], r["name"], r["level"], r["parent_code"]) for r in csv.DictReader(file)]
    return sorted(rows, key=lambda row: row.code)


def place_name(name: str, committee: str = "社区") -> str:
    """The place that a committee is of: 丹英社区居委会 → 丹英社区, 卫村村委会 → 卫村, 南瑶村委会 → 南瑶村."""
    for suffix, rest in (("社区居委会", "社区"), ("村村委会", "村"), ("村委会", "村"), ("居委会", committee)):
        if name.endswith(suffix):
            return name.removesuffix(suffix) + rest
    return name


def chinese(number: int) -> str:
    """A number from 1 to 99 in Chinese: 1 → 一, 12 → 十二, 20 → 二十."""
    tens, ones = divmod(number, 10)
    return ("" if tens < 2 else NUMERALS[tens]) + ("十" if tens else "") + (NUMERALS[ones] if ones or not tens else "")


def draw(seed: str, low: int, high: int) -> int:
    """A number from low to high that depends on the seed alone."""
    digest = hashlib.sha256(seed.encode()).digest()
    return low + int.from_bytes(digest[:8], "big") % (high - low + 1)


def shares(total: int, weights: dict[str, int], least: int = 1) -> dict[str, int]:
    """Whole numbers that together are `total`, in proportion to the weights (largest remainders), `least` each."""
    spare = total - least * len(weights)
    sum_ = sum(weights.values())
    exact = {key: spare * weight / sum_ for key, weight in weights.items()}
    given = {key: least + int(value) for key, value in exact.items()}
    by_rest = sorted(weights, key=lambda key: (-(exact[key] - int(exact[key])), key))
    for key in by_rest[: total - sum(given.values())]:
        given[key] += 1
    return given

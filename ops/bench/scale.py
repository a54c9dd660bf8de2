"""`scale.tenants`: every county of a division table as a tenant; what that costs to make, at rest, and to each of them.

Two databases of one server: in one a city alone, in the other the same city among all counties.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
from contest import Cpu, console
from counties import read_counties

from cityloom.app import platform
from cityloom.core.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from counties import County

    from cityloom.settings import Settings


@dataclass(frozen=True)
class Onboarding:
    """What making the tenants cost; `each_ms` are wall-clock milliseconds of single tenants, in their order."""

    tenants: int
    areas: int
    seconds: float
    process_cpu_seconds: float
    database_cpu_seconds: float | None
    each_ms: Sequence[float]

    def stated(self) -> dict[str, Any]:
        """The figures, with the first and the last hundred apart: does it get slower?"""
        first, last = self.each_ms[:100], self.each_ms[-100:]
        return {
            "tenants": self.tenants,
            "areas": self.areas,
            "seconds": round(self.seconds, 1),
            "process_cpu_seconds": round(self.process_cpu_seconds, 1),
            "database_cpu_seconds": self.database_cpu_seconds and round(self.database_cpu_seconds, 1),
            "median_ms": round(statistics.median(self.each_ms), 1) if self.each_ms else None,
            "median_ms_of_first_100": round(statistics.median(first), 1) if first else None,
            "median_ms_of_last_100": round(statistics.median(last), 1) if last else None,
        }


async def onboard(settings: Settings, admin_url: str, counties: Sequence[County], postmaster: int | None) -> Onboarding:
    """Apply the packs of those counties that are no tenants yet, one after the other, as `cityloom tenants apply`."""
    await migrate(admin_url, settings.var)
    async with platform(settings, admin_url) as opened:
        known = {overview.tenant.slug for overview in await opened.tenants.overviews()}
        missing = [county for county in counties if county.slug not in known]
        each: list[float] = []
        own, cpu, began = time.process_time(), Cpu(postmaster, None) if postmaster else None, time.perf_counter()
        for at, county in enumerate(missing):
            started = time.perf_counter()
            await opened.tenants.apply(county.pack(), actor="bench")
            each.append((time.perf_counter() - started) * 1000)
            if (at + 1) % 250 == 0:
                console.print(f"  {at + 1} of {len(missing)} tenants, {time.perf_counter() - began:.0f} s")
        return Onboarding(
            len(missing),
            sum(len(county.areas) for county in missing),
            time.perf_counter() - began,
            time.process_time() - own,
            cpu.spent()[0] if cpu else None,
            each,
        )

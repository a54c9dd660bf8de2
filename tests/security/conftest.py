"""Counting of probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def probed(record_property: Callable[[str, object], None]) -> Iterator[Callable[[int], None]]:
    """Counts probes across tenants; their number is printed at the end of the run."""
    count = 0

    def add(probes: int) -> None:
        nonlocal count
        count += probes

    yield add
    record_property("cross_tenant_probes", count)

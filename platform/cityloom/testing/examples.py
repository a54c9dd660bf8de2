"""How many examples property tests take: a few in `make test`, many times as many where `EXAMPLES` says so."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

#: Times the number that a test states: 1 in `make test`, more in `make fuzz`.
TIMES: Final = int(os.environ.get("EXAMPLES", "1"))
#: The profile of every property test: how fast a machine makes examples says nothing of what is tested.
UNTIMED: Final = "untimed"
_SUPPRESSED: Final = [HealthCheck.too_slow]
settings.register_profile(UNTIMED, deadline=None, suppress_health_check=_SUPPRESSED)


def examples(count: int, *, shares_fixtures: bool = False) -> settings:
    """Settings of a property test. `shares_fixtures`: its examples may use the same fixtures, one after the other."""
    checks = [*_SUPPRESSED, HealthCheck.function_scoped_fixture] if shares_fixtures else _SUPPRESSED
    return settings(max_examples=count * TIMES, deadline=None, suppress_health_check=checks)

"""A short turn of `make chaos`: what fits into about a minute."""

from __future__ import annotations

import subprocess
import sys

from cityloom.testing.database import ROOT


def test_nothing_is_lost_where_everything_is_killed() -> None:
    done = subprocess.run(
        [sys.executable, "ops/chaos", "--cycles", "2", "--load", "6", "--seconds", "30"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 lost, 0 phantom" in done.stdout

"""`start`: from an empty folder to the first answered query, and the same again with everything in place."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from contest import ROOT, console, environment, write

QUERY = {"query": "{ residents(first: 1) { nodes { id } } }"}
WARM_STARTS = 3
TARGETS = {"fresh": 60.0, "warm": 3.0}


def run() -> None:
    """Measure, print, write."""
    folder = Path(tempfile.mkdtemp(prefix="cityloom-start-", dir=ROOT / "var"))
    try:
        fresh = _start(folder)
        warm = [_start(folder) for _ in range(WARM_STARTS)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = {"fresh": fresh, "warm": statistics.median(warm)}
    for name, seconds in figures.items():
        met = "met" if seconds <= TARGETS[name] else "MISSED"
        console.print(f"start, {name}: {seconds:.2f} s, target ≤ {TARGETS[name]:g} s {met}", highlight=False)
    write(
        "start", {"name": "start", "environment": environment(), "fresh_s": fresh, "warm_s": warm, "targets": TARGETS}
    )


def _start(folder: Path) -> float:
    """Seconds from the command to an answered query of a signed-in caller."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = {"CITYLOOM_VAR": str(folder), "PORT": str(port)}
    without = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "cityloom", "up"], cwd=ROOT, env=without | variables, stderr=subprocess.DEVNULL
    )
    try:
        while not _answered(folder / "up.json", port):
            if process.poll() is not None:
                raise RuntimeError(f"`cityloom up` ended with {process.returncode}")
            if time.perf_counter() - began > 600:
                raise RuntimeError("`cityloom up` answered nothing within ten minutes")
            time.sleep(0.02)
        return time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _answered(credentials: Path, port: int) -> bool:
    try:
        bearer = next(iter(json.loads(credentials.read_bytes())["tenants"]["yanji"].values()))
        headers = {"Authorization": f"Bearer {bearer}"}
        found = httpx.post(f"http://127.0.0.1:{port}/graphql", json=QUERY, headers=headers, timeout=10)
    except (OSError, ValueError, httpx.TransportError):
        return False
    return found.status_code == 200 and "errors" not in found.json()

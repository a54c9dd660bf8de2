"""A real server in a process of its own, for tests from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def free_port() -> int:
    """A port of localhost that nobody listens on."""
    (port,) = free_ports(1)
    return port


def free_ports(count: int) -> list[int]:
    """So many ports of localhost, each another, that nobody listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextmanager
def served(factory: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve an application `module:factory` by granian; yields its address once it listens, and stops it afterwards.

    `environment` is added to that of the tests.
    """
    port = free_port()
    arguments = ["--interface", "asgi", "--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--factory"]
    # A file and not a pipe: a pipe that nobody reads fills up, and the server stands still.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - our own server
            [sys.executable, "-m", "granian", *arguments, factory],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {}), "PYTHONPATH": ":".join(path for path in sys.path if path)},
            start_new_session=True,
        )
        try:
            wait_for(port, process, output)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                # The whole group: the server's workers do not end with it.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise


def wait_for(port: int, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
    """Wait until a server listens; raises what it said where it ends instead."""
    deadline = time.monotonic() + 30
    while True:
        if process.poll() is not None:
            output.seek(0)
            raise RuntimeError(f"the server ended: {output.read().decode(errors='replace')}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)

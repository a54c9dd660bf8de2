"""A real S3 server for tests: SeaweedFS in a process of its own, with one bucket and whoever may use it."""

from __future__ import annotations

import json
import secrets
import subprocess
import sysconfig
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from obstore.exceptions import BaseError
from obstore.store import S3Store

from cityloom.testing.serving import free_ports, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The parts of the server that listen, whether they are asked for or not, each by HTTP and by gRPC.
_PARTS = ("s3", "filer", "volume", "master", "admin")
_BUCKET = "evidence"
_ACTIONS = ["Admin", "Read", "List", "Tagging", "Write"]


@dataclass(frozen=True, slots=True)
class Bucket:
    """An empty bucket, by its address and what a client has to know besides."""

    address: str
    endpoint: str
    key_id: str
    secret: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which `open_store` finds the bucket."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "cn-north-1",
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
        }

    def store(self) -> S3Store:
        """The bucket itself, for a test that looks what is in it; what fails is not tried again."""
        return S3Store(
            _BUCKET,
            endpoint=self.endpoint,
            access_key_id=self.key_id,
            secret_access_key=self.secret,
            region="cn-north-1",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=10)},
        )

    def with_wrong_secret(self) -> Bucket:
        """The same as somebody knows it whom the server refuses."""
        return replace(self, secret=secrets.token_hex(16))


@contextmanager
def served_bucket(folder: Path) -> Iterator[Bucket]:
    """Serve S3 from an empty folder; yields a bucket once it can be used, and kills the server afterwards."""
    free = iter(free_ports(2 * len(_PARTS)))
    ports = {part: (next(free), next(free)) for part in _PARTS}
    bucket = Bucket(
        f"s3://{_BUCKET}/cityloom",
        f"http://127.0.0.1:{ports['s3'][0]}",
        f"cityloom{secrets.token_hex(4)}",
        secrets.token_hex(16),
    )
    known = {"credentials": [{"accessKey": bucket.key_id, "secretKey": bucket.secret}]}
    who = folder / "who.json"
    who.write_text(json.dumps({"identities": [{"name": "cityloom", "actions": _ACTIONS, **known}]}))
    arguments = [
        "mini",
        f"-dir={folder}",
        f"-bucket={_BUCKET}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{part}.port={port}" for part, (port, _) in ports.items()),
        *(f"-{part}.port.grpc={port}" for part, (_, port) in ports.items()),
        f"-s3.config={who}",
        f"-s3.localSocket={folder / 's3.sock'}",
        f"-filer.localSocket={folder / 'filer.sock'}",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
    ]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - the server of the tests' own environment
            [Path(sysconfig.get_path("scripts")) / "weed", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
        try:
            wait_for(ports["s3"][0], process, output)
            _wait_for_bucket(bucket.store())
            yield bucket
        finally:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the server at once: what it keeps is thrown away."""
    sockets: list[Path] = []
    with suppress(psutil.Error):
        # It puts them into /tmp, whatever it is told, and leaves them there.
        sockets += [Path(one.laddr) for one in psutil.Process(process.pid).net_connections("unix") if one.laddr]
    process.kill()
    process.wait()
    for place in sockets:
        place.unlink(missing_ok=True)


def _wait_for_bucket(store: S3Store) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            store.list_with_delimiter()
        except BaseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return

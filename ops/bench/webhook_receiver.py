"""A receiver that costs next to nothing: 204 at once, or nothing ever on `/hang`; `GET /arrivals` tells what came.

In a process of its own, so that what it costs is not the worker's.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import datetime

import uvloop

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
_MARK = b'"timestamp":"'
#: Path, when it arrived, and when it happened, both in Unix seconds.
arrivals: list[tuple[str, float, float]] = []


class Receiver(asyncio.Protocol):
    """Requests one after the other on one connection."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A worker has connected."""
        self._transport = transport  # type: ignore[assignment] # a stream's transport

    def data_received(self, data: bytes) -> None:
        """Take whole requests off the buffer."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            self._serve(head.split(b" ", 2), body)

    def _serve(self, line: list[bytes], body: bytes) -> None:
        path = line[1].decode()
        if line[0] == b"get":
            # `/count/PREFIX` is cheap enough to be asked again and again.
            prefix = path.removeprefix("/count")
            found = [one for one in arrivals if one[0].startswith(prefix)] if prefix != path else arrivals
            told = json.dumps(len(found) if prefix != path else found).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(told) + told)
            return
        now, at = time.time(), body.find(_MARK)
        happened = datetime.fromisoformat(body[at + len(_MARK) :].split(b'"', 1)[0].decode()).timestamp()
        arrivals.append((path, now, happened))
        if not path.startswith("/hang"):
            self._transport.write(_ANSWER)


async def serve() -> None:
    """Listen on any port, say which, and go on until killed."""
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    sys.stdout.close()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())

"""The verifier of bundles and certificates: reads files as they are, and shares no code with what wrote them.

It stands on the standard library and an implementation of Ed25519 alone, like that of the audit log, which it uses for
the log in the bundle. What is to be proved:

- `manifest.sig` is the signature of the bytes of `manifest.json` by a key that the reader knows from elsewhere;
- every part is there with the bytes, the SHA-256 and the number of lines that the manifest states, and nothing besides;
- every photo of `files/index.jsonl.gz` is there with its bytes and its SHA-256;
- the audit log is whole and agrees with its signed checkpoints.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cityloom.audit.verifier import Verifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK: Final = 1024 * 1024
_UNLISTED: Final = {"manifest.json", "manifest.sig", "key.pem", "README.txt"}


def is_signed(text: bytes, signature: bytes, key: str) -> bool:
    """Whether a text was signed with the private half of this key (base64 of 32 bytes)."""
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)).verify(signature, text)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


@dataclass
class Reading:
    """A bundle as it lies in a folder; `faults` is empty where everything is as it was written."""

    folder: Path
    key: str
    faults: list[str] = field(default_factory=list)
    parts: int = 0
    rows: int = 0
    byte_size: int = 0
    manifest_hash: str = ""

    def read(self) -> list[str]:
        """Read everything, and answer what is wrong."""
        try:
            stated = (self.folder / "manifest.json").read_bytes()
            signature = (self.folder / "manifest.sig").read_bytes()
        except OSError as error:
            return [f"{error.filename}: missing · 缺失"]
        self.manifest_hash = hashlib.sha256(stated).hexdigest()
        if not is_signed(stated, signature, self.key):
            return ["manifest.sig: not a signature of this manifest by the known key · 签名无效或密钥不符"]
        manifest: dict[str, Any] = json.loads(stated)
        listed = {part["path"] for part in manifest["parts"]}
        for part in manifest["parts"]:
            self._part(part)
        listed |= self._files()
        self._log(manifest["tenant"]["id"].replace("-", ""))
        present = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}
        self.faults += [f"{path}: not in the manifest · 清单中没有" for path in sorted(present - listed - _UNLISTED)]
        return self.faults

    def _part(self, part: dict[str, Any]) -> None:
        self.parts += 1
        if not self._is_whole(part["path"], part["bytes"], part["sha256"]) or part["rows"] is None:
            return
        rows = sum(1 for _ in self._lines(part["path"]))
        self.rows += rows
        if rows != part["rows"]:
            self.faults.append(f"{part['path']}: {rows} rows, not {part['rows']} · 行数不符")

    def _files(self) -> set[str]:
        """The photos, by their index; the paths that it names."""
        named = set()
        for line in self._lines("files/index.jsonl.gz"):
            told = json.loads(line)
            if "path" in told:
                named.add(told["path"])
                self._is_whole(told["path"], told["bytes"], told["sha256"])
        return named

    def _log(self, tenant: str) -> None:
        checkpoints = [json.loads(line).encode() for line in self._lines("audit/checkpoints.jsonl")]
        verifier = Verifier(tenant, (self.key,), checkpoints)
        for line in self._lines("audit/log.jsonl.gz"):
            told = json.loads(line)
            verifier.take(told["position"], bytes.fromhex(told["hash"]), told["entry"])
        self.faults += [f"audit {one.position or ''}: {one.en} · {one.zh}" for one in verifier.end()]

    def _is_whole(self, path: str, size: int, sha256: str) -> bool:
        digest, read = hashlib.sha256(), 0
        try:
            with (self.folder / path).open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    read += len(block)
        except OSError:
            self.faults.append(f"{path}: missing · 缺失")
            return False
        self.byte_size += read
        if (read, digest.hexdigest()) != (size, sha256):
            self.faults.append(f"{path}: changed · 被改动")
            return False
        return True

    def _lines(self, path: str) -> Iterator[bytes]:
        """The lines of a part; none where it cannot be read, which has been told already."""
        opener: Any = gzip.open if path.endswith(".gz") else open
        try:
            with opener(self.folder / path, "rb") as file:
                yield from file
        except (OSError, EOFError, zlib.error):
            return

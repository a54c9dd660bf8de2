"""The verifier of the audit log: reads rows and checkpoints as they are, and shares no code with what wrote them.

It stands on the standard library and an implementation of Ed25519 alone, so that an auditor can read it on one page and
run it, or write it again. What is to be proved, of one city:

- an entry's text is JSON with the keys of `_ENTRY` sorted, without spaces, in UTF-8;
- the hash at position n is SHA-256 over the hash at n - 1 (32 zero bytes before 1) and that text;
- positions run from 1 without gaps, and the time of an entry is at most ten minutes before the latest sealed so far;
- a checkpoint is signed by a known key, names the hash at its position and the digest of the checkpoint before it;
- the chain reaches at least to the last checkpoint, and to the one that the auditor brings along.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: All seals in order, each with its entry as JSON of the database's own making, or null where that is gone.
SEALS: Final = """
SELECT s.position, s.hash, s.record_id, (
  SELECT json_build_object(
    'account', replace(r.account_id::text, '-', ''), 'action', r.action, 'actor', r.actor_kind,
    'after', r.after_hash, 'before', r.before_hash, 'changed', r.changed_fields,
    'client', replace(r.client_id::text, '-', ''), 'id', replace(r.id::text, '-', ''),
    'object', r.object_tag || ':' || replace(r.object_id::text, '-', ''), 'purpose', r.purpose,
    'recorded_at', to_char(r.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'tenant', replace(r.tenant_id::text, '-', ''), 'trace', r.trace_id
  )::text FROM audit_records AS r WHERE r.tenant_id = s.tenant_id AND r.id = s.record_id
) AS entry
FROM audit_seals AS s WHERE s.tenant_id = $1 ORDER BY s.position, s.id
"""
#: Entries without a seal that are older than what is sealed may be late: put in by somebody else than the platform.
INSERTED: Final = """
SELECT r.id, r.recorded_at FROM audit_records AS r
WHERE r.tenant_id = $1
  AND r.recorded_at < (SELECT max(latest_at) FROM audit_seals WHERE tenant_id = $1) - interval '10 minutes'
  AND NOT EXISTS (SELECT FROM audit_seals AS s WHERE s.tenant_id = $1 AND s.record_id = r.id)
ORDER BY r.recorded_at, r.id LIMIT 1000
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was written: `kind` is one word, `position` where in the chain, if it has a place."""

    kind: str
    position: int | None
    zh: str
    en: str


@dataclass
class Verifier:
    """Takes the seals of one city in order, then says what is wrong.

    `keys` are public keys (base64) that may have signed; `checkpoints` the signed texts by position; `witness` the last
    checkpoint that the auditor has kept, which finds a log and a store that were both set back.
    """

    tenant: str
    keys: Iterable[str]
    checkpoints: list[bytes]
    witness: bytes | None = None
    faults: list[Fault] = field(default_factory=list)
    position: int = 0
    _hash: bytes = bytes(32)
    _latest: str = ""
    _signed: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the checkpoints first: the chain is compared with them on the way."""
        known = {hashlib.sha256(raw).hexdigest()[:16]: raw for raw in map(base64.b64decode, self.keys)}
        before: bytes | None = None
        last = 0
        for signed in self.checkpoints:
            stated = self._stated(signed, known)
            if stated is None:
                continue
            position = stated["position"]
            if stated["tenant"] != self.tenant:
                self._fault("checkpoint", position, "检查点属于其他城市", "a checkpoint of another city")
            elif position <= last or position in self._signed:
                self._fault("checkpoint", position, "检查点被重放", "a checkpoint is there again")
            elif before is not None and stated["previous"] != hashlib.sha256(before).hexdigest():
                self._fault("checkpoint", position, "检查点不衔接前一个", "a checkpoint does not follow the one before")
            elif before is None and stated["previous"] is not None:
                self._fault("checkpoint", position, "最早的检查点缺失", "the checkpoints before it are missing")
                self._signed[position] = stated["hash"]
            else:
                self._signed[position] = stated["hash"]
            before, last = signed, max(last, position)
        if self.witness is not None:
            self._bring(self._stated(self.witness, known), last)

    def _bring(self, stated: dict[str, Any] | None, last: int) -> None:
        if stated is None:
            return
        position = stated["position"]
        if position > last:
            self._fault("rollback", position, "检查点仓库已被回退", "the store of checkpoints was set back")
        if self._signed.setdefault(position, stated["hash"]) != stated["hash"]:
            self._fault(
                "fork", position, "与审计员保存的检查点不符", "differs from the checkpoint that the auditor kept"
            )

    def _stated(self, signed: bytes, known: Mapping[str, bytes]) -> dict[str, Any] | None:
        try:
            found = json.loads(signed)
            stated: dict[str, Any] = json.loads(found["stated"])
            key = Ed25519PublicKey.from_public_bytes(known[stated["key"]])
            key.verify(base64.b64decode(found["signature"]), found["stated"].encode())
            return stated | {"position": int(stated["position"])}
        except (ValueError, KeyError, TypeError, binascii.Error, InvalidSignature):
            self._fault(
                "signature", None, "检查点签名无效或密钥未知", "a checkpoint has no valid signature of a known key"
            )
            return None

    def take(self, position: int, sealed: bytes, entry: str | None) -> None:
        """The next seal: its position, its hash, and its entry as the database has it now."""
        if position != self.position + 1:
            self._fault("gap", position, f"位置不连续:此前为 {self.position}", f"does not follow {self.position}")
        self.position = position
        if entry is None:
            self._fault("deleted", position, "条目已被删除", "its entry is gone")
        else:
            stated = json.loads(entry)
            text = json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            if hashlib.sha256(self._hash + text).digest() != sealed:
                self._fault("changed", position, "条目或其位置被改动", "its entry, or its place, was changed")
            if stated["recorded_at"] < _before(self._latest):
                self._fault("inserted", position, "条目时间早于其位置", "its entry is older than its place")
            self._latest = max(self._latest, stated["recorded_at"])
        # What follows is judged by what is stored, so that one change is one fault and not a thousand.
        self._hash = sealed
        signed = self._signed.pop(position, None)
        if signed is not None and signed != sealed.hex():
            self._fault("fork", position, "与已签名的检查点不符", "differs from the checkpoint that was signed")

    def insert(self, record: str, recorded_at: str) -> None:
        """An entry without a seal that should have one."""
        self._fault("inserted", None, f"条目 {record} 未封存", f"the entry {record} of {recorded_at} was never sealed")

    def end(self) -> list[Fault]:
        """There are no more seals: everything that is wrong."""
        for position in sorted(self._signed):
            self._fault(
                "cut", position, f"日志在 {self.position} 处中断", f"was signed, but the log ends at {self.position}"
            )
        self._signed.clear()
        return self.faults

    def _fault(self, kind: str, position: int | None, zh: str, en: str) -> None:
        self.faults.append(Fault(kind, position, zh, en))


def _before(latest: str) -> str:
    """Ten minutes before a time as entries have it."""
    if not latest:
        return ""
    return f"{datetime.fromisoformat(latest) - timedelta(minutes=10):%Y-%m-%dT%H:%M:%S.%f}Z"

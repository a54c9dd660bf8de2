"""Checkpoints: the end of a chain, signed, and kept where who may write the database may not write."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from obstore.exceptions import AlreadyExistsError
from sqlalchemy import func, select, true

from cityloom.audit.models import AuditCheckpoint, AuditSeal
from cityloom.core.errors import Refusal, RefusalCode

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from obstore.store import ObjectStore
    from sqlalchemy import ColumnElement, Select

    from cityloom.core.work import Work


class SigningKeyExposed(Refusal):
    """The signing key {file} can be read by others (mode {mode}): run `chmod 600` on it, and take it for known."""

    code = RefusalCode.UNAVAILABLE
    zh = "签名密钥 {file} 可被他人读取(权限 {mode}):请执行 chmod 600,并视其为已泄露。"


@dataclass(frozen=True, slots=True)
class Signer:
    """The installation's Ed25519 key for checkpoints; `name` begins the hash of its public half."""

    private: Ed25519PrivateKey

    @classmethod
    def in_file(cls, path: Path) -> Self:
        """The key in a file that only its owner may read, made where there is none. Refuses (`SigningKeyExposed`)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        if not path.exists():
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()) + b"\n")
            try:
                os.link(draft, path)
            except FileExistsError:
                pass  # another process was faster: its key is the one
            finally:
                draft.unlink()
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SigningKeyExposed(file=str(path), mode=oct(mode))
        return cls(Ed25519PrivateKey.from_private_bytes(base64.b64decode(path.read_bytes())))

    @property
    def public(self) -> str:
        """The public half, as auditors keep it: base64 of 32 bytes."""
        return base64.b64encode(self.private.public_key().public_bytes_raw()).decode()

    @property
    def name(self) -> str:
        """What a checkpoint calls the key."""
        return hashlib.sha256(self.private.public_key().public_bytes_raw()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Signs the ends of chains; in `work.services[Checkpoints]`.

    Each is an object of its own in `store`, `<tenant>/<position>.json`, and never written twice: keep the store where
    the database's administrators may only read it, for example a bucket with object lock.
    """

    store: ObjectStore
    signer: Signer

    async def sign(self, work: Work) -> int | None:
        """Sign the chain's end, if it has grown since the last time; answers its position."""
        end = await work.session.scalar(select(AuditSeal).order_by(AuditSeal.position.desc()).limit(1))
        last = await work.session.scalar(select(AuditCheckpoint).order_by(AuditCheckpoint.position.desc()).limit(1))
        if end is None or (last is not None and last.position >= end.position):
            return None
        stated = {
            "at": f"{work.now():%Y-%m-%dT%H:%M:%S.%f}Z",
            "hash": end.hash.hex(),
            "key": self.signer.name,
            "position": end.position,
            "previous": last.digest.hex() if last else None,
            "tenant": work.tenant_id.hex,
        }
        text = orjson.dumps(stated, option=orjson.OPT_SORT_KEYS)
        signed = await self.keep(f"{work.tenant_id.hex}/{end.position:020d}.json", text)
        digest = hashlib.sha256(signed).digest()
        work.session.add(AuditCheckpoint(position=end.position, digest=digest, signed_at=work.now()))
        return end.position

    async def keep(self, place: str, text: bytes) -> bytes:
        """Sign a text and keep both outside, as JSON with `stated` and `signature` (base64); answers what is there.

        What was kept in a place before, by somebody who was stopped after that, counts and stays.
        """
        signature = base64.b64encode(self.signer.private.sign(text)).decode()
        signed = orjson.dumps({"signature": signature, "stated": text.decode()})
        try:
            await self.store.put_async(place, signed, mode="create")
        except AlreadyExistsError:
            return bytes(await (await self.store.get_async(place)).bytes_async())
        return signed

    async def of(self, tenant_id: UUID) -> list[bytes]:
        """All signed texts of a tenant as they are outside, by position."""
        found = []
        async for page in self.store.list(f"{tenant_id.hex}/"):
            found += [entry["path"] for entry in page]
        return [bytes(await (await self.store.get_async(path)).bytes_async()) for path in sorted(found)]


async def sign(work: Work) -> int | None:
    """The job: sign the chain's end of one city."""
    checkpoints: Checkpoints = work.services[Checkpoints]
    return await checkpoints.sign(work)


def is_unsigned(city: ColumnElement[UUID], _now: datetime) -> Select[bool]:
    """Whether a city's chain has grown since it was signed."""
    end = select(func.max(AuditSeal.position)).where(AuditSeal.tenant_id == city).scalar_subquery()
    last = select(func.max(AuditCheckpoint.position)).where(AuditCheckpoint.tenant_id == city).scalar_subquery()
    return select(true()).where(end > func.coalesce(last, 0))

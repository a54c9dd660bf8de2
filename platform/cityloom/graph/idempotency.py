"""Idempotency keys: a mutation that is sent twice under one key is carried out once."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import timedelta
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
from sqlalchemy import bindparam, delete, select, true
from sqlalchemy.dialects.postgresql import insert
from strawberry import UNSET

from cityloom.core.errors import InvalidInput, Refusal, RefusalCode
from cityloom.core.ids import new_id
from cityloom.core.prepared import Prepared, Reader
from cityloom.core.principal import PrincipalKind
from cityloom.graph.models import IdempotencyRecord

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select

    from cityloom.core.principal import Principal
    from cityloom.core.work import Work

_NOBODY: Final = UUID(int=0)
LONGEST_KEY: Final = 200
#: How long an answer can be repeated.
KEPT: Final = timedelta(days=7)


class IdempotencyKeyReused(Refusal):
    """The idempotency key was used before for {field} with another input: take a new key for a new request."""

    code = RefusalCode.IDEMPOTENCY_KEY_REUSED
    zh = "该幂等键已用于 {field} 的另一个输入:新的请求请使用新的键。"


class AlreadyCarriedOut(Refusal):
    """This mutation was carried out under the same key at {at}; its answer is not kept and cannot be repeated."""

    code = RefusalCode.CONFLICT
    zh = "同一幂等键的该操作已于 {at} 完成;其结果不予保存,无法重复返回。"


_RECORDS = Reader(IdempotencyRecord)
_TAKE = Prepared(
    lambda: (
        insert(IdempotencyRecord)
        .values(
            tenant_id=bindparam("tenant"),
            id=bindparam("row"),
            caller_id=bindparam("caller"),
            key=bindparam("given"),
            field=bindparam("of"),
            input_hash=bindparam("digest"),
            created_at=bindparam("now"),
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "caller_id", "key"])
        .returning(IdempotencyRecord.id)
    )
)
_TAKEN = Prepared(
    lambda: select(IdempotencyRecord.__table__).where(
        IdempotencyRecord.tenant_id == bindparam("tenant"),
        IdempotencyRecord.caller_id == bindparam("caller"),
        IdempotencyRecord.key == bindparam("given"),
    )
)


@cache
def _fields(shape: type[Any]) -> tuple[str, ...]:
    return tuple(item.name for item in dataclasses.fields(shape))


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: item for name in _fields(type(value)) if (item := getattr(value, name)) is not UNSET}
    if isinstance(value, Enum):
        return value.name
    if value is UNSET:
        return None
    return repr(value)


def input_hash(arguments: dict[str, Any]) -> bytes:
    """Equal for equal arguments, however they were written (literals, variables, order of fields)."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS
    return hashlib.sha256(orjson.dumps(arguments, default=_plain, option=options)).digest()


def _caller(principal: Principal) -> UUID:
    return principal.account_id or principal.client_id or _NOBODY


async def claim(work: Work, key: str, field: str, digest: bytes) -> IdempotencyRecord | None:
    """Take the key for this transaction; or the record of the mutation that had it before, to be repeated.

    A second request under the same key waits here until the first has committed or rolled back. Refuses
    (`IdempotencyKeyReused`) a key that was used for something else. Keys of callers without a credential are not kept:
    they have nobody to belong to.
    """
    if not key or len(key) > LONGEST_KEY:
        raise InvalidInput(
            f"幂等键长度须为 1 至 {LONGEST_KEY} 个字符。",
            f"An idempotency key has 1 to {LONGEST_KEY} characters.",
            path=("idempotency_key",),
        )
    if work.principal.kind is PrincipalKind.ANONYMOUS:
        return None
    caller = _caller(work.principal)
    taken = await _TAKE.row(work, row=new_id(), caller=caller, given=key, of=field, digest=digest, now=work.now())
    if taken is not None:
        return None
    before = _RECORDS.read(await _TAKEN.row(work, caller=caller, given=key))
    if before.field != field or before.input_hash != digest:
        raise IdempotencyKeyReused(field=before.field, path=("idempotency_key",))
    return before


def settle(work: Work, key: str, type_name: str | None, row_id: UUID | None) -> None:
    """Note what the mutation changed, so that its answer can be repeated."""
    record = {"caller_id": _caller(work.principal), "key": key}
    work.change(IdempotencyRecord, record, result_type=type_name, result_id=row_id)


def has_old_keys(city: ColumnElement[UUID], now: datetime) -> Select[bool]:
    """Whether a city has records that `forget` would delete."""
    return select(true()).where(IdempotencyRecord.tenant_id == city, IdempotencyRecord.created_at < now - KEPT)


async def forget(work: Work) -> None:
    """Delete the tenant's records that are older than `KEPT`."""
    await work.session.execute(
        delete(IdempotencyRecord)
        .where(IdempotencyRecord.created_at < work.now() - KEPT)
        .execution_options(synchronize_session=False)
    )

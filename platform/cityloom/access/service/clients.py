"""Programs that call the API, and their keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from cityloom.access import events, tokens
from cityloom.access import models as m
from cityloom.access.authentication import key_environment
from cityloom.access.changes import begin_change
from cityloom.access.errors import ClientNameTaken, PermissionUnknown, TwoKeysActive
from cityloom.access.policy import is_pattern
from cityloom.access.service.guard import catalogue_of, changing, demand_everywhere, refuse_power_over
from cityloom.core.constraints import refusing
from cityloom.core.errors import InvalidInput, NotFound
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.settings import Settings
from cityloom.tenancy.limits import demand_room

if TYPE_CHECKING:
    from cityloom.core.work import Work

CHANGES = "access.client.change"
KEY_LIFETIME = timedelta(days=365)
_MOST_KEYS = 2
_MOST_NAME = 100


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as its maker is told of it, once."""

    id: UUID
    client_id: UUID
    key: str
    expires_at: datetime


async def client_of(work: Work, client_id: UUID | None) -> m.ApiClient:
    """An API client of the tenant; refuses (`NotFound`) an absent one."""
    row = await work.session.get(m.ApiClient, (work.tenant_id, client_id)) if client_id else None
    if row is None:
        raise NotFound(thing="API client", thing_zh="接口客户端")
    return row


async def create_client(work: Work, name: str, permissions: list[str]) -> m.ApiClient:
    """A new API client with a service account of its own, which holds no role yet; `permissions` cap its roles."""
    demand_everywhere(work, CHANGES)
    _check(work, name, permissions)
    await demand_room(work, "api_clients", m.ApiClient, 1)
    await demand_room(work, "accounts", m.Account, 1)
    row_id = new_id()
    async with refusing(work, {"uq_api_clients_tenant_id_name": lambda: ClientNameTaken(value=name, path=("name",))}):
        account = m.Account(id=new_id(), login=f"client-{row_id.hex}", name=name, kind="SERVICE", created_at=work.now())
        work.session.add(account)
        await work.session.flush()
        row = m.ApiClient(id=row_id, name=name, account_id=account.id, permissions=permissions, created_at=work.now())
        work.session.add(row)
    work.emit(events.ClientChanged(subject_id=row.id, change="CREATED"))
    work.audit(AuditEntry(action="access.client.create", object_tag="clnt", object_id=row.id, after=_state(row)))
    return row


async def change_client(
    work: Work, client_id: UUID | None, *, permissions: list[str] | None = None, is_active: bool | None = None
) -> m.ApiClient:
    """Cap a client's roles differently, or switch it off and on; refuses power over a client that may do more."""
    demand_everywhere(work, CHANGES)
    row = await client_of(work, client_id)
    before = _state(row)
    if permissions is not None:
        _check(work, row.name, permissions)
        await refuse_power_over(work, row.account_id, cap=tuple(permissions))
    elif is_active:
        await refuse_power_over(work, row.account_id, cap=tuple(row.permissions))
    async with changing(work):
        if permissions is not None:
            row.permissions = permissions
        if is_active is not None:
            row.is_active = is_active
    work.emit(events.ClientChanged(subject_id=row.id, change="CHANGED"))
    work.audit(
        AuditEntry(action="access.client.change", object_tag="clnt", object_id=row.id, before=before, after=_state(row))
    )
    return row


async def create_key(work: Work, client_id: UUID | None, *, expires_at: datetime | None = None) -> NewKey:
    """A new key, shown once. To rotate: create the second, move the program over, revoke the first.

    Refuses (`TwoKeysActive`) a third, and (`AboveOwnRights`) a key to more than the caller may do.
    """
    demand_everywhere(work, CHANGES)
    row, now = await client_of(work, client_id), work.now()
    expires = expires_at or now + KEY_LIFETIME
    if not now < expires <= now + 2 * KEY_LIFETIME:
        raise InvalidInput(
            "密钥有效期须在未来两年之内。", "A key expires in the future, and within two years.", path=("expiresAt",)
        )
    await refuse_power_over(work, row.account_id, cap=tuple(row.permissions))
    await begin_change(work)
    keys = await work.session.scalars(
        select(m.ApiClientKey).where(m.ApiClientKey.client_id == row.id, m.ApiClientKey.revoked_at.is_(None))
    )
    if sum(key.expires_at > now for key in keys) >= _MOST_KEYS:
        raise TwoKeysActive
    settings: Settings = work.services[Settings]
    key_id = new_id()
    token = tokens.client_token(key_environment(settings.environment), work.tenant_id, key_id)
    work.session.add(
        m.ApiClientKey(id=key_id, client_id=row.id, token_hash=tokens.digest(token), created_at=now, expires_at=expires)
    )
    work.emit(events.ClientChanged(subject_id=row.id, change="KEY_CREATED"))
    work.audit(AuditEntry(action="access.client.create_key", object_tag="clnt", object_id=row.id))
    return NewKey(key_id, row.id, token, expires)


async def revoke_key(work: Work, key_id: UUID | None) -> m.ApiClientKey:
    """End a key before its time; again is no error."""
    demand_everywhere(work, CHANGES)
    row = await work.session.get(m.ApiClientKey, (work.tenant_id, key_id)) if key_id else None
    if row is None:
        raise NotFound(thing="key", thing_zh="密钥")
    if row.revoked_at is None:
        await begin_change(work)
        row.revoked_at = work.now()
        work.emit(events.ClientChanged(subject_id=row.client_id, change="KEY_REVOKED"))
        work.audit(AuditEntry(action="access.client.revoke_key", object_tag="clnt", object_id=row.client_id))
    return row


def _check(work: Work, name: str, permissions: list[str]) -> None:
    if not name.strip() or len(name) > _MOST_NAME:
        raise InvalidInput(
            f"名称需为 1 到 {_MOST_NAME} 个字符。", f"A name has 1 to {_MOST_NAME} characters.", path=("name",)
        )
    for index, pattern in enumerate(permissions):
        if not is_pattern(pattern) or not catalogue_of(work).expand(pattern):
            raise PermissionUnknown(pattern=pattern, path=("permissions", index))


def _state(row: m.ApiClient) -> dict[str, object]:
    return {"name": row.name, "permissions": list(row.permissions), "is_active": row.is_active}

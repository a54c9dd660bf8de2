"""Accounts and their passwords."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from cityloom.access import events
from cityloom.access import models as m
from cityloom.access.changes import begin_change
from cityloom.access.errors import LoginRefused, LoginTaken
from cityloom.access.passwords import Passwords
from cityloom.access.service.guard import changing, demand_everywhere, refuse_power_over
from cityloom.access.service.sessions import Logins, revoke_sessions_of
from cityloom.core.constraints import refusing
from cityloom.core.errors import InvalidInput, NotFound
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.tenancy.limits import demand_room

if TYPE_CHECKING:
    from cityloom.core.text import Locale
    from cityloom.core.work import Work

_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z")
_MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDraft:
    """A new account. `oidc` is issuer and subject at the city's identity provider."""

    login: str
    name: str
    kind: str = "STAFF"
    locale: Locale = "zh"
    is_developer: bool = False
    password: str | None = None
    oidc: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanges:
    """What is to be different about an account; None leaves as it is."""

    name: str | None = None
    locale: Locale | None = None
    is_active: bool | None = None
    is_developer: bool | None = None
    oidc: tuple[str, str] | None = None


def passwords_of(work: Work) -> Passwords:
    """The process's threads that hash."""
    logins: Logins = work.services[Logins]
    return logins.passwords


async def account_of(work: Work, account_id: UUID | None) -> m.Account:
    """An account of the tenant; refuses (`NotFound`) an absent one."""
    row = await work.session.get(m.Account, (work.tenant_id, account_id)) if account_id else None
    if row is None:
        raise NotFound(thing="account", thing_zh="账号")
    return row


async def create_account(work: Work, draft: AccountDraft) -> m.Account:
    """A new account without any role; refuses a taken or malformed login, a weak password, and one too many."""
    demand_everywhere(work, "access.account.create")
    if not _LOGIN.match(draft.login):
        raise InvalidInput(
            "登录名只能包含小写字母、数字、点、下划线和连字符,以字母或数字开头,最多 63 个字符。",
            "A login has lower-case letters, digits, dots, underscores and hyphens, begins with a letter or digit,"
            " and is at most 63 characters long.",
            path=("login",),
        )
    _check_name(draft.name)
    await demand_room(work, "accounts", m.Account, 1)
    stored = await passwords_of(work).hash(draft.password, login=draft.login) if draft.password else None
    async with refusing(work, {"uq_accounts_tenant_id_login": lambda: LoginTaken(value=draft.login, path=("login",))}):
        row = m.Account(
            id=new_id(),
            login=draft.login,
            name=draft.name,
            kind=draft.kind,
            locale=draft.locale,
            is_developer=draft.is_developer,
            password_hash=stored,
            oidc_issuer=draft.oidc[0] if draft.oidc else None,
            oidc_subject=draft.oidc[1] if draft.oidc else None,
            created_at=work.now(),
        )
        work.session.add(row)
    work.emit(events.AccountCreated(subject_id=row.id, kind=row.kind))
    work.audit(AuditEntry(action="access.account.create", object_tag="acct", object_id=row.id, after=_state(row)))
    return row


async def change_account(work: Work, account_id: UUID | None, changes: AccountChanges) -> m.Account:
    """Change an account or switch it off and on; whoever is switched off is signed out everywhere.

    Refuses to leave the city without an administrator, and power over an account that may do more than the caller.
    """
    demand_everywhere(work, "access.account.change")
    row = await account_of(work, account_id)
    before = _state(row)
    if changes.is_active is True or changes.is_developer or changes.oidc:
        await refuse_power_over(work, row.id)
    async with changing(work):
        if changes.name is not None:
            _check_name(changes.name)
            row.name = changes.name
        if changes.locale is not None:
            row.locale = changes.locale
        if changes.is_developer is not None:
            row.is_developer = changes.is_developer
        if changes.oidc is not None:
            row.oidc_issuer, row.oidc_subject = changes.oidc
        if changes.is_active is not None:
            row.is_active = changes.is_active
            if not row.is_active:
                await revoke_sessions_of(work, row.id)
    work.emit(events.AccountChanged(subject_id=row.id, is_active=row.is_active))
    work.audit(
        AuditEntry(
            action="access.account.change", object_tag="acct", object_id=row.id, before=before, after=_state(row)
        )
    )
    return row


async def set_password(work: Work, account_id: UUID | None, password: str, *, current: str | None = None) -> m.Account:
    """Give an account a new password and end its sessions.

    One's own needs the current one; another's needs `access.account.set_password` and no less rights than theirs.
    """
    row = await account_of(work, account_id or work.principal.account_id)
    passwords = passwords_of(work)
    if row.id == work.principal.account_id:
        if not await passwords.verify(row.password_hash, current or ""):
            raise LoginRefused(path=("currentPassword",))
    else:
        demand_everywhere(work, "access.account.set_password")
        await refuse_power_over(work, row.id)
    if row.kind == "SERVICE":
        raise InvalidInput(
            "服务账号没有密码:请使用接口密钥。",
            "A service account has no password: use keys of its API client.",
            path=("accountId",),
        )
    stored = await passwords.hash(password, login=row.login)
    await begin_change(work)
    row.password_hash = stored
    await revoke_sessions_of(work, row.id)
    work.emit(events.PasswordSet(subject_id=row.id))
    work.audit(AuditEntry(action="access.account.set_password", object_tag="acct", object_id=row.id))
    return row


async def set_first_passwords(work: Work, logins: list[str]) -> dict[str, str]:
    """Make a password for each of these accounts that has none, and answer them, once; nothing else ever shows them."""
    demand_everywhere(work, "access.account.set_password")
    made: dict[str, str] = {}
    passwords = passwords_of(work)
    rows = await work.session.scalars(
        select(m.Account).where(
            m.Account.login.in_(logins), m.Account.password_hash.is_(None), m.Account.kind == "STAFF"
        )
    )
    for row in rows.all():
        made[row.login] = secrets.token_urlsafe(12)
        row.password_hash = await passwords.hash(made[row.login])
        work.emit(events.PasswordSet(subject_id=row.id))
        work.audit(AuditEntry(action="access.account.set_password", object_tag="acct", object_id=row.id))
    return made


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _MAX_NAME:
        raise InvalidInput(
            f"姓名需为 1 到 {_MAX_NAME} 个字符。", f"A name has 1 to {_MAX_NAME} characters.", path=("name",)
        )


def _state(row: m.Account) -> dict[str, object]:
    return {
        "login": row.login,
        "name": row.name,
        "kind": row.kind,
        "locale": row.locale,
        "is_active": row.is_active,
        "is_developer": row.is_developer,
        "oidc_issuer": row.oidc_issuer,
        "oidc_subject": row.oidc_subject,
    }

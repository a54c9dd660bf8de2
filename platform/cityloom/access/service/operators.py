"""Operators: who runs the platform. They sign in at the control plane only and see no tenant's data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from cityloom.access import models as m
from cityloom.access import tokens
from cityloom.access.errors import LoginRefused
from cityloom.core.errors import NotFound
from cityloom.core.ids import new_id
from cityloom.tenancy.models import OperatorAction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from cityloom.access.passwords import LoginThrottles, Passwords
    from cityloom.core.clock import Clock
    from cityloom.core.database import Database

SESSION_LIFETIME = timedelta(hours=8)
MOST_SESSIONS = 50


@dataclass(frozen=True, slots=True)
class NewOperatorSession:
    """An operator's session as its owner is told of it, once."""

    id: UUID
    operator_id: UUID
    token: str
    expires_at: datetime


async def ensure_operator(database: Database, login: str, *, name: str, clock: Clock, locale: str = "zh") -> UUID:
    """The operator with this login; made where there is none yet."""
    async with database.operator_sessions.begin() as session:
        await session.execute(
            insert(m.Operator)
            .values(id=new_id(), login=login, name=name, locale=locale, is_active=True, created_at=clock.now())
            .on_conflict_do_nothing(index_elements=["login"])
        )
        found: UUID = (await session.execute(select(m.Operator.id).where(m.Operator.login == login))).scalar_one()
        return found


async def open_operator_session(
    database: Database, operator_id: UUID, *, clock: Clock, lifetime: timedelta = SESSION_LIFETIME
) -> str:
    """A bearer for the control plane, for an operator whose proof has been seen elsewhere; shown once."""
    return (await _open(database, operator_id, clock=clock, lifetime=lifetime)).token


async def _open(
    database: Database, operator_id: UUID, *, clock: Clock, lifetime: timedelta = SESSION_LIFETIME
) -> NewOperatorSession:
    row_id, now = new_id(), clock.now()
    token = tokens.operator_token(row_id)
    async with database.operator_sessions.begin() as session:
        session.add(
            m.OperatorSignIn(
                id=row_id,
                operator_id=operator_id,
                token_hash=tokens.digest(token),
                created_at=now,
                expires_at=now + lifetime,
            )
        )
        _log(session, f"operator:{operator_id}", "operator.session.create", row_id, clock)
    return NewOperatorSession(row_id, operator_id, token, now + lifetime)


async def revoke_operator_session(
    database: Database, session_id: UUID | None, *, actor: str, clock: Clock
) -> m.OperatorSignIn:
    """End a session, one's own or another operator's; again is no error. Refuses (`NotFound`) an absent one."""
    async with database.operator_sessions.begin() as session:
        row = await session.get(m.OperatorSignIn, session_id, with_for_update=True) if session_id else None
        if row is None:
            raise NotFound(thing="session", thing_zh="会话")
        if row.revoked_at is None:
            row.revoked_at = clock.now()
            _log(session, actor, "operator.session.revoke", row.id, clock)
    return row


async def operator_with_sessions(
    database: Database, operator_id: UUID, *, clock: Clock
) -> tuple[m.Operator, list[m.OperatorSignIn]]:
    """An operator and the sessions that are open, newest first, at most `MOST_SESSIONS`."""
    async with database.operator_sessions() as session:
        operator = await session.get_one(m.Operator, operator_id)
        rows = await session.scalars(
            select(m.OperatorSignIn)
            .where(
                m.OperatorSignIn.operator_id == operator_id,
                m.OperatorSignIn.revoked_at.is_(None),
                m.OperatorSignIn.expires_at > clock.now(),
            )
            .order_by(m.OperatorSignIn.id.desc())
            .limit(MOST_SESSIONS)
        )
        return operator, list(rows)


async def set_operator_password(database: Database, passwords: Passwords, login: str, password: str) -> bool:
    """Give an operator a password and end their sessions; False where there is no such operator."""
    stored = await passwords.hash(password, login=login)
    async with database.operator_sessions.begin() as session:
        operator_id = await session.scalar(
            update(m.Operator).where(m.Operator.login == login).values(password_hash=stored).returning(m.Operator.id)
        )
        if operator_id is not None:
            await _revoke_all(session, operator_id)
    return operator_id is not None


async def log_in_operator(
    database: Database,
    passwords: Passwords,
    throttles: LoginThrottles,
    login: str,
    password: str,
    *,
    clock: Clock,
    address: str | None = None,
) -> NewOperatorSession:
    """A session at the control plane; refuses (`LoginRefused`, `TooManyLogins`) without saying what was wrong."""
    counted = f"operator {login[:63]}"
    await throttles.attempt(counted, address)
    async with database.operator_sessions() as session:
        row: m.Operator | None = await session.scalar(select(m.Operator).where(m.Operator.login == login))
    stored = row.password_hash if row is not None and row.is_active else None
    if not await passwords.verify(stored, password) or row is None:
        raise LoginRefused
    await throttles.succeeded(counted, address)
    return await _open(database, row.id, clock=clock)


async def switch_off_operator(database: Database, operator_id: UUID) -> None:
    """Take an operator's access away at once."""
    async with database.operator_sessions.begin() as session:
        await session.execute(update(m.Operator).where(m.Operator.id == operator_id).values(is_active=False))
        await _revoke_all(session, operator_id)


def _log(session: AsyncSession, actor: str, action: str, session_id: UUID, clock: Clock) -> None:
    facts = {"session": str(session_id)}
    session.add(OperatorAction(tenant_id=None, actor=actor, action=action, facts=facts, acted_at=clock.now()))


async def _revoke_all(session: AsyncSession, operator_id: UUID) -> None:
    await session.execute(
        update(m.OperatorSignIn)
        .where(m.OperatorSignIn.operator_id == operator_id, m.OperatorSignIn.revoked_at.is_(None))
        .values(revoked_at=func.now())
    )

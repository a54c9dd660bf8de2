"""Passwords: argon2id in a few threads of their own, and a limit on failed logins per account and per address."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, text

from cityloom.access import models as m
from cityloom.access.errors import PasswordWeak, TooManyLogins

if TYPE_CHECKING:
    from cityloom.core.clock import Clock
    from cityloom.core.database import Database

MINIMUM_LENGTH = 10
_MAXIMUM_LENGTH = 256
_WINDOW = timedelta(minutes=15)
#: Failures within the window; a whole office may share one address.
PER_ACCOUNT, PER_ADDRESS = 10, 100

#: Counts an attempt before its password is looked at, so that many at once cannot slip below the limit.
_COUNT = text(
    """
    INSERT INTO login_throttles AS t (key_hash, failures, window_started_at) VALUES (:key, 1, :now)
    ON CONFLICT (key_hash) DO UPDATE
    SET failures = CASE WHEN t.window_started_at <= :oldest THEN 1 ELSE t.failures + 1 END,
        window_started_at = CASE WHEN t.window_started_at <= :oldest THEN :now ELSE t.window_started_at END
    RETURNING failures, window_started_at
    """
)
_UNCOUNT = text("UPDATE login_throttles SET failures = failures - 1 WHERE key_hash = :key AND failures > 0")
_FORGET = text("DELETE FROM login_throttles WHERE key_hash = :key OR window_started_at <= :oldest")


class Passwords:
    """Hashes and verifies with argon2id (19 MiB, 2 passes: OWASP's first choice), at most two at a time."""

    def __init__(self, *, threads: int = 2) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        # Verified where there is no account or no password, so that both take equally long.
        self._nobody = self._hasher.hash("")

    async def hash(self, password: str, *, login: str = "") -> str:
        """What is stored of a password; refuses (`PasswordWeak`) short ones and those that contain the login."""
        too_like = login and login.casefold() in password.casefold()
        if not MINIMUM_LENGTH <= len(password) <= _MAXIMUM_LENGTH or too_like:
            raise PasswordWeak(path=("password",), minimum=MINIMUM_LENGTH)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; takes as long where nothing is stored."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._verify, stored, password)

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            self._hasher.verify(stored or self._nobody, password[: _MAXIMUM_LENGTH + 1])
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class LoginThrottles:
    """Counts failed logins across processes; its rows are hashes and name nobody."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def attempt(self, account: str, address: str | None) -> None:
        """Count an attempt as failed; refuses (`TooManyLogins`) beyond the limit, before any password is looked at."""
        now = self._clock.now()
        limits = [(f"account {account}", PER_ACCOUNT), *([(f"address {address}", PER_ADDRESS)] if address else [])]
        async with self._database.operator_sessions.begin() as session:
            answers = [
                (await session.execute(_COUNT, {"key": _key(key), "now": now, "oldest": now - _WINDOW})).one()
                for key, _ in limits
            ]
        for (failures, since), (_, limit) in zip(answers, limits, strict=True):
            if failures > limit:
                seconds = max(1, int((since + _WINDOW - now).total_seconds()))
                raise TooManyLogins(retryAfterSeconds=seconds)

    async def succeeded(self, account: str, address: str | None) -> None:
        """Forget the account's failures and take back the attempt that was counted for the address."""
        async with self._database.operator_sessions.begin() as session:
            await session.execute(_FORGET, {"key": _key(f"account {account}"), "oldest": self._clock.now() - _WINDOW})
            if address:
                await session.execute(_UNCOUNT, {"key": _key(f"address {address}")})

    async def forget(self, account: str) -> None:
        """Let an account try again at once: for an administrator who has set a new password."""
        async with self._database.operator_sessions.begin() as session:
            await session.execute(delete(m.LoginThrottle).where(m.LoginThrottle.key_hash == _key(f"account {account}")))


def _key(text_key: str) -> bytes:
    return hashlib.sha256(text_key.encode()).digest()

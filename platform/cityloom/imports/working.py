"""What a worker does for imports: takes one that is asked for, one at a time, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import text

from cityloom.core import logs
from cityloom.core.repeating import repeating
from cityloom.imports.running import run_import

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cityloom.core.work import Works

POLL_SECONDS: Final = 1.0
#: A city that may not be changed waits with its imports, and so does one whose keys are rotated: what is compared is
#: indexed by one key.
_ASKED_FOR = text(
    "SELECT i.tenant_id, i.id FROM imports AS i JOIN tenants AS t ON t.id = i.tenant_id "
    "AND t.state IN ('ONBOARDING', 'ACTIVE') WHERE i.state IN ('CHECKING', 'APPLYING') AND i.claimed_until <= :now "
    "AND NOT EXISTS (SELECT FROM key_rotations AS r WHERE r.tenant_id = i.tenant_id AND r.finished_at IS NULL) "
    "ORDER BY i.claimed_until LIMIT 1"
)
_log = logs.logger("cityloom.imports")


async def asked_for(works: Works) -> tuple[UUID, UUID] | None:
    """City and id of the import that has waited longest, if any waits."""
    async with works.database.operator_engine.connect() as connection:
        found = (await connection.execute(_ASKED_FOR, {"now": works.clock.now()})).one_or_none()
    return None if found is None else (UUID(bytes=found[0].bytes), UUID(bytes=found[1].bytes))


async def do_all(works: Works) -> int:
    """Do whatever imports are asked for, one after the other; how many there were."""
    done = 0
    while (waiting := await asked_for(works)) is not None:
        if not await run_import(works, *waiting):
            break
        done += 1
    return done


@asynccontextmanager
async def importing(works: Works, command: tuple[str, ...], environment: dict[str, str]) -> AsyncIterator[None]:
    """Have imports done for as long as the block lasts: `command` is run where any are asked for, and does them all.

    Sealing half a million rows keeps a processor busy for a minute: deliveries and jobs of this process shall not
    wait for that, nor share its memory with a stranger's workbook.
    """

    async def look() -> None:
        if await asked_for(works) is not None:
            await _run(command, environment)

    async with repeating("imports", look, seconds=POLL_SECONDS):
        yield


async def _run(command: tuple[str, ...], environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cityloom", *command, env=os.environ | environment, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        if await process.wait() != 0:
            _log.warning("imports.process_ended", code=process.returncode)
    finally:
        if process.returncode is None:
            # Another process goes on where it was: nothing of an import is visible before its end.
            process.kill()
            await process.wait()

"""A worker carries out the examinations that were asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select, text, update

from cityloom.core import logs
from cityloom.core.database import LOST
from cityloom.core.errors import Refusal
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.system import system_principal
from cityloom.webhooks import models as m
from cityloom.webhooks.certify import as_rows, examine, examiner_of, score
from cityloom.webhooks.fanout import ENDPOINT_TAG
from cityloom.webhooks.targets import Targets

if TYPE_CHECKING:
    from cityloom.core.work import Works
    from cityloom.webhooks.sender import Sender

POLL_SECONDS: Final = 1.0
_WANTED = text("SELECT tenant_id, id FROM webhook_lanes WHERE certification_id IS NOT NULL LIMIT 100")
#: One worker for each, as long as its connection lasts; whoever dies leaves it to the next.
_TURN = "SELECT pg_try_advisory_lock(hashtextextended('cityloom.webhooks.certify:' || $1::text, 0))"
#: What is tried again later: nothing is lost by it.
_PASSING: tuple[type[Exception], ...] = (*LOST, Refusal)
_log = logs.logger("cityloom.webhooks")


class Certifier:
    """Looks for examinations that are wanted, and carries them out one after the other."""

    def __init__(self, works: Works, sender: Sender, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._works = works
        self._sender = sender
        self._poll_seconds = poll_seconds

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                for tenant_id, endpoint_id in await self.wanted():
                    await self.certify(tenant_id, endpoint_id)
            except _PASSING as error:
                _log.warning("webhooks.not_certified", error=type(error).__name__)
            await asyncio.sleep(self._poll_seconds)

    async def wanted(self) -> list[tuple[UUID, UUID]]:
        """Endpoints that are to be examined."""
        async with self._works.database.operator_engine.connect() as connection:
            return [(UUID(str(tenant)), UUID(str(row))) for tenant, row in await connection.execute(_WANTED)]

    async def certify(self, tenant_id: UUID, endpoint_id: UUID) -> None:
        """Examine one endpoint outside of any transaction and write the result down, unless another worker is at it."""
        connection = await self._works.database.connect_app()
        try:
            if not await connection.fetchval(_TURN, str(endpoint_id)):
                return
            ring: KeyRing = self._works.services[KeyRing]
            keys = await ring.of(tenant_id)
            async with self._works.begin(system_principal(tenant_id)) as work:
                lane = await work.session.get(m.WebhookLane, (tenant_id, endpoint_id))
                if lane is None or lane.certification_id is None:
                    return
                certification_id = lane.certification_id
                target = (await Targets().open(work, [endpoint_id], keys))[endpoint_id]
            probes = await examine(
                examiner_of(
                    target,
                    self._sender,
                    self._works.clock,
                    tenant_id=tenant_id,
                    endpoint_id=endpoint_id,
                    tag=ENDPOINT_TAG,
                )
            )
            async with self._works.begin(system_principal(tenant_id)) as work:
                row = await work.session.scalar(
                    select(m.WebhookCertification).where(m.WebhookCertification.id == certification_id)
                )
                if row is not None:
                    row.probes, row.score = as_rows(probes), score(probes)
                    row.state, row.finished_at = "FINISHED", work.now()
                await work.session.execute(
                    update(m.WebhookLane).where(m.WebhookLane.id == endpoint_id).values(certification_id=None)
                )
        finally:
            await connection.close()

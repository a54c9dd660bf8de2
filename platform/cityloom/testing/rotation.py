"""Changing a city's keys from beginning to end, over a clock that the test moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.core.crypto import LEAD
from cityloom.privacy import service
from cityloom.privacy.models import KeyRotation
from cityloom.tenancy.models import TenantDataKey
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Works
    from cityloom.testing.clock import ManualClock


async def rotate(works: Works, clock: ManualClock, tenant_id: UUID) -> KeyRotation:
    """Rotate a city's keys; afterwards the old ones are destroyed."""
    caller = system_principal(tenant_id)
    async with works.begin(caller) as work:
        started = await service.start_rotation(work)
    for _ in range(3):
        clock.advance(seconds=LEAD.total_seconds())
        done = 1
        while done:
            async with works.begin(caller) as work:
                done = await service.carry_on(work)
    async with works.begin(caller) as work:
        found = await work.session.get_one(KeyRotation, (tenant_id, started.id))
        assert found.finished_at is not None
        known = await work.session.scalars(select(TenantDataKey.id).where(TenantDataKey.destroyed_at.is_(None)))
        assert set(known) == {found.field_key_id, found.index_key_id}
        return found

"""What operators do with departures: ask for one, take it back, confirm that the bundle was handed over, look."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from cityloom.core.errors import InvalidInput
from cityloom.core.ids import new_id
from cityloom.departures.errors import BundleDiffers, BundleMissing, KeysDestroyed, NameMistyped, NotLeaving
from cityloom.departures.models import REVERSIBLE, STEPS, TenantDeparture
from cityloom.settings import Settings
from cityloom.tenancy.errors import TenantGone
from cityloom.tenancy.models import OperatorAction
from cityloom.tenancy.service import TenantService

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncSession

    from cityloom.core.work import Works
    from cityloom.tenancy.models import Tenant

#: From when a city leaves until its bundle is begun: by then every process knows, and no request is on its way.
FREEZE: Final = timedelta(seconds=60)
LONGEST_REASON: Final = 500
_LEAVE_FROM: Final = {"ONBOARDING", "ACTIVE", "SUSPENDED"}


async def ask_to_leave(
    works: Works, slug: str, *, confirm: str, reason: str, folder: Path | None = None, actor: str
) -> TenantDeparture:
    """Let a city leave: nobody gets in any more, and its bundle will be written to a folder of its own below `folder`.

    Without a folder it is that of the settings. Asking again changes nothing. Refuses (`NameMistyped`,
    `TenantNotFound`, `TenantGone`) and reasons of no or too many characters.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise InvalidInput(
            f"原因须为 1 至 {LONGEST_REASON} 个字符。",
            f"A reason has 1 to {LONGEST_REASON} characters.",
            path=("reason",),
        )
    if confirm != slug:
        raise NameMistyped(path=("confirm",), confirm=confirm[:60], slug=slug[:60])
    service: TenantService = works.services[TenantService]
    if (await service.tenant(slug)).state == "GONE":
        raise TenantGone(slug=slug)

    async def begin(session: AsyncSession, tenant: Tenant) -> None:
        departure_id, now = new_id(), works.clock.now()
        settings: Settings = works.services[Settings]
        below = folder or settings.departures or settings.var / "departures"
        place = below.absolute() / f"{slug}-{now:%Y%m%d}-{departure_id.hex[-8:]}"
        session.add(
            TenantDeparture(
                id=departure_id,
                tenant_id=tenant.id,
                slug=slug,
                former_state=tenant.state,
                step="ASKED",
                reason=reason,
                folder=str(place),
                asked_by=actor,
                asked_at=now,
                not_before=now,
            )
        )

    await service.change_state(slug, _LEAVE_FROM, "LEAVING", reason=reason, actor=actor, beside=begin)
    return await _known(works, slug)


async def take_back(works: Works, slug: str, *, actor: str) -> TenantDeparture:
    """Let the city stay, in the state that it was in; what was revoked stays revoked, and people sign in again.

    The bundle, if there is one, is where it is. Refuses (`NotLeaving`, `KeysDestroyed`).
    """
    service: TenantService = works.services[TenantService]
    known = await _known(works, slug)
    if known.ended_at is not None:
        raise NotLeaving(slug=slug)

    async def end(session: AsyncSession, tenant: Tenant) -> None:
        departure = await _held(session, tenant)
        if departure.step not in REVERSIBLE:
            raise KeysDestroyed(slug=slug)
        departure.step, departure.ended_at = "TAKEN_BACK", works.clock.now()

    await service.change_state(slug, {"LEAVING"}, known.former_state, reason=None, actor=actor, beside=end)
    return await _known(works, slug)


async def confirm_erasure(works: Works, slug: str, *, manifest_hash: str, actor: str) -> TenantDeparture:
    """State that the bundle with this manifest was handed over: from now on the city is destroyed.

    Confirming the same again changes nothing. Refuses (`NotLeaving`, `BundleMissing`, `BundleDiffers`).
    """
    service: TenantService = works.services[TenantService]
    tenant = await service.tenant(slug)
    async with works.database.operator_sessions.begin() as session:
        departure = await _held(session, tenant)
        if departure.manifest_hash is None:
            raise BundleMissing(slug=slug, step=departure.step)
        if not hmac.compare_digest(departure.manifest_hash.encode(), manifest_hash.strip().lower().encode()):
            raise BundleDiffers(path=("manifestHash",), slug=slug)
        if departure.step == "EXPORTED":
            now = works.clock.now()
            departure.step, departure.confirmed_by, departure.confirmed_at = "CONFIRMED", actor, now
            departure.failure, departure.not_before = None, now
            facts = {"manifest": departure.manifest_hash}
            session.add(
                OperatorAction(tenant_id=tenant.id, actor=actor, action="tenant.erase", facts=facts, acted_at=now)
            )
    return await _known(works, slug)


async def departure_of(works: Works, slug: str) -> TenantDeparture | None:
    """The newest departure of a city; None where it never asked for one."""
    query = select(TenantDeparture).where(TenantDeparture.slug == slug).order_by(TenantDeparture.id.desc()).limit(1)
    async with works.database.operator_sessions() as session:
        return (await session.scalars(query)).one_or_none()


def progress(departure: TenantDeparture) -> tuple[int, int]:
    """How many steps are done, and how many there are."""
    last = STEPS.index("GONE")
    return min(STEPS.index(departure.step), last), last


async def _known(works: Works, slug: str) -> TenantDeparture:
    found = await departure_of(works, slug)
    if found is None:
        raise NotLeaving(slug=slug[:60])
    return found


async def _held(session: AsyncSession, tenant: Tenant) -> TenantDeparture:
    """The departure that is under way, locked."""
    query = select(TenantDeparture).where(TenantDeparture.tenant_id == tenant.id, TenantDeparture.ended_at.is_(None))
    found = (await session.scalars(query.with_for_update())).one_or_none()
    if found is None:
        raise NotLeaving(slug=tenant.slug)
    return found

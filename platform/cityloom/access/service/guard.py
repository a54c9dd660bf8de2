"""What every change of access is held to: one at a time, an administrator stays, nobody gives more than they hold."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from cityloom.access import models as m
from cityloom.access.changes import begin_change
from cityloom.access.errors import AboveOwnRights, LastAdministratorKept
from cityloom.access.rights import Held, SnapshotRights, includes, make_rights
from cityloom.access.snapshots import AccessSnapshots, held_by_all, load_snapshot, read_version
from cityloom.core.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from uuid import UUID

    from cityloom.access.catalogue import Catalogue
    from cityloom.access.snapshot import Snapshot
    from cityloom.core.principal import Scope
    from cityloom.core.work import Work

#: Whoever holds this in the whole tenant, without end, and can sign in, is an administrator.
ADMINISTERS = "access.policy.apply"


def catalogue_of(work: Work) -> Catalogue:
    """The permissions that exist in this installation."""
    snapshots: AccessSnapshots = work.services[AccessSnapshots]
    return snapshots.catalogue


async def snapshot_of(work: Work) -> Snapshot:
    """The tenant's rules as this transaction sees them."""
    _, rules_version = await read_version(work.session)
    return await load_snapshot(work.session, catalogue_of(work), version=rules_version)


@asynccontextmanager
async def changing(work: Work, *, rules: bool = False) -> AsyncIterator[None]:
    """A change of access; refuses (`LastAdministratorKept`) one that leaves a city without its administrators."""
    await begin_change(work, rules=rules)
    had_administrator = bool(await administrators(work))
    yield
    await work.session.flush()
    if had_administrator and not await administrators(work):
        raise LastAdministratorKept


async def administrators(work: Work) -> set[UUID]:
    """Accounts that can administer the tenant, now and with no end in sight."""
    now = work.now()
    query = (
        select(m.Account.id)
        .join(m.Membership, m.Membership.account_id == m.Account.id)
        .where(
            m.Account.is_active,
            or_(m.Account.password_hash.is_not(None), m.Account.oidc_subject.is_not(None)),
            m.Membership.scope_kind == "TENANT",
            m.Membership.ends_at.is_(None),
            or_(m.Membership.starts_at.is_(None), m.Membership.starts_at <= now),
        )
        .distinct()
    )
    candidates = (await work.session.scalars(query)).all()
    found: set[UUID] = set()
    if not candidates:
        return found
    snapshot = await snapshot_of(work)
    for account_id in candidates:
        held = (await held_by_all(work.session, account_id)).get(account_id, [])
        lasting = [h for h in held if h.ends_at is None and h.scope_kind == "TENANT" and h.is_valid(now)]
        # A denying role counts even if it is held for a time only or not yet.
        is_denied = any(ADMINISTERS in snapshot.denied.get(h.role, ()) for h in held)
        if not is_denied and any(ADMINISTERS in snapshot.stated.get(h.role, ()) for h in lasting):
            found.add(account_id)
    return found


def demand_everywhere(work: Work, permission: str) -> None:
    """Refuse (`Forbidden`) whoever does not hold the permission in the whole tenant."""
    if not work.authorise(permission).everywhere:
        raise Forbidden(permission=permission)


def demand_reach(work: Work, permission: str, scope: Scope) -> None:
    """Refuse (`Forbidden`) whoever does not hold the permission in all of the scope."""
    if not includes(work.rights.scope(permission), scope):
        raise Forbidden(permission=permission)


def refuse_gain(work: Work, gained: Iterable[tuple[str, Scope]]) -> None:
    """Refuse (`AboveOwnRights`) to give what the caller does not hold there."""
    for permission, scope in sorted(gained, key=lambda g: g[0]):
        if not includes(work.rights.scope(permission), scope):
            raise AboveOwnRights(permission=permission)


def gains_of_roles(before: Snapshot, after: Snapshot) -> frozenset[str]:
    """Permissions that any role gives in the one snapshot and not in the other, or does not deny any more."""
    roles = before.stated.keys() | after.stated.keys()
    none: frozenset[str] = frozenset()
    return none.union(
        *(after.allowed.get(r, none) - before.allowed.get(r, none) for r in roles),
        *(before.denied.get(r, none) - after.denied.get(r, none) for r in roles),
    )


def lasting_rights(
    work: Work, snapshot: Snapshot, held: Iterable[Held], cap: tuple[str, ...] | None = None
) -> SnapshotRights:
    """Rights of memberships as if each held at all times: what could be had is what must not be given away."""
    timeless = [Held(h.role, h.scope_kind, h.area_path, h.department_id) for h in held]
    return make_rights(snapshot, catalogue_of(work), timeless, version=0, at=work.now(), cap=cap)


async def refuse_power_over(work: Work, account_id: UUID, *, cap: tuple[str, ...] | None = None) -> None:
    """Refuse (`AboveOwnRights`) power over an account that may do more than the caller: it could be acted through."""
    rows = await work.session.execute(
        select(m.Role.code, m.Membership.scope_kind, m.Membership.area_path, m.Membership.department_id)
        .join(m.Role, m.Role.id == m.Membership.role_id)
        .where(m.Membership.account_id == account_id)
    )
    held = [Held(*row) for row in rows]
    rights = lasting_rights(work, await snapshot_of(work), held, cap)
    refuse_gain(work, rights.scopes.items())

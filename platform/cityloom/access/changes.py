"""How a change of access is made: one at a time per tenant, and told to every process with its commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from cityloom.access.snapshots import CHANNEL, AccessSnapshots

if TYPE_CHECKING:
    from cityloom.core.work import Work

_BUMP = text(
    """
    INSERT INTO access_versions (tenant_id, id, version, rules_version, changed_at)
    VALUES (:tenant, :tenant, 1, 1, :now)
    ON CONFLICT (tenant_id, id) DO UPDATE
    SET version = access_versions.version + 1,
        rules_version = access_versions.rules_version + CASE WHEN :rules THEN 1 ELSE 0 END,
        changed_at = :now
    RETURNING version
    """
)
_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


async def begin_change(work: Work, *, rules: bool = False) -> int:
    """Begin a change of the tenant's access and answer its version.

    Counts the version up at once: the lock on that row makes later changes wait until this one is committed, so that
    two administrators cannot take each other's rights at the same moment. With the commit every process is told.
    Services of a higher slice that change what memberships reach (an area is moved) call this too.
    """
    version: int = (
        await work.session.execute(_BUMP, {"tenant": work.tenant_id, "now": work.now(), "rules": rules})
    ).scalar_one()
    await work.session.execute(_NOTIFY, {"channel": CHANNEL, "payload": f"{work.tenant_id} {version}"})
    snapshots = work.services.get(AccessSnapshots)
    if snapshots is not None:
        tenant_id = work.tenant_id
        work.after_commit.append(lambda: snapshots.changed(tenant_id, version))
    return version

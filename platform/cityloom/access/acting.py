"""Acting for somebody who is not asking just now: a job, a schedule or an endpoint, with the owner's present rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from cityloom.access.rights import NO_RIGHTS
from cityloom.access.snapshots import AccessSnapshots
from cityloom.core.principal import Principal, PrincipalKind

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

_OWNER = """
SELECT a.locale, a.is_active AND coalesce(c.is_active, true) AS is_active, c.permissions::text AS permissions
FROM accounts AS a LEFT JOIN api_clients AS c ON c.tenant_id = $1 AND c.id = $3 WHERE a.tenant_id = $1 AND a.id = $2
"""


async def owner(
    work: Work, *, account_id: UUID, client_id: UUID | None, is_active: bool, cap: tuple[str, ...] | None, locale: str
) -> Principal:
    """An owner as a principal, with the rights that they have at this moment; an inactive one has none."""
    kind = PrincipalKind.STAFF if client_id is None else PrincipalKind.API_CLIENT
    rights: Any = NO_RIGHTS
    if is_active:
        snapshots: AccessSnapshots = work.services[AccessSnapshots]
        rights = await snapshots.rights(work.tenant_id, account_id, work.now(), client_id=client_id, cap=cap)
    return Principal(
        work.tenant_id,
        kind,
        rights,
        account_id=account_id,
        client_id=client_id,
        locale="en" if locale == "en" else "zh",
    )


async def acting_for(work: Work, account_id: UUID, client_id: UUID | None = None) -> Principal:
    """Whoever has the account, or the API client, as in `owner`."""
    connection = await work.connection()
    row = await connection.fetchrow(_OWNER, work.tenant_id, account_id, client_id)
    if row is None:
        message = f"there is no account {account_id}"
        raise LookupError(message)
    return await owner(
        work,
        account_id=account_id,
        client_id=client_id,
        is_active=row["is_active"],
        cap=None if row["permissions"] is None else tuple(orjson.loads(row["permissions"])),
        locale=row["locale"],
    )

"""Finding exports, and what they were made with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import delete, select

from cityloom.core.crypto import ContentKey
from cityloom.core.errors import Forbidden
from cityloom.core.ids import encode_id
from cityloom.exports import models as m
from cityloom.exports.errors import absent
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.principal import Rights, Scope
    from cityloom.core.work import Work

TAG = "xprt"


def asker(work: Work, permission: str) -> UUID:
    """The caller's account; refuses (`Forbidden`) who has none, or not the permission."""
    work.authorise(permission)
    account_id = work.principal.account_id
    if account_id is None:
        raise Forbidden(permission=permission)
    return account_id


async def find_export(work: Work, export_id: UUID | None, permission: str) -> m.Export:
    """An export that the caller asked for, or any where they have the permission everywhere; locked.

    Refuses (`Forbidden`, `NotFound`).
    """
    scope = work.authorise(permission)
    query = select(m.Export).where(m.Export.id == export_id).with_for_update()
    if not scope.everywhere:
        query = query.where(m.Export.requester_id == work.principal.account_id)
    found = await work.session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise absent()
    return found


async def queue(work: Work, export: m.Export) -> None:
    """Have an export run as soon as a worker is free."""
    export.state = "QUEUED"
    work.session.add(m.ExportRun(id=export.id, due_at=work.now(), tries=0, rows_done=0))
    await work.session.flush()


async def forget_run(work: Work, export: m.Export) -> None:
    """Take an export out of the queue; a worker that is at it stops."""
    run = await work.session.scalar(select(m.ExportRun).where(m.ExportRun.id == export.id).with_for_update())
    if run is not None:
        await work.session.delete(run)
        await work.session.flush()


async def forget_contents(work: Work, export: m.Export) -> None:
    """Forget of whom an export's file tells."""
    gone = delete(m.ExportContent).where(m.ExportContent.id == export.id)
    await work.session.execute(gone.execution_options(synchronize_session=False))


async def file_key_of(services: dict[type, Any], export: m.Export) -> ContentKey:
    """The key of an export's file, which must be there."""
    if export.file_id is None or export.file_key is None:
        raise AssertionError(export.id)
    ring: KeyRing = services[KeyRing]
    keys = await ring.of(export.tenant_id)
    secret = keys.open_bytes("exports", "file_key", export.id, export.file_key)
    return ContentKey(export.tenant_id, export.file_id, secret)


async def sealed_variables(work: Work, export_id: UUID, variables: dict[str, Any]) -> bytes:
    """The values of an export, as they are stored."""
    ring: KeyRing = work.services[KeyRing]
    keys = await ring.of(work.tenant_id)
    return keys.seal_bytes("exports", "variables", export_id, orjson.dumps(variables))


async def variables_of(services: dict[type, Any], tenant_id: UUID, export_id: UUID, sealed: bytes) -> dict[str, Any]:
    """The values that an export was asked for with."""
    ring: KeyRing = services[KeyRing]
    keys = await ring.of(tenant_id)
    found: dict[str, Any] = orjson.loads(keys.open_bytes("exports", "variables", export_id, sealed))
    return found


async def watermark_of(work: Work, export_id: UUID) -> str:
    """Twelve digits that stand for an export and cannot be made up without the city's key."""
    ring: KeyRing = work.services[KeyRing]
    keys = await ring.of(work.tenant_id)
    digits = keys.blind_index("exports", "watermark", export_id.hex).hex()[:12].upper()
    return f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"


def export_id_text(work: Work, export_id: UUID) -> str:
    """The global id of an export."""
    return encode_id(TAG, work.tenant_id, export_id)


def rights_used(permissions: dict[str, Scope | None], fields: tuple[str, ...]) -> dict[str, Any]:
    """What a file was made with: the scopes, and the protected fields in full."""
    scopes = {
        name: {
            "everywhere": scope.everywhere,
            "areas": [list(area) for area in scope.areas],
            "departments": [str(one) for one in scope.departments],
            "own": scope.own,
        }
        for name, scope in permissions.items()
        if scope is not None
    }
    return {"scopes": scopes, "fields": list(fields)}


def still_hold(rights: Rights, used: dict[str, Any]) -> bool:
    """Whether rights reach at least as far as those that a file was made with."""
    from cityloom.core.principal import FieldAccess

    for name, former in used["scopes"].items():
        scope = rights.scope(name)
        if scope is None or not _covers(scope, former):
            return False
    return all(rights.field(name) is FieldAccess.FULL for name in used["fields"])


def _covers(scope: Scope, former: dict[str, Any]) -> bool:
    if scope.everywhere:
        return True
    if former["everywhere"] or (former["own"] and not scope.own):
        return False
    departments = {str(one) for one in scope.departments}
    return departments.issuperset(former["departments"]) and all(
        any(low <= area[0] and area[1] <= high for low, high in scope.areas) for area in former["areas"]
    )

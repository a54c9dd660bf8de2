"""Finding and noting what is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cityloom.core.events import AuditEntry
from cityloom.webhooks import models as m
from cityloom.webhooks.errors import EndpointClosed, EndpointStale, endpoint_not_found
from cityloom.webhooks.events import EndpointChanged
from cityloom.webhooks.fanout import ENDPOINT_TAG

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

#: What the audit log compares of an endpoint; custom headers are named only.
_STATED = (
    "url",
    "description",
    "state",
    "pause_reason",
    "events",
    "conditions",
    "document",
    "ordering",
    "rate_limit",
    "header_names",
)


async def find_endpoint(
    work: Work,
    endpoint_id: UUID | None,
    permission: str,
    *,
    version: int | None = None,
    path: tuple[str | int, ...] = ("id",),
    may_be_closed: bool = False,
) -> m.WebhookEndpoint:
    """An endpoint that the caller may do this with, locked with its lane until the work ends.

    Whoever does not hold the permission in the whole city has it for their own endpoints alone; others are absent
    (`NotFound`). Refuses (`EndpointStale`) another version, and (`EndpointClosed`) a closed one.
    """
    scope = work.authorise(permission)
    row = None
    if endpoint_id is not None:
        # The lane first: whatever moves it holds this lock, and takes the endpoint's after it.
        await work.session.execute(select(m.WebhookLane.id).where(m.WebhookLane.id == endpoint_id).with_for_update())
        row = await work.session.get(m.WebhookEndpoint, (work.tenant_id, endpoint_id), with_for_update=True)
    if row is None or not (scope.everywhere or row.owner_account_id == work.principal.account_id):
        raise endpoint_not_found(path)
    if version is not None and version != row.version:
        raise EndpointStale(path=("version",))
    if row.state == "CLOSED" and not may_be_closed:
        raise EndpointClosed(path=path)
    return row


def stated(row: m.WebhookEndpoint) -> dict[str, Any]:
    """The endpoint as the audit log compares it."""
    return {name: getattr(row, name) for name in _STATED}


def note(
    work: Work, row: m.WebhookEndpoint, change: str, *, before: dict[str, Any] | None = None, **after: object
) -> None:
    """Event and audit entry of a change of an endpoint, which has another version from now on."""
    row.changed_at = work.now()
    if change != "CREATED":
        row.version += 1
    work.emit(EndpointChanged(subject_id=row.id, change=change))
    work.audit(
        AuditEntry(
            action=f"webhooks.endpoint.{change.lower()}",
            object_tag=ENDPOINT_TAG,
            object_id=row.id,
            before=before,
            after={**stated(row), **after},
        )
    )

"""One-time tickets: a city's own page lets somebody without a credential upload one photo for an anonymous report.

The tenant comes from the ticket, as from any credential; what was uploaded belongs to the account that asked for the
ticket, which then reports. Who the person is, nobody is told.
"""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete, select

from cityloom.access.tokens import digest
from cityloom.core.errors import Unauthenticated
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.files import events
from cityloom.files import models as m
from cityloom.files.errors import TicketsNotGiven
from cityloom.files.service.rules import demand_upload
from cityloom.files.settings import settings_of

if TYPE_CHECKING:
    from datetime import datetime

    from cityloom.core.work import Work

ISSUE = "files.ticket.issue"
LIVES = timedelta(minutes=15)
_FORM = re.compile(r"ct_(?P<tenant>[0-9a-f]{32})_(?P<id>[0-9a-f]{32})_[A-Za-z0-9_-]{43}\Z")


async def issue_ticket(work: Work) -> tuple[str, datetime]:
    """A ticket, shown once, and until when it is valid. Refuses (`Forbidden`, `TicketsNotGiven`, `TooManyFresh`)."""
    work.authorise(ISSUE)
    await demand_upload(work)
    account = work.principal.account_id
    if account is None or not (await settings_of(work)).gives_tickets:
        raise TicketsNotGiven
    now = work.now()
    row_id = new_id(int(now.timestamp() * 1000))
    token = f"ct_{work.tenant_id.hex}_{row_id.hex}_{secrets.token_urlsafe(32)}"
    work.session.add(
        m.UploadTicket(
            id=row_id, account_id=account, token_hash=digest(token), issued_at=now, expires_at=now + LIVES, used_at=None
        )
    )
    work.emit(events.TicketIssued(subject_id=account, ticket_id=row_id))
    work.audit(AuditEntry(action=ISSUE, object_tag="acct", object_id=account, after={"ticket": str(row_id)}))
    return token, now + LIVES


def tenant_of_ticket(text: str) -> UUID | None:
    """The tenant that a ticket says it belongs to; None for any other credential."""
    match = _FORM.match(text)
    return None if match is None else UUID(hex=match["tenant"])


async def redeem_ticket(work: Work, text: str) -> UUID:
    """Use a ticket up, in work of the platform itself; answers whose it is. Refuses (`Unauthenticated`) a bad one."""
    match = _FORM.match(text)
    ticket = None
    if match is not None:
        ticket = await work.session.scalar(
            select(m.UploadTicket).where(m.UploadTicket.id == UUID(hex=match["id"])).with_for_update()
        )
    if (
        ticket is None
        or not secrets.compare_digest(ticket.token_hash, digest(text))
        or ticket.used_at is not None
        or ticket.expires_at <= work.now()
    ):
        raise Unauthenticated
    ticket.used_at = work.now()
    return ticket.account_id


async def forget_tickets(work: Work) -> None:
    """Delete tickets a day after they ended."""
    await work.session.execute(
        delete(m.UploadTicket)
        .where(m.UploadTicket.expires_at < work.now() - timedelta(days=1))
        .execution_options(synchronize_session=False)
    )

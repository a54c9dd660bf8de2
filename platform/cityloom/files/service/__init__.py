"""What can be done with files."""

from cityloom.files.service.expiry import expire
from cityloom.files.service.links import Link, open_link, signed_links
from cityloom.files.service.rules import demand_upload
from cityloom.files.service.seeing import demand_open, visible
from cityloom.files.service.taking import Needed, take
from cityloom.files.service.tickets import forget_tickets, issue_ticket, redeem_ticket, tenant_of_ticket
from cityloom.files.service.uploads import Received, limits_of, receive, upload

__all__ = [
    "Link",
    "Needed",
    "Received",
    "demand_open",
    "demand_upload",
    "expire",
    "forget_tickets",
    "issue_ticket",
    "limits_of",
    "open_link",
    "receive",
    "redeem_ticket",
    "signed_links",
    "take",
    "tenant_of_ticket",
    "upload",
    "visible",
]

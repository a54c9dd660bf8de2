"""Stored documents against the API as it is now: what a change of the schema would break is found before it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphql import GraphQLError
from sqlalchemy import select

from cityloom.core.errors import Refusal
from cityloom.core.ids import encode_id
from cityloom.tenancy.models import Tenant
from cityloom.tenancy.system import system_principal
from cityloom.webhooks import models as m
from cityloom.webhooks.fanout import ENDPOINT_TAG
from cityloom.webhooks.shaping import check_document

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Works


@dataclass(frozen=True, slots=True)
class Broken:
    """A document that the API does not take any more."""

    city: str
    endpoint_id: str
    why: str

    def __str__(self) -> str:
        return f"{self.city} {self.endpoint_id}: {self.why}"


async def broken(works: Works) -> list[Broken]:
    """Every endpoint that is not closed whose document fails, city by city.

    Documents are checked as the platform itself: what an owner may no longer see is their matter, what no longer exists
    is the schema's.
    """
    async with works.database.operator_sessions() as session:
        cities = (await session.execute(select(Tenant.id, Tenant.slug).where(Tenant.state != "GONE"))).all()
    found: list[Broken] = []
    for tenant_id, slug in cities:
        found += await broken_in(works, tenant_id, slug)
    return found


async def broken_in(works: Works, tenant_id: UUID, slug: str) -> list[Broken]:
    """The same in one city."""
    principal = system_principal(tenant_id)
    async with works.begin(principal) as work:
        rows = (
            await work.session.scalars(
                select(m.WebhookEndpoint)
                .where(m.WebhookEndpoint.document.is_not(None), m.WebhookEndpoint.state != "CLOSED")
                .order_by(m.WebhookEndpoint.id)
            )
        ).all()
    found = []
    for row in rows:
        try:
            await check_document(works.services, principal, row.document or "", row.events)
        except (Refusal, GraphQLError) as error:
            why = error.message("en") if isinstance(error, Refusal) else error.message
            found.append(Broken(slug, encode_id(ENDPOINT_TAG, tenant_id, row.id), why))
    return found

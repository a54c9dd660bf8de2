"""Departures on the control plane: operators let a city go, and see how far that is."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry

from cityloom.departures import service
from cityloom.graph import bound as b
from cityloom.graph.context import GraphContext, OperatorWork, demand_operator
from cityloom.tenancy.service import TenantService

if TYPE_CHECKING:
    from typing import Any

    from cityloom.core.work import Works
    from cityloom.departures.models import TenantDeparture as DepartureRow

READ, CHANGE = "platform.departure.read", "platform.departure.change"


@strawberry.enum(description="What has been done last of a city's departure.")
class TenantDepartureStep(Enum):
    """Steps in the order in which they are gone through."""

    ASKED = strawberry.enum_value("ASKED", description="It was asked for: nobody gets in any more.")
    REVOKED = strawberry.enum_value(
        "REVOKED", description="Sessions, keys, tickets and identity providers are revoked, webhooks closed."
    )
    SETTLED = strawberry.enum_value("SETTLED", description="The audit log is closed; the bundle is being written.")
    EXPORTED = strawberry.enum_value(
        "EXPORTED", description="The bundle is written: check it, hand it over, then confirm with `tenantErase`."
    )
    CONFIRMED = strawberry.enum_value("CONFIRMED", description="An operator has confirmed that it was handed over.")
    SHREDDING = strawberry.enum_value(
        "SHREDDING", description="The keys are being destroyed: it cannot be taken back any more."
    )
    SHREDDED = strawberry.enum_value("SHREDDED", description="The keys are destroyed; rows are being deleted.")
    EMPTIED = strawberry.enum_value("EMPTIED", description="All rows are deleted; files are being deleted.")
    CLEARED = strawberry.enum_value("CLEARED", description="All files are deleted; the database is counting.")
    GONE = strawberry.enum_value("GONE", description="Nothing is left, and the certificate is signed.")
    TAKEN_BACK = strawberry.enum_value("TAKEN_BACK", description="An operator has taken it back: the city stays.")


@b.output_type(description="How a city leaves the platform: with all its data, and leaving nothing behind.")
class TenantDeparture:
    """See `models.TenantDeparture`."""

    slug: str = strawberry.field(description="The tenant.")
    step: TenantDepartureStep = strawberry.field(description="What has been done last.")
    reason: str = strawberry.field(description="Why it leaves.")
    asked_by: str = strawberry.field(description="Who asked for it.")
    asked_at: datetime = strawberry.field(description="When it was asked for.")
    failure: str | None = strawberry.field(
        description="The kind of error that the last try of the next step ended with, or null; it is tried again."
    )
    folder: str = strawberry.field(description="The folder on the workers' machine that the bundle is written to.")
    exported_at: datetime | None = strawberry.field(description="When the bundle was whole, or null.")
    manifest_hash: str | None = strawberry.field(
        description="SHA-256 of the bundle's `manifest.json`, in hexadecimal, or null: what `tenantErase` asks for."
    )
    confirmed_by: str | None = strawberry.field(description="Who confirmed that the bundle was handed over, or null.")
    confirmed_at: datetime | None = strawberry.field(description="When that was confirmed, or null.")
    keys_destroyed_at: datetime | None = strawberry.field(
        description="When the keys were destroyed, or null: from then on no backup is opened either."
    )
    rows_deleted_at: datetime | None = strawberry.field(description="When all rows were deleted, or null.")
    files_deleted_at: datetime | None = strawberry.field(description="When all files were deleted, or null.")
    ended_at: datetime | None = strawberry.field(description="When it was over, or null.")
    certificate: str | None = strawberry.field(
        description="What was handed over and deleted, as JSON, byte by byte as it was signed; null before the end."
    )
    signature: str | None = strawberry.field(
        description="The platform's Ed25519 signature of the certificate, in base64; null before the end."
    )

    @staticmethod
    def of(row: DepartureRow) -> TenantDeparture:
        """A departure as operators see it."""
        return TenantDeparture(
            slug=row.slug,
            step=TenantDepartureStep(row.step),
            reason=row.reason,
            asked_by=row.asked_by,
            asked_at=row.asked_at,
            failure=row.failure,
            folder=row.folder,
            exported_at=row.exported_at,
            manifest_hash=row.manifest_hash,
            confirmed_by=row.confirmed_by,
            confirmed_at=row.confirmed_at,
            keys_destroyed_at=row.keys_destroyed_at,
            rows_deleted_at=row.rows_deleted_at,
            files_deleted_at=row.files_deleted_at,
            ended_at=row.ended_at,
            certificate=row.certificate,
            signature=row.signature,
        )


@b.input_type(description="A city that is to leave.")
class TenantLeaveInput:
    """See `service.ask_to_leave`."""

    slug: str = strawberry.field(description="The tenant.")
    confirm: str = strawberry.field(description="Its short name once more, typed and not copied.")
    reason: str = strawberry.field(description="Why; it is recorded, and stands in the certificate. At most 500.")


@b.input_type(description="A city that is to stay after all.")
class TenantStayInput:
    """See `service.take_back`."""

    slug: str = strawberry.field(description="The tenant.")


@b.input_type(description="A city whose bundle was handed over, and that is to be destroyed.")
class TenantEraseInput:
    """See `service.confirm_erasure`."""

    slug: str = strawberry.field(description="The tenant.")
    manifest_hash: str = strawberry.field(
        description="SHA-256 of the `manifest.json` that was handed over, in hexadecimal: `sha256sum manifest.json`."
    )


async def tenant_departure(
    info: strawberry.Info, slug: Annotated[str, strawberry.argument(description="The tenant's short name.")]
) -> TenantDeparture | None:
    """The newest departure."""
    context: GraphContext = info.context
    demand_operator(context.principal, READ)
    found = await service.departure_of(_works(context.services), slug)
    return None if found is None else TenantDeparture.of(found)


@b.query(module="departures")
class DeparturesQuery:
    """Reads of departures."""

    tenant_departure: TenantDeparture | None = strawberry.field(
        resolver=tenant_departure, description="The newest departure of a tenant; null where it never was to leave."
    )


def _works(services: dict[type, Any]) -> Works:
    tenants: TenantService = services[TenantService]
    return tenants.works


def _changing(work: OperatorWork) -> tuple[Works, str]:
    return _works(work.services), demand_operator(work.principal, CHANGE)


async def leave_tenant(work: OperatorWork, input: TenantLeaveInput) -> TenantDeparture:  # noqa: A002 - the argument's name in GraphQL
    """Let a city leave."""
    works, actor = _changing(work)
    return TenantDeparture.of(
        await service.ask_to_leave(works, input.slug, confirm=input.confirm, reason=input.reason, actor=actor)
    )


async def stay_tenant(work: OperatorWork, input: TenantStayInput) -> TenantDeparture:  # noqa: A002 - as above
    """Let a city stay."""
    works, actor = _changing(work)
    return TenantDeparture.of(await service.take_back(works, input.slug, actor=actor))


async def erase_tenant(work: OperatorWork, input: TenantEraseInput) -> TenantDeparture:  # noqa: A002 - as above
    """Confirm that a city is to be destroyed."""
    works, actor = _changing(work)
    return TenantDeparture.of(
        await service.confirm_erasure(works, input.slug, manifest_hash=input.manifest_hash, actor=actor)
    )


@b.mutation_root(module="departures")
class DeparturesMutation:
    """Changes of departures."""

    tenant_leave: TenantDeparture = b.mutation(
        leave_tenant,
        "Let a city leave the platform. At once nobody can sign in, read or change anything there; workers then revoke"
        " every credential and write a bundle of all its data, some minutes later. Asking again changes nothing.",
        keys=False,
    )
    tenant_stay: TenantDeparture = b.mutation(
        stay_tenant,
        "Take a departure back, as long as no key is destroyed: the city is what it was, but what was revoked stays"
        " revoked. A bundle that was written stays where it is: delete it.",
        keys=False,
    )
    tenant_erase: TenantDeparture = b.mutation(
        erase_tenant,
        "Confirm that the bundle with this manifest was checked and handed over, and have the city destroyed: keys,"
        " rows, files. Refused for any other manifest. Cannot be taken back once the first key is destroyed.",
        keys=False,
    )

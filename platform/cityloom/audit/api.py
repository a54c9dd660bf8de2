"""The audit log in GraphQL."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry

from cityloom.access.api.shapes import Account, ApiClient
from cityloom.audit import models as m
from cityloom.audit.permissions import READ
from cityloom.graph import bound as b


@strawberry.enum(description="What sort of caller did something.")
class ActorKind(Enum):
    """See `AuditRecord.actor_kind` and `Event.actor_kind`."""

    STAFF = strawberry.enum_value("STAFF", description="A member of the city's staff.")
    RESIDENT = strawberry.enum_value("RESIDENT", description="A resident.")
    API_CLIENT = strawberry.enum_value("API_CLIENT", description="Another system, by its API client.")
    OPERATOR = strawberry.enum_value("OPERATOR", description="An operator of the platform.")
    SYSTEM = strawberry.enum_value("SYSTEM", description="The platform itself: a clock that ran out, a pack applied.")
    ANONYMOUS = strawberry.enum_value("ANONYMOUS", description="Somebody without a credential.")


def _position(record: Any) -> sa.ColumnElement[int | None]:  # noqa: ANN401 - as above
    seal = sa.orm.aliased(m.AuditSeal)
    return sa.select(seal.position).where(seal.record_id == record.id).scalar_subquery()


@b.bound(
    m.AuditRecord,
    tag="audt",
    module="audit",
    read=READ,
    scope=b.ScopeRule(),
    orderings={"RECORDED": b.Ordering((m.AuditRecord.recorded_at,), "By `recordedAt`.")},
)
class AuditRecord(b.Node):
    """Who did what to which thing, when and why: one entry for each change and each sensitive read.

    Seen by who may read the whole log. Entries are never changed. Once a minute they are sealed into a chain of hashes,
    whose end is signed and kept outside of the database, so that `cityloom audit verify` can prove it.
    """

    recorded_at: datetime = b.column(m.AuditRecord.recorded_at, "When it was done.", filters=b.RANGE)
    actor_kind: ActorKind = b.column(m.AuditRecord.actor_kind, "What sort of caller did it.")
    account: Account | None = b.one(
        lambda record, account: account.id == record.account_id,
        "Whose account it was done with; null where there is none, or it may not be seen.",
    )
    client: ApiClient | None = b.one(
        lambda record, client: client.id == record.client_id,
        "By which API client; null where by none, or where it may not be seen.",
    )
    action: str = b.column(
        m.AuditRecord.action, "What was done, as the permission is called: `cases.case.close`.", filters=b.EXACT
    )
    object: b.Node | None = b.any_node(
        tag=m.AuditRecord.object_tag,
        row=m.AuditRecord.object_id,
        description="The thing it was done to, as it is now; null where it is gone or may not be seen.",
    )
    purpose: str | None = b.column(m.AuditRecord.purpose, "What a sensitive read was for; null for changes.")
    before_hash: str | None = b.column(
        m.AuditRecord.before_hash, "SHA-256 of the thing's canonical state before; null where it was not there."
    )
    after_hash: str | None = b.column(
        m.AuditRecord.after_hash, "SHA-256 of the thing's canonical state after; null where it is not there any more."
    )
    changed_fields: b.JSON = b.column(m.AuditRecord.changed_fields, "Names of the fields that were changed.")
    trace_id: str | None = b.column(m.AuditRecord.trace_id, "The trace of the request, for who runs the platform.")
    position: b.BigInt | None = b.expression(
        _position, "Its place in the city's chain, from 1 without gaps; null until it is sealed."
    )


def _wanted(
    record: Any,  # noqa: ANN401 - an alias of the model
    object: Annotated[strawberry.ID | None, b.argument("Only what was done to this thing.")] = None,  # noqa: A002 - the argument's name in GraphQL
    account: Annotated[strawberry.ID | None, b.argument("Only what this account did.", of="acct")] = None,
) -> sa.ColumnElement[bool]:
    conditions: list[sa.ColumnElement[bool]] = []
    if object is not None:
        conditions.append(b.is_thing(record.object_tag, record.object_id, object))
    if account is not None:
        conditions.append(record.account_id == account)
    return sa.and_(sa.true(), *conditions)


def _understood(arguments: dict[str, Any], principal: Any, _services: Any) -> dict[str, Any]:  # noqa: ANN401 - as declared
    """The object checked: one of another city's is a thing without entries."""
    found = dict(arguments)
    if found.get("object") is not None:
        found["object"] = b.thing_key(found["object"], principal.tenant_id, path=("object",))
    return found


@b.query(module="audit")
class AuditQuery:
    """What was done by whom."""

    audit_record: AuditRecord | None = b.root_one(
        AuditRecord, "One entry of the audit log; null where it is absent, or may not be seen."
    )
    audit_records: b.Connection[AuditRecord] = b.root_connection(
        AuditRecord, "The audit log, oldest first.", narrow=_wanted, prepare=_understood
    )

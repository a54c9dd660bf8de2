"""Tables of the GraphQL edge: what mutations have answered, and documents that clients may name instead of sending."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable, tenant_foreign_key


class IdempotencyRecord(TenantTable, Base):
    """One mutation that was carried out under a key; what it changed is named, so that it can be read again."""

    __tablename__ = "idempotency_records"

    caller_id: Mapped[UUID]
    key: Mapped[str]
    field: Mapped[str]
    input_hash: Mapped[bytes] = mapped_column(LargeBinary)
    result_type: Mapped[str | None]
    result_id: Mapped[UUID | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("tenant_id", "caller_id", "key"),
        CheckConstraint("length(key) BETWEEN 1 AND 200", "key_length"),
        Index(None, "tenant_id", "created_at"),
        # The row is updated once, by the transaction that wrote it: with room on the page no index is touched.
        {"postgresql_with": {"fillfactor": "80"}},
    )


class TrustedDocument(TenantTable, Base):
    """A document that a client registered: it may be asked for by its id. `client_id` is null for all clients."""

    __tablename__ = "trusted_documents"

    client_id: Mapped[UUID | None]
    document_id: Mapped[str]
    body: Mapped[str]
    name: Mapped[str | None]
    registered_by: Mapped[UUID | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("tenant_id", "client_id", "document_id", postgresql_nulls_not_distinct=True),
        tenant_foreign_key("client_id", "api_clients", ondelete="CASCADE", name="fk_trusted_documents_client"),
        CheckConstraint("length(document_id) BETWEEN 1 AND 200", "document_id_length"),
    )


class RestrictedClient(TenantTable, Base):
    """A client that may send registered documents only."""

    __tablename__ = "restricted_clients"

    client_id: Mapped[UUID]
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("tenant_id", "client_id"),
        tenant_foreign_key("client_id", "api_clients", ondelete="CASCADE", name="fk_restricted_clients_client"),
    )

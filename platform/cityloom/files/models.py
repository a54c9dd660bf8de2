"""Tables of files: what was uploaded, and tickets for who has no credential of their own."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable, tenant_foreign_key

KINDS = ("IMAGE", "VIDEO")


class StoredFile(TenantTable, Base):
    """One file; its bytes lie in the store under tenant and id. `expires_at` is empty once something has taken it."""

    __tablename__ = "files"
    __table_args__ = (
        tenant_foreign_key("uploader_id", "accounts"),
        CheckConstraint("kind IN ('IMAGE', 'VIDEO')", name="kind_known"),
        CheckConstraint("byte_size > 0", name="not_empty"),
        CheckConstraint("num_nulls(width, height) IN (0, 2)", name="size_whole"),
        Index(None, "tenant_id", "uploader_id", "id"),
        Index(None, "tenant_id", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    )

    uploader_id: Mapped[UUID]
    is_by_ticket: Mapped[bool]
    kind: Mapped[str]
    media_type: Mapped[str]
    byte_size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    width: Mapped[int | None]
    height: Mapped[int | None]
    has_thumbnail: Mapped[bool]
    uploaded_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class UploadTicket(TenantTable, Base):
    """Lets whoever has it upload one file for the account that asked for it; only its hash is stored."""

    __tablename__ = "upload_tickets"
    __table_args__ = (
        tenant_foreign_key("account_id", "accounts"),
        Index(None, "tenant_id", "account_id"),
        Index(None, "tenant_id", "expires_at"),
    )

    account_id: Mapped[UUID]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

"""Tables of exports: what was asked for and became of it, of which rows a file tells, and the queue of those to run."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable, tenant_foreign_key
from cityloom.core.sealed import SEALED

FORMATS = ("CSV", "XLSX", "JSONL")
STATES = ("PENDING", "QUEUED", "RUNNING", "READY", "REJECTED", "CANCELLED", "FAILED", "EXPIRED", "WITHDRAWN")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Export(TenantTable, Base):
    """One export. `variables` are sealed: a filter may hold what a person's number is.

    `row_bound` is how many rows are delivered at most; `rights` is what the file was made with, as
    `service.rights_used` writes it. `expires_at` ends the approval while it is pending, and the file once it is ready.
    The file is kept under `file_id` and sealed with a key of its own, which is sealed in `file_key`.
    """

    __tablename__ = "exports"
    __table_args__ = (
        tenant_foreign_key("requester_id", "accounts"),
        tenant_foreign_key("decider_id", "accounts"),
        CheckConstraint(_one_of("format", FORMATS), name="format_known"),
        CheckConstraint(_one_of("state", STATES), name="state_known"),
        CheckConstraint("headings IN ('zh', 'en')", name="headings_known"),
        CheckConstraint("decider_id IS NULL OR decider_id <> requester_id", name="four_eyes"),
        CheckConstraint("counted_rows >= 0 AND row_bound >= 0", name="rows"),
        Index(None, "tenant_id", "requester_id", "id"),
        Index(None, "tenant_id", "state", "id"),
        Index(None, "tenant_id", "watermark", unique=True),
        Index(None, "tenant_id", "expires_at", postgresql_where=text("state IN ('PENDING', 'READY', 'WITHDRAWN')")),
    )

    requester_id: Mapped[UUID]
    client_id: Mapped[UUID | None]
    purpose: Mapped[str]
    document: Mapped[str]
    document_hash: Mapped[str]
    variables: Mapped[bytes] = mapped_column(LargeBinary, info=SEALED)
    root: Mapped[str]
    format: Mapped[str]
    headings: Mapped[str]
    has_bom: Mapped[bool]
    state: Mapped[str]
    approval_reasons: Mapped[list[Any]] = mapped_column(JSONB)
    protected_fields: Mapped[list[Any]] = mapped_column(JSONB)
    counted_rows: Mapped[int]
    row_bound: Mapped[int]
    watermark: Mapped[str]
    requested_at: Mapped[datetime]
    decider_id: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    decision_note: Mapped[str | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    row_count: Mapped[int | None]
    is_truncated: Mapped[bool] = mapped_column(default=False)
    byte_size: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None]
    file_id: Mapped[UUID | None]
    file_key: Mapped[bytes | None] = mapped_column(LargeBinary, info=SEALED)
    rights: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    failure: Mapped[str | None]
    download_count: Mapped[int] = mapped_column(default=0)


class ExportContent(TenantTable, Base):
    """An export's file tells of rows that somebody's erasure can destroy; `id` is the export's.

    Many rows at once, those up to the `until_row`-th of the file: noting each by itself takes as long as the file does.
    An erasure looks through them all, which are as many as the files that are kept have rows.
    """

    __tablename__ = "export_contents"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "id"], ["exports.tenant_id", "exports.id"], ondelete="CASCADE"),
    )

    until_row: Mapped[int] = mapped_column(primary_key=True)
    row_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))


class ExportRun(TenantTable, Base):
    """That an export is to be run, or is being run: its id is the export's; gone once there is nothing to do.

    A worker holds it by `claim_id` until `claimed_until` and says again and again how far it is; where it is taken
    away, the worker stops.
    """

    __tablename__ = "export_runs"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "id"], ["exports.tenant_id", "exports.id"], ondelete="CASCADE"),
        Index(None, "tenant_id", "due_at"),
        {"info": {"operator_reads": True}},
    )

    due_at: Mapped[datetime]
    claim_id: Mapped[UUID | None]
    claimed_until: Mapped[datetime | None]
    tries: Mapped[int]
    rows_done: Mapped[int]

"""Tables of imports: the import itself, its file in sealed chunks, what was found in it, and named mappings."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable, tenant_foreign_key
from cityloom.core.sealed import SEALED

FORMATS = ("CSV", "XLSX")
STATES = ("UPLOADED", "CHECKING", "CHECKED", "APPLYING", "COMPLETED", "CANCELLED", "FAILED")
#: What a worker is at, or will be.
WORKED_ON = ("CHECKING", "APPLYING")
#: What is over: nothing of the file is kept.
ENDED = ("COMPLETED", "CANCELLED", "FAILED")
RULES = ("SKIP", "UPDATE", "REFUSE")
SEVERITIES = ("ERROR", "WARNING")


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=f"{column}_known")


class Import(TenantTable, Base):
    """One file on its way into a target.

    `sheets` are its tables with their headers, the columns that those stand for, and numbers of rows; `mapping` is what
    the caller says of headers.
    Whoever holds `claim`, until `claimed_until`, works on it; `chunks_done` were staged, under the city's key `key_id`.
    """

    __tablename__ = "imports"
    __table_args__ = (
        tenant_foreign_key("account_id", "accounts"),
        tenant_foreign_key("client_id", "api_clients"),
        _one_of("format", FORMATS),
        _one_of("state", STATES),
        _one_of("rule", RULES),
        CheckConstraint(
            "rows_new >= 0 AND rows_changed >= 0 AND rows_unchanged >= 0 AND rows_skipped >= 0 AND rows_refused >= 0",
            name="counts_positive",
        ),
        Index(None, "tenant_id", "account_id", "id"),
        Index(None, "tenant_id", "client_id"),
        Index(None, "tenant_id", "state", "id"),
        Index(None, "tenant_id", "target", "id"),
        Index(None, "tenant_id", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index(
            "ix_imports_worked_on",
            "claimed_until",
            postgresql_where=text("state IN ('CHECKING', 'APPLYING')"),
        ),
        {"info": {"operator_reads": ("tenant_id", "id", "state", "claimed_until")}},
    )

    account_id: Mapped[UUID]
    client_id: Mapped[UUID | None]
    target: Mapped[str]
    format: Mapped[str]
    encoding: Mapped[str]
    byte_size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    sheets: Mapped[list[Any]] = mapped_column(JSONB)
    mapping: Mapped[dict[str, Any]] = mapped_column(JSONB)
    rule: Mapped[str]
    skips_refused: Mapped[bool]
    state: Mapped[str]
    failure: Mapped[str | None]
    rows_total: Mapped[int]
    rows_done: Mapped[int]
    chunks_done: Mapped[int]
    key_id: Mapped[UUID | None]
    rows_new: Mapped[int]
    rows_changed: Mapped[int]
    rows_unchanged: Mapped[int]
    rows_skipped: Mapped[int]
    rows_refused: Mapped[int]
    things: Mapped[list[Any]] = mapped_column(JSONB)
    claim: Mapped[UUID | None]
    claimed_until: Mapped[datetime | None]
    uploaded_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class ImportChunk(TenantTable, Base):
    """Some hundred rows of an uploaded file, sealed."""

    __tablename__ = "import_chunks"
    __table_args__ = (
        tenant_foreign_key("import_id", "imports", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "import_id", "number"),
    )

    import_id: Mapped[UUID]
    number: Mapped[int]
    sheet: Mapped[int]
    rows: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary, info=SEALED)


class ImportFinding(TenantTable, Base):
    """What is wrong, or worth knowing, about one row; never what stands in it.

    `is_of_whole` says that it was found by looking at all rows together, which is done again before they are published.
    """

    __tablename__ = "import_findings"
    __table_args__ = (
        tenant_foreign_key("import_id", "imports", ondelete="CASCADE"),
        _one_of("severity", SEVERITIES),
        Index(None, "tenant_id", "import_id", "sheet", "row", "id"),
        Index(None, "tenant_id", "severity", "id"),
        Index(None, "tenant_id", "code", "id"),
    )

    import_id: Mapped[UUID]
    sheet: Mapped[int]
    row: Mapped[int]
    column: Mapped[str | None]
    code: Mapped[str]
    severity: Mapped[str]
    message_zh: Mapped[str]
    message_en: Mapped[str]
    is_of_whole: Mapped[bool]


class ImportMapping(TenantTable, Base):
    """What a city's own headers mean, under a name."""

    __tablename__ = "import_mappings"
    __table_args__ = (UniqueConstraint("tenant_id", "target", "name"),)

    target: Mapped[str]
    name: Mapped[str]
    columns: Mapped[dict[str, Any]] = mapped_column(JSONB)
    changed_at: Mapped[datetime]

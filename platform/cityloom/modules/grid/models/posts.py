"""Posts, how many of them a grid needs, who holds them."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, ForeignKeyConstraint, Index, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable, area_foreign_key, tenant_foreign_key
from cityloom.modules.grid.models.common import Tracked, by


class Post(TenantTable, Base):
    """A kind of place on the staff of areas (网格长, 专职网格员, 楼栋长 …); lower ranks are called first.

    With `PostStaffing` it expresses 1+1+1+N, 一长四员, 三长 and whatever else a city has.
    """

    __tablename__ = "posts"
    __table_args__ = (
        UniqueConstraint("tenant_id", "code"),
        UniqueConstraint("tenant_id", "id", "is_single"),
        CheckConstraint("code ~ '^[A-Z][A-Z0-9_]{0,39}$'", name="code_formed"),
        CheckConstraint("rank BETWEEN 1 AND 99", name="rank_in_range"),
        Index(None, "tenant_id", "rank", "code", "id"),
    )

    code: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    rank: Mapped[int]
    is_lead: Mapped[bool]
    is_single: Mapped[bool]
    must_patrol: Mapped[bool]


class PostStaffing(TenantTable, Base):
    """How many holders of a post an area of a kind needs at least, and may have at most (null: any number)."""

    __tablename__ = "post_staffing"
    __table_args__ = (
        tenant_foreign_key("post_id", "posts", ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "kind"], ["area_kinds.tenant_id", "area_kinds.code"]),
        UniqueConstraint("tenant_id", "post_id", "kind"),
        CheckConstraint("least BETWEEN 0 AND 999 AND most BETWEEN least AND 999 AND most > 0", name="numbers_in_range"),
        Index(None, "tenant_id", "kind"),
    )

    post_id: Mapped[UUID]
    kind: Mapped[str]
    least: Mapped[int]
    most: Mapped[int | None]


class Worker(TenantTable, Base):
    """What colleagues may know of an account with a post: its name. `id` is the account's."""

    __tablename__ = "grid_workers"
    __table_args__ = (tenant_foreign_key("id", "accounts"), by("name"))

    name: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PostAssignment(Tracked, TenantTable, Base):
    """An account holds a post in an area from a day to (exclusive) another, or without end.

    Not behind the area wall, as memberships are not: who is responsible for a grid hangs at its notice board, and gaps
    in staffing and whom to call are only right where everybody's assignments are counted.

    `given_area_id` is the area in which it was given: two merged grids had a lead each, which is no contradiction, so
    the database holds apart by it, and the service by the area of today.
    """

    __tablename__ = "post_assignments"
    __table_args__ = (
        area_foreign_key(),
        ForeignKeyConstraint(
            ["tenant_id", "post_id", "is_single"],
            ["posts.tenant_id", "posts.id", "posts.is_single"],
            deferrable=True,
            initially="DEFERRED",
            name="fk_post_assignments_post",
        ),
        tenant_foreign_key("given_area_id", "areas"),
        tenant_foreign_key("account_id", "grid_workers"),
        ExcludeConstraint(
            ("tenant_id", "="),
            ("given_area_id", "="),
            ("post_id", "="),
            (func.daterange(text("valid_from"), text("valid_until")), "&&"),
            where=text("is_single"),
            using="gist",
            name="ex_post_assignments_single",
        ),
        ExcludeConstraint(
            ("tenant_id", "="),
            ("given_area_id", "="),
            ("post_id", "="),
            ("account_id", "="),
            (func.daterange(text("valid_from"), text("valid_until")), "&&"),
            using="gist",
            name="ex_post_assignments_once",
        ),
        CheckConstraint("valid_until > valid_from", name="validity_ordered"),
        Index(None, "tenant_id", "area_path"),
        Index(None, "tenant_id", "area_id", "post_id"),
        Index(None, "tenant_id", "given_area_id"),
        Index(None, "tenant_id", "post_id", "id"),
        Index(None, "tenant_id", "account_id", "valid_from", "id"),
        by("valid_from"),
        by("valid_until"),
    )

    post_id: Mapped[UUID]
    is_single: Mapped[bool]
    account_id: Mapped[UUID]
    given_area_id: Mapped[UUID]
    area_id: Mapped[UUID]
    area_path: Mapped[str] = mapped_column(Text(collation="C"))
    valid_from: Mapped[date] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)

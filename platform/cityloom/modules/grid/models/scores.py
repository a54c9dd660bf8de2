"""Scores by a formula of the city, explained line by line, appeals, awards. Points are whole thousandths."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import AreaScoped, Base, TenantTable, area_foreign_key, tenant_foreign_key
from cityloom.modules.grid.models.common import Tracked, by, one_of, paths

PERIOD_STATES = ("DRAFT", "PUBLISHED")
APPEAL_STATES = ("OPEN", "UPHELD", "REJECTED")
NORMALS = ("NONE", "HOUSEHOLDS", "SHIFTS")


class ScoreFormula(TenantTable, Base):
    """A weighted sum in one version (see `formula`); a changed formula is another version, used ones never change."""

    __tablename__ = "score_formulas"
    __table_args__ = (
        UniqueConstraint("tenant_id", "code", "edition"),
        CheckConstraint("code ~ '^[a-z][a-z0-9_-]{0,39}$'", name="code_formed"),
    )

    code: Mapped[str]
    edition: Mapped[int]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    terms: Mapped[list[Any]] = mapped_column(JSONB)
    is_current: Mapped[bool]
    created_at: Mapped[datetime]


class ScorePeriod(Tracked, TenantTable, Base):
    """Everybody with a post in an area is scored over some days by one version of a formula.

    Not behind the area wall: who sees a score sees which period it is of, and that names nobody. `scored_area_id` stays
    when areas are merged, which may both have been scored.
    """

    __tablename__ = "score_periods"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("formula_id", "score_formulas"),
        UniqueConstraint(
            "tenant_id", "scored_area_id", "formula_id", "starts_on", "ends_on", name="uq_score_periods_once"
        ),
        tenant_foreign_key("scored_area_id", "areas"),
        one_of("state", PERIOD_STATES),
        CheckConstraint("ends_on > starts_on AND ends_on <= starts_on + 366", name="days_ordered"),
        *paths("starts_on"),
        Index(None, "tenant_id", "formula_id"),
        by("starts_on"),
    )

    formula_id: Mapped[UUID]
    scored_area_id: Mapped[UUID]
    area_id: Mapped[UUID]
    area_path: Mapped[str] = mapped_column(Text(collation="C"))
    starts_on: Mapped[date] = mapped_column(Date)
    ends_on: Mapped[date] = mapped_column(Date)
    state: Mapped[str]
    calculated_at: Mapped[datetime]
    published_at: Mapped[datetime | None]


class Score(Tracked, AreaScoped, TenantTable, Base):
    """One worker's score in a period: the sum of its lines, and what appeals added; `rank` 1 is the best."""

    __tablename__ = "scores"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("account_id", "grid_workers"),
        tenant_foreign_key("period_id", "score_periods", ondelete="CASCADE"),
        tenant_foreign_key("post_id", "posts"),
        UniqueConstraint("tenant_id", "period_id", "account_id"),
        *paths("rank"),
        Index(None, "tenant_id", "account_id"),
        Index(None, "tenant_id", "post_id"),
        Index(None, "tenant_id", "period_id", "rank", "id"),
        by("rank"),
        by("points_milli"),
    )

    period_id: Mapped[UUID]
    account_id: Mapped[UUID]
    post_id: Mapped[UUID]
    rank: Mapped[int]
    points_milli: Mapped[int] = mapped_column(BigInteger)
    adjustment_milli: Mapped[int] = mapped_column(BigInteger, default=0)


class ScoreLine(AreaScoped, TenantTable, Base):
    """One term of one score: what was counted, by what it was divided, its weight, and the points that came of it."""

    __tablename__ = "score_lines"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("score_id", "scores", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "score_id", "position"),
        one_of("per", NORMALS),
        *paths(),
    )

    score_id: Mapped[UUID]
    position: Mapped[int]
    input: Mapped[str]
    value_milli: Mapped[int] = mapped_column(BigInteger)
    per: Mapped[str]
    per_amount: Mapped[int]
    divisor: Mapped[int] = mapped_column(BigInteger)
    weight_milli: Mapped[int] = mapped_column(BigInteger)
    cap_milli: Mapped[int | None] = mapped_column(BigInteger)
    points_milli: Mapped[int] = mapped_column(BigInteger)


class ScoreContribution(AreaScoped, TenantTable, Base):
    """Something that a higher slice counts for somebody, for example a closed case; once per source and input."""

    __tablename__ = "score_contributions"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("account_id", "grid_workers"),
        UniqueConstraint("tenant_id", "input", "source_id", "account_id"),
        CheckConstraint("input ~ '^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)*$'", name="input_formed"),
        *paths(),
        Index(None, "tenant_id", "account_id", "happened_at"),
    )

    account_id: Mapped[UUID]
    input: Mapped[str]
    source_id: Mapped[UUID]
    happened_at: Mapped[datetime]
    amount_milli: Mapped[int] = mapped_column(BigInteger)


class ScoreAppeal(Tracked, AreaScoped, TenantTable, Base):
    """A worker says that their score is wrong; somebody else decides, and may add or take points."""

    __tablename__ = "score_appeals"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("score_id", "scores"),
        tenant_foreign_key("account_id", "grid_workers"),
        tenant_foreign_key("decided_by_id", "accounts"),
        one_of("state", APPEAL_STATES),
        CheckConstraint("(state = 'OPEN') = (decided_at IS NULL)", name="decided_when"),
        CheckConstraint("adjustment_milli = 0 OR state = 'UPHELD'", name="adjusted_where_upheld"),
        Index(
            "uq_score_appeals_open",
            "tenant_id",
            "score_id",
            unique=True,
            postgresql_where=text("state = 'OPEN'"),
        ),
        *paths(),
        Index(None, "tenant_id", "score_id", "id"),
        Index(None, "tenant_id", "account_id"),
        by("state"),
    )

    score_id: Mapped[UUID]
    account_id: Mapped[UUID]
    state: Mapped[str]
    reason: Mapped[str]
    filed_at: Mapped[datetime]
    decision: Mapped[str | None]
    adjustment_milli: Mapped[int] = mapped_column(BigInteger, default=0)
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[UUID | None]


class AwardKind(TenantTable, Base):
    """An award that the city gives (金牌网格员): how many a period has, and the least score in thousandths."""

    __tablename__ = "award_kinds"
    __table_args__ = (
        UniqueConstraint("tenant_id", "code"),
        CheckConstraint("code ~ '^[A-Z][A-Z0-9_]{0,39}$'", name="code_formed"),
        CheckConstraint("places BETWEEN 1 AND 100000", name="places_in_range"),
    )

    code: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    places: Mapped[int | None]
    least_points_milli: Mapped[int | None] = mapped_column(BigInteger)


class Award(Tracked, AreaScoped, TenantTable, Base):
    """A worker has an award for a published period; taken back, it stays on record."""

    __tablename__ = "awards"
    __table_args__ = (
        area_foreign_key(),
        tenant_foreign_key("kind_id", "award_kinds"),
        tenant_foreign_key("account_id", "grid_workers"),
        tenant_foreign_key("score_id", "scores"),
        Index(
            "uq_awards_once",
            "tenant_id",
            "kind_id",
            "score_id",
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
        ),
        *paths("granted_at"),
        Index(None, "tenant_id", "account_id", "granted_at"),
        Index(None, "tenant_id", "score_id"),
        by("granted_at"),
    )

    kind_id: Mapped[UUID]
    account_id: Mapped[UUID]
    score_id: Mapped[UUID]
    citation: Mapped[str | None]
    granted_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None]

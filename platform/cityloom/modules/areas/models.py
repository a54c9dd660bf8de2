"""Tables of areas: the tree, its kinds, the rings of its boundaries and what became of what."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, Double, ForeignKeyConstraint, Index, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from cityloom.core.database import Base, TenantTable, tenant_foreign_key

if TYPE_CHECKING:
    from cityloom.core.text import Locale

#: Levels below the top that an area may lie at; the deepest city that is known uses six.
MAXIMUM_DEPTH = 16


class Polygon(UserDefinedType[list[tuple[float, float]]]):
    """PostgreSQL's native `polygon`: a closed ring of points (longitude, latitude) without the closing repeat."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in DDL."""
        return "POLYGON"


class Point(UserDefinedType[tuple[float, float]]):
    """PostgreSQL's native `point` (longitude, latitude); only ever an expression."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in DDL."""
        return "POINT"


# SQLAlchemy does not know the native geometric types; unknown types are a warning whenever a database is reflected.
ischema_names["polygon"] = Polygon


class AreaKind(TenantTable, Base):
    """One kind of area in the tenant's own table of kinds, for example 街道 or 微网格."""

    __tablename__ = "area_kinds"
    __table_args__ = (
        UniqueConstraint("tenant_id", "code"),
        CheckConstraint("level BETWEEN 1 AND 99", name="level_in_range"),
        CheckConstraint("grid_class IN ('BASIC', 'DEDICATED', 'MICRO')", name="grid_class_known"),
        CheckConstraint(
            "code_form IN ('FREE', 'DIVISION_6', 'DIVISION_9', 'DIVISION_12', 'GRID_14', 'GRID_15', 'PATTERN')",
            name="code_form_known",
        ),
        CheckConstraint("(code_form = 'PATTERN') = (code_pattern IS NOT NULL)", name="pattern_where_asked"),
    )

    code: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    level: Mapped[int]
    grid_class: Mapped[str | None]
    code_form: Mapped[str] = mapped_column(default="FREE", server_default="FREE")
    code_pattern: Mapped[str | None]

    def title(self, locale: Locale) -> str:
        """The kind's name for a person."""
        return self.title_zh if locale == "zh" else self.title_en


class Area(TenantTable, Base):
    """One area. Readable in the whole tenant: a map of the city is no secret, who lives there is."""

    __tablename__ = "areas"
    __table_args__ = (
        tenant_foreign_key("parent_id", "areas"),
        ForeignKeyConstraint(["tenant_id", "kind"], ["area_kinds.tenant_id", "area_kinds.code"]),
        UniqueConstraint("tenant_id", "id", "path"),
        UniqueConstraint("tenant_id", "path"),
        UniqueConstraint("tenant_id", "label"),
        ExcludeConstraint(
            ("tenant_id", "="),
            ("code", "="),
            (func.daterange(text("valid_from"), text("valid_until")), "&&"),
            using="gist",
            name="ex_areas_code_in_period",
        ),
        CheckConstraint("valid_until >= valid_from", name="validity_ordered"),
        CheckConstraint(r"path ~ '^([0-9a-z]+\.)+$'", name="path_formed"),
        CheckConstraint("(parent_id IS NULL) = (depth = 0)", name="top_has_no_parent"),
        CheckConstraint(f"depth BETWEEN 0 AND {MAXIMUM_DEPTH}", name="depth_bounded"),
        CheckConstraint("num_nulls(boundary, west, south, east, north) IN (0, 5)", name="box_with_boundary"),
        CheckConstraint("num_nulls(centre_longitude, centre_latitude) IN (0, 2)", name="centre_whole"),
        CheckConstraint("stated_households >= 0 AND stated_residents >= 0", name="figures_positive"),
        Index(None, "tenant_id", "code", "id"),
        Index(None, "tenant_id", "name", "id"),
        Index(None, "tenant_id", "kind", "id"),
        Index(None, "tenant_id", "parent_id", "depth", "position", "id"),
        Index(None, "tenant_id", "depth", "position", "id"),
        Index(None, "tenant_id", "valid_from"),
        Index(None, "tenant_id", "valid_until"),
        Index(None, "tenant_id", "west", "east", "south", "north"),
    )

    code: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str]
    parent_id: Mapped[UUID | None]
    label: Mapped[int]
    path: Mapped[str] = mapped_column(Text(collation="C"))
    depth: Mapped[int]
    position: Mapped[int]
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)
    stated_households: Mapped[int | None]
    stated_residents: Mapped[int | None]
    boundary: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    is_boundary_synthetic: Mapped[bool] = mapped_column(default=False, server_default="false")
    west: Mapped[float | None] = mapped_column(Double)
    south: Mapped[float | None] = mapped_column(Double)
    east: Mapped[float | None] = mapped_column(Double)
    north: Mapped[float | None] = mapped_column(Double)
    centre_longitude: Mapped[float | None] = mapped_column(Double)
    centre_latitude: Mapped[float | None] = mapped_column(Double)
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AreaRing(TenantTable, Base):
    """One ring of an area's boundary, in WGS-84 degrees; a hole takes its inside away."""

    __tablename__ = "area_rings"
    __table_args__ = (
        tenant_foreign_key("area_id", "areas", ondelete="CASCADE"),
        Index(None, "tenant_id", "area_id"),
    )

    area_id: Mapped[UUID]
    is_hole: Mapped[bool]
    ring: Mapped[list[tuple[float, float]]] = mapped_column(Polygon)


class AreaChange(TenantTable, Base):
    """What became of an area: another parent, another code, merged into a successor, split into successors."""

    __tablename__ = "area_changes"
    __table_args__ = (
        tenant_foreign_key("area_id", "areas"),
        tenant_foreign_key("successor_id", "areas"),
        CheckConstraint("kind IN ('MOVED', 'MERGED', 'SPLIT', 'RECODED')", name="kind_known"),
        CheckConstraint("(kind = 'RECODED') = (former_code IS NOT NULL)", name="former_code_where_recoded"),
        Index(None, "tenant_id", "area_id", "id"),
        Index(None, "tenant_id", "successor_id", "id"),
        {"info": {"append_only": True}},
    )

    kind: Mapped[str]
    area_id: Mapped[UUID]
    successor_id: Mapped[UUID]
    former_parent_id: Mapped[UUID | None]
    former_code: Mapped[str | None]
    happened_on: Mapped[date] = mapped_column(Date)
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    recorded_by: Mapped[UUID | None]

"""What tables of the grid share."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, func
from sqlalchemy.orm import Mapped, mapped_column


class Tracked:
    """A version for optimistic changes, and when the row was made and changed."""

    version: Mapped[int] = mapped_column(default=1, server_default="1", sort_order=90)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=91)
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=92)


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """Text with a check: enums lose their index behind row-level security."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=f"{column}_known")


def paths(*then: str) -> tuple[Index, Index]:
    """The indexes of a table whose rows lie in areas: by path (and what lists are ordered by), and by area."""
    return Index(None, "tenant_id", "area_path", *then), Index(None, "tenant_id", "area_id", *then)


def by(*columns: str) -> Index:
    """An index for a filter or an ordering, with the id that tells equal rows apart."""
    return Index(None, "tenant_id", *columns, "id")

"""What tables of the registry share."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, Index, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """Text with a check: enums lose their index behind row-level security."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=f"{column}_known")


class Tracked:
    """What every thing of the registry carries: a version for optimistic changes, and when it was made and changed."""

    version: Mapped[int] = mapped_column(default=1, server_default="1", sort_order=90)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=91)
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=92)


class Period:
    """Valid time: from a day up to the day before another, `until_on` null to this day; and when it was recorded."""

    from_on: Mapped[date] = mapped_column(Date, sort_order=80)
    until_on: Mapped[date | None] = mapped_column(Date, sort_order=81)
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=82)


def no_overlap(table: str, name: str, *columns: str, where: str | None = None) -> ExcludeConstraint:
    """Rows that are equal in these columns have no day in common.

    Reads never use its index: range operators are not leakproof. They compare the plain days.
    """
    return ExcludeConstraint(
        ("tenant_id", "="),
        *((text(column) if "(" in column else column, "=") for column in columns),
        (func.daterange(text("from_on"), text("until_on")), "&&"),
        where=None if where is None else text(where),
        using="gist",
        name=f"ex_{table}_{name}",
    )


def in_time(*columns: str) -> tuple[CheckConstraint | Index, ...]:
    """The order of a period's days, the index that a move of areas needs, and one by time for each tied thing."""
    return (
        CheckConstraint("until_on > from_on", name="period_ordered"),
        Index(None, "tenant_id", "area_path"),
        *(Index(None, "tenant_id", column, "from_on") for column in columns),
    )

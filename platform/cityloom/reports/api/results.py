"""What reports answer that no table stands behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import strawberry

from cityloom.graph import bound as b
from cityloom.reports.api.words import ReportRowChangeKind, ReportTickKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cityloom.reports.comparing import Comparison, Rows


@b.output_type(description="A list that reports can be made of.")
class ReportRoot:
    """See `composing.Root`."""

    name: str = strawberry.field(description="The root field.")
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")
    description: str = strawberry.field(description="What it lists.")
    is_grouped: bool = strawberry.field(description="Whether it counts things by dimensions instead of listing them.")


@b.output_type(description="Something that can be ticked for a report (可勾选字段).")
class ReportTick:
    """See `composing.Tick`."""

    path: str = strawberry.field(description="What to send to `reportCompose`.")
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")
    type: str = strawberry.field(description="The GraphQL type of its values.")
    kind: ReportTickKind = strawberry.field(description="What sort of thing it is.")
    description: str = strawberry.field(description="What it means.")


@b.output_type(description="One column of a result.")
class ReportColumn:
    """See `service.results.Result.columns`."""

    path: str = strawberry.field(description="Where its values stand in the query's answer.")
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")
    type: str = strawberry.field(description="The GraphQL type of its values; lists are joined into texts.")


@b.output_type(description="A query that was put together from ticks.")
class ReportComposition:
    """See `composing.compose`."""

    document: str = strawberry.field(description="The query: store it with `reportCreate`, or send it as it is.")
    columns: list[ReportColumn] = strawberry.field(description="The columns that it gives.")


@b.output_type(description="One row of a result.")
class ReportRow:
    """See `comparing.Rows`."""

    key: str = strawberry.field(description="What tells the row apart from the others, in every result of the report.")
    cells: b.JSON = strawberry.field(description="Its cells, in the order of the columns.")


@b.output_type(description="What a report found.")
class ReportResult:
    """See `service.Result`."""

    columns: list[ReportColumn] = strawberry.field(description="Its columns.")
    rows: list[ReportRow] = strawberry.field(description="Its rows.")
    is_truncated: bool = strawberry.field(description="Whether there are more rows than are shown: take an export.")


@b.output_type(description="One row that is not the same in two snapshots.")
class ReportRowChange:
    """See `comparing.Change`."""

    key: str = strawberry.field(description="What tells the row apart.")
    kind: ReportRowChangeKind = strawberry.field(description="What happened to it.")
    before: b.JSON | None = strawberry.field(description="Its former cells; null where it is new.")
    after: b.JSON | None = strawberry.field(description="Its present cells; null where it is gone.")
    changed_paths: list[str] = strawberry.field(description="The paths of the columns that changed.")


@b.output_type(description="A column of numbers, added up in two snapshots.")
class ReportTotal:
    """See `comparing.Total`."""

    path: str = strawberry.field(description="The column.")
    before: float = strawberry.field(description="The sum in the first.")
    after: float = strawberry.field(description="The sum in the second.")
    difference: float = strawberry.field(description="By how much it has grown.")


@b.output_type(description="What differs between two snapshots of a report (快照对比).")
class ReportComparison:
    """See `comparing.Comparison`."""

    added: int = strawberry.field(description="How many rows came.")
    removed: int = strawberry.field(description="How many rows went.")
    changed: int = strawberry.field(description="How many rows are others.")
    unchanged: int = strawberry.field(description="How many rows are the same.")
    columns: list[ReportColumn] = strawberry.field(description="The columns of both.")
    changes: list[ReportRowChange] = strawberry.field(description="The rows that differ, at most 500 of them.")
    totals: list[ReportTotal] = strawberry.field(description="The columns of numbers, added up.")


@b.output_type(description="The burden of forms of one department in one month (减负统计).")
class BurdenStat:
    """See `burden.Burden`."""

    department_id: strawberry.ID = strawberry.field(description="The department that asks.")
    department_name: str = strawberry.field(description="Its name.")
    month: str = strawberry.field(description="The month, for example 2026-03.")
    forms_before: int = strawberry.field(description="How many forms it wants filled in.")
    forms_after: int = strawberry.field(description="How many of them still have a field that people fill in.")
    minutes_before: b.BigInt = strawberry.field(
        description="How long filling in everything would take, of all who fill in together."
    )
    minutes_asked: b.BigInt = strawberry.field(description="How long what is still asked takes.")
    minutes_saved: b.BigInt = strawberry.field(description="The difference.")


@b.output_type(description="A schedule that was stopped.")
class ReportScheduleRemoved:
    """What `reportScheduleRemove` answers."""

    id: strawberry.ID = strawberry.field(description="Its id, which nothing has any more.")


@b.output_type(description="A report that was removed.")
class ReportRemoved:
    """What `reportRemove` answers."""

    id: strawberry.ID = strawberry.field(description="Its id, which nothing has any more.")
    code: str = strawberry.field(description="Its code, which is free again.")


def shown_columns(columns: Sequence[dict[str, Any]]) -> list[ReportColumn]:
    """Columns as they are answered."""
    return [ReportColumn(**column) for column in columns]


def shown_result(columns: Sequence[dict[str, Any]], rows: Rows, *, is_truncated: bool) -> ReportResult:
    """A result as it is answered."""
    found: list[Any] = [ReportRow(key=key, cells=cells) for key, cells in rows]  # type: ignore[arg-type] # JSON
    return ReportResult(columns=shown_columns(columns), rows=found, is_truncated=is_truncated)


def shown_comparison(columns: Sequence[dict[str, Any]], found: Comparison) -> ReportComparison:
    """A comparison as it is answered."""
    paths = [column["path"] for column in columns]
    changes: list[Any] = [
        ReportRowChange(
            key=one.key,
            kind=_kind(before=one.before, after=one.after),
            before=one.before,  # type: ignore[arg-type] # JSON
            after=one.after,  # type: ignore[arg-type] # JSON
            changed_paths=[paths[at] for at in one.changed],
        )
        for one in found.changes
    ]
    totals = [
        ReportTotal(path=paths[one.column], before=one.before, after=one.after, difference=one.after - one.before)
        for one in found.totals
    ]
    return ReportComparison(
        added=found.added,
        removed=found.removed,
        changed=found.changed,
        unchanged=found.unchanged,
        columns=shown_columns(columns),
        changes=changes,
        totals=totals,
    )


def _kind(*, before: object, after: object) -> ReportRowChangeKind:
    if before is None:
        return ReportRowChangeKind.ADDED
    return ReportRowChangeKind.REMOVED if after is None else ReportRowChangeKind.CHANGED


def shown_tick_kind(kind: str) -> ReportTickKind:
    """The kind of a tick as it is answered."""
    return ReportTickKind(kind)

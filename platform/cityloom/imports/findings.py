"""Noting what is found about rows: so many of an import are kept, all of them are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.bulk import insert_rows, insert_text, table_of
from cityloom.core.ids import new_id
from cityloom.imports import models as m

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from cityloom.core.errors import Refusal
    from cityloom.core.work import Work
    from cityloom.imports.targets import Finding

#: With more errors than these a check ends: nobody mends them one by one. Warnings beyond are only counted.
MOST = 10_000

_NOTE = insert_text(
    table_of(m.ImportFinding),
    ("id", "sheet", "row", "column", "code", "severity", "message_zh", "message_en", "is_of_whole"),
    same=("import_id",),
)
#: Around a statement that answers the sheet and row of each thing that it found.
_OF_WHOLE = f"""
, kept AS (
  INSERT INTO import_findings
    (tenant_id, id, import_id, sheet, row, "column", code, severity, message_zh, message_en, is_of_whole)
  SELECT $1, gen_random_uuid(), $2, sheet, row, $3, $4, $5, $6, $7, true
  FROM found ORDER BY sheet, row LIMIT {MOST + 1}
)
SELECT count(*) FROM found
"""  # noqa: S608 - a constant of ours


async def note(work: Work, import_id: UUID, findings: Sequence[Finding]) -> None:
    """Write down what was found about rows one by one."""
    rows = [
        (
            new_id(),
            one.sheet,
            one.row,
            one.column,
            one.refusal.reason,
            "ERROR" if one.is_error else "WARNING",
            one.refusal.message("zh"),
            one.refusal.message("en"),
            False,
        )
        for one in findings
    ]
    await insert_rows(work, _NOTE, rows, import_id)


async def note_found(
    work: Work,
    import_id: UUID,
    found: str,
    *arguments: object,
    column: str | None,
    refusal: Refusal,
    is_error: bool = True,
) -> int:
    """Write down the rows that a statement answers as `sheet` and `row`; how many there are.

    It may change what it answers. Its parameters: `$1` tenant, `$2` import, from `$8` on `arguments`.
    """
    connection = await work.connection()
    count: int = await connection.fetchval(
        f"WITH found AS ({found}){_OF_WHOLE}",
        work.tenant_id,
        import_id,
        column,
        refusal.reason,
        "ERROR" if is_error else "WARNING",
        refusal.message("zh"),
        refusal.message("en"),
        *arguments,
    )
    return count


async def forget_of_whole(work: Work, import_id: UUID) -> None:
    """Forget what was found by looking at all rows together: it is looked for again."""
    connection = await work.connection()
    await connection.execute(
        "DELETE FROM import_findings WHERE tenant_id = $1 AND import_id = $2 AND is_of_whole", work.tenant_id, import_id
    )


async def forget(work: Work, import_id: UUID) -> None:
    """Forget all that was found."""
    connection = await work.connection()
    await connection.execute(
        "DELETE FROM import_findings WHERE tenant_id = $1 AND import_id = $2", work.tenant_id, import_id
    )


async def count(work: Work, import_id: UUID) -> tuple[int, int]:
    """How many rows have an error, and how many findings there are in all."""
    connection = await work.connection()
    row = await connection.fetchrow(
        "SELECT count(DISTINCT (sheet, row)) FILTER (WHERE severity = 'ERROR') AS rows, count(*) AS findings "
        "FROM import_findings WHERE tenant_id = $1 AND import_id = $2",
        work.tenant_id,
        import_id,
    )
    return row["rows"], row["findings"]

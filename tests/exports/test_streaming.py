"""Memory does not grow with a list: fifty thousand rows take what one batch takes."""

from __future__ import annotations

import csv
import io
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from python_calamine import CalamineWorkbook

from cityloom.testing.exports import APPROVER

if TYPE_CHECKING:
    from cityloom.testing.exports import ExportCity

ROWS = 50_000
DOCUMENT = '{ auditRecords(where: { action: { eq: "paper.load.note" } }) { nodes { id purpose recordedAt } } }'
_FILL = """
INSERT INTO audit_records (
  tenant_id, id, recorded_at, actor_kind, action, object_tag, object_id, purpose, changed_fields)
SELECT $1, gen_random_uuid(), $2::timestamptz + n * interval '1 second', 'SYSTEM', 'paper.load.note', 'tent', $1,
  repeat('用途', 40) || n, '["one", "two"]'
FROM generate_series(1, $3::int) AS n
"""
#: Bytes of Python's own memory that a run may take at its peak: three batches of decoded rows, and the buffers.
MOST = 5_000_000


@pytest.fixture(scope="module")
async def filled(city: ExportCity) -> ExportCity:
    async with city.work() as work:
        await (await work.connection()).execute(_FILL, city.id, work.now(), ROWS)
    return city


@pytest.mark.parametrize(("format_", "rows"), [("CSV", ROWS), ("XLSX", 8_000)])
async def test_memory_is_bounded(filled: ExportCity, format_: str, rows: int) -> None:
    asked = {"document": DOCUMENT, "purpose": "压力测试", "format": format_}
    made = await filled.mutate("city_administrator", "exportRequest", asked, "... on Export { id countedRows }")
    assert made["countedRows"] == ROWS
    await filled.mutate(APPROVER, "exportApprove", {"id": made["id"], "rowBound": rows}, "... on Export { id }")
    tracemalloc.start()
    try:
        assert await filled.exporter.run_one(filled.id)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    content = (await filled.fetch("city_administrator", made["id"])).content
    if format_ == "XLSX":
        lines: list[Any] = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    else:
        with zipfile.ZipFile(io.BytesIO(content)) as found:
            data = found.read("data.csv").decode("utf-8-sig")
        assert len(data.encode()) > 3 * MOST
        lines = list(csv.reader(io.StringIO(data)))
    assert len(lines) == rows + 1
    assert len({line[0] for line in lines}) == rows + 1
    assert lines[1][1] == "用途" * 40 + "1"
    assert peak < MOST

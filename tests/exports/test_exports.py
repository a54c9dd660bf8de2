"""Asking, deciding, running, downloading: through the front door, with the worker's own code."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from python_calamine import CalamineWorkbook

from cityloom.core.clock import CIVIL_TIME
from cityloom.core.ids import encode_id, new_id
from cityloom.testing.exports import APPROVER

if TYPE_CHECKING:
    from cityloom.testing.exports import ExportCity

AREAS = "{ areas { nodes { id code name isOpen depth changedAt validFrom parent { name } children { nodes { name } } } } }"
PHONES = "{ residents { nodes { name phone } } }"
STATE = "... on Export { state countedRows rowBound approvalReasons }"


async def request(city: ExportCity, role: str, document: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    values = {"document": document, "purpose": "季度统计 quarterly"} | more
    return await city.mutate(role, "exportRequest", values, STATE)


async def show(city: ExportCity, export_id: str, selection: str) -> dict[str, Any]:
    found: dict[str, Any] = await city.data(
        "city_administrator", f"query ($id: ID!) {{ export(id: $id) {{ {selection} }} }}", {"id": export_id}
    )
    return found


async def test_smoke(city: ExportCity) -> None:
    made = await request(city, "city_administrator", AREAS, format="CSV")
    assert made["__typename"] == "Export", made
    assert made["state"] == "QUEUED"
    assert await city.exporter.run_due() == 1
    print(await show(city, made["id"], "state failure rowCount sha256"))
    got = await city.fetch("city_administrator", made["id"])
    print(got.status_code, got.headers)
    z = zipfile.ZipFile(io.BytesIO(got.content))
    print(z.read("data.csv").decode()[:600]); print(z.read("manifest.json").decode())

"""A client that nobody here wrote works against a city: `three`, which Code for America published in 2012."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cityloom.serving import DATABASE_VARIABLE
from cityloom.testing.database import ROOT, VAR
from cityloom.testing.files import picture
from cityloom.testing.serving import served

if TYPE_CHECKING:
    from pathlib import Path

_CLIENT = "three==0.8.0"


@pytest.fixture(scope="module")
def client_python() -> str:
    """A Python that has the client, and nothing of ours."""
    folder = VAR / "three"
    python = folder / "bin" / "python"
    try:
        if not (folder / "done").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
            arguments = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _CLIENT]
            subprocess.run(arguments, check=True, capture_output=True, timeout=120)
            (folder / "done").touch()
    except (subprocess.SubprocessError, OSError) as reason:
        pytest.skip(f"the client {_CLIENT} cannot be installed here: {type(reason).__name__}")
    return str(python)


def test_an_old_client_finds_reports_and_follows(
    cities: dict[str, Any], admin_url: str, client_python: str, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(picture())
    environment = {
        DATABASE_VARIABLE: admin_url,
        "CITYLOOM_VAR": str(VAR),
        "CITYLOOM_FILES": str(tmp_path / "files"),
        "CITYLOOM_TENANTS": str(ROOT / "tenants"),
        "CITYLOOM_LOG_LEVEL": "error",
    }
    with served("cityloom.app:create_app", environment) as address:
        script = str(ROOT / "tests" / "open311" / "three_client.py")
        arguments = [client_python, script, f"{address}/open311/yanji/v2/", cities["yanji key"], str(photo)]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["discovery"]["endpoints"][0]["formats"] == ["application/json", "text/xml"]
    assert len(found["services"]) >= 200
    assert found["definition"]["service_code"] == "E01002"
    code = found["post"][0]["service_request_id"]
    assert found["request"][0]["service_request_id"] == code
    assert found["request"][0]["status"] == "open"
    assert code in {one["service_request_id"] for one in found["requests"]}
    assert found["token"] == [{"service_request_id": code, "token": code}]
    assert found["absent"][0]["code"] == 404
    assert found["xml"].startswith("<?xml")
    assert code in found["xml"]

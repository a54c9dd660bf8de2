"""The audits of the npm package graphql-http, against a real server."""

from __future__ import annotations

import pytest

from cityloom.testing import audits
from cityloom.testing.serving import served


def test_all_61_audits_pass() -> None:
    try:
        audits.install()
    except audits.AuditsUnavailable as reason:
        pytest.skip(f"the graphql-http audits need Node with npm: {reason}")
    with served("cityloom.testing.sandbox:serve") as url:
        found = audits.run(f"{url}/graphql", "developer")
    assert [(item["id"], item["name"], item["reason"]) for item in found if item["status"] != "ok"] == []
    assert len(found) == 61

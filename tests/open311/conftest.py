"""Yanji as it is shipped, with a key for another system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cityloom.app import create_app, platform
from cityloom.core.ids import new_id
from cityloom.settings import Settings
from cityloom.testing.clock import ManualClock
from cityloom.testing.database import ROOT, VAR
from cityloom.testing.scenarios import Story

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def key_of(city: Story, name: str, *, role: str = "integrator") -> str:
    """A key of a new API client that holds a role in the whole city."""
    made = await city.change(
        "admin", "apiClientCreate", {"name": name, "permissions": ["*"]}, "... on ApiClient { id account { id } }"
    )
    if made["__typename"] == "Refusal":
        raise AssertionError(made)
    given = {"accountId": made["account"]["id"], "role": role, "scopeKind": "TENANT"}
    held = await city.change("admin", "membershipGrant", given, "... on Membership { id }")
    assert held["__typename"] == "Membership", held
    given = {"clientId": made["id"]}
    return str((await city.change("admin", "apiKeyCreate", given, "... on ApiKeyCreated { key }"))["key"])


@pytest.fixture(scope="module")
async def cities(admin_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Any]]:
    """Yanji, whose lists are public, and Gaoping, which has Open311 off."""
    clock = ManualClock()
    settings = Settings(var=VAR, tenants=ROOT / "tenants", files=str(tmp_path_factory.mktemp("files")))
    async with platform(settings, admin_url, clock=clock) as opened:
        app = create_app(opened)
        async with app.router.lifespan_context(app):
            found: dict[str, Any] = {"clock": clock}
            for name in ("yanji", "yangxinghe"):
                found[name] = await Story.begin(opened, app, clock, ROOT / "tenants" / name)
                found[f"{name} key"] = await key_of(found[name], f"open311-{new_id().hex}")
            yield found

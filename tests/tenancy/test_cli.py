"""The commands `tenants …`, in a shell of their own."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cityloom.core.work import Works
from cityloom.tenancy.cli import Shell, tenants_app
from cityloom.tenancy.service import TenantService
from cityloom.testing.lanterns import MODULES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from typer.testing import Result

    from cityloom.core.text import Locale
    from cityloom.testing.database import TestServer

    Run = Callable[..., Result]

PACK = """\
slug = "{slug}"
names = {{ zh = "桤木", en = "Alder" }}
extends = "packs/lantern-base"

[modules.festivals]
enabled = true
"""


@pytest.fixture
def run(server: TestServer, admin_url: str, tenants_folder: Path) -> Run:
    """Run one command, as a process of its own would: with its own event loop and connections."""

    @asynccontextmanager
    async def service() -> AsyncIterator[TenantService]:
        async with server.open(admin_url) as database:
            yield TenantService(Works(database), MODULES, tenants_folder)

    def invoke(*arguments: str, locale: Locale = "en", typed: str | None = None) -> Result:
        shell = Shell(tenants_folder, locale, lambda: MODULES, service)
        return CliRunner().invoke(tenants_app, list(arguments), obj=shell, input=typed)

    return invoke


@pytest.fixture
def folder(tenants_folder: Path, slug: str) -> Path:
    made = tenants_folder / slug
    made.mkdir()
    (made / "tenant.toml").write_text(PACK.format(slug=slug), encoding="utf-8")
    return made


def test_a_city_lives_through_all_commands(run: Run, folder: Path, slug: str) -> None:
    assert run("check").exit_code == 0
    assert "new tenant" in run("plan", slug).output
    assert "applied" in run("apply", slug).output
    assert "nothing to change" in run("apply", slug).output
    assert "无变化" in run("plan", slug, locale="zh").output
    assert run("module", "disable", slug, "festivals").exit_code == 0
    assert run("module", "enable", slug, "lanterns", "--settings", '{"brightness": 8}').exit_code == 0
    assert run("limit", slug, "areas", "9").exit_code == 0
    listed = json.loads(run("list", "--json").output)
    assert {"slug": slug, "name": "Alder", "state": "ACTIVE", "modules": ["lanterns", "streets"]} in listed
    plan = run("plan", slug).output
    assert "areas" in plan
    assert "- limits" in plan

    refused = run("apply", slug, typed="n\n")
    assert refused.exit_code == 1
    assert "1 rows will be removed" in refused.output
    assert run("export", slug).exit_code == 0
    assert "brightness = 8" in (folder / "tenant.toml").read_text(encoding="utf-8")
    assert "nothing to change" in run("apply", slug).output

    assert "SUSPENDED" in run("suspend", slug, "--reason", "test").output
    again = run("module", "enable", slug, "festivals")
    assert again.exit_code == 1
    assert "SUSPENDED" in again.output
    assert "ACTIVE" in run("resume", slug).output


def test_a_bad_pack_is_told_in_the_shell_s_language(run: Run, folder: Path, slug: str) -> None:
    (folder / "tenant.toml").write_text(PACK.format(slug=slug) + "\n[limits]\nmoons = 1\n", encoding="utf-8")
    for command in ("check", "plan", "apply"):
        english, chinese = run(command, slug), run(command, slug, locale="zh")
        assert english.exit_code == chinese.exit_code == 1
        assert "tenant.toml:9: limits.moons: there is no such limit" in english.output
        assert "tenant.toml:9: limits.moons: 没有这个限额" in chinese.output
    assert slug not in run("list", "--json").output


def test_a_pack_is_brought_to_canonical_form(run: Run, folder: Path, slug: str) -> None:
    canonical = (folder / "tenant.toml").read_text(encoding="utf-8")
    (folder / "tenant.toml").write_text("# by hand\n" + canonical.replace(" = true", "=true"), encoding="utf-8")
    assert "not in canonical form" in run("check", slug).output
    assert run("format", slug).exit_code == 0
    assert (folder / "tenant.toml").read_text(encoding="utf-8") == canonical
    assert "not in canonical form" not in run("check", slug).output


@pytest.mark.parametrize("settings", ["{", "[]", "3"])
def test_settings_that_are_no_object_are_refused_before_anything_is_opened(run: Run, settings: str) -> None:
    assert run("module", "enable", "alder-none", "lanterns", "--settings", settings).exit_code == 2


def test_the_schema_is_printed(run: Run) -> None:
    assert json.loads(run("schema").output)["title"] == "tenant.toml"

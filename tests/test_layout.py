"""The shape of the repository, where a wrong file breaks something far away."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "platform"
CODE = sorted((SOURCE / "cityloom").rglob("*.py"))
LOCKS = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]


def test_nothing_shadows_the_standard_librarys_platform() -> None:
    """`platform/` is a folder of source, never a package: see also the names under `tests/`."""
    assert list(SOURCE.glob("*.py")) == []
    assert not (ROOT / "tests" / "platform").exists()
    assert Path(platform.__file__).is_relative_to(sysconfig.get_path("stdlib"))
    program = "import platform, cityloom; print(platform.python_version())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == platform.python_version()


def test_no_slice_file_is_named_like_a_standard_module() -> None:
    assert [path for path in CODE if path.stem in sys.stdlib_module_names] == []


def test_every_package_folder_says_what_it_is() -> None:
    packages = {path.parent for path in CODE}
    silent = [
        folder
        for folder in sorted(packages)
        if not (folder / "__init__.py").exists() or not (folder / "__init__.py").read_text().lstrip().startswith('"""')
    ]
    assert silent == []


def test_a_file_past_500_lines_becomes_a_folder() -> None:
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text().splitlines()) for path in CODE}
    assert {path: lines for path, lines in lengths.items() if lines > 500} == {}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_locks_carry_hashes_and_no_addresses(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--\w*index\w*|--find-links)\b", text, re.MULTILINE)
    unhashed = [line for line in re.split(r"\n(?=\S)", text) if line[0] != "#" and "--hash=sha256:" not in line]
    assert unhashed == []


def pinned(lock: Path) -> dict[str, set[str]]:
    """The versions of each package in a lock file; several where they differ by platform."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", lock.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_the_tests_lock_is_the_runtime_lock_and_more() -> None:
    runtime, tests = (pinned(lock) for lock in LOCKS)
    assert {name: tests.get(name) for name in runtime} == runtime
    assert {"pytest", "mypy", "ruff", "hypothesis"} <= tests.keys() - runtime.keys()


def test_what_pyproject_asks_for_is_locked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = settings["dependency-groups"]
    for lock, wanted in zip(
        LOCKS, ([*settings["project"]["dependencies"], *groups["build"]], groups["dev"]), strict=True
    ):
        names = {re.split(r"[\[<>=! ;]", each)[0].lower().replace("_", "-") for each in wanted}
        assert names - pinned(lock).keys() == set()


def test_no_city_is_named_in_the_code() -> None:
    """A city is a folder of `tenants/`; the code knows none of them."""
    names: set[str] = set()
    for pack in (ROOT / "tenants").glob("*/tenant.toml"):
        names |= {pack.parent.name, *tomllib.loads(pack.read_text()).get("names", {}).values()}
    naming = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in CODE
        for name in names
        if name.lower() in path.read_text().lower()
    }
    assert naming == set()

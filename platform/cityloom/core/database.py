"""Tables' common ground, connections as the platform's own roles, and the one function that sets the tenant."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    ForeignKeyConstraint,
    MetaData,
    Text,
    and_,
    event,
    false,
    func,
    or_,
    text,
    true,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError, EmulatedDBAPIException, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, with_loader_criteria
from sqlalchemy.types import Uuid

from cityloom.core.ids import new_id
from cityloom.core.lending import PATIENCE, Connections, Lending
from cityloom.core.principal import EVERYWHERE, Scope, subtree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import TextClause
    from sqlalchemy.orm import ORMExecuteState

OWNER, APP, OPERATOR, WORKER = "cityloom_owner", "cityloom_app", "cityloom_operator", "cityloom_worker"

#: Settings that every connection opens with: the planner reads the range when it plans (PostgreSQL would fail on an
#: unset name), so it starts at "everywhere"; `app.tenant_id` stays unset, which makes any access an error.
SERVER_SETTINGS = {"app.area_lo": EVERYWHERE[0], "app.area_hi": EVERYWHERE[1], "application_name": "cityloom"}

#: What a statement may raise when the database cannot be reached, is starting, or went away: try again later.
#: SQLAlchemy raises the driver's own error, bare, where a connection is refused while it is being made.
LOST: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    SQLAlchemyError,
    EmulatedDBAPIException,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)

#: Sets the tenant and the area wall for the current transaction; both ORM work and compiled reads use it.
SET_CONTEXT = (
    "set_config('app.tenant_id', {tenant}, true), "
    "set_config('app.area_lo', {low}, true), set_config('app.area_hi', {high}, true)"
)


class Base(DeclarativeBase):
    """All tables of the platform."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this name from the class
        datetime: DateTime(timezone=True),
        str: Text(),
        UUID: Uuid(),
    }


class TenantTable:
    """A table whose rows belong to one tenant: `tenant_id` leads the primary key, row-level security is generated."""

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-20)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-19)


class AreaScoped:
    """A tenant's row that lies in an area: `area_path` is the area's own path, kept equal by a foreign key.

    Together with `area_foreign_key` in `__table_args__` the database proves at each commit that the path is the area's;
    `move_area_paths` carries the rows along when an area moves.
    """

    area_id: Mapped[UUID]
    area_path: Mapped[str] = mapped_column(Text(collation="C"))


def tenant_foreign_key(
    column: str, target: str, *, ondelete: str | None = None, name: str | None = None
) -> ForeignKeyConstraint:
    """A foreign key within the tenant: (tenant_id, column) → target(tenant_id, id)."""
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], ondelete=ondelete, name=name
    )


def area_foreign_key() -> ForeignKeyConstraint:
    """Ties `area_id` and `area_path` to one area, checked at the commit.

    Not ON UPDATE CASCADE: Citus refuses that where the distribution column is part of the key.
    """
    return ForeignKeyConstraint(
        ["tenant_id", "area_id", "area_path"],
        ["areas.tenant_id", "areas.id", "areas.path"],
        deferrable=True,
        initially="DEFERRED",
    )


def within(scope: Scope | None, path: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column
    """Whether an area path lies in a scope's areas; nowhere without a scope."""
    if scope is None:
        return false()
    if scope.everywhere:
        return true()
    return or_(false(), *(and_(path >= low, path < high) for low, high in scope.areas))


async def move_area_paths(session: AsyncSession, old: str, new: str) -> int:
    """Give every row at or below the area path `old` the same place below `new`, the areas themselves included.

    Answers how many rows of other tables moved. The foreign keys are checked at the commit.
    """
    low, high = subtree(old)
    moved = 0
    tenant_id = session.info["context"].tenant_id
    for table in Base.metadata.sorted_tables:
        column = table.c.get("path") if table.name == "areas" else table.c.get("area_path")
        # Tallies are moved by those who keep them, with the rows that they count.
        if column is None or table.info.keys() & {"append_only", "is_tally"}:
            continue
        result = await session.execute(
            update(table)
            .where(table.c.tenant_id == tenant_id, column >= low, column < high)
            .values({column.name: new + func.substr(column, len(old) + 1)})
        )
        if table.name != "areas":
            moved += result.rowcount  # type: ignore[attr-defined] # an UPDATE answers a CursorResult
    return moved


@dataclass(frozen=True, slots=True)
class Context:
    """Tenant and area wall of one transaction."""

    tenant_id: UUID
    wall: tuple[str, str] = EVERYWHERE


class TenantSession(Session):
    """A session of one tenant: the context is set at every begin, and every ORM statement names the tenant."""


@event.listens_for(TenantSession, "after_begin")
def _set_context(session: Session, _transaction: object, connection: Connection) -> None:
    if "before_statement" not in session.info:  # else it joined a transaction that has its context already
        connection.execute(*context_statement(session.info["context"]))


def context_statement(context: Context) -> tuple[TextClause, dict[str, str]]:
    """The one statement that says for which tenant and within which wall a transaction works."""
    return (
        text(f"SELECT {SET_CONTEXT.format(tenant=':tenant', low=':low', high=':high')}"),
        {"tenant": str(context.tenant_id), "low": context.wall[0], "high": context.wall[1]},
    )


@asynccontextmanager
async def beyond_wall(session: AsyncSession) -> AsyncIterator[None]:
    """Let the statements of the block see all areas of the session's tenant: to count what the caller may not read.

    Nothing that is read so may be told to the caller but a number. After an error the wall stays open: the transaction
    must end, as a unit of work does.
    """
    context: Context = session.info["context"]
    # What is pending is written within the wall, not when the first statement of the block asks for it.
    await session.flush()
    await session.execute(*context_statement(Context(context.tenant_id)))
    yield
    await session.execute(*context_statement(context))


@event.listens_for(TenantSession, "do_orm_execute")
def _name_tenant(state: ORMExecuteState) -> None:
    if (before_statement := state.session.info.get("before_statement")) is not None:
        before_statement()
    if (
        state.is_column_load
        or state.is_relationship_load
        or not (state.is_select or state.is_update or state.is_delete)
    ):
        return
    tenant_id = state.session.info["context"].tenant_id
    state.statement = state.statement.options(
        with_loader_criteria(TenantTable, lambda table: table.tenant_id == tenant_id, include_aliases=True)
    )


@event.listens_for(TenantSession, "before_flush")
def _stamp_tenant(session: Session, _context: object, _instances: object) -> None:
    if (before_statement := session.info.get("before_statement")) is not None:
        before_statement()
    tenant_id = session.info["context"].tenant_id
    for row in session.new:
        if isinstance(row, TenantTable) and getattr(row, "tenant_id", None) is None:
            row.tenant_id = tenant_id


def role_url(url: str, role: str, password: str | None) -> URL:
    """The address of the database for one of the platform's roles, with the asyncpg driver."""
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+asyncpg", username=role, password=password)


def asyncpg_arguments(url: URL) -> dict[str, Any]:
    """Keyword arguments for `asyncpg.connect` from a SQLAlchemy address (unix sockets are `?host=/folder`)."""
    query = dict(url.query)
    host = query.pop("host", None) or url.host
    return {
        "host": host,
        "port": int(str(query.pop("port", None) or url.port or 5432)),
        "user": url.username,
        "password": url.password,
        "database": url.database,
        **({"ssl": query["sslmode"]} if "sslmode" in query else {}),
    }


async def _no_reset(_connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Compiled reads are single statements in autocommit: nothing outlives them, so a round trip to reset is waste."""


class Database:
    """The connections of one process.

    `transactions` are for units of work, `engine` for sessions without one, `operator_engine` for operators, and
    lendings for compiled reads.
    """

    def __init__(self, app: URL, operator: URL, worker: URL, *, write_pool: int = 8, read_pool: int = 8) -> None:
        self.app_url, self.operator_url, self.worker_url = app, operator, worker
        self._read_pool_size = read_pool
        self.engine = _engine(app, write_pool)
        self.transactions = Connections(self.engine, write_pool)
        self.operator_engine = _engine(operator, max(2, write_pool // 2), {"app.operator": "on"})
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False, sync_session_class=TenantSession)
        self.operator_sessions = async_sessionmaker(self.operator_engine, expire_on_commit=False)
        self._reads: Lending | None = None
        self._lists: Lending | None = None

    @property
    def reads(self) -> Lending:
        """Answers compiled reads that find their rows by keys; open after `async with database`."""
        return _opened(self._reads)

    @property
    def lists(self) -> Lending:
        """Answers compiled reads of many rows, which are planned for the values of each request.

        PostgreSQL keeps a plan for any values where it believes it cheap, and it takes every area range for a
        two-hundredth of the table: measured, lists took two to five times as long. Planning costs them 0.2 to 0.8 ms.
        """
        return _opened(self._lists)

    async def __aenter__(self) -> Self:
        self._reads = await self._lending(1, SERVER_SETTINGS)
        self._lists = await self._lending(0, SERVER_SETTINGS | {"plan_cache_mode": "force_custom_plan"})
        return self

    async def _lending(self, size: int, settings: dict[str, str]) -> Lending:
        pool = await asyncpg.create_pool(
            **asyncpg_arguments(self.app_url),
            min_size=size,
            max_size=self._read_pool_size,
            server_settings=settings,
            statement_cache_size=1024,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=256 * 1024,
            reset=_no_reset,
            max_inactive_connection_lifetime=300,
        )
        return Lending(pool, self._read_pool_size)

    async def __aexit__(self, *_: object) -> None:
        for lending in (self._reads, self._lists):
            if lending is not None:
                await lending.close()
        self._reads = self._lists = None
        await self.transactions.close()
        await self.engine.dispose()
        await self.operator_engine.dispose()

    def session(self, context: Context) -> AsyncSession:
        """A session bound to one tenant."""
        return self.sessions(info={"context": context})

    async def connect_app(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection of its own as the application role, for LISTEN."""
        return await asyncpg.connect(**asyncpg_arguments(self.app_url), server_settings=SERVER_SETTINGS)

    async def connect_worker(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection of its own as the role that deletes a city that leaves, and can read nothing of it."""
        return await asyncpg.connect(**asyncpg_arguments(self.worker_url), server_settings=SERVER_SETTINGS)


def _opened(lending: Lending | None) -> Lending:
    if lending is None:
        message = "the database is not open: use `async with database`"
        raise RuntimeError(message)
    return lending


def _engine(url: URL, size: int, settings: dict[str, str] | None = None) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=PATIENCE,
        connect_args={
            "server_settings": SERVER_SETTINGS | (settings or {}),
            # Compiled payloads and batched writes are long texts of many shapes: each is prepared once.
            "statement_cache_size": 1024,
            "max_cached_statement_lifetime": 0,
            "max_cacheable_statement_size": 256 * 1024,
        },
        json_serializer=lambda value: orjson.dumps(value, default=str).decode(),
        json_deserializer=orjson.loads,
    )
    event.listen(engine.sync_engine, "checkout", _demand_open)
    return engine


def _demand_open(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 - the driver's adapter
    """A connection that the server has closed meanwhile is replaced by a new one, before anybody works with it."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


async def raw(session: AsyncSession) -> asyncpg.Connection[asyncpg.Record]:
    """The asyncpg connection below a session, inside its transaction."""
    connection = await session.connection()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    found: asyncpg.Connection[asyncpg.Record] = driver
    return found

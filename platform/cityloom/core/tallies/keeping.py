"""Tallies in a database: the triggers that keep them, folding, and counting anew what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import text

from cityloom.core.database import OWNER
from cityloom.core.tallies import all_tallies, tallied_tables, tallies_of
from cityloom.core.tallies import statements as sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias
    from uuid import UUID

    import asyncpg
    from sqlalchemy import Connection as SyncConnection
    from sqlalchemy import Table

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]


class Asked(Protocol):
    """What answers all rows of a statement: a connection, or what lends some."""

    async def fetch(self, sql: str, /) -> list[asyncpg.Record]:
        """The rows."""
        ...


#: Events and the transition tables that a trigger of theirs is given.
_EVENTS = {
    "INSERT": "NEW TABLE AS come",
    "UPDATE": "OLD TABLE AS gone NEW TABLE AS come",
    "DELETE": "OLD TABLE AS gone",
}
_PREFIX = "keep_tallies_of_"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('cityloom.tallies'), hashtext($1))"
#: So many changes at once where nobody waits.
_BULK = 1_000_000


def name_of(table: Table) -> str:
    """The function that keeps the tallies of a table's rows; its triggers are called so with their event behind."""
    return f"{_PREFIX}{table.name}"


def statements(table: Table) -> Iterator[str]:
    """DDL that makes the function and the triggers of a table what they must be; safe to run again."""
    name, body = name_of(table), sql.function(tallies_of(table))
    yield f"CREATE OR REPLACE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql AS $keep${body}$keep$"
    yield f"ALTER FUNCTION public.{name}() OWNER TO {OWNER}"
    yield f"REVOKE ALL ON FUNCTION public.{name}() FROM PUBLIC"
    for event, given in _EVENTS.items():
        yield (
            f"CREATE OR REPLACE TRIGGER {name}_{event.lower()} AFTER {event} ON public.{table.name} "
            f"REFERENCING {given} FOR EACH STATEMENT EXECUTE FUNCTION public.{name}()"
        )


def endings() -> Iterator[str]:
    """DDL that ends the keeping of all tallies."""
    for table in tallied_tables():
        yield f"DROP FUNCTION IF EXISTS public.{name_of(table)}() CASCADE"


def reconcile(connection: SyncConnection) -> None:
    """Bring functions and triggers of all tallies to what the models say, and drop those that no model asks for.

    On Citus there are none: it has no triggers on distributed tables, and rows are counted there.
    """
    is_citus = connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'citus'")).scalar()
    wanted = [] if is_citus else tallied_tables()
    stored = connection.execute(
        text("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND starts_with(proname, :p)"),
        {"p": _PREFIX},
    ).scalars()
    for name in set(stored) - {name_of(table) for table in wanted}:
        connection.exec_driver_sql(f"DROP FUNCTION public.{name}() CASCADE")
    for table in wanted:
        for statement in statements(table):
            connection.exec_driver_sql(statement)


async def unkept(connection: Asked) -> list[tuple[str, str]]:
    """Triggers that are not those that the models generate, each with what is wrong."""
    rows = await connection.fetch(
        "SELECT t.tgname, t.tgrelid::regclass::text AS table, t.tgenabled::text AS state, p.proname, p.prosrc "
        "FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
        "WHERE NOT t.tgisinternal AND p.pronamespace = 'public'::regnamespace"
    )
    stored = {row["tgname"]: row for row in rows}
    out, known = [], set()
    for table in tallied_tables():
        for event in _EVENTS:
            name = f"{name_of(table)}_{event.lower()}"
            known.add(name)
            row = stored.get(name)
            if row is None:
                out.append((name, "the trigger is missing"))
            elif (row["table"], row["state"], row["proname"]) != (table.name, "O", name_of(table)):
                out.append((name, "the trigger is off, or another than the models ask for"))
            elif row["prosrc"] != sql.function(tallies_of(table)):
                out.append((name, "its function is not what the models ask for"))
    return out + [(name, "no model asks for this trigger") for name in stored.keys() - known]


async def are_kept(connection: Asked) -> bool:
    """Whether this database keeps every tally as the models say, so that counts may be read from them."""
    return not await unkept(connection)


@dataclass(frozen=True, slots=True)
class Drift:
    """By how many groups one tally of one tenant differs from its rows, where they lie and in the areas above."""

    tally: str
    tenant_id: UUID
    changes: int
    sums: int

    @property
    def groups(self) -> int:
        """Both."""
        return self.changes + self.sums


async def fold(connection: Any, tenant_id: UUID, most: int) -> int:  # noqa: ANN401 - asyncpg's, pooled or not
    """Fold at most so many changes of each tally of a tenant; answers the most that one of them had."""
    found = [await connection.fetchval(sql.folding(tally), tenant_id, most) for tally in all_tallies()]
    return max(found, default=0)


async def recount(connection: Any, tenant_id: UUID, *, settle: bool) -> list[Drift]:  # noqa: ANN401 - as above
    """Count a tenant's rows anew and compare: every drift there is, which is none; with `settle`, put right.

    Each comparison is one statement: what others are writing meanwhile is in neither side of it, or in both.
    """
    if settle:  # what differs is put right once
        await connection.execute(_ONE_AT_A_TIME, str(tenant_id))
    found = []
    for tally in all_tallies():
        changes = sql.missing_changes(tally)
        if settle:
            done = await connection.execute(sql.adding(tally, changes), tenant_id)
            missing = int(done.rsplit(" ", 1)[1])
            sums = await connection.fetchval(sql.settling_sums(tally), tenant_id)
            await connection.execute(sql.clearing(tally), tenant_id)
        else:
            missing = await connection.fetchval(sql.differences(tally, changes), tenant_id)
            sums = await connection.fetchval(f"SELECT count(*) FROM ({sql.missing_sums(tally)}) AS wrong", tenant_id)  # noqa: S608 - names of models
        if missing or sums:
            found.append(Drift(tally.table.name, tenant_id, missing, sums))
    return found


async def recount_all(connection: Connection, *, settle: bool) -> list[Drift]:
    """The same for every tenant, by an administrator past row-level security."""
    found: list[Drift] = []
    for row in await connection.fetch("SELECT id FROM tenants ORDER BY id"):
        async with connection.transaction():
            found += await recount(connection, row["id"], settle=settle)
    return found


async def catch_up(connection: Connection, tenant_id: UUID) -> None:
    """Tally what was written past the triggers, as a program does that fills tables in bulk, and fold all of it."""
    async with connection.transaction():
        await recount(connection, tenant_id, settle=True)
        # By statistics of an empty table each change would be looked for among all of them.
        await connection.execute(f"ANALYZE {', '.join(tally.table.name for tally in all_tallies())}")
        while await fold(connection, tenant_id, _BULK):
            pass

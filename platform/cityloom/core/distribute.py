"""What Citus must be told so that tables are spread by tenant over several machines.

Every table falls into one class: a tenant's (distributed by `tenant_id`, all co-located, so that a statement of one
tenant is routed whole to one shard), directory and reference (copied to every node), control plane (stays on the
coordinator).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from cityloom.core import rls
from cityloom.core.database import Base
from cityloom.core.errors import Refusal, RefusalCode
from cityloom.core.tallies import keeping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


class CitusMissing(Refusal):
    """This server has no Citus: run it on a PostgreSQL with the extension `citus`, or print the calls with --print."""

    code = RefusalCode.INVALID_STATE
    zh = "此数据库服务器未安装 Citus:请在装有 citus 扩展的 PostgreSQL 上运行,或使用 --print 仅打印语句。"


def preparations() -> Iterator[str]:
    """What has to go first: Citus has no triggers on distributed tables, so there rows are counted, not tallies."""
    yield from keeping.endings()


def calls() -> Iterator[str]:
    """The statements in the order that foreign keys need; each names one table."""
    tables = Base.metadata.sorted_tables
    for table in tables:
        if rls.kind(table) in {"reference", "directory"}:
            yield f"SELECT create_reference_table('{table.name}')"
    first: str | None = None
    for table in tables:
        if rls.kind(table) == "tenant":
            target = "none" if first is None else first
            first = first or table.name
            yield f"SELECT create_distributed_table('{table.name}', 'tenant_id', colocate_with => '{target}')"
    for table in tables:
        if rls.kind(table) == "control":
            yield f"SELECT citus_add_local_table_to_metadata('{table.name}')"


def distribute(connection: Connection) -> int:
    """Run the calls for tables that Citus does not know yet; how many were made. Refuses where Citus is missing."""
    if not connection.execute(text("SELECT count(*) FROM pg_extension WHERE extname = 'citus'")).scalar_one():
        raise CitusMissing
    for statement in preparations():
        connection.exec_driver_sql(statement)
    known = set(connection.execute(text("SELECT logicalrelid::text FROM pg_dist_partition")).scalars())
    made = 0
    for call in calls():
        if call.split("'", 2)[1] not in known:
            connection.exec_driver_sql(call)
            made += 1
    return made

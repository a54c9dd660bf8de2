"""What ties execution to the compiler: plans by contract and document, run on the pool of reads or inside a work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cityloom.graph.compiler.telling import told, untold
from cityloom.graph.reads import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from cityloom.core.database import Database
    from cityloom.core.principal import Principal
    from cityloom.core.work import Work
    from cityloom.graph.compiler import Compiler, Following, Query
    from cityloom.graph.compiler.stream import FetchAll
    from cityloom.graph.documents import Prepared
    from cityloom.graph.reads import RootField
    from cityloom.graph.schema import Contract

#: Up to this cost a read finds its rows by their keys, whatever the values, as one does that does not vary: planning it
#: again would be most of it. A portrait of a resident takes 0.4 ms of the database, and 4 to be planned.
FEW_ROWS = 3


@dataclass(frozen=True, slots=True)
class CompiledReads:
    """The reads of a running platform; `services` are handed to prepared arguments and Python resolvers."""

    compiler: Compiler
    database: Database
    services: dict[type, Any]

    def plan(
        self,
        contract: Contract,
        prepared: Prepared,
        operation_name: str | None,
        variables: dict[str, Any],
        principal: Principal,
        *,
        is_kept: bool = False,
    ) -> CompiledPlan | None:
        """The plan of a query; None where it has no compiled root field. An answer that `is_kept` tells of its rows."""
        query = self.compiler.plan(
            contract.graphql,
            prepared.document,
            operation_name,
            variables,
            principal,
            contract=contract.key,
            document_key=prepared.key,
            is_kept=is_kept,
        )
        return CompiledPlan(query, self) if query.root_keys else None

    def follow(
        self,
        contract: Contract,
        prepared: Prepared,
        operation_name: str | None,
        variables: dict[str, Any],
        principal: Principal,
    ) -> Following:
        """A subscription of one caller."""
        return self.compiler.follow(
            contract.graphql,
            prepared.document,
            operation_name,
            variables,
            principal,
            contract=contract.key,
            document_key=prepared.key,
        )

    def fetch_of(self, cost: int) -> FetchAll:
        """What runs a statement of this cost that answers rows."""
        return self.fetch_rows if cost <= FEW_ROWS else self.fetch_many_rows

    async def fetch_rows(self, sql: str, arguments: Sequence[Any]) -> Sequence[Any]:
        """All rows of one statement in autocommit."""
        found: Sequence[Any] = await self.database.reads.fetch(sql, *arguments)
        return found

    async def fetch_many_rows(self, sql: str, arguments: Sequence[Any]) -> Sequence[Any]:
        """The same, planned for these very arguments."""
        found: Sequence[Any] = await self.database.lists.fetch(sql, *arguments)
        return found

    async def payload(self, work: Work, asked: RootField, type_name: str, row_id: UUID) -> Answer:
        """The selection of a mutation field on one row, read inside the work's transaction."""
        cls = asked.schema.type_map[type_name].extensions["strawberry-definition"].origin
        answer = await self.compiler.payload(work, asked, cls, row_id, context=self.services)
        return Answer({str(asked.path.key): answer.fields[""]}, answer.errors)

    async def fetch(self, sql: str, arguments: Sequence[Any]) -> asyncpg.Record | None:
        """One statement in autocommit; it sets its own tenant and area wall, which die with it."""
        return await self.database.reads.fetchrow(sql, *arguments)

    async def fetch_list(self, sql: str, arguments: Sequence[Any]) -> asyncpg.Record | None:
        """The same, planned for these very arguments."""
        return await self.database.lists.fetchrow(sql, *arguments)


@dataclass(frozen=True, slots=True)
class CompiledPlan:
    """A compiled query with the means to run it."""

    query: Query
    reads: CompiledReads

    @property
    def cost(self) -> int:
        """The most rows that it can touch."""
        return self.query.cost

    @property
    def is_whole(self) -> bool:
        """Whether every root field is compiled."""
        return self.query.whole

    async def run(self) -> Answer:
        """Send the one statement."""
        is_planned_once = self.query.cost <= FEW_ROWS or not self.query.plan.varies
        fetch = self.reads.fetch if is_planned_once else self.reads.fetch_list
        answer = await self.query.run(fetch, context=self.reads.services)
        if not self.query.plan.tells:
            return Answer(answer.fields, answer.errors)
        tells = frozenset[UUID]().union(*map(told, answer.fields.values()))
        return Answer({key: untold(value) for key, value in answer.fields.items()}, answer.errors, tells)

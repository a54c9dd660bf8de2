"""The front door for tests below HTTP: GraphQL text in, answer out, for a principal with stated rights."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from cityloom.audit.checkpoints import Checkpoints, Signer
from cityloom.audit.service import write_entries
from cityloom.core.crypto import FileKeyProvider
from cityloom.core.database import Base
from cityloom.core.principal import Principal, PrincipalKind
from cityloom.core.rls import kind
from cityloom.core.subjects import erasable_tables
from cityloom.core.work import Works
from cityloom.events.service import write_outbox
from cityloom.files.store import FileStore, open_store
from cityloom.graph.compiled import CompiledReads
from cityloom.graph.compiler import Compiler
from cityloom.graph.execution import GraphExecutor, Request
from cityloom.graph.schema import shared_contracts
from cityloom.graph.shaping import Shaping
from cityloom.imports.targets import Targets
from cityloom.installed import modules
from cityloom.privacy.catalogue import SubjectCatalogue
from cityloom.tenancy.keys import KeyRing
from cityloom.testing.rights import StatedRights

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from cityloom.core.clock import Clock
    from cityloom.core.database import Database
    from cityloom.core.text import Locale

#: Tables that a refused request may write to: keys of a new tenant, and the memory of keys that were sent.
_MAY_GROW = {"tenant_data_keys", "idempotency_keys"}
_COUNT = "SELECT '{name}' AS name, {total} AS total FROM {table} WHERE tenant_id = $1"


class Front:
    """The tenant API of this database, with every module switched on."""

    def __init__(self, database: Database, clock: Clock, keys: Path) -> None:
        self.database = database
        self.services: dict[type, Any] = {
            KeyRing: KeyRing(FileKeyProvider(keys), database, clock),
            FileStore: FileStore(open_store(None, keys / "files"), clock),
            SubjectCatalogue: SubjectCatalogue.of(modules()),
            Checkpoints: Checkpoints(open_store(None, keys / "audit"), Signer.in_file(keys / "signing")),
        }
        self.services[Targets] = Targets.of(modules())
        self.works = Works(database, clock=clock, writers=(write_outbox, write_entries), services=self.services)
        self.services[Works] = self.works
        self.executor = GraphExecutor(
            shared_contracts(modules(), "tenant"),
            modules_of=_Everything(),
            begin=self.works.begin,
            reads=CompiledReads(Compiler(), database, self.services),
            services=self.services,
        )

    def shaping(self) -> Shaping:
        """What runs shaping documents over the same schema."""
        telling = erasable_tables(holding for module in modules() for holding in module.holdings)
        reads = CompiledReads(Compiler(telling=telling), self.database, self.services)
        return Shaping(shared_contracts(modules(), "tenant"), reads, modules_of=_Everything())

    async def ask(
        self, principal: Principal, text: str, variables: dict[str, Any] | None = None, *, locale: Locale = "en"
    ) -> dict[str, Any]:
        """The whole answer: `data`, `errors`."""
        outcome = await self.executor.execute(principal, Request(text=text, variables=variables or {}), locale)
        answer: dict[str, Any] = orjson.loads(outcome.body)
        return answer

    async def data(self, principal: Principal, text: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """The data of an answer that has no errors."""
        answer = await self.ask(principal, text, variables)
        assert "errors" not in answer, answer["errors"]
        found: dict[str, Any] = answer["data"]
        return found

    async def footprint(self, tenant_id: UUID) -> dict[str, int]:
        """Rows and versions of every table of a tenant: equal before and after what changed nothing."""
        async with self.works.begin(Principal(tenant_id, PrincipalKind.SYSTEM, StatedRights(may_all=True))) as work:
            connection = await work.connection()
            return {row["name"]: row["total"] for row in await connection.fetch(_footprint(), tenant_id)}


@cache
def _footprint() -> str:
    """One statement over all tables: there is a footprint before and after every refusal."""
    parts = []
    for table in Base.metadata.sorted_tables:
        if kind(table) != "tenant" or table.name in _MAY_GROW:
            continue
        parts.append(_COUNT.format(name=table.name, total="count(*)", table=table.name))
        if "version" in table.c:
            total = "coalesce(sum(version), 0)::bigint"
            parts.append(_COUNT.format(name=f"{table.name}.version", total=total, table=table.name))
    return " UNION ALL ".join(parts)


class _Everything:
    """Every module is on."""

    async def __call__(self, principal: Principal) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """Names of all modules."""
        return frozenset(module.name for module in modules())


def anonymous(tenant_id: UUID) -> Principal:
    """Somebody without a credential who reached this tenant nevertheless."""
    return Principal(tenant_id, PrincipalKind.ANONYMOUS, StatedRights(), locale="en")

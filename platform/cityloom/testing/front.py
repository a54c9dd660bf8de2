"""The front door for tests below HTTP: GraphQL text in, answer out, for a principal with stated rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import func, select

from cityloom.audit.service import write_entries
from cityloom.core.crypto import FileKeyProvider
from cityloom.core.database import Base
from cityloom.core.principal import Principal, PrincipalKind
from cityloom.core.rls import kind
from cityloom.core.work import Works
from cityloom.events.service import write_outbox
from cityloom.files.store import FileStore, open_store
from cityloom.graph.compiled import CompiledReads
from cityloom.graph.compiler import Compiler
from cityloom.graph.execution import GraphExecutor, Request
from cityloom.graph.schema import Contracts
from cityloom.graph.shaping import Shaping
from cityloom.imports.targets import Targets
from cityloom.installed import modules
from cityloom.tenancy.keys import KeyRing
from cityloom.testing.rights import StatedRights

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from cityloom.core.clock import Clock
    from cityloom.core.database import Database
    from cityloom.core.text import Locale

_contracts: list[Contracts] = []
#: Tables that a refused request may write to: keys of a new tenant, and the memory of keys that were sent.
_MAY_GROW = {"tenant_data_keys", "idempotency_keys"}


class Front:
    """The tenant API of this database, with every module switched on."""

    def __init__(self, database: Database, clock: Clock, keys: Path) -> None:
        self.database = database
        self.services: dict[type, Any] = {
            KeyRing: KeyRing(FileKeyProvider(keys), database, clock),
            FileStore: FileStore(open_store(None, keys / "files"), clock),
        }
        self.services[Targets] = Targets.of(modules())
        self.works = Works(database, clock=clock, writers=(write_outbox, write_entries), services=self.services)
        self.services[Works] = self.works
        if not _contracts:
            # Schemas are the same for every test, and take a second to build.
            _contracts.append(Contracts(modules(), "tenant"))
        self.executor = GraphExecutor(
            _contracts[0],
            modules_of=_Everything(),
            begin=self.works.begin,
            reads=CompiledReads(Compiler(), database, self.services),
            services=self.services,
        )

    def shaping(self) -> Shaping:
        """What runs shaping documents over the same schema."""
        reads = CompiledReads(Compiler(), self.database, self.services)
        return Shaping(_contracts[0], reads, modules_of=_Everything())

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
            found: dict[str, int] = {}
            for table in Base.metadata.sorted_tables:
                if kind(table) != "tenant" or table.name in _MAY_GROW:
                    continue
                mine = table.c.tenant_id == tenant_id
                count = select(func.count()).select_from(table).where(mine)
                found[table.name] = await work.session.scalar(count) or 0
                if "version" in table.c:
                    total = select(func.coalesce(func.sum(table.c.version), 0)).where(mine)
                    found[f"{table.name}.version"] = int(await work.session.scalar(total) or 0)
            return found


class _Everything:
    """Every module is on."""

    async def __call__(self, principal: Principal) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """Names of all modules."""
        return frozenset(module.name for module in modules())


def anonymous(tenant_id: UUID) -> Principal:
    """Somebody without a credential who reached this tenant nevertheless."""
    return Principal(tenant_id, PrincipalKind.ANONYMOUS, StatedRights(), locale="en")

"""A city on a clock that the test moves, with two administrators, and a worker that moves when it is told to."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cityloom.access.models import Account
from cityloom.access.service.sessions import open_session
from cityloom.app import create_app, platform
from cityloom.core.database import Base
from cityloom.core.ids import decode_id
from cityloom.core.rls import kind
from cityloom.exports.running import Exporter
from cityloom.settings import Settings
from cityloom.tenancy.system import system_principal
from cityloom.testing.clock import ManualClock
from cityloom.testing.database import ROOT, VAR
from cityloom.testing.twins import plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    import httpx

    from cityloom.app import Platform
    from cityloom.core.work import Work
    from cityloom.testing.twins import Twin

#: The role of the second administrator, who approves.
APPROVER = "approver"
#: Grows by itself, whatever a request does.
_MAY_GROW = frozenset({"tenant_data_keys", "idempotency_records", "access_decisions", "job_runs"})


@dataclass
class ExportCity:
    """One city: short ways to its API, its worker, and its files."""

    twin: Twin
    platform: Platform
    clock: ManualClock
    exporter: Exporter

    @property
    def id(self) -> UUID:
        """The tenant."""
        return self.twin.id

    async def data(self, role: str | None, document: str, variables: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        """What the one root field of an operation answers; there must be no errors."""
        (found,) = (await self.twin.ask(role, document, variables)).values()
        return found

    async def mutate(self, role: str | None, name: str, values: dict[str, Any], selection: str) -> dict[str, Any]:
        """What a mutation with one input answers: what it made, or the refusal."""
        title = name[0].upper() + name[1:]
        document = (
            f"mutation ($input: {title}Input!) {{ {name}(input: $input) {{ __typename ... on Refusal "
            f"{{ code reason message }} {selection} }} }}"
        )
        found: dict[str, Any] = await self.data(role, document, {"input": values})
        return found

    async def by_id(self, role: str, name: str, id_: str, selection: str = "") -> dict[str, Any]:
        """The same for a mutation whose input is an id."""
        return await self.mutate(role, name, {"id": id_}, selection)

    async def wait(self, **amount: float) -> None:
        """Move the clock on; everybody signs in again."""
        self.clock.advance(**amount)
        async with self.work() as work:
            for account in (await work.session.scalars(select(Account))).all():
                for name in {account.login, account.login.replace("-", "_")} & self.twin.bearers.keys():
                    self.twin.bearers[name] = (await open_session(work, account.id)).token

    async def join(self, name: str, role: str, area_id: str | None = None) -> str:
        """A new account that holds a role, everywhere or in an area; its bearer is under its name. The membership."""
        account = await self.twin.make(
            "accountCreate", {"login": name, "name": f"{self.twin.canary}{name}", "locale": "EN"}, "Account"
        )
        scope = {"scopeKind": "TENANT"} if area_id is None else {"scopeKind": "AREA", "areaId": area_id}
        membership = await self.twin.make("membershipGrant", {"accountId": account, "role": role} | scope, "Membership")
        async with self.work() as work:
            account_id = decode_id(account, self.id, "acct")
            if account_id is None:
                raise AssertionError(account)
            self.twin.bearers[name] = (await open_session(work, account_id)).token
        return membership

    async def fetch(self, role: str, export_id: str) -> httpx.Response:
        """The file of an export, by the link that its asker is given."""
        found = await self.by_id(role, "exportDownload", export_id, "... on ExportDownload { url }")
        return await self.twin.client.get(found["url"])

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Work]:
        """A unit of work of the platform itself."""
        async with self.platform.works.begin(system_principal(self.id)) as work:
            yield work

    async def footprint(self) -> dict[str, Any]:
        """Every table's rows, counted: equal before and after what changed nothing."""
        async with self.work() as work:
            connection = await work.connection()
            return {
                table.name: await connection.fetchval(
                    f"SELECT count(*) FROM {table.name} WHERE tenant_id = $1",  # noqa: S608 - our own tables
                    self.id,
                )
                for table in Base.metadata.sorted_tables
                if kind(table) == "tenant" and table.name not in _MAY_GROW
            }


@asynccontextmanager
async def open_city(admin_url: str, folder: Path) -> AsyncIterator[ExportCity]:
    """A platform of its own over a worker's database, and a city in it."""
    clock = ManualClock()
    settings = Settings(var=VAR, tenants=ROOT / "tenants", files=str(folder))
    async with platform(settings, admin_url, clock=clock) as opened:
        app = create_app(opened)
        async with app.router.lifespan_context(app):
            twin = await plant(opened, app, "elm")
            city = ExportCity(twin, opened, clock, Exporter(opened.works))
            await city.join(APPROVER, "city_administrator")
            yield city
            await twin.client.aclose()

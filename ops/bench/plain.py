"""Plain Strawberry: resolvers, SQLAlchemy sessions and a DataLoader, as its documentation teaches, with its caches on.

The same tables, role, row-level security and area scope. One session per request, one query per level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from peers import application
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache

from cityloom.core.database import SET_CONTEXT
from cityloom.core.ids import decode_id, encode_id
from cityloom.modules.registry.models import Dwelling as DwellingRow
from cityloom.modules.registry.models import Household as HouseholdRow
from cityloom.modules.registry.models import Resident as ResidentRow

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from cityloom.core.principal import Principal

CONTEXT = text(f"SELECT {SET_CONTEXT.format(tenant=':tenant', low=':low', high=':high')}")


class Asked:
    """One request: its principal, its session, and residents by dwelling, loaded together."""

    def __init__(self, principal: Principal, session: AsyncSession, request: Request, response: Response) -> None:
        self.principal, self.session = principal, session
        self.request, self.response = request, response
        self.residents: DataLoader[tuple[UUID, int], list[ResidentRow]] = DataLoader(self._load)

    async def _load(self, keys: list[tuple[UUID, int]]) -> list[list[ResidentRow]]:
        low, high = self.principal.rights.wall
        number = func.row_number().over(
            partition_by=HouseholdRow.dwelling_id, order_by=(ResidentRow.name, ResidentRow.id)
        )
        numbered = (
            select(ResidentRow.id, HouseholdRow.dwelling_id, number.label("number"))
            .join(
                HouseholdRow,
                (HouseholdRow.tenant_id == ResidentRow.tenant_id) & (HouseholdRow.id == ResidentRow.household_id),
            )
            .where(
                ResidentRow.tenant_id == self.principal.tenant_id,
                HouseholdRow.tenant_id == self.principal.tenant_id,
                HouseholdRow.dwelling_id.in_([dwelling for dwelling, _ in keys]),
                ResidentRow.area_path >= low,
                ResidentRow.area_path < high,
            )
            .subquery()
        )
        query = (
            select(ResidentRow, numbered.c.dwelling_id)
            .join(numbered, numbered.c.id == ResidentRow.id)
            .where(
                ResidentRow.tenant_id == self.principal.tenant_id, numbered.c.number <= max(first for _, first in keys)
            )
            .order_by(numbered.c.dwelling_id, numbered.c.number)
        )
        found: dict[UUID, list[ResidentRow]] = {}
        for resident, dwelling in await self.session.execute(query):
            found.setdefault(dwelling, []).append(resident)
        return [found.get(dwelling, [])[:first] for dwelling, first in keys]


Info = strawberry.Info[Asked, None]


@strawberry.type
class Resident:
    """A resident as the peer shows one."""

    id: strawberry.ID
    name: str
    sex: str
    birth_year: int | None
    relationship: str
    status: str
    phone: str | None
    identity_number: str | None

    @classmethod
    def of(cls, row: ResidentRow) -> Resident:
        """From a row."""
        return cls(
            id=strawberry.ID(encode_id("resd", row.tenant_id, row.id)),
            name=row.name,
            sex=row.sex,
            birth_year=row.birth_year,
            relationship=row.relationship,
            status=row.status,
            phone=row.phone_masked,
            identity_number=row.identity_masked,
        )


@strawberry.type
class Residents:
    """A page of residents."""

    nodes: list[Resident]


@strawberry.type
class Dwelling:
    """A dwelling as the peer shows one."""

    key: strawberry.Private[UUID]
    id: strawberry.ID
    number: str
    unit: str
    floor: int | None
    use: str

    @strawberry.field
    async def residents(self, info: Info, first: int = 20) -> Residents:
        """Residents by name."""
        return Residents(nodes=[Resident.of(row) for row in await info.context.residents.load((self.key, first))])

    @classmethod
    def of(cls, row: DwellingRow) -> Dwelling:
        """From a row."""
        name = strawberry.ID(encode_id("dwel", row.tenant_id, row.id))
        return cls(key=row.id, id=name, number=row.number, unit=row.unit, floor=row.floor, use=row.use)


@strawberry.type
class Dwellings:
    """A page of dwellings."""

    nodes: list[Dwelling]


@strawberry.type
class Query:
    """What the peer answers."""

    @strawberry.field
    async def dwellings(self, info: Info, use: str, first: int = 20) -> Dwellings:
        """Dwellings by number."""
        principal = info.context.principal
        low, high = principal.rights.wall
        query = (
            select(DwellingRow)
            .where(
                DwellingRow.tenant_id == principal.tenant_id,
                DwellingRow.use == use,
                DwellingRow.area_path >= low,
                DwellingRow.area_path < high,
            )
            .order_by(DwellingRow.number, DwellingRow.id)
            .limit(first)
        )
        rows = await info.context.session.scalars(query)
        return Dwellings(nodes=[Dwelling.of(row) for row in rows])

    @strawberry.field
    async def node(self, info: Info, id: Annotated[strawberry.ID, strawberry.argument()]) -> Resident | None:  # noqa: A002 - Relay's name
        """A resident by id."""
        principal = info.context.principal
        row = await info.context.session.scalar(
            select(ResidentRow).where(
                ResidentRow.tenant_id == principal.tenant_id,
                ResidentRow.id == decode_id(id, principal.tenant_id, "resd"),
            )
        )
        return Resident.of(row) if row is not None else None


class Endpoint(GraphQL[Asked, None]):
    """Strawberry's own ASGI application, signed in as the platform signs in."""

    async def get_context(self, request: Any, response: Any) -> Asked:  # noqa: ANN401 - Strawberry's signature
        """A session bound to the caller's tenant and area wall."""
        opened = request.app.state.platform
        principal = await opened.authenticator(request)
        # A plain session: the platform's own adds the tenant to every statement, which costs time.
        session = AsyncSession(opened.database.engine, expire_on_commit=False)
        low, high = principal.rights.wall
        await session.execute(CONTEXT, {"tenant": str(principal.tenant_id), "low": low, "high": high})
        request.state.session = session
        return Asked(principal, session, request, response)

    async def run(self, request: Any, context: Any = None, root_value: Any = None) -> Any:  # noqa: ANN401 - Strawberry's signature
        """Answer, and give the connection back."""
        context = await self.get_context(request, None) if context is None else context
        try:
            return await super().run(request, context=context, root_value=root_value)
        finally:
            await request.state.session.close()


def create_app() -> Starlette:
    """The application that is served."""
    schema = strawberry.Schema(Query, extensions=[ParserCache(maxsize=100), ValidationCache(maxsize=100)])
    return application([Route("/graphql", Endpoint(schema, graphql_ide=None))])

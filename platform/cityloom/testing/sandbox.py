"""A small surface of two modules, without a database, behind the real endpoint: for tests of the GraphQL edge itself.

`granian --factory cityloom.testing.sandbox:serve` serves it.
"""
# ruff: noqa: D101, D102, D103, ANN401, PLR2004 - GraphQL descriptions say it; values mean nothing

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import httpx
import strawberry
from starlette.applications import Starlette
from starlette.routing import Route

from cityloom.core.clock import SystemClock
from cityloom.core.errors import InvalidInput, Unauthenticated
from cityloom.core.module import GraphApi, Module
from cityloom.core.principal import Principal, PrincipalKind
from cityloom.core.text import Text
from cityloom.graph.bound.bindings import GraphPart
from cityloom.graph.context import OperatorWork
from cityloom.graph.execution import GraphExecutor
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.graph.schema import Contracts
from cityloom.graph.web.endpoint import GraphEndpoint
from cityloom.graph.web.graphiql import graphiql_routes
from cityloom.testing.rights import StatedRights

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import HTTPConnection

Resolver = TypeVar("Resolver", bound="Callable[..., Any]")
TENANT = UUID(int=1)
BEARERS = {"developer": True, "reader": False}


def described(text: str) -> Callable[[Resolver], Resolver]:
    """A field with a resolver of its own; Strawberry's decorator has no type that mypy accepts."""
    return lambda resolver: strawberry.field(resolver=resolver, description=text)


@strawberry.type(description="A street lamp.")
class Lamp:
    number: int = strawberry.field(description="Its number.")

    @described("The lamp after it.")
    def after(self) -> Lamp:
        return Lamp(number=self.number + 1)


@strawberry.type(description="Reads of lamps.")
class LampQuery:
    @described("A lamp by its number.")
    def lamp(self, number: Annotated[int, strawberry.argument(description="Its number.")] = 1) -> Lamp:
        return Lamp(number=number)

    @described("All lamps, up to a number.")
    async def lamps(self, first: Annotated[int, strawberry.argument(description="How many.")] = 3) -> list[Lamp]:
        return [Lamp(number=number) for number in range(min(first, 100))]

    @described("Fails with a bug.")
    def broken(self) -> str | None:
        raise RuntimeError("the password is swordfish")

    @described("Never answers.")
    async def waiting(self) -> str | None:
        await asyncio.Event().wait()
        return None

    @described("Refuses.")
    def refused(self) -> str | None:
        raise InvalidInput("不行。", "It may not be.", path=("number",))


@strawberry.input(description="What to make of a lamp.")
class LampChangeInput:
    number: int = strawberry.field(description="Its number.")
    is_lit: bool = strawberry.field(description="Whether it is lit.", default=True)


async def change_lamp(_work: OperatorWork, input: LampChangeInput) -> Lamp:  # noqa: A002 - the argument's name in GraphQL
    if input.number < 0:
        raise InvalidInput("编号须为正数。", "A number is positive.", path=("number",))
    if input.number == 13:
        raise RuntimeError("the password is swordfish")
    return Lamp(number=input.number)


@mutation_root(module="lamps")
class LampMutation:
    lamp_change: Lamp = mutation(change_lamp, "Change a lamp.", keys=False)


@strawberry.type(description="Repairs of a lamp.")
class LampRepairs:
    @described("How often it was repaired.")
    def repair_count(self) -> int:
        return 2


@strawberry.type(description="A repair.")
class Repair:
    cost_fen: int = strawberry.field(description="What it cost, in fen.")


@strawberry.type(description="Reads of repairs.")
class RepairQuery:
    @described("A repair.")
    def repair(self) -> Repair:
        return Repair(cost_fen=5)


LampRepairs.__graph_part__ = GraphPart("extension", "repairs", Lamp)  # type: ignore[attr-defined] # what b.extend does

LAMPS = Module(
    "lamps",
    Text("路灯", "Lamps"),
    Text("路灯", "Lamps of a street."),
    is_core=True,
    tenant_api=GraphApi(queries=(LampQuery,), mutations=(LampMutation,)),
)
REPAIRS = Module(
    "repairs",
    Text("维修", "Repairs"),
    Text("维修", "Repairs of lamps."),
    needs=("lamps",),
    tenant_api=GraphApi(queries=(RepairQuery,), extensions=(LampRepairs,)),
)


@dataclass
class Sandbox:
    """The surface and how to ask it; tests may replace what it says about callers."""

    contracts: Contracts
    modules: frozenset[str] = frozenset({"lamps", "repairs"})

    async def modules_of(self, _principal: Principal) -> frozenset[str]:
        return self.modules

    async def authenticate(self, request: HTTPConnection) -> Principal:
        credential = request.headers.get("authorization")
        if credential is None:
            return Principal(TENANT, PrincipalKind.ANONYMOUS, StatedRights())
        name = credential.removeprefix("Bearer ")
        if name not in BEARERS:
            raise Unauthenticated
        return Principal(
            TENANT, PrincipalKind.STAFF, StatedRights(may_all=True), account_id=UUID(int=2), is_developer=BEARERS[name]
        )

    @asynccontextmanager
    async def begin(self, principal: Principal) -> AsyncIterator[OperatorWork]:
        yield OperatorWork(principal, {}, SystemClock())

    def executor(self, **options: Any) -> GraphExecutor:
        return GraphExecutor(self.contracts, modules_of=self.modules_of, begin=self.begin, **options)

    def app(self, **options: Any) -> Starlette:
        endpoint = GraphEndpoint(self.executor(**options), self.authenticate)
        return Starlette(routes=[Route("/graphql", endpoint), *graphiql_routes()])

    def client(self, bearer: str | None = "developer", **options: Any) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        transport = httpx.ASGITransport(self.app(**options))
        return httpx.AsyncClient(transport=transport, base_url="http://sandbox", headers=headers)


def sandbox() -> Sandbox:
    """The surface with both modules."""
    return Sandbox(Contracts((LAMPS, REPAIRS), "tenant"))


def serve() -> Starlette:
    """The application, for a server."""
    return sandbox().app()

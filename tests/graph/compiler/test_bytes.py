"""Whether an operation skips the executor or goes through it, the same bytes are answered: for random documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.graph.allowance import Allowance
from cityloom.graph.bound.nodes import NodeQuery
from cityloom.graph.compiler import Compiler
from cityloom.graph.execution import GraphExecutor, Request
from cityloom.graph.limits import Limits
from cityloom.graph.reads import Answer
from cityloom.graph.schema import Contracts
from cityloom.testing.graph import sandbox as paper
from cityloom.testing.graph.people import callers
from tests.graph.compiler.test_equality import CALLERS, DOCUMENTS, FUZZ

if TYPE_CHECKING:
    from cityloom.core.principal import Principal
    from cityloom.graph.compiler import Following, Query
    from cityloom.graph.documents import Prepared
    from cityloom.graph.schema import Contract

_MANY = 1_000_000_000
_DOCUMENTS = DOCUMENTS if FUZZ else DOCUMENTS[:30]
_NAMES = frozenset({"graph", "paper", "ledger"})


def _module(name: str, **api: Any) -> Module:
    return Module(name, Text(name, name), Text(name, name), tenant_api=GraphApi(**api))


CONTRACTS = Contracts(
    (
        _module("graph", queries=(NodeQuery,)),
        _module(
            "paper",
            queries=(paper.PaperQuery,),
            types=(paper.District, paper.House, paper.Person, paper.Label, paper.Notice),
        ),
        _module("ledger", extensions=(paper.HouseNotices,)),
    ),
    "tenant",
)


@dataclass
class Plan:
    """A compiled plan that may be told to go through the executor."""

    query: Query
    desk: Any
    skips: bool

    @property
    def cost(self) -> int:
        return self.query.cost

    @property
    def is_whole(self) -> bool:
        return self.query.whole and self.skips

    async def run(self) -> Answer:
        answer = await self.query.run(self.desk.fetch, context="context")
        return Answer(answer.fields, answer.errors)


@dataclass
class Reads:
    """The compiler over the paper city."""

    desk: Any
    compiler: Compiler
    skips: bool
    whole: int = 0

    def plan(
        self,
        contract: Contract,
        prepared: Prepared,
        operation_name: str | None,
        variables: dict[str, Any],
        principal: Principal,
        *,
        is_kept: bool = False,
    ) -> Plan:
        made = self.compiler.plan(
            contract.graphql,
            prepared.document,
            operation_name,
            variables,
            principal,
            document_key=prepared.key,
            is_kept=is_kept,
        )
        self.whole += made.whole
        return Plan(made, self.desk, self.skips)

    def follow(self, *_: object) -> Following:
        raise NotImplementedError

    async def payload(self, *_: object) -> Answer:
        raise NotImplementedError


async def _all(_principal: Principal) -> frozenset[str]:
    return _NAMES


def _executor(reads: Reads) -> GraphExecutor:
    wide = Limits(
        characters=_MANY, tokens=_MANY, depth=200, fields=_MANY, aliases=_MANY, repeats=_MANY, spreads=_MANY,
        directives=_MANY, root_fields=_MANY, fragments=_MANY, variables=_MANY,
    )  # fmt: skip
    return GraphExecutor(
        CONTRACTS,
        modules_of=_all,
        begin=lambda _: pytest.fail("a query begins no work"),
        reads=reads,
        limits=wide,
        allowance_of=lambda _: Allowance(_MANY, _MANY, float(_MANY)),
    )


@pytest.mark.parametrize("caller", CALLERS)
async def test_the_bytes_are_the_same(desk: Any, caller: str) -> None:
    compiler = Compiler()
    skipping, through = Reads(desk, compiler, skips=True), Reads(desk, compiler, skips=False)
    short, long = _executor(skipping), _executor(through)
    begun = 0
    for number, written in _DOCUMENTS:
        principal = callers(desk.cities[number], number)[caller]
        request = Request(written.text, variables=written.variables)
        first = await short.execute(principal, request, "en")
        assert first == await long.execute(principal, request, "en"), written
        begun += first.has_begun
    assert begun > len(_DOCUMENTS) * 0.9
    assert skipping.whole > len(_DOCUMENTS) * 0.9

"""Shaping documents: a stored query that says what is told beside an event, under its owner's rights.

A shaping document is a query whose variables are `$subject` (the id of what the event happened to), `$event` (the
event's own id), or both. It is checked and priced when it is stored, and is compiled like any other query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from graphql import GraphQLError

from cityloom.core.errors import Refusal, RefusalCode
from cityloom.core.ids import id_prefix
from cityloom.graph import errors as shown
from cityloom.graph.allowance import Allowance, TooExpensive
from cityloom.graph.documents import Documents
from cityloom.graph.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any
    from uuid import UUID

    from cityloom.core.principal import Principal
    from cityloom.graph.context import ModulesOf
    from cityloom.graph.documents import Prepared
    from cityloom.graph.reads import Answer, Plan, Reads
    from cityloom.graph.schema import Contract, Contracts

#: The variables that a shaping document may declare, each an `ID!`.
VARIABLES: Final = frozenset({"subject", "event"})


class ShapeRefused(Refusal):
    """The document cannot shape what is told: {why}."""

    code = RefusalCode.INVALID_INPUT
    zh = "该文档不能用于组织推送内容:{why}。"


@dataclass(frozen=True, slots=True)
class Shape:
    """A document that was checked: what one run of it costs at most, and which variables it takes."""

    cost: int
    variables: frozenset[str]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a shaping document found: the object `data` as JSON, and messages of fields that may not be read.

    `tells` are the rows of which it tells that somebody's erasure can destroy.
    """

    data: bytes
    errors: tuple[str, ...] = ()
    tells: frozenset[UUID] = frozenset()


class Shaping:
    """Checks and runs shaping documents of one surface."""

    def __init__(
        self,
        contracts: Contracts,
        reads: Reads,
        *,
        modules_of: ModulesOf,
        limits: Limits | None = None,
        allowance_of: Callable[[Principal], Allowance] = lambda _: Allowance(),
    ) -> None:
        self._contracts = contracts
        self._reads = reads
        self._modules_of = modules_of
        self._documents = Documents(limits or Limits())
        self._allowance_of = allowance_of

    async def check(self, principal: Principal, text: str, *, subjects: Iterable[str]) -> Shape:
        """Check a document for its owner; `subjects` are ids, real or not, of the types that it will be given.

        Refuses (`ShapeRefused`, `LimitExceeded`, `TooExpensive`, `Forbidden`) what could not be run for one of them.
        """
        try:
            contract, prepared = await self._prepared(principal, text)
            cost = max(
                self._plan(contract, prepared, principal, event=_unknown(principal, "evnt"), subject=subject).cost
                for subject in (list(subjects) or [_unknown(principal, "evnt")])
            )
        except shown.DocumentInvalid as error:
            raise ShapeRefused(why=error.errors[0].message, path=("document",)) from error
        except GraphQLError as error:
            raise ShapeRefused(why=error.message, path=("document",)) from error
        allowed = self._allowance_of(principal).operation
        if cost > allowed:
            raise TooExpensive(cost=cost, allowed=allowed)
        return Shape(cost, _variables(prepared))

    async def run(self, principal: Principal, text: str, *, event: str, subject: str) -> Selection:
        """Run a document for one event, in one statement; ids are global ids."""
        contract, prepared = await self._prepared(principal, text)
        answer = await self._plan(contract, prepared, principal, event=event, subject=subject).run()
        return Selection(_object(answer), tuple(error.message for error in answer.errors), answer.tells)

    async def _prepared(self, principal: Principal, text: str) -> tuple[Contract, Prepared]:
        contract = self._contracts.of(await self._modules_of(principal))
        prepared = self._documents.prepare(contract, text, developer=False)
        if len(prepared.operations) != 1 or not prepared.is_query(None):
            raise ShapeRefused(why="it has to be one query · 必须是一个 query", path=("document",))
        if not _variables(prepared) <= VARIABLES:
            raise ShapeRefused(
                why="its variables can be $subject and $event · 变量只能是 $subject 与 $event", path=("document",)
            )
        return contract, prepared

    def _plan(self, contract: Contract, prepared: Prepared, principal: Principal, *, event: str, subject: str) -> Plan:
        given = {"event": event, "subject": subject}
        variables: dict[str, Any] = {name: given[name] for name in _variables(prepared)}
        plan = self._reads.plan(contract, prepared, None, variables, principal, is_kept=True)
        if plan is None or not plan.is_whole:
            raise ShapeRefused(
                why="every root field has to be read from the city's data · 每个根字段都必须读取本城市的数据",
                path=("document",),
            )
        return plan


def _variables(prepared: Prepared) -> frozenset[str]:
    return frozenset(node.variable.name.value for node in prepared.operation(None).variable_definitions or ())


def _unknown(principal: Principal, tag: str) -> str:
    """A well-formed id that nothing has."""
    return id_prefix(tag, principal.tenant_id) + "0" * 32


def _object(answer: Answer) -> bytes:
    return b"{" + b",".join(b'"' + key.encode() + b'":' + value for key, value in answer.fields.items()) + b"}"

"""One operation, from its text to the bytes of its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import orjson
from graphql import GraphQLError, GraphQLNonNull, OperationType, execute

from cityloom.core import telemetry
from cityloom.core.errors import Refusal, RefusalCode
from cityloom.graph import errors as shown
from cityloom.graph.allowance import Allowance, Buckets, TooExpensive
from cityloom.graph.changes import changed
from cityloom.graph.compiler.document import VariablesRefused
from cityloom.graph.context import GraphContext
from cityloom.graph.decisions import NoDecisions, RequestDecisions
from cityloom.graph.documents import Documents, variables_of
from cityloom.graph.executor import CompiledExecutor
from cityloom.graph.limits import Limits, check_variables
from cityloom.graph.live.refusals import LiveOnly
from cityloom.graph.pricing import price
from cityloom.graph.reads import Answer, NoReads
from cityloom.graph.trusted import NoTrusted

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphql import ExecutionResult
    from graphql.execution.values import VariableValues

    from cityloom.core.principal import Principal
    from cityloom.core.text import Locale
    from cityloom.graph.compiler import Following
    from cityloom.graph.context import Begin, ModulesOf
    from cityloom.graph.decisions import Decisions
    from cityloom.graph.documents import Prepared
    from cityloom.graph.reads import Plan, Reads
    from cityloom.graph.schema import Contract, Contracts
    from cityloom.graph.trusted import Trusted

_operations = telemetry.counter(
    "cityloom.graph.operations", "Operations, by type and by the way they were answered (whole, mixed, executor)."
)
_costs = telemetry.counter("cityloom.graph.cost", "Cost of all operations together, in rows at most.")


class QueriesOnly(Refusal):
    """GET answers queries only: send mutations by POST."""

    code = RefusalCode.INVALID_INPUT
    zh = "GET 只能用于查询:变更请使用 POST。"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks: a text or the id of a registered document, with its variables."""

    text: str | None = None
    document_id: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    wants_cost: bool = False
    queries_only: bool = False
    source: str | None = None
    """The network address that it came from: callers without a credential have nothing else to be told apart by."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer as bytes of JSON.

    `has_begun` is false where the request was refused before anything was carried out: then there is no `data`, and
    `refusal` says why where it was not the document.
    """

    body: bytes
    has_begun: bool
    refusal: Refusal | None = None


class GraphExecutor:
    """One surface: carries out operations of its contracts for principals."""

    def __init__(  # noqa: PLR0913 - the collaborators, each with a default that is safe
        self,
        contracts: Contracts,
        *,
        modules_of: ModulesOf,
        begin: Begin,
        reads: Reads | None = None,
        trusted: Trusted | None = None,
        decisions: Decisions | None = None,
        services: dict[type, Any] | None = None,
        limits: Limits | None = None,
        allowance_of: Callable[[Principal], Allowance] = lambda _: Allowance(),
        deadline_seconds: float = 15.0,
    ) -> None:
        self.contracts = contracts
        self.limits = limits or Limits()
        self.documents = Documents(self.limits)
        self.buckets = Buckets()
        self._modules_of = modules_of
        self._begin = begin
        self._reads: Reads = reads or NoReads()
        self._trusted: Trusted = trusted or NoTrusted()
        self._decisions: Decisions = decisions or NoDecisions()
        self._services = services if services is not None else {}
        self._allowance_of = allowance_of
        self._deadline = deadline_seconds

    async def contract_of(self, principal: Principal) -> Contract:
        """The contract of the caller's city."""
        return self.contracts.of(await self._modules_of(principal))

    async def execute(self, principal: Principal, request: Request, locale: Locale) -> Outcome:
        """Answer one operation; never raises but for cancellation."""
        decisions = RequestDecisions(self._decisions, principal)
        try:
            async with asyncio.timeout(self._deadline) as deadline:
                try:
                    return await self._answer(principal, request, locale, decisions)
                except Refusal as early:
                    await decisions.stamp_refusal(early)
                    raise
        except TimeoutError as error:
            if deadline.expired():
                refusal: Refusal = shown.TimedOut(seconds=self._deadline)
                return Outcome(_body(None, [shown.refused(refusal, locale)], None), has_begun=True, refusal=refusal)
            return _failed(error, locale)
        except Exception as error:  # noqa: BLE001 - the edge: whatever is no refusal is masked and logged
            return self.outcome_of(error, locale)

    def outcome_of(self, error: Exception, locale: Locale) -> Outcome:
        """What is answered in place of an operation that could not begin, or failed."""
        if isinstance(error, shown.DocumentInvalid):
            return _rejected(shown.of_document(error.errors, locale))
        if isinstance(error, VariablesRefused):
            return _rejected(shown.of_variables(error.errors, locale))
        if isinstance(error, GraphQLError) and not isinstance(error.original_error, Refusal):
            return _rejected(shown.of_document([error], locale))
        return _failed(error, locale)

    async def is_subscription(self, principal: Principal, request: Request) -> bool:
        """Whether this is to be followed (`follow`) and not answered (`execute`); refuses as these do."""
        _, prepared = await self._prepared(principal, request)
        return prepared.operation(request.operation_name).operation is OperationType.SUBSCRIPTION

    async def follow(self, principal: Principal, request: Request, *, is_charged: bool = True) -> Following:
        """A subscription, checked and priced: one message may cost what one operation may.

        Raises what `outcome_of` answers. Taken up again after a change of rights it is not charged once more.
        """
        contract, prepared = await self._prepared(principal, request)
        variables = variables_of(prepared, request.operation_name, request.variables)
        check_variables(variables, self.limits)
        following = self._reads.follow(contract, prepared, request.operation_name, variables, principal)
        allowance = self._allowance_of(principal)
        if following.cost > allowance.operation:
            raise TooExpensive(cost=following.cost, allowed=allowance.operation)
        if is_charged:
            self.buckets.take(principal, following.cost, allowance, source=request.source)
            _operations.add(1, {"graphql.operation.type": "subscription", "outcome": "whole"})
            _costs.add(following.cost, {"graphql.operation.type": "subscription"})
        return following

    async def _prepared(self, principal: Principal, request: Request) -> tuple[Contract, Prepared]:
        contract = await self.contract_of(principal)
        text = await self._trusted.text(principal, request.document_id, request.text)
        return contract, self.documents.prepare(contract, text, developer=principal.is_developer)

    async def _answer(
        self, principal: Principal, request: Request, locale: Locale, decisions: RequestDecisions
    ) -> Outcome:
        contract, prepared = await self._prepared(principal, request)
        operation = prepared.operation(request.operation_name)
        if operation.operation is OperationType.SUBSCRIPTION:
            raise LiveOnly
        is_query = operation.operation is OperationType.QUERY
        if request.queries_only and not is_query:
            raise QueriesOnly
        variables = variables_of(prepared, request.operation_name, request.variables)
        check_variables(variables, self.limits)
        plan, coerced, wrong = self._plan(contract, prepared, request.operation_name, variables, principal)
        if wrong:
            return _rejected(shown.of_variables(wrong, locale))
        cost = price(plan, prepared, request.operation_name)
        allowance = self._allowance_of(principal)
        if cost > allowance.operation:
            raise TooExpensive(cost=cost, allowed=allowance.operation)
        left = self.buckets.take(principal, cost, allowance, source=request.source)
        kind = operation.operation.value
        way = "executor" if plan is None else "whole" if plan.is_whole else "mixed"
        _operations.add(1, {"graphql.operation.type": kind, "outcome": way})
        _costs.add(cost, {"graphql.operation.type": kind})
        extensions = None
        if request.wants_cost:
            extensions = {"cost": {"operation": cost, "allowed": allowance.operation, "left": left}}
        # No argument, variable or name that a client chose goes into the span: they may hold personal data. It is the
        # request's own span: one more for each operation costs as much as planning a cached query.
        telemetry.describe({"graphql.operation.type": kind, "graphql.cost": cost})
        answer = await plan.run() if plan is not None else Answer({})
        if answer.errors:
            await decisions.stamp_errors(answer.errors)
        if plan is not None and plan.is_whole:
            return self._whole(prepared, request.operation_name, answer, extensions, locale)
        context = GraphContext(
            principal=principal,
            locale=locale,
            contract=contract,
            prepared=prepared,
            begin=self._begin,
            reads=self._reads,
            documents=self.documents,
            allowance=allowance,
            decisions=decisions,
            services=self._services,
            variables=variables,
            errors=list(answer.errors),
        )
        if coerced is not None and operation.operation is OperationType.MUTATION:
            made = await changed(context, request.operation_name, coerced)
            if made is not None:
                return await self._made(context, made, extensions)
        return await self._executed(context, request.operation_name, answer, extensions)

    def _plan(
        self, contract: Contract, prepared: Prepared, name: str | None, variables: dict[str, Any], principal: Principal
    ) -> tuple[Plan | None, VariableValues | None, list[GraphQLError]]:
        """The plan of a query, or the coerced variables of anything else, or what is wrong with them.

        The compiler reads the variables of a query itself, so nobody else need.
        """
        failed: GraphQLError | None = None
        if prepared.is_query(name):
            try:
                plan = self._reads.plan(contract, prepared, name, variables, principal)
            except GraphQLError as error:
                failed = error
            else:
                if plan is not None:
                    return plan, None, []
        found = prepared.read(name).values(
            variables, max_errors=self.limits.coercion_errors, hide_suggestions=not principal.is_developer
        )
        if isinstance(found, list):
            return None, None, found
        return None, found, [] if failed is None else [failed]

    async def _made(
        self, context: GraphContext, fields: dict[str, bytes], extensions: dict[str, Any] | None
    ) -> Outcome:
        """A mutation of which everything is compiled."""
        if context.errors:
            await context.decisions.stamp_errors(context.errors)
        messages = shown.of_execution(context.errors, context.locale) if context.errors else []
        return Outcome(_body(fields, messages, extensions), has_begun=True)

    def _whole(
        self,
        prepared: Prepared,
        name: str | None,
        answer: Answer,
        extensions: dict[str, Any] | None,
        locale: Locale,
    ) -> Outcome:
        found = shown.of_execution(answer.errors, locale) if answer.errors else []
        fields = None if _is_nulled(prepared, name, answer) else answer.fields
        return Outcome(_body(fields, found, extensions), has_begun=True)

    async def _executed(
        self, context: GraphContext, name: str | None, answer: Answer, extensions: dict[str, Any] | None
    ) -> Outcome:
        result: Any = execute(
            context.contract.graphql,
            context.prepared.document,
            context_value=context,
            variable_values=context.variables,
            operation_name=name,
            max_coercion_errors=self.limits.coercion_errors,
            executor_class=CompiledExecutor,
            hide_suggestions=not context.principal.is_developer,
            compiled=answer.fields,
            operation_extensions=None,
        )
        if isawaitable(result):
            result = await result
        done: ExecutionResult = result
        found = [*context.errors, *(done.errors or ())]
        if found:
            await context.decisions.stamp_errors(found)
        data = done.data
        if data is not None and _is_nulled(context.prepared, name, answer):
            data = None
        fields = None if data is None else {key: _bytes(value) for key, value in data.items()}
        messages = shown.of_execution(found, context.locale) if found else []
        return Outcome(_body(fields, messages, extensions), has_begun=True)


def _is_nulled(prepared: Prepared, name: str | None, answer: Answer) -> bool:
    """Whether a compiled root field that must not be null is: then the whole answer is (specification §6.4.4)."""
    empty = [key for key, value in answer.fields.items() if value == b"null"]
    if not empty:
        return False
    roots = prepared.root_fields(name)
    return any(key in roots and isinstance(roots[key].type, GraphQLNonNull) for key in empty)


def _bytes(value: object) -> bytes:
    return orjson.dumps(value)


def _body(fields: dict[str, bytes] | None, errors: list[dict[str, Any]], extensions: dict[str, Any] | None) -> bytes:
    """The response map; names of GraphQL need no escaping in JSON."""
    if fields is None:
        data = b"null"
    else:
        data = b"{" + b",".join(b'"' + key.encode() + b'":' + value for key, value in fields.items()) + b"}"
    parts = [b'{"data":', data]
    if errors:
        parts += [b',"errors":', orjson.dumps(errors, default=str)]
    if extensions:
        parts += [b',"extensions":', orjson.dumps(extensions)]
    parts.append(b"}")
    return b"".join(parts)


def _rejected(errors: list[dict[str, Any]], refusal: Refusal | None = None) -> Outcome:
    return Outcome(orjson.dumps({"errors": errors}, default=str), has_begun=False, refusal=refusal)


def _failed(error: Exception, locale: Locale) -> Outcome:
    refusal = shown.refusal_of(error)
    if refusal is not None:
        return _rejected([shown.refused(refusal, locale)], refusal)
    return Outcome(orjson.dumps({"data": None, "errors": [shown.masked(error, locale)]}), has_begun=True)

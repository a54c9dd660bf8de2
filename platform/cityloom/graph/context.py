"""What a resolver is given besides its arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cityloom.core.errors import Forbidden, Unauthenticated
from cityloom.core.principal import PrincipalKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from graphql import GraphQLError

    from cityloom.core.clock import Clock
    from cityloom.core.principal import Principal
    from cityloom.core.text import Locale
    from cityloom.graph.allowance import Allowance
    from cityloom.graph.decisions import RequestDecisions
    from cityloom.graph.documents import Documents, Prepared
    from cityloom.graph.reads import Reads
    from cityloom.graph.schema import Contract

    #: Opens one transaction for a principal: `Works.begin` (a `Work`), or the control plane's (an `OperatorWork`).
    Begin = Callable[[Principal], AbstractAsyncContextManager[Any]]


@dataclass(slots=True)
class GraphContext:
    """One request: who asks, in which language, under which contract, and by what means it is answered.

    `errors` collects field errors of compiled selections; they are answered beside those of the executor. `made` is
    what the root fields of a mutation have led to, by response name: an answer, or the exception that they failed with.
    """

    principal: Principal
    locale: Locale
    contract: Contract
    prepared: Prepared
    begin: Begin
    reads: Reads
    documents: Documents
    allowance: Allowance
    decisions: RequestDecisions
    services: dict[type, Any]
    variables: dict[str, Any]
    errors: list[GraphQLError] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class OperatorWork:
    """What a service function of the control plane works with: it opens its own transactions, one per tenant."""

    principal: Principal
    services: dict[type, Any]
    clock: Clock

    @property
    def locale(self) -> Locale:
        """The operator's language."""
        return self.principal.locale


def demand_operator(principal: Principal, permission: str) -> str:
    """Who acts, as the operators' log names them; refuses (`Unauthenticated`, `Forbidden`) whoever is no operator."""
    if principal.kind is PrincipalKind.ANONYMOUS:
        raise Unauthenticated
    if principal.kind is not PrincipalKind.OPERATOR or principal.rights.scope(permission) is None:
        raise Forbidden(permission=permission)
    return f"operator:{principal.account_id}"


class ModulesOf(Protocol):
    """Which modules a caller's city has switched on."""

    async def __call__(self, principal: Principal, /) -> frozenset[str]:
        """Names of modules."""
        ...

"""Documents that are taken whole: a stored query whose one root list is read from beginning to end.

Checked against the contract and the rights of whoever reads it, compiled like any other query, and read by a cursor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphql import GraphQLError

from cityloom.core.errors import Refusal, RefusalCode
from cityloom.graph import errors as shown
from cityloom.graph.allowance import Allowance, TooExpensive
from cityloom.graph.documents import Documents, variables_of
from cityloom.graph.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from cityloom.core.principal import Principal
    from cityloom.graph.compiler import Compiler, Whole
    from cityloom.graph.context import ModulesOf
    from cityloom.graph.documents import Prepared
    from cityloom.graph.schema import Contract, Contracts


class DocumentNotTaken(Refusal):
    """The document cannot be taken as a whole list: {why}."""

    code = RefusalCode.INVALID_INPUT
    zh = "该文档不能整表读取:{why}。"


class FieldsForbidden(Refusal):
    """You may not read these fields of it: {fields}."""

    code = RefusalCode.FORBIDDEN
    zh = "您无权读取其中的字段:{fields}。"


class Wholes:
    """Makes whole lists of documents, on one surface."""

    def __init__(
        self,
        contracts: Contracts,
        compiler: Compiler,
        *,
        modules_of: ModulesOf,
        limits: Limits | None = None,
        allowance_of: Callable[[Principal], Allowance] = lambda _: Allowance(),
    ) -> None:
        self._contracts = contracts
        self._compiler = compiler
        self._modules_of = modules_of
        self._documents = Documents(limits or Limits())
        self._allowance_of = allowance_of

    async def contract(self, principal: Principal) -> Contract:
        """The contract of the caller's city."""
        return self._contracts.of(await self._modules_of(principal))

    async def prepared(self, principal: Principal, text: str) -> Prepared:
        """The document, valid for the caller's city and exactly one query. Refuses (`DocumentNotTaken`) others."""
        return self._checked(await self.contract(principal), text)

    def valid(self, text: str) -> Prepared:
        """The same for a city with every module: what a pack states has to be valid wherever it is applied."""
        return self._checked(self._contracts.whole, text)

    def _checked(self, contract: Contract, text: str) -> Prepared:
        try:
            prepared = self._documents.prepare(contract, text, developer=False)
        except shown.DocumentInvalid as error:
            raise DocumentNotTaken(why=error.errors[0].message, path=("document",)) from error
        except GraphQLError as error:
            raise DocumentNotTaken(why=error.message, path=("document",)) from error
        if len(prepared.operations) != 1 or not prepared.is_query(None):
            raise DocumentNotTaken(why="it has to be one query · 必须是一个 query", path=("document",))
        return prepared

    async def whole(self, principal: Principal, text: str, variables: Mapping[str, Any]) -> Whole:
        """The whole list that a document asks for, under the caller's rights.

        Refuses (`DocumentNotTaken`, `NotWhole`, `TooExpensive`, `FieldsForbidden`, and what the compiler refuses).
        """
        prepared = await self.prepared(principal, text)
        schema = (await self.contract(principal)).graphql
        given = variables_of(prepared, None, dict(variables))
        try:
            found = self._compiler.whole(schema, prepared.document, None, given, principal)
        except GraphQLError as error:
            raise DocumentNotTaken(why=error.message, path=("variables",)) from error
        allowed = self._allowance_of(principal).operation
        if found.cost > allowed:
            raise TooExpensive(cost=found.cost, allowed=allowed)
        if found.forbidden:
            raise FieldsForbidden(fields=", ".join(found.forbidden), path=("document",))
        return found

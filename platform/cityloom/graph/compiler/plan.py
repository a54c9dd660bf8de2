"""A compiled operation, and its run: arguments are read, one row comes back, bytes are passed on."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
from graphql import GraphQLError

from cityloom.graph.bound.bindings import Services
from cityloom.graph.compiler.completion import finish
from cityloom.graph.compiler.refusals import NumberRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cityloom.core.principal import FieldAccess, Principal, Rights, Scope
    from cityloom.graph.compiler.build import Patch, Preparation
    from cityloom.graph.compiler.values import Getter

#: Runs one statement with its arguments and answers its one row.
Fetch = Callable[[str, Sequence[Any]], Awaitable[Any]]

_NULL = b"null"


def _shape(scope: Scope | None) -> tuple[bool, int, int, bool] | None:
    """What of a scope decides how a statement is written; its values are parameters."""
    if scope is None:
        return None
    if scope.everywhere:
        return (True, 0, 0, False)
    return (False, len(scope.areas), min(1, len(scope.departments)), scope.own)


@dataclass(frozen=True, slots=True)
class Plan:
    """One operation for one contract, one kind of caller and one shape of variables.

    `roots` are the compiled root fields in the order of the answer: their response keys, and their bytes where these do
    not depend on data. `others` are root fields that Python resolves. `cost` is the worst-case number of rows.
    It `varies` unless every row is found by a key of the request or of another row: then the best way to the rows
    depends on the values of the request. `sources` say which table each aggregate is counted from. Where it `tells`,
    the answer says which rows are in it and has to be rid of that (`telling.untold`).
    """

    sql: str | None
    getters: tuple[Getter, ...]
    roots: tuple[tuple[str, bytes | None], ...]
    others: tuple[str, ...]
    patches: tuple[Patch, ...]
    preparations: tuple[Preparation, ...]
    cost: int
    varies: bool
    permissions: Mapping[str, Scope | None]
    levels: Mapping[str, FieldAccess]
    alike: Mapping[tuple[str, str], bool]
    anchor: object = None
    sources: tuple[tuple[str, str], ...] = ()
    tells: bool = False

    def fits(self, rights: Rights) -> bool:
        """Whether compiling for these rights would make this very plan.

        The same scopes by shape, the same ones of them equal where that was asked, the same levels.
        """
        return (
            all(_shape(rights.scope(name)) == _shape(scope) for name, scope in self.permissions.items())
            and all((rights.scope(one) == rights.scope(other)) is is_so for (one, other), is_so in self.alike.items())
            and all(rights.field(name) is level for name, level in self.levels.items())
        )

    @property
    def whole(self) -> bool:
        """Whether every root field is compiled, so that no executor is needed."""
        return not self.others

    @property
    def root_keys(self) -> tuple[str, ...]:
        """The response keys of the compiled root fields."""
        return tuple(key for key, _ in self.roots)

    @property
    def forbidden(self) -> tuple[str, ...]:
        """Protected fields that the caller may not read: they are null wherever they would be answered."""
        return tuple(sorted({patch.forbidden for patch in self.patches if patch.forbidden is not None}))

    def arguments(self, variables: Mapping[str, Any], principal: Principal) -> list[Any]:
        """The statement's arguments for one request.

        Refuses malformed ids and cursors by the path of their argument.
        """
        return [get(variables, principal) for get in self.getters]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run answers: finished JSON per response key, and errors at their paths."""

    fields: dict[str, bytes]
    errors: list[GraphQLError]

    def data(self) -> bytes:
        """The whole `data` object, where all root fields are compiled."""
        return b"{" + b",".join([orjson.dumps(key) + b":" + value for key, value in self.fields.items()]) + b"}"


@dataclass(frozen=True, slots=True)
class Query:
    """A plan with the variables and the caller of one request."""

    plan: Plan
    variables: Mapping[str, Any]
    principal: Principal

    @property
    def cost(self) -> int:
        """The worst-case number of rows."""
        return self.plan.cost

    @property
    def whole(self) -> bool:
        """Whether every root field is compiled."""
        return self.plan.whole

    @property
    def root_keys(self) -> tuple[str, ...]:
        """The response keys of the compiled root fields."""
        return self.plan.root_keys

    async def run(self, fetch: Fetch, *, context: Services = None) -> Answer:
        """Run the one statement. `context` is handed to Python resolvers."""
        plan = self.plan
        if plan.sql is None:
            return Answer({key: value or _NULL for key, value in plan.roots}, [])
        try:
            row = await fetch(plan.sql, await self.arguments(context))
        except asyncpg.DataError as error:
            # Raised by the driver before anything is sent, for example for a year that PostgreSQL cannot store.
            if error.sqlstate is not None and type(error) is not asyncpg.DataError:
                raise
            raise NumberRefused from error
        fields: dict[str, bytes] = {}
        at = 0
        for key, constant in plan.roots:
            if constant is not None:
                fields[key] = constant
                continue
            value = row[at]
            at += 1
            fields[key] = _NULL if value is None else value
        errors = await finish(fields, plan.patches, context) if plan.patches else []
        return Answer(fields, errors)

    async def arguments(self, context: Services = None) -> list[Any]:
        """The statement's arguments, with what declared functions work out of the request's values."""
        variables = await self._prepared(context) if self.plan.preparations else self.variables
        return self.plan.arguments(variables, self.principal)

    async def _prepared(self, context: Services) -> dict[str, Any]:
        """The variables, with what declared functions work out of them."""
        variables = dict(self.variables)
        for preparation in self.plan.preparations:
            value = preparation.work_out(variables, self.principal, context)
            variables[preparation.key] = await value if inspect.isawaitable(value) else value
        return variables

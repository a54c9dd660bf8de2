"""What execution needs from the compiler of reads; `graph/compiler` is the one that the platform runs with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from graphql import (
        FieldNode,
        FragmentDefinitionNode,
        GraphQLError,
        GraphQLSchema,
        OperationDefinitionNode,
    )
    from graphql.execution.values import VariableValues
    from graphql.pyutils import Path

    from cityloom.core.principal import Principal
    from cityloom.core.work import Work
    from cityloom.graph.compiler import Following
    from cityloom.graph.documents import Prepared
    from cityloom.graph.schema import Contract


@dataclass(slots=True)
class Answer:
    """What a plan answered: JSON by response name of the root field, and the errors of fields inside it.

    `tells` are the rows of which an answer that is kept tells.
    """

    fields: dict[str, bytes]
    errors: list[GraphQLError] = field(default_factory=list)
    tells: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class RootField:
    """A root field as an operation asks for it, in the words of graphql-core's `GraphQLResolveInfo`."""

    path: Path
    field_nodes: list[FieldNode]
    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    variable_values: VariableValues


class Plan(Protocol):
    """A compiled operation for one caller's rights and one set of variables."""

    @property
    def cost(self) -> int:
        """The most rows that it can touch: the product of its page sizes."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether every root field is compiled, so that no executor is needed."""
        ...

    async def run(self) -> Answer:
        """Send the one statement."""
        ...


class Reads(Protocol):
    """Compiles operations, and the payloads of mutations."""

    def plan(
        self,
        contract: Contract,
        prepared: Prepared,
        operation_name: str | None,
        variables: dict[str, Any],
        principal: Principal,
        *,
        is_kept: bool = False,
    ) -> Plan | None:
        """The plan of a query; None where it has no compiled root field. An answer that `is_kept` tells of its rows.

        Refuses values that the document's types admit but the schema's meaning does not (an id that never was one).
        """
        ...

    def follow(
        self,
        contract: Contract,
        prepared: Prepared,
        operation_name: str | None,
        variables: dict[str, Any],
        principal: Principal,
    ) -> Following:
        """A subscription of one caller; refuses as `plan` does."""
        ...

    async def payload(self, work: Work, asked: RootField, type_name: str, row_id: Any) -> Answer:  # noqa: ANN401 - a UUID, or what the model has as its key
        """The selection of a mutation field on one row, read inside the work's transaction.

        The answer is under the response name of the field.
        """
        ...


class NoReads:
    """For schemas without bound types: nothing is compiled."""

    def plan(self, *_: object, is_kept: bool = False) -> None:  # noqa: ARG002 - the protocol's
        """Never a plan."""
        return

    def follow(self, *_: object) -> Following:
        """Cannot be asked: a schema without bound types has no subscriptions."""
        raise NotImplementedError

    async def payload(self, *_: object) -> Answer:
        """Cannot be asked: a schema without bound types has no such payload."""
        raise NotImplementedError

"""Documents by text: parsed, measured and validated once for each contract."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import FragmentDefinitionNode, OperationDefinitionNode, OperationType, validate

from cityloom.core import telemetry
from cityloom.core.errors import Refusal, RefusalCode
from cityloom.graph.compiler.document import make_operation
from cityloom.graph.errors import DocumentInvalid
from cityloom.graph.limits import Limits, parse_within
from cityloom.graph.roots import root_fields

if TYPE_CHECKING:
    from graphql import DocumentNode, GraphQLField

    from cityloom.graph.compiler.document import Operation
    from cityloom.graph.schema import Contract

_lookups = telemetry.counter("cityloom.graph.documents", "Look-ups of validated documents, by outcome.")


class UnknownOperation(Refusal):
    """The document has no operation named {name}."""

    code = RefusalCode.INVALID_INPUT
    zh = "文档中没有名为 {name} 的操作。"


class OperationNotNamed(Refusal):
    """The document has several operations: `operationName` has to name one of them."""

    code = RefusalCode.INVALID_INPUT
    zh = "文档包含多个操作:请用 operationName 指定其中之一。"


class NoOperation(Refusal):
    """The document has no operation: it needs a query or a mutation."""

    code = RefusalCode.INVALID_INPUT
    zh = "文档中没有操作:需要一个 query 或 mutation。"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that fits a contract. `key` is equal for equal texts under equal contracts."""

    key: str
    text: str
    document: DocumentNode
    operations: dict[str | None, Operation]
    roots: dict[str | None, dict[str, GraphQLField]]

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to carry out; refuses a name that is not there, and silence where there are several."""
        return self.read(name).node

    def read(self, name: str | None) -> Operation:
        """The same with what does not change between its requests."""
        if name is not None:
            found = self.operations.get(name)
            if found is None:
                raise UnknownOperation(name=name[:200])
            return found
        if len(self.operations) > 1:
            raise OperationNotNamed
        return next(iter(self.operations.values()))

    def root_fields(self, name: str | None) -> dict[str, GraphQLField]:
        """The root fields of an operation by response name; `@skip` and `@include` are not looked at."""
        node = self.operation(name)
        return self.roots[node.name.value if node.name else None]

    def is_query(self, name: str | None) -> bool:
        """Whether the operation only reads."""
        return self.operation(name).operation is OperationType.QUERY


class Documents:
    """A bounded store of prepared documents, the least recently used leaving first.

    Only valid documents are kept: what is refused is cheap to refuse again, and would push out what is used.
    """

    def __init__(self, limits: Limits, *, entries: int = 2_000, characters: int = 8_000_000) -> None:
        self.limits = limits
        self._entries, self._characters = entries, characters
        self._kept: OrderedDict[tuple[str, bool, str], Prepared] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return len(self._kept)

    def prepare(self, contract: Contract, text: str, *, developer: bool) -> Prepared:
        """The document, ready to run; raises `LimitExceeded`, `GraphQLSyntaxError` or `DocumentInvalid`."""
        key = (contract.key, developer, text)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            _lookups.add(1, {"outcome": "hit"})
            return found
        try:
            prepared = self._prepare(contract, text, developer=developer)
        except Exception:
            _lookups.add(1, {"outcome": "invalid"})
            raise
        _lookups.add(1, {"outcome": "miss"})
        self._keep(key, prepared)
        return prepared

    def _prepare(self, contract: Contract, text: str, *, developer: bool) -> Prepared:
        document = parse_within(text, self.limits)
        for rules in contract.rules(introspection=developer):
            errors = validate(
                contract.graphql,
                document,
                rules,
                max_errors=self.limits.validation_errors,
                hide_suggestions=not developer,
            )
            if errors:
                raise DocumentInvalid(errors)
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        operations = {
            node.name.value if node.name else None: make_operation(contract.graphql, node, fragments)
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
        }
        if not operations:
            raise NoOperation
        digest = hashlib.sha256(f"{contract.key}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()
        roots = {name: root_fields(operation) for name, operation in operations.items()}
        return Prepared(digest, text, document, operations, roots)

    def _keep(self, key: tuple[str, bool, str], prepared: Prepared) -> None:
        self._kept[key] = prepared
        self._held += len(prepared.text)
        while len(self._kept) > self._entries or self._held > self._characters:
            _, gone = self._kept.popitem(last=False)
            self._held -= len(gone.text)


def document_id(text: str) -> str:
    """The id by which a registered document is asked for: `sha256:` and 64 hexadecimal digits of its text in UTF-8."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def variables_of(prepared: Prepared, name: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """The variables that the operation declares; others are dropped, so that they cannot split caches."""
    declared = prepared.operation(name).variable_definitions or ()
    return {
        node.variable.name.value: given[node.variable.name.value]
        for node in declared
        if node.variable.name.value in given
    }

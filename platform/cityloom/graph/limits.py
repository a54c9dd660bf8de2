"""What a document and its variables may hold: checked before validation, in time linear in the text.

The stock limiters of GraphQL servers walk a fragment again for every spread, so that a query of 874 characters can
hold the event loop for seconds. Here every node is visited once; what fragments multiply is multiplied as numbers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import graphql.validation.rules.overlapping_fields_can_be_merged as overlapping
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    StringValueNode,
    parse,
)

from cityloom.core.errors import Refusal, RefusalCode
from cityloom.core.text import Locale, Text
from cityloom.graph.scan import Bounds, first_excess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import SelectionSetNode, ValueNode

# Comparing fields of one response name is quadratic, and nothing else in validation is. graphql-core meters it by this
# attribute: its default of 500,000 units takes 150 ms, this about 4 ms. 20 fragments of three equal fields pass.
overlapping.MAX_COMPLEXITY_BUDGET = 4_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest size of a request that is answered; all are on by default.

    Counts marked `expanded` follow every spread of a fragment; the others count what is written.
    """

    body_bytes: int = 1_048_576
    characters: int = 20_000
    tokens: int = 1_000
    comments: int = 100
    nesting: int = 64
    """Brackets inside brackets, of any kind."""
    digits: int = 40
    """Characters of one number."""
    depth: int = 16
    """Selections inside selections, expanded. The introspection query of GraphiQL needs 15."""
    fields: int = 2_000
    """Selected fields, expanded."""
    aliases: int = 50
    """Expanded."""
    repeats: int = 20
    """The same response name, or the same spread, in one selection set."""
    spreads: int = 20
    """Fragments spread in one selection set: validation compares their fields in pairs."""
    directives: int = 50
    root_fields: int = 20
    """Root fields of one query, expanded."""
    mutations: int = 10
    """Root fields of one mutation, expanded."""
    operations: int = 10
    fragments: int = 30
    variables: int = 50
    input_depth: int = 10
    """Lists and objects inside each other in one argument or variable. A MultiPolygon inside an input needs 7."""
    input_values: int = 30_000
    """Values in all variables together: a boundary of 9,000 points fits."""
    input_text: int = 200_000
    """Characters of one text in the variables."""
    validation_errors: int = 10
    coercion_errors: int = 10
    batch: int = 1
    """Operations in one HTTP request; 1 means that batches are not answered."""

    @property
    def bounds(self) -> Bounds:
        """The part that the text alone is held to."""
        return Bounds(self.characters, self.tokens, self.comments, self.nesting, self.directives, self.digits)


_WORDS: Final[dict[str, Text]] = {
    "body_bytes": Text("请求体字节数", "bytes in the request body"),
    "characters": Text("文档字符数", "characters in the document"),
    "tokens": Text("文档词元数", "tokens in the document"),
    "comments": Text("文档注释数", "comments in the document"),
    "nesting": Text("括号嵌套层数", "brackets inside brackets"),
    "digits": Text("数字位数", "characters in one number"),
    "depth": Text("查询深度", "levels of selections"),
    "fields": Text("查询字段数", "selected fields"),
    "aliases": Text("别名数", "aliases"),
    "repeats": Text("同名字段重复次数", "repetitions of one field in one selection"),
    "spreads": Text("同一选择集中的片段展开数", "fragments spread in one selection"),
    "directives": Text("指令数", "directives"),
    "root_fields": Text("根字段数", "root fields"),
    "mutations": Text("单次请求的变更数", "mutations in one request"),
    "operations": Text("操作数", "operations in the document"),
    "fragments": Text("片段数", "fragments"),
    "variables": Text("变量数", "variables"),
    "input_depth": Text("输入嵌套层数", "levels of lists and objects in an input"),
    "input_values": Text("变量中的值数", "values in the variables"),
    "input_text": Text("单个文本字符数", "characters in one text of the variables"),
    "validation_errors": Text("校验错误数", "validation errors"),
    "coercion_errors": Text("变量错误数", "errors in the variables"),
    "batch": Text("批量请求数", "operations in one HTTP request"),
}


class LimitExceeded(Refusal):
    """The request has more {words} than allowed: {actual}, and at most {allowed} are answered."""

    code = RefusalCode.LIMIT_EXCEEDED

    def __init__(self, limit: str, allowed: int, actual: int) -> None:
        """`limit` names a field of `Limits`; `actual` is where counting stopped, the whole may be larger."""
        super().__init__(limit=limit, allowed=allowed, actual=actual)

    def message(self, locale: Locale) -> str:
        """The limit in words, what it allows, and what was found."""
        words = _WORDS[self.details["limit"]][locale]
        allowed, actual = self.details["allowed"], self.details["actual"]
        if locale == "zh":
            return f"请求超出限制:{words}为 {actual},最多允许 {allowed}。"
        return f"The request has too many {words}: {actual}, at most {allowed} are allowed."


class NullCharacter(Refusal):
    """A text holds the character U+0000, which cannot be stored: leave it out."""

    code = RefusalCode.INVALID_INPUT
    zh = "文本中含有无法存储的字符 U+0000:请去掉该字符。"


@dataclass(slots=True)
class _Part:
    """What one definition holds by itself, and where it spreads fragments."""

    fields: int = 0
    aliases: int = 0
    depth: int = 0
    top: int = 0
    spreads: list[tuple[str, int]] = field(default_factory=list)
    # Filled once, when every fragment below is known.
    all_fields: int = 0
    all_aliases: int = 0
    all_depth: int = 0
    all_top: int = 0


@dataclass(frozen=True, slots=True)
class Measure:
    """The sizes of a document, each the largest over its operations; `visits` is the work that measuring took."""

    depth: int
    fields: int
    aliases: int
    repeats: int
    spreads: int
    root_fields: int
    mutations: int
    operations: int
    fragments: int
    variables: int
    input_depth: int
    visits: int


class _Walk:
    """One visit of every selection, argument and value."""

    def __init__(self) -> None:
        self.visits = 0
        self.repeats = 0
        self.spreads = 0
        self.input_depth = 0

    def part(self, selection_set: SelectionSetNode) -> _Part:
        part = _Part()
        # Inline fragments merge into the selection set around them, so they share its counter and its depth.
        stack: list[tuple[SelectionSetNode, int, Counter[str]]] = [(selection_set, 1, Counter())]
        while stack:
            current, depth, names = stack.pop()
            part.depth = max(part.depth, depth)
            for node in current.selections:
                self.visits += 1
                self._arguments(node)
                if isinstance(node, FragmentSpreadNode):
                    part.spreads.append((node.name.value, depth))
                    self._count(names, "..." + node.name.value)
                    names["..."] += 1
                    self.spreads = max(self.spreads, names["..."])
                elif isinstance(node, InlineFragmentNode):
                    stack.append((node.selection_set, depth, names))
                elif isinstance(node, FieldNode):
                    part.fields += 1
                    part.top += depth == 1
                    part.aliases += node.alias is not None
                    self._count(names, (node.alias or node.name).value)
                    if node.selection_set:
                        stack.append((node.selection_set, depth + 1, Counter()))
        return part

    def _count(self, names: Counter[str], name: str) -> None:
        names[name] += 1
        self.repeats = max(self.repeats, names[name])

    def _arguments(self, node: object) -> None:
        for argument in getattr(node, "arguments", None) or ():
            self._value(argument.value)
        for directive in getattr(node, "directives", None) or ():
            self.visits += 1
            for argument in directive.arguments or ():
                self._value(argument.value)

    def _value(self, value: ValueNode) -> None:
        stack = [(value, 1)]
        while stack:
            node, depth = stack.pop()
            self.visits += 1
            if isinstance(node, ListValueNode):
                stack.extend((item, depth + 1) for item in node.values)
            elif isinstance(node, ObjectValueNode):
                stack.extend((item.value, depth + 1) for item in node.fields)
            else:
                if isinstance(node, StringValueNode) and "\x00" in node.value:
                    raise NullCharacter
                continue
            self.input_depth = max(self.input_depth, depth)

    def operation(self, node: OperationDefinitionNode) -> _Part:
        self._arguments(node)
        for variable in node.variable_definitions or ():
            self._arguments(variable)
            if variable.default_value is not None:
                self._value(variable.default_value)
        return self.part(node.selection_set)


def _settle(part: _Part, fragments: dict[str, _Part]) -> None:
    """Add up what the spreads bring, each fragment being settled already (or part of a cycle, which adds nothing)."""
    part.all_fields, part.all_aliases = part.fields, part.aliases
    part.all_depth, part.all_top = part.depth, part.top
    for name, depth in part.spreads:
        below = fragments.get(name)
        if below is None:
            continue
        part.all_fields += below.all_fields
        part.all_aliases += below.all_aliases
        part.all_depth = max(part.all_depth, depth - 1 + below.all_depth)
        if depth == 1:
            part.all_top += below.all_top


def _settled(fragments: dict[str, _Part]) -> None:
    """Settle every fragment after those that it spreads, without recursion; a cycle is left to validation to report."""
    seen: set[str] = set()
    for root, part in fragments.items():
        if root in seen:
            continue
        seen.add(root)
        path: list[tuple[str, Iterator[tuple[str, int]]]] = [(root, iter(part.spreads))]
        while path:
            name, spreads = path[-1]
            for below, _ in spreads:
                if below in fragments and below not in seen:
                    seen.add(below)
                    path.append((below, iter(fragments[below].spreads)))
                    break
            else:
                path.pop()
                _settle(fragments[name], fragments)


def measure(document: DocumentNode) -> Measure:
    """The sizes of a parsed document: every node is visited once, however often its fragment is spread."""
    walk = _Walk()
    fragments: dict[str, _Part] = {}
    operations: list[tuple[OperationDefinitionNode, _Part]] = []
    for node in document.definitions:
        walk.visits += 1
        if isinstance(node, FragmentDefinitionNode):
            fragments[node.name.value] = walk.part(node.selection_set)
        elif isinstance(node, OperationDefinitionNode):
            operations.append((node, walk.operation(node)))
    _settled(fragments)
    for _, part in operations:
        _settle(part, fragments)
    parts = [part for _, part in operations] + list(fragments.values())
    mutations = [part.all_top for node, part in operations if node.operation is OperationType.MUTATION]
    others = [part.all_top for node, part in operations if node.operation is not OperationType.MUTATION]
    return Measure(
        depth=max((part.all_depth for part in parts), default=0),
        fields=max((part.all_fields for part in parts), default=0),
        aliases=max((part.all_aliases for part in parts), default=0),
        repeats=walk.repeats,
        spreads=walk.spreads,
        root_fields=max(others, default=0),
        mutations=max(mutations, default=0),
        operations=len(operations),
        fragments=len(fragments),
        variables=max((len(node.variable_definitions or ()) for node, _ in operations), default=0),
        input_depth=walk.input_depth,
        visits=walk.visits,
    )


@lru_cache(maxsize=1)
def _measured_names() -> tuple[str, ...]:
    names = {item.name for item in fields(Limits)}
    return tuple(item.name for item in fields(Measure) if item.name in names)


def check_text(text: str, limits: Limits) -> None:
    """Refuse (`LimitExceeded`) a text that is too large to be parsed."""
    excess = first_excess(text, limits.bounds)
    if excess is not None:
        raise LimitExceeded(excess.what, excess.limit, excess.actual)


def parse_within(text: str, limits: Limits) -> DocumentNode:
    """Parse and measure a document; refuses (`LimitExceeded`), or raises `GraphQLSyntaxError` as the parser does."""
    check_text(text, limits)
    # The scan has bounded the text already; the parser's own count stands behind it.
    document = parse(text, max_lexical_tokens=limits.tokens, max_comments=limits.comments)
    found = measure(document)
    for name in _measured_names():
        allowed, actual = getattr(limits, name), getattr(found, name)
        if actual > allowed:
            raise LimitExceeded(name, allowed, min(actual, 2**53 - 1))
    return document


def check_variables(variables: dict[str, Any], limits: Limits) -> None:
    """Refuse (`LimitExceeded`) variables that nest too deeply, are too many, or hold too long a text."""
    values = 0
    stack: list[tuple[Any, int]] = [(variables, 0)]
    while stack:
        container, depth = stack.pop()
        values += len(container)
        if values > limits.input_values:
            raise LimitExceeded("input_values", limits.input_values, values)
        if depth > limits.input_depth:
            raise LimitExceeded("input_depth", limits.input_depth, depth)
        for item in container.values() if isinstance(container, dict) else container:
            kind = type(item)
            if kind is list or kind is dict:
                stack.append((item, depth + 1))
            elif kind is str:
                if len(item) > limits.input_text:
                    raise LimitExceeded("input_text", limits.input_text, len(item))
                if "\x00" in item:
                    raise NullCharacter

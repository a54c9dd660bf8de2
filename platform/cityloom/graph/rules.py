"""Validation against a contract: what a city has not switched on is named, and only developers look at the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLNamedType,
    NamedTypeNode,
    is_introspection_type,
    specified_rules,
)
from graphql.validation import (
    ASTValidationRule,
    ExecutableDefinitionsRule,
    FieldsOnCorrectTypeRule,
    KnownArgumentNamesRule,
    KnownDirectivesRule,
    KnownFragmentNamesRule,
    KnownTypeNamesRule,
    MaxIntrospectionDepthRule,
    NoFragmentCyclesRule,
    ValidationRule,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from cityloom.core.errors import RefusalCode
from cityloom.core.text import Text

if TYPE_CHECKING:
    from typing import Any

    from cityloom.core.module import Module
    from cityloom.graph.schema import Contract


def _disabled(module: Module, node: FieldNode | NamedTypeNode) -> GraphQLError:
    texts = Text(
        zh=f"“{node.name.value}”属于模块 {module.name}({module.title.zh}),本城市未启用该模块。",
        en=f"'{node.name.value}' belongs to the module {module.name} ({module.title.en}),"
        " which is not enabled in this city.",
    )
    return GraphQLError(
        texts.en,
        node,
        extensions={
            "code": RefusalCode.MODULE_DISABLED,
            "details": {"module": module.name},
            "texts": {"zh": texts.zh, "en": texts.en},
        },
    )


_FOR_DEVELOPERS = Text(
    zh="只有开发者账号才能查询接口结构(__schema、__type)。",
    en="The schema is shown to developers only: sign in with a developer's account to ask for __schema or __type.",
)


def _is_of_schema(parent: GraphQLNamedType | None) -> bool:
    return parent is not None and is_introspection_type(parent)


class NoIntrospection(ValidationRule):
    """Refuses `__schema` and `__type`, and nothing else that begins with two underscores."""

    def enter_field(self, node: FieldNode, *_args: object) -> None:
        """Refuse a field that leads into the schema's own types."""
        name = node.name.value
        if name in {"__schema", "__type"} or _is_of_schema(self.context.get_parent_type()):
            extensions = {"code": RefusalCode.FORBIDDEN, "texts": {"zh": _FOR_DEVELOPERS.zh, "en": _FOR_DEVELOPERS.en}}
            self.report_error(GraphQLError(_FOR_DEVELOPERS.en, node, extensions=extensions))


#: What most wrong documents break, in one cheap visit; the other rules follow every variable and pair of fields.
_FIRST: Final = (
    ExecutableDefinitionsRule,
    KnownTypeNamesRule,
    FieldsOnCorrectTypeRule,
    KnownFragmentNamesRule,
    NoFragmentCyclesRule,
    KnownDirectivesRule,
    KnownArgumentNamesRule,
    MaxIntrospectionDepthRule,
)

#: Phases of validation: a document that fails one is not shown to the next.
Phases = tuple[tuple[type[ASTValidationRule], ...], ...]


def rules_for(contract: Contract, *, introspection: bool) -> Phases:
    """The rules of the specification in two phases, with those replaced that have to know about modules."""

    class FieldsOnContract(FieldsOnCorrectTypeRule):
        def enter_field(self, node: FieldNode, *_args: object) -> None:
            parent = self.context.get_parent_type()
            if parent is not None and self.context.get_field_def() is None:
                module = contract.disabled_module(parent.name, node.name.value)
                if module is not None:
                    self.report_error(_disabled(module, node))
                    return
            super().enter_field(node, *_args)

    class TypesOfContract(KnownTypeNamesRule):
        def enter_named_type(self, node: NamedTypeNode, *args: Any) -> None:  # noqa: ANN401 - as the base class
            if node.name.value not in contract.graphql.type_map:
                module = contract.disabled_module(node.name.value)
                if module is not None:
                    self.report_error(_disabled(module, node))
                    return
            super().enter_named_type(node, *args)

    replaced: dict[type[ASTValidationRule], type[ASTValidationRule]] = {
        FieldsOnCorrectTypeRule: FieldsOnContract,
        KnownTypeNamesRule: TypesOfContract,
    }
    first = [replaced.get(rule, rule) for rule in specified_rules if rule in _FIRST]
    others = [rule for rule in specified_rules if rule not in _FIRST]
    if not introspection:
        first.append(NoIntrospection)
    return tuple(first), (*others, MaybeNullValidationRule, OneOfInputValidationRule)

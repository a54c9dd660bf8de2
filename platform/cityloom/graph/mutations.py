"""Mutations: one root field, one transaction; refusals as data; the answer compiled before the commit.

    @b.mutation_root(module="registry")
    class RegistryMutation:
        dwelling_create: Dwelling = b.mutation(create_dwelling, "Record a dwelling.")

makes the field `dwellingCreate(input: …, idempotencyKey: String): DwellingCreateResult!` from
`async def create_dwelling(work, input: DwellingCreateInput) -> models.Dwelling`.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import strawberry
from strawberry.types.arguments import StrawberryArgumentAnnotation
from strawberry.types.unset import UNSET

from cityloom.core.errors import Refusal, RefusalCode
from cityloom.graph import idempotency
from cityloom.graph.bound.bindings import DeclarationError, GraphPart, bound_type_of
from cityloom.graph.errors import refusal_of
from cityloom.graph.refusals import RefusalData, as_data, camel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from cityloom.core.work import Work
    from cityloom.graph.bound.bindings import BoundType
    from cityloom.graph.context import GraphContext
    from cityloom.graph.reads import RootField

    Resolver = Callable[..., Awaitable[Any]]

_KEY_DESCRIPTION = (
    "Any text of up to 200 characters that is new for each intended change, for example a UUID. Sent again with the"
    " same input, the change is made once and the answer repeated for 7 days; with another input it is refused."
)


class OutOfSight(Refusal):
    """The change would put the thing where you may not see it, so it was not made."""

    code = RefusalCode.FORBIDDEN
    zh = "该更改会使对象移出您的可见范围,因此未执行。"


@dataclass(frozen=True, slots=True)
class MutationSpec:
    """A mutation as a module states it."""

    resolver: Resolver
    description: str
    is_repeatable: bool
    keeps_keys: bool
    deprecated: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """A mutation field as it is carried out; `bound` is the type whose rows it answers, if it is one."""

    name: str
    spec: MutationSpec
    bound: BoundType | None


#: Where a Strawberry field keeps its `Change`.
CHANGE = "cityloom-change"


def mutation(
    resolver: Resolver, description: str, *, changes: bool = True, keys: bool = True, deprecated: str | None = None
) -> Any:  # noqa: ANN401 - stands in a class body for the type of its annotation
    """A mutation field. `resolver(work, …)` is async; its annotated parameters become the arguments.

    It returns a row of a bound type (or its id), or an object of a plain Strawberry type. `changes=False` is for
    previews: under one idempotency key they are simply made again. `keys=False` leaves the argument out: for the
    control plane, whose services open transactions of their own.
    """
    return MutationSpec(resolver, description, not changes, keys, deprecated)


def mutation_root(*, module: str) -> Callable[[type[Any]], type[Any]]:
    """Turns a class of `mutation(…)` fields into root fields of the module."""

    def decorate(cls: type[Any]) -> type[Any]:
        hints = get_type_hints(cls, include_extras=True)
        for name, spec in list(vars(cls).items()):
            if isinstance(spec, MutationSpec):
                if name not in hints:
                    raise DeclarationError(
                        f"{cls.__qualname__}.{name}: say what the mutation answers: `{name}: Type = b.mutation(…)`"
                    )
                setattr(cls, name, _field(name, hints[name], spec))
                del cls.__annotations__[name]
        made: type[Any] = strawberry.type(cls, description=f"Changes of the module {module}.")
        made.__graph_part__ = GraphPart("mutation", module)
        return made

    return decorate


def _field(name: str, answer: Any, spec: MutationSpec) -> Any:  # noqa: ANN401 - types made when the program runs
    title = camel(name)
    title = title[:1].upper() + title[1:]
    described = f"What `{camel(name)}` answers: the changed thing, or why it was not changed."
    result = Annotated[Union[answer, RefusalData], strawberry.union(f"{title}Result", description=described)]  # noqa: UP007 - a union of values
    parameters, hints = _arguments(name, spec)
    bound = bound_type_of(answer)

    def resolve(info: strawberry.Info, **_arguments: Any) -> Any:  # noqa: ANN401 - completed by the executor
        """What was made of it before the executor was asked: see `graph.changes`."""
        made = info.context.made[info.path.key]
        if isinstance(made, Exception):
            raise made
        return made

    info = inspect.Parameter("info", inspect.Parameter.KEYWORD_ONLY, annotation=strawberry.Info)
    resolve.__signature__ = inspect.Signature([info, *parameters], return_annotation=result)  # type: ignore[attr-defined] # read by inspect
    resolve.__annotations__ = {"info": strawberry.Info, **hints, "return": result}
    resolve.__name__ = name
    return strawberry.field(
        resolver=resolve,
        description=spec.description,
        deprecation_reason=spec.deprecated,
        metadata={CHANGE: Change(camel(name), spec, bound)},
    )


def _hints(resolver: Resolver) -> dict[str, Any]:
    """Types of the arguments only: `work` and the model that is returned may be imported for type checking alone."""
    own = dict(resolver.__annotations__)
    for name in ("return", next(iter(inspect.signature(resolver).parameters))):
        own.pop(name, None)
    holder = type("Arguments", (), {"__annotations__": own})
    return get_type_hints(holder, globalns=inspect.unwrap(resolver).__globals__, include_extras=True)


def _arguments(name: str, spec: MutationSpec) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    hints = _hints(spec.resolver)
    parameters, annotations = [], {}
    for parameter in list(inspect.signature(spec.resolver).parameters.values())[1:]:
        hint = hints.get(parameter.name)
        if hint is None:
            raise DeclarationError(f"{spec.resolver.__qualname__}: the argument `{parameter.name}` needs an annotation")
        noted = get_origin(hint) is Annotated and any(
            isinstance(note, StrawberryArgumentAnnotation) for note in get_args(hint)[1:]
        )
        if not noted:
            if parameter.name != "input":
                raise DeclarationError(
                    f"{spec.resolver.__qualname__}: `{parameter.name}` needs"
                    " Annotated[…, strawberry.argument(description=…)]"
                )
            hint = Annotated[hint, strawberry.argument(description=f"The values of `{camel(name)}`.")]
        parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hint))
        annotations[parameter.name] = hint
    if spec.keeps_keys:
        hint = Annotated[str | None, strawberry.argument(description=_KEY_DESCRIPTION)]
        parameters.append(
            inspect.Parameter("idempotency_key", inspect.Parameter.KEYWORD_ONLY, default=UNSET, annotation=hint)
        )
        annotations["idempotency_key"] = hint
    return parameters, annotations


async def carry_out(context: GraphContext, asked: RootField, change: Change, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - see below
    """Carry out one root field in a transaction of its own.

    Answers the compiled payload (bytes of JSON), a plain object, or a refusal as data; raises what is a bug.
    """
    key = arguments.pop("idempotency_key", None)
    key = None if key is UNSET else key
    noted = len(context.errors)
    try:
        async with context.begin(context.principal) as work:
            return await _in_transaction(work, context, asked, change, arguments, key)
    except Exception as error:
        del context.errors[noted:]
        refusal = refusal_of(error)
        if refusal is None:
            raise
        await context.decisions.stamp_refusal(refusal, root=change.name)
        return as_data(_located(refusal, arguments), context.locale)


def _located(refusal: Refusal, arguments: Mapping[str, Any]) -> Refusal:
    """Services name fields relative to their input; clients are told from the outside in."""
    if refusal.path and "input" in arguments and refusal.path[0] not in {*arguments, "idempotency_key"}:
        refusal.path = ("input", *refusal.path)
    return refusal


async def _in_transaction(
    work: Work,
    context: GraphContext,
    asked: RootField,
    change: Change,
    arguments: Mapping[str, Any],
    key: str | None,
) -> Any:  # noqa: ANN401 - as above
    spec, bound = change.spec, change.bound
    before = None
    if key is not None and not spec.is_repeatable:
        before = await idempotency.claim(work, key, change.name, idempotency.input_hash(dict(arguments)))
    if before is None:
        made = await spec.resolver(work, **arguments)
        if bound is None:
            return made
        row_id = made if isinstance(made, UUID) else made.id
        if key is not None and not spec.is_repeatable:
            idempotency.settle(work, key, bound.name, row_id)
    elif bound is None or before.result_id is None:
        raise idempotency.AlreadyCarriedOut(at=before.created_at.isoformat(timespec="seconds"))
    else:
        row_id = before.result_id
    return await _payload(work, context, asked, bound, row_id)


async def _payload(work: Work, context: GraphContext, asked: RootField, bound: BoundType, row_id: UUID) -> bytes:
    """The selection on what was changed, read inside the transaction: what is answered is what is committed."""
    # Everything at once, with events and audit entries: the selection then finds what will be committed.
    await work.write()
    answer = await context.reads.payload(work, asked, bound.name, row_id)
    found = answer.fields[str(asked.path.key)]
    if found == b"null":
        raise OutOfSight
    context.errors.extend(answer.errors)
    return found

"""The cache of plans: bounded, least recently used first out, with its figures in OpenTelemetry."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from cityloom.core import telemetry
from cityloom.graph.bound.bindings import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cityloom.core.principal import Rights

_hits = telemetry.counter("cityloom.graph.plan_cache.hits", "Operations that found their plan.")
_misses = telemetry.counter("cityloom.graph.plan_cache.misses", "Operations that had to be compiled.")
_evictions = telemetry.counter("cityloom.graph.plan_cache.evictions", "Plans that made room for others.")
_seconds = telemetry.histogram("cityloom.graph.plan_cache.compile_time", "Time to compile one plan.")


#: Kinds of callers that one operation remembers; roles are few, and what is forgotten is found again by fitting.
_MOST_KINDS = 256


class Fitting(Protocol):
    """A plan that knows which rights it depends on."""

    def fits(self, rights: Rights) -> bool:
        """Whether compiling for these rights would make this very plan."""
        ...


P = TypeVar("P", bound=Fitting)


class PlanCache(Generic[P]):
    """Plans by key, for at most `size` keys.

    Under one key there is a plan for each kind of caller that an operation can tell apart: callers whose rights differ
    only in what it does not ask for share one.
    """

    def __init__(self, size: int = 2_048) -> None:
        self.size = size
        self.hits = self.misses = 0
        self._plans: OrderedDict[Hashable, dict[str, P]] = OrderedDict()

    def __len__(self) -> int:
        """How many different plans are kept."""
        return sum(len({id(plan) for plan in plans.values()}) for plans in self._plans.values())

    def get(self, key: Hashable, rights: Rights, make: Callable[[], P]) -> P:
        """The plan under a key for a caller, made where there is none; what `make` raises is not kept."""
        plans = self._plans.get(key)
        if plans is not None:
            self._plans.move_to_end(key)
            found = plans.get(rights.fingerprint)
            if found is None:
                found = next((plan for plan in plans.values() if plan.fits(rights)), None)
                if found is not None and len(plans) < _MOST_KINDS:
                    plans[rights.fingerprint] = found
            if found is not None:
                self.hits += 1
                _hits.add(1)
                return found
        started = perf_counter()
        made = make()
        _seconds.record(perf_counter() - started)
        self.misses += 1
        _misses.add(1)
        self._plans.setdefault(key, {})[rights.fingerprint] = made
        if len(self._plans) > self.size:
            self._plans.popitem(last=False)
            _evictions.add(1)
        return made


def shape(variables: Mapping[str, Any], by_value: Mapping[str, int]) -> Hashable:
    """What a plan depends on in coerced variables: which are given or null, their structure, enums and booleans.

    Other scalars count by type only. `by_value` names variables of which more counts: page sizes whole, ids by their
    first characters.
    """
    if not variables:
        return ()
    return tuple(
        (name, _of(value, by_value[name])) if name in by_value else (name, _shape(value))
        for name, value in sorted(variables.items())
    )


def _of(value: Plain, characters: int) -> Hashable:
    if isinstance(value, str):
        return value[:characters]
    if isinstance(value, list):
        return frozenset(str(item)[:characters] for item in value)
    return value  # type: ignore[no-any-return] # a number or null


def _shape(value: Plain) -> Hashable:
    kind = type(value)
    if kind is str or kind is int or kind is float:
        return cast("Hashable", kind)
    if value is None or kind is bool:
        return value  # type: ignore[no-any-return] # None or a boolean
    if kind is dict:
        return tuple((name, _shape(item)) for name, item in sorted(value.items()))
    if kind is list:
        shapes = tuple(_shape(item) for item in value)
        # A list of plain scalars is one array parameter, whatever its length.
        return (
            ("list", shapes[0])
            if shapes and isinstance(shapes[0], type) and shapes.count(shapes[0]) == len(shapes)
            else ("items", *shapes)
        )
    name = getattr(value, "name", None)
    return cast("Hashable", (kind, name) if name is not None and hasattr(kind, "__members__") else kind)

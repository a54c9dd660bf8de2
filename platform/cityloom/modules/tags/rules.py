"""The language of rules: who has a tag, as data.

A condition is a table with exactly one key. `all`, `any` (lists of conditions) and `not` join others; the rest are
facts: `age`, `household_size` (`{from, to}`, both included, one may be left out), `lives_alone` (true or false), `sex`,
`relationship`, `household_kind`, `dwelling_use` (lists of words), `tag` (a list of codes, one of which the resident
has now), and `cohabitants`, a table with one of `every`, `some`, `none` and a condition on one person: the other
residents of the household. `every` and `none` hold for who lives alone.

    all = [{ age = { from = 65 } }, { cohabitants = { every = { age = { from = 60 } } } }]

Age is the calendar year less the year of birth: who turns 65 this year is 65 since 1 January. What is not recorded is
not so: somebody without a year of birth has no age, `{ age = { from = 0 } }` does not hold of them and its `not` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from cityloom.modules.registry import models as registry
from cityloom.modules.tags.errors import RuleInCircle, RuleMalformed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Conditions of one rule, and how deep they may lie in each other.
MOST_CONDITIONS, DEEPEST = 64, 8
_OLDEST, _LARGEST = 150, 1_000


@dataclass(frozen=True, slots=True)
class Everything:
    """All of these hold; nothing to hold holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Something:
    """At least one of these holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Otherwise:
    """This does not hold."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the person's lies in a range, both ends included."""

    fact: Literal["age", "household_size"]
    least: int | None
    most: int | None


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the person's, of their household or dwelling is one of these."""

    fact: Literal["sex", "relationship", "household_kind", "dwelling_use"]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HasTag:
    """The person has one of these tags."""

    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cohabitants:
    """Every, some or none of the others in the household fulfil this."""

    which: Literal["every", "some", "none"]
    part: Condition


Condition = Everything | Something | Otherwise | Number | Word | HasTag | Cohabitants

_WORDS: dict[str, tuple[str, ...]] = {
    "sex": registry.SEXES,
    "relationship": registry.RELATIONSHIPS,
    "household_kind": registry.HOUSEHOLD_KINDS,
    "dwelling_use": registry.DWELLING_USES,
}
#: What can be said of one person among the cohabitants.
_OF_ONE_PERSON = frozenset({"all", "any", "not", "age", "sex", "relationship", "tag"})


def parse(definition: object) -> Condition:
    """The condition that a definition states; refuses (`RuleMalformed`) with the place and what would be right."""
    return _Reader().read(definition, "when", 1, within=None)


class _Reader:
    def __init__(self) -> None:
        self.conditions = 0

    def read(self, given: object, at: str, depth: int, *, within: frozenset[str] | None) -> Condition:
        self.conditions += 1
        if self.conditions > MOST_CONDITIONS or depth > DEEPEST:
            _refuse(
                at,
                f"最多 {MOST_CONDITIONS} 个条件、{DEEPEST} 层",
                f"at most {MOST_CONDITIONS} conditions, {DEEPEST} deep",
            )
        kinds = self._kinds()
        known = [name for name in kinds if within is None or name in within]
        if not isinstance(given, dict) or len(given) != 1:
            _refuse(at, "每个条件须有且只有一个键", f"a condition has exactly one key of {', '.join(known)}")
        ((name, value),) = given.items()
        if name not in known:
            _refuse(at, f"未知的条件 {str(name)[:40]}", f"{str(name)[:40]} is none of {', '.join(known)}")
        return kinds[name](value, f"{at}.{name}", depth, within)

    def _kinds(self) -> dict[str, Callable[[Any, str, int, frozenset[str] | None], Condition]]:
        return {
            "all": lambda v, at, depth, within: Everything(self._list(v, at, depth, within)),
            "any": lambda v, at, depth, within: Something(self._list(v, at, depth, within)),
            "not": lambda v, at, depth, within: Otherwise(self.read(v, at, depth + 1, within=within)),
            "age": lambda v, at, *_: Number("age", *_range(v, at, 0, _OLDEST)),
            "household_size": lambda v, at, *_: Number("household_size", *_range(v, at, 1, _LARGEST)),
            "lives_alone": lambda v, at, *_: _alone(v, at),
            "sex": lambda v, at, *_: Word("sex", _words(v, at, registry.SEXES)),
            "relationship": lambda v, at, *_: Word("relationship", _words(v, at, registry.RELATIONSHIPS)),
            "household_kind": lambda v, at, *_: Word("household_kind", _words(v, at, registry.HOUSEHOLD_KINDS)),
            "dwelling_use": lambda v, at, *_: Word("dwelling_use", _words(v, at, registry.DWELLING_USES)),
            "tag": lambda v, at, *_: HasTag(_words(v, at, None)),
            "cohabitants": lambda v, at, depth, _: self._others(v, at, depth),
        }

    def _list(self, given: object, at: str, depth: int, within: frozenset[str] | None) -> tuple[Condition, ...]:
        if not isinstance(given, list) or not given:
            _refuse(at, "须为非空列表", "a list of at least one condition is needed")
        return tuple(self.read(one, f"{at}[{n}]", depth + 1, within=within) for n, one in enumerate(given))

    def _others(self, given: object, at: str, depth: int) -> Condition:
        if not isinstance(given, dict) or len(given) != 1 or next(iter(given)) not in {"every", "some", "none"}:
            _refuse(at, "须为 every、some、none 之一", "exactly one of every, some, none is needed")
        ((which, part),) = given.items()
        return Cohabitants(which, self.read(part, f"{at}.{which}", depth + 1, within=_OF_ONE_PERSON))


def _refuse(at: str, why_zh: str, why_en: str) -> NoReturn:
    raise RuleMalformed(path=("definition",), at=at, why_zh=f"{why_zh}。", why_en=f"{why_en}.")


def _range(given: object, at: str, least: int, most: int) -> tuple[int | None, int | None]:
    if not isinstance(given, dict) or not given or given.keys() - {"from", "to"}:
        _refuse(at, "须为 { from, to }", "{ from, to } is needed, one of them may be left out")
    for end in given.values():
        if isinstance(end, bool) or not isinstance(end, int) or not least <= end <= most:
            _refuse(at, f"须为 {least} 至 {most} 的整数", f"whole numbers from {least} to {most} are needed")
    if given.get("from", least) > given.get("to", most):
        _refuse(at, "from 不能大于 to", "`from` is not above `to`")
    return given.get("from"), given.get("to")


def _alone(given: object, at: str) -> Condition:
    if not isinstance(given, bool):
        _refuse(at, "须为 true 或 false", "true or false is needed")
    alone = Number("household_size", None, 1)
    return alone if given else Otherwise(alone)


def _words(given: object, at: str, known: tuple[str, ...] | None) -> tuple[str, ...]:
    if not isinstance(given, list) or not given or not all(isinstance(one, str) for one in given):
        _refuse(at, "须为非空的文字列表", "a list of at least one word is needed")
    for one in given:
        if known is not None and one not in known:
            _refuse(at, f"{one[:40]} 不在 {', '.join(known)} 之中", f"{one[:40]} is none of {', '.join(known)}")
    return tuple(dict.fromkeys(given))


def codes_in(condition: Condition) -> frozenset[str]:
    """The codes of all tags that a condition stands on."""
    return frozenset(_codes(condition))


def _codes(condition: Condition) -> Iterator[str]:
    match condition:
        case HasTag(codes):
            yield from codes
        case Everything(parts) | Something(parts):
            for part in parts:
                yield from _codes(part)
        case Otherwise(part) | Cohabitants(_, part):
            yield from _codes(part)


def in_order(rules: Mapping[str, Condition]) -> list[str]:
    """Codes of tags with rules, each after those that its rule stands on; refuses (`RuleInCircle`)."""
    done: list[str] = []
    under_way: list[str] = []

    def visit(code: str) -> None:
        if code in done:
            return
        if code in under_way:
            raise RuleInCircle(path=("definition",), codes=" → ".join([*under_way[under_way.index(code) :], code]))
        under_way.append(code)
        for below in sorted(codes_in(rules[code]) & rules.keys()):
            visit(below)
        under_way.pop()
        done.append(code)

    for code in sorted(rules):
        visit(code)
    return done

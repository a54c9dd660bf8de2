"""What is wrong with a pack: every problem with file, line, place, reason and what would be right."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cityloom.core.errors import Refusal, RefusalCode
from cityloom.core.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cityloom.core.text import Locale

#: A pack with more problems than this is not read any further: the first hundred are enough to work on.
MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One reason why a pack cannot be used. `place` is a column or a dotted key; line 0 stands for the whole file."""

    file: str
    line: int
    place: str
    zh: str
    en: str
    hint_zh: str = ""
    hint_en: str = ""

    def text(self, locale: Locale) -> str:
        """`file:line: place: reason (hint)` in one language."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        reason, hint = (self.zh, self.hint_zh) if locale == "zh" else (self.en, self.hint_en)
        return ": ".join(part for part in (where, self.place, reason) if part) + (f" ({hint})" if hint else "")

    def details(self) -> dict[str, Any]:
        """The problem as JSON values."""
        return asdict(self)


class Position(Protocol):
    """Where something stands in a pack."""

    @property
    def file(self) -> str:
        """The path within the pack."""
        ...

    @property
    def line(self) -> int:
        """The line, counted from 1."""
        ...


class Problems:
    """The problems found so far; reading goes on after each, so that one run shows all of them."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def __iter__(self) -> Iterator[Problem]:
        return iter(sorted(self._found))

    def __len__(self) -> int:
        return len(self._found)

    @property
    def is_full(self) -> bool:
        """Whether there is no point in reading on."""
        return len(self._found) >= MOST_PROBLEMS

    def add(self, at: Position, place: str, *, zh: str, en: str, hint_zh: str = "", hint_en: str = "") -> None:
        """Record a problem at an entry of the pack."""
        self.say(at.file, at.line, place, Text(zh, en), Text(hint_zh, hint_en))

    def say(self, file: str, line: int, place: str, reason: Text, hint: Text = Text("", "")) -> None:  # noqa: B008 - frozen
        """Record a problem at a file and line."""
        if not self.is_full:
            self._found[Problem(file, line, place, reason.zh, reason.en, hint.zh, hint.en)] = None

    def refuse(self) -> None:
        """Raise `InvalidPack` where there is any problem."""
        if self:
            raise InvalidPack(tuple(self))


class InvalidPack(Refusal):
    """The pack has {count} problems; nothing was changed. First: {first}"""  # noqa: D415 - ends with the problem

    code = RefusalCode.INVALID_PACK
    zh = "配置包有 {count} 个问题,未作任何更改。首个问题:{first}"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            count=len(problems), first=problems[0].text("en"), problems=[problem.details() for problem in problems]
        )

    def message(self, locale: Locale) -> str:
        """The number of problems, and the first of them."""
        template = self.zh if locale == "zh" else (type(self).__doc__ or "").splitlines()[0]
        return template.format(count=len(self.problems), first=self.problems[0].text(locale))

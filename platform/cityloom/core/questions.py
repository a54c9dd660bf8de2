"""Questions as data, and whether answers fit them: what forms and a city's own fields are made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from cityloom.core.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEXT, NUMBER, YES_NO, CHOICE, CHOICES, DAY = "TEXT", "NUMBER", "YES_NO", "CHOICE", "CHOICES", "DAY"
KINDS = (TEXT, NUMBER, YES_NO, CHOICE, CHOICES, DAY)
MOST_QUESTIONS, LONGEST_TEXT, LARGEST = 60, 2_000, 10**12


class AnswersWrong(Refusal):
    """The answers do not fit the form: {reason_en}."""

    zh = "填写内容与表单不符:{reason_zh}。"


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `choices` are the words that `CHOICE` and `CHOICES` pick from."""

    code: str
    title_zh: str
    title_en: str
    kind: str = TEXT
    is_required: bool = False
    choices: tuple[str, ...] = ()

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Question:
        """As it is stored."""
        return cls(**{**stored, "choices": tuple(stored.get("choices", ()))})

    def stored(self) -> dict[str, Any]:
        """For a JSON column."""
        return {**asdict(self), "choices": list(self.choices)}


def checked_answers(
    questions: Sequence[Question],
    answers: object,
    *,
    is_complete: bool,
    name: str = "answers",
    longest: int = LONGEST_TEXT,
) -> dict[str, Any]:
    """Answers by the questions' codes; refuses (`AnswersWrong`) what does not fit, naming the question.

    What is required is required of answers that are complete; null counts as not answered. `name` is the field of the
    input in which they were sent, `longest` the most characters of a text.
    """
    if not isinstance(answers, dict):
        raise _wrong((name,), "须为对象", "they must be an object")
    known = {question.code: question for question in questions}
    for code in answers:
        if code not in known:
            raise _wrong((name, str(code)[:60]), f"没有问题 {str(code)[:60]}", f"there is no question {str(code)[:60]}")
    found: dict[str, Any] = {}
    for question in questions:
        value = answers.get(question.code)
        if value is None or value in ("", []):
            if question.is_required and is_complete:
                raise _wrong(
                    (name, question.code), f"{question.title_zh} 为必填", f"{question.title_en} must be answered"
                )
            continue
        problem = _problem(question, value, longest)
        if problem is not None:
            zh, en = problem
            raise _wrong((name, question.code), f"{question.title_zh}:{zh}", f"{question.title_en}: {en}")
        found[question.code] = value
    return found


def _problem(question: Question, value: object, longest: int) -> tuple[str, str] | None:
    match question.kind:
        case "NUMBER":
            fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
            return None if fits else ("须为数字", "it is a number")
        case "YES_NO":
            return None if isinstance(value, bool) else ("须为 true 或 false", "it is true or false")
        case "CHOICE":
            words = ", ".join(question.choices)
            return None if value in question.choices else (f"须为以下之一:{words}", f"it is one of {words}")
        case "CHOICES":
            words = ", ".join(question.choices)
            fits = isinstance(value, list) and all(one in question.choices for one in value)
            fits = fits and isinstance(value, list) and len(set(value)) == len(value)
            return None if fits else (f"须为以下若干项:{words}", f"it is a list of some of {words}")
        case "DAY":
            return None if _is_day(value) else ("须为 YYYY-MM-DD 日期", "it is a date YYYY-MM-DD")
        case _:
            fits = isinstance(value, str) and len(value) <= longest and "\x00" not in value
            return None if fits else (f"须为不超过 {longest} 字的文本", f"it is a text of {longest} characters")


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _wrong(path: tuple[str, ...], zh: str, en: str) -> AnswersWrong:
    return AnswersWrong(path=path, reason_zh=zh, reason_en=en)

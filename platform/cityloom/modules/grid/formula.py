"""A city's formula for scores: a weighted sum, as data. There is no expression that could be anything else.

Each term takes one input of a worker in a period, divides it by the households of their area or by the shifts that they
attended (per so many), multiplies it by a weight, which may be negative, and cuts what comes out at a cap. All numbers
are whole thousandths, divided exactly and rounded half up once per term, so that lines add up to the score.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cityloom.modules.grid.errors import FormulaMalformed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_TERMS = 20
LARGEST_MILLI = 10**9
NONE, HOUSEHOLDS, SHIFTS = "NONE", "HOUSEHOLDS", "SHIFTS"
#: Inputs that the grid counts itself; others come from slices above, by `service.contribute`.
OWN_INPUTS = (
    "patrol_minutes",
    "patrol_metres",
    "patrol_days_met",
    "shifts_attended",
    "visits",
    "visit_changes",
    "reports",
)
_INPUT = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\Z")


@dataclass(frozen=True, slots=True)
class Term:
    """One term: `weight_milli` thousandths of a point per 1 of the input, per `per_amount` of what divides it."""

    input: str
    weight_milli: int
    per: str = NONE
    per_amount: int = 1
    cap_milli: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """What one term gave for one worker."""

    term: Term
    value_milli: int
    divisor: int
    points_milli: int


def evaluate(terms: Sequence[Term], inputs: Mapping[str, int], *, households: int, shifts: int) -> list[Line]:
    """Each term's line; an input that nobody counted is 0, and so is what would be divided by 0."""
    lines = []
    for term in terms:
        divisor = {NONE: 1, HOUSEHOLDS: households, SHIFTS: shifts}[term.per]
        value = inputs.get(term.input, 0)
        points = 0 if divisor == 0 else _half_up(value * term.weight_milli * term.per_amount, 1000 * divisor)
        if term.cap_milli is not None:
            points = max(-term.cap_milli, min(term.cap_milli, points))
        lines.append(Line(term, value, divisor, points))
    return lines


def _half_up(numerator: int, denominator: int) -> int:
    """A quotient rounded to the nearest whole number, halves away from zero."""
    quotient = (2 * abs(numerator) + denominator) // (2 * denominator)
    return quotient if numerator >= 0 else -quotient


def checked_terms(stated: Sequence[Mapping[str, Any]]) -> list[Term]:
    """Terms from data; refuses (`FormulaMalformed`) what is not a formula, naming the term."""
    if not 0 < len(stated) <= MOST_TERMS:
        raise FormulaMalformed(
            path=("terms",), reason_zh=f"须有 1 至 {MOST_TERMS} 项", reason_en=f"it has 1 to {MOST_TERMS} terms"
        )
    terms = [Term(**one) for one in stated]
    seen: set[str] = set()
    for at, term in enumerate(terms):
        problem = _problem(term, seen)
        if problem is not None:
            zh, en = problem
            raise FormulaMalformed(
                path=("terms", at), reason_zh=f"{term.input[:60]}:{zh}", reason_en=f"{term.input[:60]}: {en}"
            )
        seen.add(term.input)
    return terms


def _problem(term: Term, seen: set[str]) -> tuple[str, str] | None:
    if _INPUT.match(term.input) is None or len(term.input) > 60 or term.input in seen:  # noqa: PLR2004 - a bound
        return "指标名须为小写字母,且不重复", "an input is named once, in small letters"
    if "." not in term.input and term.input not in OWN_INPUTS:
        known = ", ".join(OWN_INPUTS)
        return f"没有该指标;可用:{known}", f"there is no such input; there are {known}, and those of other modules"
    if term.per not in {NONE, HOUSEHOLDS, SHIFTS}:
        return "per 须为 NONE、HOUSEHOLDS 或 SHIFTS", "per is NONE, HOUSEHOLDS or SHIFTS"
    if not (
        0 < abs(term.weight_milli) <= LARGEST_MILLI
        and 0 < term.per_amount <= LARGEST_MILLI
        and (term.cap_milli is None or 0 < term.cap_milli <= LARGEST_MILLI)
    ):
        return "权重不能为 0,数值不能超过一百万", "a weight is not 0, and no number is above a million"
    return None

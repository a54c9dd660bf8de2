"""The GraphQL types of visits, reports, scores and awards."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import strawberry

from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import Area
from cityloom.modules.grid import models as m
from cityloom.modules.grid.api.shapes import VERSION, Patrol, Post, Worker
from cityloom.modules.grid.api.words import (
    ScoreAppealState,
    ScorePer,
    ScorePeriodState,
    VisitMethod,
    VisitOutcome,
)
from cityloom.modules.registry.api.shapes import Dwelling, Household, Resident

VisitSubject = Annotated[
    Dwelling | Household | Resident,
    strawberry.union("VisitSubject", description="What of the registry a visit led to changing."),
]


@b.bound(
    m.VisitForm,
    tag="vfrm",
    module="grid",
    read="grid.visit.read",
    orderings={"CODE": (m.VisitForm.code, m.VisitForm.edition)},
)
class VisitForm(b.Node):
    """The questions that visits ask, in one version. Answers keep the version that they were given to."""

    code: str = b.column(m.VisitForm.code, "Its code; all versions of a form have the same.", filters=b.EXACT)
    edition: int = b.column(m.VisitForm.edition, "The version, from 1.")
    is_current: bool = b.column(m.VisitForm.is_current, "Whether new visits use it.")
    title_zh: str = b.column(m.VisitForm.title_zh, "What it is called in Chinese.")
    title_en: str = b.column(m.VisitForm.title_en, "What it is called in English.")
    questions: b.JSON = b.column(
        m.VisitForm.questions,
        "`[{code, title_zh, title_en, kind, is_required, choices}]`; kind is TEXT, NUMBER, YES_NO, CHOICE, CHOICES or"
        " DAY.",
    )


@b.bound(
    m.Visit,
    tag="visi",
    module="grid",
    read="grid.visit.read",
    scope=b.ScopeRule(area=m.Visit.area_path, owner=m.Visit.account_id),
    orderings={"VISITED": (m.Visit.visited_at,)},
)
class Visit(b.Node):
    """A visit (走访, 敲门行动) to a dwelling or a household, with what was answered and what changed."""

    worker: Worker | None = b.one(m.Visit.account_id, "Who visited.")
    area: Area | None = b.one(m.Visit.area_id, "Where.")
    dwelling: Dwelling | None = b.one(m.Visit.dwelling_id, "The dwelling.")
    household: Household | None = b.one(m.Visit.household_id, "The household, where one was visited.")
    patrol: Patrol | None = b.one(m.Visit.patrol_id, "The patrol that it was made on.")
    visited_at: datetime = b.column(m.Visit.visited_at, "When.", filters=b.RANGE)
    method: VisitMethod = b.column(m.Visit.method, "How.")
    outcome: VisitOutcome = b.column(m.Visit.outcome, "What it came to.", filters=b.EXACT)
    form: VisitForm | None = b.one(m.Visit.form_id, "The form that was answered.")
    answers: b.JSON = b.column(m.Visit.answers, "The answers by the codes of the form's questions.")
    note: str | None = b.column(m.Visit.note, "What the worker noted.")
    changes: list[VisitChange] = b.many(m.VisitChange.visit_id, "What it led to in the registry.", limit=50)
    version: int = b.column(m.Visit.version, VERSION)
    created_at: datetime = b.column(m.Visit.created_at, "When it was recorded.")


@b.bound(
    m.VisitChange,
    module="grid",
    read="grid.visit.read",
    scope=b.ScopeRule(area=m.VisitChange.area_path),
    orderings={"RECORDED": (m.VisitChange.id,)},
)
class VisitChange:
    """Something of the registry that was changed because of a visit."""

    subject: VisitSubject | None = b.one_of(
        (Dwelling, m.VisitChange.dwelling_id),
        (Household, m.VisitChange.household_id),
        (Resident, m.VisitChange.resident_id),
        description="What was changed; null where the caller may not see it.",
    )
    subject_version: int = b.column(m.VisitChange.subject_version, "The version that it had after the change.")
    note: str | None = b.column(m.VisitChange.note, "What was changed, in words.")


@b.bound(
    m.DailyReport,
    tag="drep",
    module="grid",
    read="grid.report.read",
    scope=b.ScopeRule(area=m.DailyReport.area_path, owner=m.DailyReport.account_id),
    orderings={"DAY": (m.DailyReport.day,)},
)
class DailyReport(b.Node):
    """A worker's report of a day (日报), with the day's figures as they were when it was handed in."""

    worker: Worker | None = b.one(m.DailyReport.account_id, "Whose report.")
    area: Area | None = b.one(m.DailyReport.area_id, "Where they worked.")
    day: date = b.column(m.DailyReport.day, "The civil day.", filters=b.RANGE)
    text: str = b.column(m.DailyReport.text, "What they say of it.")
    patrolled_s: int = b.column(m.DailyReport.patrolled_s, "Seconds patrolled, without pauses.")
    length_m: int = b.column(m.DailyReport.length_m, "Metres patrolled.")
    visit_count: int = b.column(m.DailyReport.visit_count, "Visits made.")
    change_count: int = b.column(m.DailyReport.change_count, "Changes of the registry that visits led to.")
    submitted_at: datetime = b.column(m.DailyReport.submitted_at, "When it was handed in last.")
    acknowledged_at: datetime | None = b.column(m.DailyReport.acknowledged_at, "When somebody acknowledged it.")
    remark: str | None = b.column(m.DailyReport.remark, "What they remarked.")
    version: int = b.column(m.DailyReport.version, VERSION)


@b.bound(
    m.ScoreFormula,
    tag="sfml",
    module="grid",
    read="grid.score.read",
    orderings={"CODE": (m.ScoreFormula.code, m.ScoreFormula.edition)},
)
class ScoreFormula(b.Node):
    """A formula of the city for scores (考核评分), in one version: a weighted sum."""

    code: str = b.column(m.ScoreFormula.code, "Its code; all versions have the same.", filters=b.EXACT)
    edition: int = b.column(m.ScoreFormula.edition, "The version, from 1.")
    is_current: bool = b.column(m.ScoreFormula.is_current, "Whether new periods use it.")
    title_zh: str = b.column(m.ScoreFormula.title_zh, "What it is called in Chinese.")
    title_en: str = b.column(m.ScoreFormula.title_en, "What it is called in English.")
    terms: b.JSON = b.column(
        m.ScoreFormula.terms,
        "`[{input, weight_milli, per, per_amount, cap_milli}]`: points = input × weight ÷ (households or shifts ÷"
        " per_amount), capped.",
    )


@b.bound(
    m.ScorePeriod,
    tag="sper",
    module="grid",
    read="grid.score.read",
    orderings={"STARTS": (m.ScorePeriod.starts_on,)},
)
class ScorePeriod(b.Node):
    """Everybody with a post in an area is scored over some days."""

    area: Area | None = b.one(m.ScorePeriod.area_id, "Who holds a post in this area, at any depth, is scored.")
    formula: ScoreFormula | None = b.one(m.ScorePeriod.formula_id, "By this version of a formula.")
    starts_on: date = b.column(m.ScorePeriod.starts_on, "The first day.", filters=b.RANGE)
    ends_on: date = b.column(m.ScorePeriod.ends_on, "The first day that does not count any more.")
    state: ScorePeriodState = b.column(m.ScorePeriod.state, "Whether it is published.")
    calculated_at: datetime = b.column(m.ScorePeriod.calculated_at, "When it was calculated last.")
    published_at: datetime | None = b.column(m.ScorePeriod.published_at, "When it was published.")
    scores: b.Connection[Score] = b.connection(m.Score.period_id, "The ranking, the best first.")
    version: int = b.column(m.ScorePeriod.version, VERSION)


@b.bound(
    m.Score,
    tag="scor",
    module="grid",
    read="grid.score.read",
    scope=b.ScopeRule(area=m.Score.area_path, owner=m.Score.account_id),
    orderings={"RANK": (m.Score.rank,), "POINTS": (m.Score.points_milli,)},
)
class Score(b.Node):
    """One worker's score in a period: the sum of its lines, and what appeals added."""

    period: ScorePeriod | None = b.one(m.Score.period_id, "The period.")
    worker: Worker | None = b.one(m.Score.account_id, "Whose score.")
    post: Post | None = b.one(m.Score.post_id, "The post that they held.")
    area: Area | None = b.one(m.Score.area_id, "Where they held it.")
    rank: int = b.column(m.Score.rank, "Their place among all of the period: 1 is the best, equals share a place.")
    points_milli: b.BigInt = b.column(m.Score.points_milli, "The score in thousandths of a point, appeals included.")
    adjustment_milli: b.BigInt = b.column(m.Score.adjustment_milli, "What appeals added, in thousandths of a point.")
    lines: list[ScoreLine] = b.many(m.ScoreLine.score_id, "How it came about, term by term.", limit=20)
    appeals: list[ScoreAppeal] = b.many(m.ScoreAppeal.score_id, "Appeals against it, oldest first.", limit=20)
    version: int = b.column(m.Score.version, VERSION)


@b.bound(
    m.ScoreLine,
    module="grid",
    read="grid.score.read",
    orderings={"POSITION": (m.ScoreLine.position,)},
)
class ScoreLine:
    """One term of a score: points = value × weight ÷ (divisor ÷ perAmount), cut at the cap. Thousandths throughout."""

    input: str = b.column(m.ScoreLine.input, "What was counted, for example `patrol_minutes` or `cases.closed`.")
    value_milli: b.BigInt = b.column(m.ScoreLine.value_milli, "How much of it, in thousandths.")
    per: ScorePer = b.column(m.ScoreLine.per, "What it was divided by.")
    per_amount: int = b.column(m.ScoreLine.per_amount, "Per so many of them.")
    divisor: b.BigInt = b.column(m.ScoreLine.divisor, "How many there were; 1 where it is not divided.")
    weight_milli: b.BigInt = b.column(m.ScoreLine.weight_milli, "Thousandths of a point for each; negative takes away.")
    cap_milli: b.BigInt | None = b.column(m.ScoreLine.cap_milli, "At most so many thousandths, up or down.")
    points_milli: b.BigInt = b.column(m.ScoreLine.points_milli, "What came of it, in thousandths of a point.")


@b.bound(
    m.ScoreAppeal,
    tag="sapp",
    module="grid",
    read="grid.score.read",
    scope=b.ScopeRule(area=m.ScoreAppeal.area_path, owner=m.ScoreAppeal.account_id),
    orderings={"FILED": (m.ScoreAppeal.id,)},
)
class ScoreAppeal(b.Node):
    """A worker's appeal against their score, and what was decided."""

    score: Score | None = b.one(m.ScoreAppeal.score_id, "The score.")
    worker: Worker | None = b.one(m.ScoreAppeal.account_id, "Who appeals.")
    state: ScoreAppealState = b.column(m.ScoreAppeal.state, "How far it is.", filters=b.EXACT)
    reason: str = b.column(m.ScoreAppeal.reason, "Why the score is said to be wrong.")
    filed_at: datetime = b.column(m.ScoreAppeal.filed_at, "When it was filed.")
    decision: str | None = b.column(m.ScoreAppeal.decision, "What was decided, and why.")
    adjustment_milli: b.BigInt = b.column(m.ScoreAppeal.adjustment_milli, "Thousandths of a point that it added.")
    decided_at: datetime | None = b.column(m.ScoreAppeal.decided_at, "When it was decided.")
    version: int = b.column(m.ScoreAppeal.version, VERSION)


@b.bound(
    m.AwardKind,
    tag="awkd",
    module="grid",
    read="grid.award.read",
    orderings={"CODE": (m.AwardKind.code,)},
)
class AwardKind(b.Node):
    """An award that the city gives, for example the gold medal (金牌网格员)."""

    code: str = b.column(m.AwardKind.code, "Its code, unique in the city.", filters=b.EXACT)
    title_zh: str = b.column(m.AwardKind.title_zh, "What it is called in Chinese.")
    title_en: str = b.column(m.AwardKind.title_en, "What it is called in English.")
    places: int | None = b.column(m.AwardKind.places, "So many are given per period; null: any number.")
    least_points_milli: b.BigInt | None = b.column(
        m.AwardKind.least_points_milli, "The least score for it, in thousandths of a point; null: any."
    )


@b.bound(
    m.Award,
    tag="awrd",
    module="grid",
    read="grid.award.read",
    scope=b.ScopeRule(area=m.Award.area_path, owner=m.Award.account_id),
    orderings={"GRANTED": (m.Award.granted_at,)},
)
class Award(b.Node):
    """A worker was given an award for a period."""

    kind: AwardKind | None = b.one(m.Award.kind_id, "Which award.")
    worker: Worker | None = b.one(m.Award.account_id, "Who has it.")
    score: Score | None = b.one(m.Award.score_id, "For which score.")
    area: Area | None = b.one(m.Award.area_id, "Where they held their post.")
    citation: str | None = b.column(m.Award.citation, "What it was given for, in words.")
    granted_at: datetime = b.column(m.Award.granted_at, "When it was given.", filters=b.RANGE)
    revoked_at: datetime | None = b.column(m.Award.revoked_at, "When it was taken back; null: it was not.")
    revoked_reason: str | None = b.column(m.Award.revoked_reason, "Why it was taken back.")
    version: int = b.column(m.Award.version, VERSION)


@b.extend(Resident, module="grid")
class ResidentVisits:
    """Who came to see a resident."""

    visits: b.Connection[Visit] = b.connection(
        lambda resident, visit: visit.household_id == resident.household_id,
        "The visits to the household that they belong to.",
        filterable=False,
    )


@b.extend(Dwelling, module="grid")
class DwellingVisits:
    """Who knocked at a door."""

    visits: b.Connection[Visit] = b.connection(
        m.Visit.dwelling_id,
        "The visits to it. Those where nobody was since a day: `where: {not: {visits: {visitedAt: {gte: …}}}}`.",
    )


@b.extend(Household, module="grid")
class HouseholdVisits:
    """Who came to see a household."""

    visits: b.Connection[Visit] = b.connection(
        m.Visit.household_id,
        "The visits to it. Those where nobody was since a day: `where: {not: {visits: {visitedAt: {gte: …}}}}`.",
    )

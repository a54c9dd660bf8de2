"""Scores of workers in a period, by a version of the city's formula: calculated, published, appealed against."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from cityloom.core.errors import Forbidden
from cityloom.core.events import AuditEntry
from cityloom.core.prepared import Prepared
from cityloom.core.principal import subtree
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.grid import events
from cityloom.modules.grid import models as m
from cityloom.modules.grid.errors import (
    AdjustmentWrong,
    AppealDecided,
    FormulaCodeMalformed,
    OwnAppeal,
    PeriodNotPublished,
    PeriodPublished,
    PeriodWrong,
    not_found,
)
from cityloom.modules.grid.formula import HOUSEHOLDS, LARGEST_MILLI, Line, Term, checked_terms, evaluate
from cityloom.modules.grid.service import rows
from cityloom.modules.grid.service.days import bounds
from cityloom.modules.registry.models import Household

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from sqlalchemy import Select

    from cityloom.core.work import Work

PUBLISH_FORMULA, CALCULATE, APPEAL, DECIDE = (
    "grid.formula.publish",
    "grid.score.calculate",
    "grid.score.appeal",
    "grid.score.decide",
)
LONGEST_DAYS = 366
_WORKER = Prepared(
    lambda: select(m.Worker.id).where(m.Worker.tenant_id == bindparam("tenant"), m.Worker.id == bindparam("row")),
    is_apart=True,
)
_CODE = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")


async def publish_formula(
    work: Work, *, code: str, title_zh: str, title_en: str, terms: Sequence[Mapping[str, Any]]
) -> m.ScoreFormula:
    """Give the city a formula, or a further version of one; scores that were made keep theirs.

    Refuses (`Forbidden`, `FormulaCodeMalformed`, `FormulaMalformed`, `TextTooLong`).
    """
    work.authorise(PUBLISH_FORMULA, area_path="")
    if _CODE.match(code) is None:
        raise FormulaCodeMalformed(path=("code",))
    checked = checked_terms(terms)
    latest = await work.session.scalar(
        select(m.ScoreFormula)
        .where(m.ScoreFormula.code == code)
        .order_by(m.ScoreFormula.edition.desc())
        .limit(1)
        .with_for_update()
    )
    formula = m.ScoreFormula(
        code=code,
        edition=latest.edition + 1 if latest else 1,
        title_zh=rows.checked_text(title_zh, "titleZh", 100),
        title_en=rows.checked_text(title_en, "titleEn", 100),
        terms=[asdict(term) for term in checked],
        is_current=True,
        created_at=work.now(),
    )
    await work.session.execute(update(m.ScoreFormula).where(m.ScoreFormula.code == code).values(is_current=False))
    work.session.add(formula)
    await work.session.flush()
    work.audit(
        AuditEntry(
            action=PUBLISH_FORMULA,
            object_tag="sfml",
            object_id=formula.id,
            before={"edition": latest.edition, "terms": latest.terms} if latest else None,
            after={"edition": formula.edition, "terms": formula.terms},
        )
    )
    work.emit(events.FormulaPublished(subject_id=formula.id, code=code, edition=formula.edition))
    return formula


async def contribute(
    work: Work,
    account_id: UUID,
    area_id: UUID,
    area_path: str,
    *,
    input: str,  # noqa: A002 - what formulas call it
    source_id: UUID,
    happened_at: datetime | None = None,
    amount: float = 1,
) -> bool:
    """Count something for a worker on behalf of a slice above, for example `cases.closed`; once per input and source.

    The calling service has authorised it. Answers False, and does nothing, for an account that never held a post.
    """
    if await _WORKER.row(work, row=account_id) is None:
        return False
    values = {
        "account_id": account_id,
        "input": input,
        "source_id": source_id,
        "happened_at": happened_at or work.now(),
        "amount_milli": round(amount * 1000),
        "area_id": area_id,
        "area_path": area_path,
    }
    statement = insert(m.ScoreContribution).values(tenant_id=work.tenant_id, **values)
    await work.session.execute(
        statement.on_conflict_do_nothing(index_elements=["tenant_id", "input", "source_id", "account_id"])
    )
    return True


async def calculate_period(
    work: Work, *, area_id: UUID | None, formula: str, starts_on: date, ends_on: date
) -> m.ScorePeriod:
    """Score everybody who held a post in an area, on any day from `starts_on` to (exclusive) `ends_on`: a draft.

    By the current version of the formula with this code. Refuses (`Forbidden`, `AreaNotFound`, `AreaClosed`,
    `NotFound`, `PeriodWrong`, `PeriodTaken`).
    """
    area = await rows.place(work, area_id, CALCULATE)
    work.authorise(CALCULATE, area_path=area.path)
    if not 0 < (ends_on - starts_on).days <= LONGEST_DAYS or starts_on > civil_day(work.now()):
        raise PeriodWrong(path=("endsOn",), limit=f"{LONGEST_DAYS} d")
    current = await work.session.scalar(
        select(m.ScoreFormula).where(m.ScoreFormula.code == formula, m.ScoreFormula.is_current)
    )
    if current is None:
        raise not_found("score_formulas", ("formula",))
    period = m.ScorePeriod(
        formula_id=current.id,
        starts_on=starts_on,
        ends_on=ends_on,
        state="DRAFT",
        calculated_at=work.now(),
        scored_area_id=area.id,
        area_id=area.id,
        area_path=area.path,
    )
    await rows.insert(work, CALCULATE, period)
    await _calculate(work, period, current)
    return period


async def recalculate_period(work: Work, period_id: UUID | None, *, version: int | None = None) -> m.ScorePeriod:
    """Calculate a draft again, by the version of the formula that it has.

    Refuses what `rows.reach` refuses, `PeriodPublished`.
    """
    period = await rows.reach(work, m.ScorePeriod, period_id, CALCULATE, version=version)
    if period.state == "PUBLISHED":
        raise PeriodPublished(path=("id",))
    await rows.write(work, CALCULATE, period, {"calculated_at": work.now()})
    await work.session.execute(delete(m.Score).where(m.Score.period_id == period.id))
    await _calculate(work, period, await work.session.get_one(m.ScoreFormula, (work.tenant_id, period.formula_id)))
    return period


async def publish_period(work: Work, period_id: UUID | None, *, version: int | None = None) -> m.ScorePeriod:
    """Publish the scores of a draft: from now on they change by appeals only.

    Refuses what `rows.reach` refuses, `PeriodPublished`.
    """
    period = await rows.reach(work, m.ScorePeriod, period_id, CALCULATE, version=version)
    if period.state == "PUBLISHED":
        raise PeriodPublished(path=("id",))
    await rows.write(work, CALCULATE, period, {"state": "PUBLISHED", "published_at": work.now()})
    count = await work.session.scalar(select(func.count()).where(m.Score.period_id == period.id))
    work.emit(events.ScoresPublished(subject_id=period.id, area_path=period.area_path, scores=count or 0))
    return period


async def file_appeal(work: Work, score_id: UUID | None, *, reason: str) -> m.ScoreAppeal:
    """The caller says why their published score is wrong; one appeal is open at a time.

    Refuses what `rows.reach` refuses, `NotYours`, `PeriodNotPublished`, `AppealOpen`, `TextTooLong`.
    """
    score = await rows.reach(work, m.Score, score_id, APPEAL, path=("scoreId",))
    rows.demand_own(work, score.account_id)
    await _demand_published(work, score, ("scoreId",))
    appeal = m.ScoreAppeal(
        score_id=score.id,
        account_id=score.account_id,
        state="OPEN",
        reason=rows.checked_text(reason, "reason", 2_000),
        filed_at=work.now(),
        adjustment_milli=0,
        area_id=score.area_id,
        area_path=score.area_path,
    )
    await rows.insert(work, APPEAL, appeal)
    work.emit(
        events.AppealFiled(
            subject_id=appeal.id, area_path=appeal.area_path, account_id=appeal.account_id, score_id=score.id
        )
    )
    return appeal


async def decide_appeal(
    work: Work,
    appeal_id: UUID | None,
    *,
    upheld: bool,
    decision: str,
    adjustment_milli: int = 0,
    version: int | None = None,
) -> m.ScoreAppeal:
    """Decide an appeal; where it is upheld, points (thousandths, up or down) are added and ranks are made anew.

    Whoever decides may do so in the whole area of the period. Refuses what `rows.reach` refuses, `OwnAppeal`,
    `AppealDecided`, `AdjustmentWrong`, `Forbidden`, `TextTooLong`.
    """
    appeal = await rows.reach(work, m.ScoreAppeal, appeal_id, DECIDE, version=version)
    if appeal.account_id == rows.caller(work):
        raise OwnAppeal
    if appeal.state != "OPEN":
        raise AppealDecided(path=("id",))
    if (adjustment_milli != 0) != upheld or abs(adjustment_milli) > LARGEST_MILLI:
        raise AdjustmentWrong(path=("adjustmentMilli",), most=LARGEST_MILLI)
    await demand_whole_period(work, appeal.score_id, DECIDE)
    state = "UPHELD" if upheld else "REJECTED"
    await rows.write(
        work,
        DECIDE,
        appeal,
        {
            "state": state,
            "decision": rows.checked_text(decision, "decision", 2_000),
            "adjustment_milli": adjustment_milli,
            "decided_at": work.now(),
            "decided_by_id": rows.caller(work),
        },
    )
    if upheld:
        score = await work.session.get_one(m.Score, (work.tenant_id, appeal.score_id), with_for_update=True)
        values = {
            "points_milli": score.points_milli + adjustment_milli,
            "adjustment_milli": score.adjustment_milli + adjustment_milli,
        }
        await rows.write(work, DECIDE, score, values)
        await _rank(work, score.period_id)
    work.emit(
        events.AppealDecided(
            subject_id=appeal.id,
            area_path=appeal.area_path,
            account_id=appeal.account_id,
            score_id=appeal.score_id,
            state=state,
            adjustment_milli=adjustment_milli,
        )
    )
    return appeal


async def demand_whole_period(work: Work, score_id: UUID, permission: str) -> m.ScorePeriod:
    """The period of a score, locked, for a caller who may do this in all of it; refuses (`Forbidden`).

    Ranks are made, and places of awards counted, over the whole period: who sees a part of it would get them wrong.
    """
    period = await work.session.scalar(
        select(m.ScorePeriod)
        .join(m.Score, m.Score.period_id == m.ScorePeriod.id)
        .where(m.Score.id == score_id)
        .with_for_update(of=m.ScorePeriod)
    )
    if period is None:
        raise not_found("score_periods", ())
    work.authorise(permission, area_path=period.area_path)
    return period


async def _demand_published(work: Work, score: m.Score, path: tuple[str, ...]) -> None:
    state = await work.session.scalar(select(m.ScorePeriod.state).where(m.ScorePeriod.id == score.period_id))
    if state != "PUBLISHED":
        raise PeriodNotPublished(path=path)


async def _calculate(work: Work, period: m.ScorePeriod, formula: m.ScoreFormula) -> None:
    """Write a score with its lines for everybody who held a post in the period's area."""
    scope = work.rights.scope(CALCULATE)
    if scope is None or not scope.covers(period.area_path):
        raise Forbidden(permission=CALCULATE)
    terms = [Term(**term) for term in formula.terms]
    people = await _people(work, period)
    inputs = await _inputs(work, period)
    households = await _households(work, people) if any(term.per == HOUSEHOLDS for term in terms) else {}
    made: list[tuple[m.Score, list[m.ScoreLine]]] = []
    for account_id, holder in people.items():
        mine = inputs[account_id]
        area = {"area_id": holder.area_id, "area_path": holder.area_path}
        lines = evaluate(
            terms, mine, households=households.get(holder.area_path, 0), shifts=mine.get("shifts_attended", 0) // 1000
        )
        score = m.Score(
            tenant_id=work.tenant_id,
            period_id=period.id,
            account_id=account_id,
            post_id=holder.post_id,
            rank=0,
            points_milli=sum(line.points_milli for line in lines),
            adjustment_milli=0,
            version=1,
            created_at=work.now(),
            changed_at=work.now(),
            **area,
        )
        work.session.add(score)
        made.append((score, [_line(at, line, area) for at, line in enumerate(lines)]))
    await work.session.flush()
    for score, lines_made in made:
        for line in lines_made:
            line.score_id = score.id
        work.session.add_all(lines_made)
    await work.session.flush()
    await _rank(work, period.id)
    rows.audit(
        work, CALCULATE, period, after={"scores": len(made), "formula": formula.code, "edition": formula.edition}
    )
    work.emit(events.ScoresCalculated(subject_id=period.id, area_path=period.area_path, scores=len(made)))


def _line(at: int, line: Line, area: dict[str, Any]) -> m.ScoreLine:
    return m.ScoreLine(
        position=at + 1,
        input=line.term.input,
        value_milli=line.value_milli,
        per=line.term.per,
        per_amount=line.term.per_amount,
        divisor=line.divisor,
        weight_milli=line.term.weight_milli,
        cap_milli=line.term.cap_milli,
        points_milli=line.points_milli,
        **area,
    )


async def _rank(work: Work, period_id: UUID) -> None:
    """Number the scores of a period, the best first; who has the same points has the same rank."""
    order = func.rank().over(order_by=m.Score.points_milli.desc()).label("place")
    ranked = select(m.Score.id, order).where(m.Score.period_id == period_id).subquery()
    await work.session.execute(
        update(m.Score)
        .where(m.Score.id == ranked.c.id, m.Score.period_id == period_id)
        .values(rank=ranked.c.place)
        .execution_options(synchronize_session=False)
    )
    await work.session.flush()


async def _people(work: Work, period: m.ScorePeriod) -> dict[UUID, m.PostAssignment]:
    """Whoever held a post in the area in the period, where their post of the first rank was."""
    low, high = subtree(period.area_path)
    valid = m.PostAssignment
    found = await work.session.scalars(
        select(valid)
        .join(m.Post, m.Post.id == valid.post_id)
        .where(
            valid.area_path >= low,
            valid.area_path < high,
            valid.valid_from < period.ends_on,
            valid.valid_until.is_(None) | (valid.valid_until > period.starts_on),
        )
        .order_by(m.Post.rank, valid.valid_from, valid.id)
    )
    people: dict[UUID, m.PostAssignment] = {}
    for assignment in found.all():
        people.setdefault(assignment.account_id, assignment)
    return people


async def _inputs(work: Work, period: m.ScorePeriod) -> dict[UUID, dict[str, int]]:
    """Every input of everybody, in thousandths."""
    begins, _ = bounds(period.starts_on)
    ends, _ = bounds(period.ends_on)
    patrol, day, shift, visit, report = m.Patrol, m.PatrolDay, m.Shift, m.Visit, m.DailyReport
    visited = (visit.visited_at >= begins, visit.visited_at < ends)
    counted: dict[str, Select[Any, Any]] = {
        "patrol_minutes": select(patrol.account_id, func.sum(patrol.active_s) * 1000 / 60)
        .where(patrol.patrolled_on >= period.starts_on, patrol.patrolled_on < period.ends_on)
        .group_by(patrol.account_id),
        "patrol_metres": select(patrol.account_id, func.sum(patrol.length_m) * 1000)
        .where(patrol.patrolled_on >= period.starts_on, patrol.patrolled_on < period.ends_on)
        .group_by(patrol.account_id),
        "patrol_days_met": select(day.account_id, func.count() * 1000)
        .where(day.day >= period.starts_on, day.day < period.ends_on, day.result == "MET")
        .group_by(day.account_id),
        "shifts_attended": select(shift.account_id, func.count() * 1000)
        .where(shift.checked_in_at >= begins, shift.checked_in_at < ends)
        .group_by(shift.account_id),
        "visits": select(visit.account_id, func.count() * 1000)
        .where(*visited, visit.outcome == "MET")
        .group_by(visit.account_id),
        "visit_changes": select(visit.account_id, func.count() * 1000)
        .join(m.VisitChange, m.VisitChange.visit_id == visit.id)
        .where(*visited)
        .group_by(visit.account_id),
        "reports": select(report.account_id, func.count() * 1000)
        .where(report.day >= period.starts_on, report.day < period.ends_on)
        .group_by(report.account_id),
    }
    inputs: dict[UUID, dict[str, int]] = defaultdict(dict)
    for name, query in counted.items():
        for account_id, value in (await work.session.execute(query)).all():
            inputs[account_id][name] = int(value)
    given = m.ScoreContribution
    contributed = await work.session.execute(
        select(given.account_id, given.input, func.sum(given.amount_milli))
        .where(given.happened_at >= begins, given.happened_at < ends)
        .group_by(given.account_id, given.input)
    )
    for account_id, name, value in contributed.all():
        inputs[account_id][name] = int(value)
    return inputs


async def _households(work: Work, people: Mapping[UUID, m.PostAssignment]) -> dict[str, int]:
    """How many households lie in each of the people's areas, at any depth."""
    counts = {}
    for path in {holder.area_path for holder in people.values()}:
        low, high = subtree(path)
        counts[path] = int(
            await work.session.scalar(
                select(func.count()).where(Household.area_path >= low, Household.area_path < high)
            )
            or 0
        )
    return counts

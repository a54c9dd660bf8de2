"""The mutations of the grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.errors import InvalidInput
from cityloom.core.ids import decode_id, split_id
from cityloom.core.work import Work
from cityloom.graph.given import word
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.modules.areas.api.inputs import position_of
from cityloom.modules.areas.api.shapes import Area
from cityloom.modules.areas.coordinates import CoordinateSystem as Datum
from cityloom.modules.areas.coordinates import to_wgs84
from cityloom.modules.areas.models import Area as AreaModel
from cityloom.modules.grid import models as m
from cityloom.modules.grid import service
from cityloom.modules.grid.api import inputs as i
from cityloom.modules.grid.api.results import Award, DailyReport, ScoreAppeal, ScoreFormula, ScorePeriod, Visit
from cityloom.modules.grid.api.shapes import Patrol, PostAssignment, Shift
from cityloom.modules.grid.tracks import Point
from cityloom.modules.registry.service.fieldwork import checked_client_id

if TYPE_CHECKING:
    from uuid import UUID


def _id(work: Work, value: str, tag: str, *path: str) -> UUID | None:
    return decode_id(value, work.tenant_id, tag, path=path or ("id",))


async def _assign(work: Work, input: i.PostAssignInput) -> m.PostAssignment:  # noqa: A002 - the argument's name in GraphQL
    return await service.assign_post(
        work,
        account_id=_id(work, input.account_id, "acct", "accountId"),
        post_id=_id(work, input.post_id, "post", "postId"),
        area_id=_id(work, input.area_id, "area", "areaId"),
        valid_from=input.valid_from,
        valid_until=input.valid_until,
    )


async def _release(work: Work, input: i.PostReleaseInput) -> m.PostAssignment:  # noqa: A002 - the argument's name in GraphQL
    return await service.release_post(
        work, _id(work, input.id, "pasg"), valid_until=input.valid_until, version=input.version
    )


async def _plan(work: Work, input: i.ShiftPlanInput) -> m.Shift:  # noqa: A002 - the argument's name in GraphQL
    # A post that was sent but is absent must be refused, not left out.
    post_id = None if input.post_id is None else _id(work, input.post_id, "post", "postId") or work.tenant_id
    return await service.plan_shift(
        work,
        account_id=_id(work, input.worker_id, "gwkr", "workerId"),
        area_id=_id(work, input.area_id, "area", "areaId"),
        starts_at=input.starts_at,
        ends_at=input.ends_at,
        post_id=post_id,
        is_duty=input.is_duty,
        note=input.note,
    )


async def _cancel(work: Work, input: i.ShiftCancelInput) -> m.Shift:  # noqa: A002 - the argument's name in GraphQL
    return await service.cancel_shift(work, _id(work, input.id, "shft"), version=input.version)


async def _check_in(work: Work, input: i.ShiftCheckInInput) -> m.Shift:  # noqa: A002 - the argument's name in GraphQL
    return await service.check_in(work, _id(work, input.id, "shft"), position_of(input.position))


async def _check_out(work: Work, input: i.ShiftCheckOutInput) -> m.Shift:  # noqa: A002 - the argument's name in GraphQL
    return await service.check_out(work, _id(work, input.id, "shft"), position_of(input.position))


async def _start(work: Work, input: i.PatrolStartInput) -> m.Patrol:  # noqa: A002 - the argument's name in GraphQL
    area_id = _id(work, input.area_id, "area", "areaId")
    return await service.start_patrol(work, area_id=area_id, kind=word(input.kind))


async def _append(work: Work, input: i.PatrolTrackAppendInput) -> m.Patrol:  # noqa: A002 - the argument's name in GraphQL
    datum = Datum(word(input.system))
    points = [
        Point(round(p.at.timestamp() * 1000), *to_wgs84(p.longitude, p.latitude, datum), p.accuracy_m)
        for p in input.points[: service.LARGEST_BATCH + 1]
    ]
    return await service.append_track(work, _id(work, input.id, "ptrl"), input.client_key, points)


async def _stop(work: Work, input: i.PatrolStopInput) -> m.Patrol:  # noqa: A002 - the argument's name in GraphQL
    return await service.stop_patrol(work, _id(work, input.id, "ptrl"))


async def _evaluate(work: Work, input: i.PatrolDaysEvaluateInput) -> AreaModel:  # noqa: A002 - the argument's name in GraphQL
    return await service.evaluate_days(work, _id(work, input.area_id, "area", "areaId"), input.day)


async def _visit(work: Work, input: i.VisitRecordInput) -> m.Visit:  # noqa: A002 - the argument's name in GraphQL
    dwelling, household = input.dwelling_id, input.household_id
    client_id = None if input.client_id is None else checked_client_id(work, input.client_id, "clientId")
    return await service.record_visit(
        work,
        client_id=client_id,
        dwelling_id=None if dwelling is None else _id(work, dwelling, "dwel", "dwellingId"),
        household_id=None if household is None else _id(work, household, "hshd", "householdId"),
        names_dwelling=dwelling is not None,
        names_household=household is not None,
        method=word(input.method),
        outcome=word(input.outcome),
        form=input.form,
        answers=input.answers,
        visited_at=input.visited_at,
        note=input.note,
        changes=[_changed(work, one, at) for at, one in enumerate(input.changes)],
    )


def _changed(work: Work, change: i.VisitChangeInput, at: int) -> service.Changed:
    path = ("changes", str(at), "id")
    tag, row_id = split_id(change.id, work.tenant_id, path=path)
    if tag not in {"dwel", "hshd", "resd"}:
        raise InvalidInput(
            "请给出房屋、住户或居民的 id。", "Send the id of a dwelling, a household or a resident.", path=path
        )
    return service.Changed(tag, row_id, change.note)


async def _submit(work: Work, input: i.DailyReportSubmitInput) -> m.DailyReport:  # noqa: A002 - the argument's name in GraphQL
    area_id = _id(work, input.area_id, "area", "areaId")
    return await service.submit_report(work, area_id=area_id, text=input.text, day=input.day)


async def _acknowledge(work: Work, input: i.DailyReportAcknowledgeInput) -> m.DailyReport:  # noqa: A002 - the argument's name in GraphQL
    return await service.acknowledge_report(
        work, _id(work, input.id, "drep"), remark=input.remark, version=input.version
    )


async def _publish_formula(work: Work, input: i.ScoreFormulaPublishInput) -> m.ScoreFormula:  # noqa: A002 - the argument's name in GraphQL
    terms = [
        {
            "input": term.input,
            "weight_milli": term.weight_milli,
            "per": word(term.per),
            "per_amount": term.per_amount,
            "cap_milli": term.cap_milli,
        }
        for term in input.terms
    ]
    return await service.publish_formula(
        work, code=input.code, title_zh=input.title_zh, title_en=input.title_en, terms=terms
    )


async def _calculate(work: Work, input: i.ScorePeriodCalculateInput) -> m.ScorePeriod:  # noqa: A002 - the argument's name in GraphQL
    return await service.calculate_period(
        work,
        area_id=_id(work, input.area_id, "area", "areaId"),
        formula=input.formula,
        starts_on=input.starts_on,
        ends_on=input.ends_on,
    )


async def _recalculate(work: Work, input: i.ScorePeriodRecalculateInput) -> m.ScorePeriod:  # noqa: A002 - the argument's name in GraphQL
    return await service.recalculate_period(work, _id(work, input.id, "sper"), version=input.version)


async def _publish(work: Work, input: i.ScorePeriodPublishInput) -> m.ScorePeriod:  # noqa: A002 - the argument's name in GraphQL
    return await service.publish_period(work, _id(work, input.id, "sper"), version=input.version)


async def _appeal(work: Work, input: i.ScoreAppealFileInput) -> m.ScoreAppeal:  # noqa: A002 - the argument's name in GraphQL
    return await service.file_appeal(work, _id(work, input.score_id, "scor", "scoreId"), reason=input.reason)


async def _decide(work: Work, input: i.ScoreAppealDecideInput) -> m.ScoreAppeal:  # noqa: A002 - the argument's name in GraphQL
    return await service.decide_appeal(
        work,
        _id(work, input.id, "sapp"),
        upheld=input.is_upheld,
        decision=input.decision,
        adjustment_milli=input.adjustment_milli,
        version=input.version,
    )


async def _grant(work: Work, input: i.AwardGrantInput) -> m.Award:  # noqa: A002 - the argument's name in GraphQL
    score_id = _id(work, input.score_id, "scor", "scoreId")
    return await service.grant_award(work, kind=input.kind, score_id=score_id, citation=input.citation)


async def _revoke(work: Work, input: i.AwardRevokeInput) -> m.Award:  # noqa: A002 - the argument's name in GraphQL
    return await service.revoke_award(work, _id(work, input.id, "awrd"), reason=input.reason, version=input.version)


@mutation_root(module="grid")
class GridMutation:
    """Changes of the grid."""

    post_assign: PostAssignment = mutation(_assign, "Give somebody a post in an area, for a time or for good.")
    post_release: PostAssignment = mutation(_release, "End somebody's time in a post.")
    shift_plan: Shift = mutation(_plan, "Plan a shift, on the duty roster where asked.")
    shift_cancel: Shift = mutation(_cancel, "Cancel a shift to which nobody has checked in.")
    shift_check_in: Shift = mutation(_check_in, "Begin a shift of the caller's (签到).")
    shift_check_out: Shift = mutation(
        _check_out, "End a shift of the caller's (签退): a patrol stops, and nobody sees any more where they are."
    )
    patrol_start: Patrol = mutation(_start, "Set out on a patrol.")
    patrol_track_append: Patrol = mutation(
        _append, "Add points to a patrol of the caller's; the figures are made anew. Safe to repeat by `clientKey`."
    )
    patrol_stop: Patrol = mutation(_stop, "End a patrol of the caller's.")
    patrol_days_evaluate: Area = mutation(
        _evaluate, "Hold a day of everybody in an area against the rule of daily patrols; answers the area."
    )
    visit_record: Visit = mutation(_visit, "Record a visit that the caller made.")
    daily_report_submit: DailyReport = mutation(
        _submit, "Hand in the caller's report of a day; again, until somebody acknowledged it."
    )
    daily_report_acknowledge: DailyReport = mutation(_acknowledge, "Acknowledge a report, with a remark or without.")
    score_formula_publish: ScoreFormula = mutation(
        _publish_formula, "Give the city a formula of scores, or a further version of one."
    )
    score_period_calculate: ScorePeriod = mutation(
        _calculate, "Score everybody who held a post in an area over some days, as a draft."
    )
    score_period_recalculate: ScorePeriod = mutation(
        _recalculate, "Calculate a draft again, because something arrived late."
    )
    score_period_publish: ScorePeriod = mutation(_publish, "Publish the scores of a draft.")
    score_appeal_file: ScoreAppeal = mutation(_appeal, "Appeal against a published score of the caller's.")
    score_appeal_decide: ScoreAppeal = mutation(
        _decide, "Decide an appeal; where it is upheld, points are adjusted and the ranking is made anew."
    )
    award_grant: Award = mutation(_grant, "Give a worker an award for a published period.")
    award_revoke: Award = mutation(_revoke, "Take an award back.")

"""The GraphQL inputs of the grid."""

from __future__ import annotations

from datetime import date, datetime

import strawberry

from cityloom.graph import bound as b
from cityloom.modules.areas.api.inputs import PositionInput
from cityloom.modules.areas.api.shapes import CoordinateSystem
from cityloom.modules.grid.api.words import PatrolKind, ScorePer, VisitMethod, VisitOutcome

_VERSION = "The `version` that you read; the change is refused as STALE if it is not the current one. Or nothing."


@b.input_type(description="Somebody gets a post.")
class PostAssignInput:
    """See `service.assign_post`."""

    account_id: b.ID = strawberry.field(description="The account: an active one of the staff.")
    post_id: b.ID = strawberry.field(description="The post; the area's kind must have it on its staff.")
    area_id: b.ID = strawberry.field(description="The area.")
    valid_from: date | None = strawberry.field(default=None, description="The first day; today where nothing is sent.")
    valid_until: date | None = strawberry.field(
        default=None, description="The first day on which it holds no longer; nothing: without end."
    )


@b.input_type(description="Somebody leaves a post.")
class PostReleaseInput:
    """See `service.release_post`."""

    id: b.ID = strawberry.field(description="The assignment.")
    valid_until: date | None = strawberry.field(
        default=None, description="The first day on which it holds no longer; tomorrow where nothing is sent."
    )
    version: int | None = strawberry.field(default=None, description=_VERSION)


@b.input_type(description="A shift to be planned.")
class ShiftPlanInput:
    """See `service.plan_shift`."""

    worker_id: b.ID = strawberry.field(description="Who works; they hold a post in the area, in one above or below it.")
    area_id: b.ID = strawberry.field(description="Where.")
    starts_at: datetime = strawberry.field(description="When it begins.")
    ends_at: datetime = strawberry.field(description="When it ends, 24 hours later at most.")
    post_id: b.ID | None = strawberry.field(default=None, description="As what.")
    is_duty: bool = strawberry.field(default=False, description="Whether it is on the duty roster (值班).")
    note: str | None = strawberry.field(default=None, description="A note, at most 500 characters.")


@b.input_type(description="A shift that will not take place.")
class ShiftCancelInput:
    """See `service.cancel_shift`."""

    id: b.ID = strawberry.field(description="The shift.")
    version: int | None = strawberry.field(default=None, description=_VERSION)


@b.input_type(description="The caller begins a shift of theirs.")
class ShiftCheckInInput:
    """See `service.check_in`."""

    id: b.ID = strawberry.field(description="The shift.")
    position: PositionInput = strawberry.field(description="Where the caller is.")


@b.input_type(description="The caller ends a shift of theirs.")
class ShiftCheckOutInput:
    """See `service.check_out`."""

    id: b.ID = strawberry.field(description="The shift.")
    position: PositionInput = strawberry.field(description="Where the caller is.")


@b.input_type(description="The caller sets out on a patrol.")
class PatrolStartInput:
    """See `service.start_patrol`."""

    area_id: b.ID = strawberry.field(description="The area; the caller holds a post in it, in one above or below it.")
    kind: PatrolKind = strawberry.field(default=PatrolKind.ROUTINE, description="What kind of patrol it is.")


@b.input_type(description="Where somebody was at a moment.")
class TrackPointInput:
    """One point."""

    at: datetime = strawberry.field(description="When.")
    longitude: float = strawberry.field(description="Degrees east.")
    latitude: float = strawberry.field(description="Degrees north.")
    accuracy_m: float | None = strawberry.field(default=None, description="How exact that is, in metres.")


@b.input_type(description="Points of a patrol, in any order and as late as 48 hours after its end.")
class PatrolTrackAppendInput:
    """See `service.append_track`."""

    id: b.ID = strawberry.field(description="The patrol.")
    client_key: str = strawberry.field(
        description="The handset's own key of this upload, 1 to 64 characters: sent again, nothing changes."
    )
    points: list[TrackPointInput] = strawberry.field(description="1 to 1,000 points; a patrol has 20,000 at most.")
    system: CoordinateSystem = strawberry.field(default=CoordinateSystem.WGS84, description="The datum of all points.")


@b.input_type(description="The caller ends a patrol.")
class PatrolStopInput:
    """See `service.stop_patrol`."""

    id: b.ID = strawberry.field(description="The patrol.")


@b.input_type(description="A day to be held against the rule of daily patrols.")
class PatrolDaysEvaluateInput:
    """See `service.evaluate_days`."""

    area_id: b.ID = strawberry.field(description="Everybody with a patrolling post in this area, at any depth.")
    day: date | None = strawberry.field(default=None, description="The civil day; yesterday where nothing is sent.")


@b.input_type(description="Something of the registry that was changed because of a visit.")
class VisitChangeInput:
    """See `service.Changed`."""

    id: b.ID = strawberry.field(description="A dwelling, a household or a resident.")
    note: str | None = strawberry.field(default=None, description="What was changed, at most 500 characters.")


@b.input_type(description="A visit that the caller made: to a dwelling, a household, or both.")
class VisitRecordInput:
    """See `service.record_visit`."""

    client_id: str | None = strawberry.field(
        default=None,
        description="For a visit that was recorded offline: a UUIDv7 that the device made with it. It is the last 32"
        " digits of the visit's id; sent again, the visit is recorded once.",
    )
    dwelling_id: b.ID | None = strawberry.field(default=None, description="The dwelling.")
    household_id: b.ID | None = strawberry.field(default=None, description="The household.")
    outcome: VisitOutcome = strawberry.field(description="What it came to.")
    method: VisitMethod = strawberry.field(default=VisitMethod.DOOR, description="How it was made.")
    form: str | None = strawberry.field(default=None, description="The code of the form that was answered.")
    answers: b.JSON | None = strawberry.field(default=None, description="Answers by the codes of its questions.")
    visited_at: datetime | None = strawberry.field(
        default=None, description="When, at most 72 hours ago; now where nothing is sent."
    )
    note: str | None = strawberry.field(default=None, description="A note, at most 1,000 characters.")
    changes: list[VisitChangeInput] = strawberry.field(
        default_factory=list, description="What was changed in the registry because of it; at most 50."
    )


@b.input_type(description="The caller's report of a day.")
class DailyReportSubmitInput:
    """See `service.submit_report`."""

    area_id: b.ID = strawberry.field(description="Where the caller worked.")
    text: str = strawberry.field(description="What there is to say, 1 to 5,000 characters.")
    day: date | None = strawberry.field(default=None, description="The civil day; today where nothing is sent.")


@b.input_type(description="A report that was read.")
class DailyReportAcknowledgeInput:
    """See `service.acknowledge_report`."""

    id: b.ID = strawberry.field(description="The report.")
    remark: str | None = strawberry.field(default=None, description="A remark, at most 1,000 characters.")
    version: int | None = strawberry.field(default=None, description=_VERSION)


@b.input_type(description="One term of a formula.")
class ScoreTermInput:
    """See `formula.Term`."""

    input: str = strawberry.field(
        description="patrol_minutes, patrol_metres, patrol_days_met, shifts_attended, visits, visit_changes, reports,"
        " or an input of another module such as cases.closed."
    )
    weight_milli: int = strawberry.field(description="Thousandths of a point for each; negative takes away.")
    per: ScorePer = strawberry.field(default=ScorePer.NONE, description="What it is divided by.")
    per_amount: int = strawberry.field(default=1, description="Per so many of them, for example 100 households.")
    cap_milli: int | None = strawberry.field(default=None, description="At most so many thousandths, up or down.")


@b.input_type(description="A formula, or a further version of one.")
class ScoreFormulaPublishInput:
    """See `service.publish_formula`."""

    code: str = strawberry.field(description="Its code: a new one, or that of the formula to be changed.")
    title_zh: str = strawberry.field(description="What it is called in Chinese.")
    title_en: str = strawberry.field(description="What it is called in English.")
    terms: list[ScoreTermInput] = strawberry.field(description="Its terms, 1 to 20; their points are added.")


@b.input_type(description="A period to be scored.")
class ScorePeriodCalculateInput:
    """See `service.calculate_period`."""

    area_id: b.ID = strawberry.field(description="Everybody who held a post in this area, at any depth.")
    formula: str = strawberry.field(description="The code of a formula; its current version is used.")
    starts_on: date = strawberry.field(description="The first day.")
    ends_on: date = strawberry.field(description="The first day that does not count; a year later at most.")


@b.input_type(description="A draft to be calculated again.")
class ScorePeriodRecalculateInput:
    """See `service.recalculate_period`."""

    id: b.ID = strawberry.field(description="The period.")
    version: int | None = strawberry.field(default=None, description=_VERSION)


@b.input_type(description="A draft to be published.")
class ScorePeriodPublishInput:
    """See `service.publish_period`."""

    id: b.ID = strawberry.field(description="The period.")
    version: int | None = strawberry.field(default=None, description=_VERSION)


@b.input_type(description="The caller's appeal against a score of theirs.")
class ScoreAppealFileInput:
    """See `service.file_appeal`."""

    score_id: b.ID = strawberry.field(description="The score.")
    reason: str = strawberry.field(description="Why it is wrong, 1 to 2,000 characters.")


@b.input_type(description="What is decided about an appeal.")
class ScoreAppealDecideInput:
    """See `service.decide_appeal`."""

    id: b.ID = strawberry.field(description="The appeal.")
    is_upheld: bool = strawberry.field(description="Whether the worker is right.")
    decision: str = strawberry.field(description="Why, 1 to 2,000 characters.")
    adjustment_milli: int = strawberry.field(
        default=0, description="Thousandths of a point to add, or (negative) to take; where the appeal is upheld."
    )
    version: int | None = strawberry.field(default=None, description=_VERSION)


@b.input_type(description="An award for a worker.")
class AwardGrantInput:
    """See `service.grant_award`."""

    kind: str = strawberry.field(description="The code of the award.")
    score_id: b.ID = strawberry.field(description="The published score that it is given for.")
    citation: str | None = strawberry.field(default=None, description="For what, at most 1,000 characters.")


@b.input_type(description="An award to be taken back.")
class AwardRevokeInput:
    """See `service.revoke_award`."""

    id: b.ID = strawberry.field(description="The award.")
    reason: str = strawberry.field(description="Why, 1 to 1,000 characters.")
    version: int | None = strawberry.field(default=None, description=_VERSION)

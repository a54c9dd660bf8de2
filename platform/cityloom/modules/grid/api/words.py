"""The enums of the grid, stored as the texts of their values."""

from __future__ import annotations

from enum import Enum

import strawberry


@strawberry.enum(description="What kind of patrol (巡查) it is.")
class PatrolKind(Enum):
    """See `models.PATROL_KINDS`."""

    ROUTINE = strawberry.enum_value("ROUTINE", description="The daily round (日常巡查).")
    FOCUS = strawberry.enum_value("FOCUS", description="A round of places that need attention (重点走访).")


@strawberry.enum(description="What a day came to against the city's rule of daily patrols.")
class PatrolDayResult(Enum):
    """See `models.DAY_RESULTS`."""

    MET = strawberry.enum_value("MET", description="As long as the rule asks, or longer.")
    MISSED = strawberry.enum_value("MISSED", description="Shorter than the rule asks.")
    EXEMPT = strawberry.enum_value("EXEMPT", description="The rule did not hold for them on that day.")


@strawberry.enum(description="How a visit was made.")
class VisitMethod(Enum):
    """See `models.VISIT_METHODS`."""

    DOOR = strawberry.enum_value("DOOR", description="At the door (敲门).")
    PHONE = strawberry.enum_value("PHONE", description="By telephone.")


@strawberry.enum(description="What a visit came to.")
class VisitOutcome(Enum):
    """See `models.VISIT_OUTCOMES`."""

    MET = strawberry.enum_value("MET", description="Somebody was met and spoken to.")
    NOBODY_HOME = strawberry.enum_value("NOBODY_HOME", description="Nobody was at home.")
    DECLINED = strawberry.enum_value("DECLINED", description="Somebody was there and did not want to talk.")


@strawberry.enum(description="How far the scores of a period are.")
class ScorePeriodState(Enum):
    """See `models.PERIOD_STATES`."""

    DRAFT = strawberry.enum_value("DRAFT", description="Calculated; can be calculated again.")
    PUBLISHED = strawberry.enum_value("PUBLISHED", description="Published; changes by appeals only.")


@strawberry.enum(description="How far an appeal against a score is.")
class ScoreAppealState(Enum):
    """See `models.APPEAL_STATES`."""

    OPEN = strawberry.enum_value("OPEN", description="Nobody has decided yet.")
    UPHELD = strawberry.enum_value("UPHELD", description="The worker was right, and points were adjusted.")
    REJECTED = strawberry.enum_value("REJECTED", description="The score stays as it was.")


@strawberry.enum(description="What an input of a score is divided by.")
class ScorePer(Enum):
    """See `models.NORMALS`."""

    NONE = strawberry.enum_value("NONE", description="Nothing: it counts as it is.")
    HOUSEHOLDS = strawberry.enum_value("HOUSEHOLDS", description="The households of the worker's area.")
    SHIFTS = strawberry.enum_value("SHIFTS", description="The shifts that the worker attended in the period.")

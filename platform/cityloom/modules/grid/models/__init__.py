"""Tables of the grid."""

from cityloom.modules.grid.models.duty import Shift
from cityloom.modules.grid.models.patrols import Patrol, PatrolDay, TrackBatch, WorkerPosition
from cityloom.modules.grid.models.posts import Post, PostAssignment, PostStaffing, Worker
from cityloom.modules.grid.models.scores import (
    Award,
    AwardKind,
    Score,
    ScoreAppeal,
    ScoreContribution,
    ScoreFormula,
    ScoreLine,
    ScorePeriod,
)
from cityloom.modules.grid.models.visits import DailyReport, Visit, VisitChange, VisitForm

__all__ = [
    "Award",
    "AwardKind",
    "DailyReport",
    "Patrol",
    "PatrolDay",
    "Post",
    "PostAssignment",
    "PostStaffing",
    "Score",
    "ScoreAppeal",
    "ScoreContribution",
    "ScoreFormula",
    "ScoreLine",
    "ScorePeriod",
    "Shift",
    "TrackBatch",
    "Visit",
    "VisitChange",
    "VisitForm",
    "Worker",
    "WorkerPosition",
]

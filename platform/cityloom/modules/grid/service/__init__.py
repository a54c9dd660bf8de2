"""What can be done on the grid."""

from cityloom.modules.grid.service.awards import grant_award, revoke_award
from cityloom.modules.grid.service.days import evaluate_days
from cityloom.modules.grid.service.patrols import (
    LARGEST_BATCH,
    append_track,
    forget_tracks,
    start_patrol,
    stop_patrol,
)
from cityloom.modules.grid.service.posts import (
    DutyOfficer,
    Holder,
    assign_post,
    duty_officer,
    holds_post,
    ladder,
    post_holders,
    release_post,
)
from cityloom.modules.grid.service.scores import (
    calculate_period,
    contribute,
    decide_appeal,
    file_appeal,
    publish_formula,
    publish_period,
    recalculate_period,
)
from cityloom.modules.grid.service.shifts import cancel_shift, check_in, check_out, plan_shift
from cityloom.modules.grid.service.visits import Changed, acknowledge_report, record_visit, submit_report

__all__ = [
    "LARGEST_BATCH",
    "Changed",
    "DutyOfficer",
    "Holder",
    "acknowledge_report",
    "append_track",
    "assign_post",
    "calculate_period",
    "cancel_shift",
    "check_in",
    "check_out",
    "contribute",
    "decide_appeal",
    "duty_officer",
    "evaluate_days",
    "file_appeal",
    "forget_tracks",
    "grant_award",
    "holds_post",
    "ladder",
    "plan_shift",
    "post_holders",
    "publish_formula",
    "publish_period",
    "recalculate_period",
    "record_visit",
    "release_post",
    "revoke_award",
    "start_patrol",
    "stop_patrol",
    "submit_report",
]

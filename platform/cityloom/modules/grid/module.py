"""How the grid is wired into the platform."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.modules.grid.api.mutations import GridMutation
from cityloom.modules.grid.api.queries import GridQuery
from cityloom.modules.grid.api.results import (
    Award,
    AwardKind,
    DailyReport,
    DwellingVisits,
    HouseholdVisits,
    ResidentVisits,
    Score,
    ScoreAppeal,
    ScoreFormula,
    ScoreLine,
    ScorePeriod,
    Visit,
    VisitChange,
    VisitForm,
)
from cityloom.modules.grid.api.shapes import (
    AreaGrid,
    Patrol,
    PatrolDay,
    Post,
    PostAssignment,
    PostStaffing,
    Shift,
    TrackBatch,
    Worker,
    WorkerPosition,
)
from cityloom.modules.grid.events import EVENTS
from cityloom.modules.grid.holdings import HOLDINGS, RETENTIONS
from cityloom.modules.grid.jobs import JOBS
from cityloom.modules.grid.pack import GridPart
from cityloom.modules.grid.permissions import PERMISSIONS
from cityloom.modules.grid.settings import GridSettings

MODULE = Module(
    name="grid",
    title=Text("网格", "Grid"),
    description=Text(
        "网格岗位与配备、排班值班、巡查轨迹、走访、日报、评分、排名与授奖。",
        "Posts and staffing of grids, shifts and duty, patrols with tracks, visits, reports, scores and awards.",
    ),
    needs=("areas", "registry"),
    settings=GridSettings,
    permissions=PERMISSIONS,
    tenant_api=GraphApi(
        queries=(GridQuery,),
        mutations=(GridMutation,),
        extensions=(AreaGrid, DwellingVisits, HouseholdVisits, ResidentVisits),
        types=(
            Post,
            PostStaffing,
            Worker,
            PostAssignment,
            Shift,
            Patrol,
            TrackBatch,
            WorkerPosition,
            PatrolDay,
            VisitForm,
            Visit,
            VisitChange,
            DailyReport,
            ScoreFormula,
            ScorePeriod,
            Score,
            ScoreLine,
            ScoreAppeal,
            AwardKind,
            Award,
        ),
    ),
    pack_parts=(GridPart(),),
    events=EVENTS,
    jobs=JOBS,
    holdings=HOLDINGS,
    retentions=RETENTIONS,
)

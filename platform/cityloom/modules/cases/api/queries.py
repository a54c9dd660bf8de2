"""The root query fields of cases."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import ColumnElement, Date, Integer, Text, and_, cast, func, select
from sqlalchemy import case as when
from sqlalchemy.orm import aliased

from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import end_of
from cityloom.modules.areas.models import Area as AreaModel
from cityloom.modules.cases import models as m
from cityloom.modules.cases.api.shapes import Case, CaseTask, CaseTracking, Matter, Workflow

_METRES_PER_DEGREE = 111_195.0
_SATISFIED = 4


def within(
    row: type[m.Case | m.CaseTask],
    area: Annotated[b.ID | None, b.argument("Only what lies in this area, at any depth.", of="area")] = None,
) -> ColumnElement[bool]:
    """Rows in an area."""
    if area is None:
        return row.area_id.is_not(None)
    top = aliased(AreaModel)
    low: Any = select(top.path).where(top.id == area).scalar_subquery()
    high: Any = select(end_of(top.path)).where(top.id == area).scalar_subquery()
    inside: ColumnElement[bool] = (row.area_path >= low) & (row.area_path < high)
    return inside


def with_code(
    row: type[m.CaseTracking],
    code: Annotated[str, b.argument("The tracking code; small letters and blanks do not matter.")],
) -> ColumnElement[bool]:
    """The public face of the case that a code leads to."""
    return row.code == code


def normal_code(arguments: dict[str, Any], _principal: object, _services: object) -> dict[str, Any]:
    """A tracking code as it is stored: who types reads O as 0 and I or L as 1."""
    code = "".join(arguments["code"].split()).upper().translate(str.maketrans("OIL", "011"))
    return {**arguments, "code": code.replace("-", "")}


def near(
    row: type[m.Case],
    matter_id: Annotated[b.ID, b.argument("The matter.", of="matr")],
    longitude: Annotated[float, b.argument("Degrees east, WGS-84.")],
    latitude: Annotated[float, b.argument("Degrees north, WGS-84.")],
    metres: Annotated[int, b.argument("How near to each other, 1 to 5,000 m.")] = 100,
) -> ColumnElement[bool]:
    """Open cases of a matter in a square around a position: plain comparisons that find the index."""
    south: Any = metres / _METRES_PER_DEGREE
    east: Any = south / func.greatest(func.cos(func.radians(latitude)), math.cos(math.radians(89)))
    return and_(
        row.is_open,
        row.matter_id == matter_id,
        row.longitude.between(longitude - east, longitude + east),
        row.latitude.between(latitude - south, latitude + south),
    )


def bounded(arguments: dict[str, Any], _principal: object, _services: object) -> dict[str, Any]:
    """A distance that is neither none nor the whole city."""
    return {**arguments, "metres": min(max(arguments.get("metres") or 100, 1), 5_000)}


def drawn(
    row: type[m.Case],
    since: Annotated[datetime, b.argument("Only cases closed at this moment or later.")],
    until: Annotated[datetime, b.argument("Only cases closed before this moment.")],
    seed: Annotated[str, b.argument("Any text: the same text draws the same cases, so that a draw can be checked.")],
    size: Annotated[int, b.argument("How many cases, 1 to 100.")] = 20,
) -> ColumnElement[bool]:
    """A simple random sample of the closed cases of a period: those with the smallest digest of seed and id."""
    other = aliased(m.Case)
    digest = func.sha256(func.convert_to(func.concat(seed, cast(other.id, Text)), "UTF8"))
    chosen = (
        select(other.id)
        .where(other.closed_at >= since, other.closed_at < until, other.merged_into_id.is_(None))
        .order_by(digest)
        .limit(size)
    )
    return row.id.in_(chosen)


def sized(arguments: dict[str, Any], _principal: object, _services: object) -> dict[str, Any]:
    """A sample that fits one page."""
    return {**arguments, "size": min(max(arguments.get("size") or 20, 1), 100)}


def _one(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return when((condition, 1), else_=0)


@b.query(module="cases")
class CasesQuery:
    """Cases, tasks, matters and workflows by id, in pages, and counted for boards."""

    case: Case | None = b.root_one(Case, "One case by its id.")
    cases: b.Connection[Case] = b.root_connection(Case, "The cases that the caller can see.", narrow=within)
    case_tracking: CaseTracking | None = b.root_one(
        CaseTracking, "How far a case is, by its tracking code.", narrow=with_code, prepare=normal_code
    )
    case_duplicates: list[Case] = b.root_list(
        Case,
        "Open cases of a matter around a position, among those that the caller can see: likely the same thing.",
        limit=20,
        narrow=near,
        prepare=bounded,
    )
    case_sample: list[Case] = b.root_list(
        Case,
        "A random sample of closed cases for return visits (回访抽样), among those that the caller can see.",
        limit=100,
        narrow=drawn,
        prepare=sized,
    )
    case_task: CaseTask | None = b.root_one(CaseTask, "One co-handler's task by its id.")
    case_tasks: b.Connection[CaseTask] = b.root_connection(
        CaseTask, "The co-handlers' tasks that the caller can see.", narrow=within
    )
    case_stats: list[b.Group] = b.root_aggregate(
        Case,
        "Cases counted and summed: the figures of a command centre's board. Averages are a sum over a count.",
        by={
            "LIGHT": b.dimension(m.Case.light, "By colour."),
            "STATE": b.dimension(m.Case.state, "By the state's code."),
            "MATTER": b.dimension(m.Case.matter_id, "By matter.", tag="matr"),
            "AREA": b.dimension(m.Case.area_id, "By the area that they lie in directly.", tag="area"),
            "DEPARTMENT": b.dimension(m.Case.department_id, "By the department that has them in hand.", tag="dept"),
            "SOURCE": b.dimension(m.Case.source, "By how they came in."),
            "PRIORITY": b.dimension(m.Case.priority, "By priority."),
            "LEVEL": b.dimension(m.Case.level, "By how far up the ladder they went."),
            "HOUR": b.dimension(
                lambda case: cast(func.extract("hour", func.timezone("Asia/Shanghai", case.reported_at)), Integer),
                "By the hour of the day in which they were reported, 0 to 23.",
            ),
            "DAY": b.dimension(
                lambda case: cast(func.timezone("Asia/Shanghai", case.reported_at), Date),
                "By the day on which they were reported.",
            ),
        },
        sums={
            "open": lambda case: _one(case.is_open),
            "overdue": lambda case: _one(case.breached_at.is_not(None)),
            "late": lambda case: _one(case.was_late),
            "reopened": lambda case: _one(case.reopen_count > 0),
            "responded": lambda case: _one(case.response_seconds.is_not(None)),
            "response_seconds": m.Case.response_seconds,
            "closed": lambda case: _one(case.closure_seconds.is_not(None)),
            "closure_seconds": m.Case.closure_seconds,
            "rated": lambda case: _one(case.satisfaction.is_not(None)),
            "satisfied": lambda case: _one(func.coalesce(case.satisfaction, 0) >= _SATISFIED),
            "satisfaction_points": m.Case.satisfaction,
        },
        narrow=within,
    )
    matter: Matter | None = b.root_one(Matter, "One matter by its id.")
    matters: b.Connection[Matter] = b.root_connection(Matter, "The matter catalogue.")
    workflow: Workflow | None = b.root_one(Workflow, "One version of a workflow by its id.")
    workflows: b.Connection[Workflow] = b.root_connection(Workflow, "The city's workflows, with earlier versions.")

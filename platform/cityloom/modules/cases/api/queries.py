"""The root query fields of cases."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import strawberry
from sqlalchemy import ColumnElement, Date, Integer, and_, cast, func, literal_column, or_, select, true
from sqlalchemy.orm import aliased

from cityloom.core.work import Works
from cityloom.graph import bound as b
from cityloom.graph.context import GraphContext
from cityloom.modules.areas.api.shapes import area_at, end_of
from cityloom.modules.areas.models import Area as AreaModel
from cityloom.modules.cases import models as m
from cityloom.modules.cases import service
from cityloom.modules.cases.api.boards import TIMES
from cityloom.modules.cases.api.shapes import Case, CaseTask, CaseTracking, Matter, Workflow
from cityloom.modules.cases.measures import MEASURES, is_open
from cityloom.modules.cases.service.sampling import digest
from cityloom.modules.cases.settings import stated_settings

_METRES_PER_DEGREE = 111_195.0
#: China's civil time as a span: with the zone's name each of a month's rows would look its history up.
_CIVIL: Any = literal_column("INTERVAL '8 hours'")


def within(
    row: type[m.Case | m.CaseTask],
    area: Annotated[b.ID | None, b.argument("Only what lies in this area, at any depth.", of="area")] = None,
) -> ColumnElement[bool]:
    """Rows in an area."""
    if area is None:
        return true()
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
    metres: Annotated[int, b.argument("How near, 1 to 5,000 m; 0: as the city's settings say.")] = 0,
    hours: Annotated[int, b.argument("Reported in the last so many hours; 0: as the city's settings say.")] = 0,
) -> ColumnElement[bool]:
    """Open cases of a matter around a position, not too old: plain comparisons that find the index.

    `hours` has become the minute of the Unix epoch from which on they count: see `likely`.
    """
    return and_(
        row.is_open,
        row.matter_id == matter_id,
        _around(row, longitude, latitude, metres),
        row.reported_at >= func.to_timestamp(hours * 60.0),
    )


def like(
    row: type[m.Case],
    case_id: Annotated[b.ID, b.argument("The case.", of="case")],
    metres: Annotated[int, b.argument("How near, 1 to 5,000 m; 0: as the city's settings say.")] = 0,
    hours: Annotated[int, b.argument("How long before or after; 0: as the city's settings say.")] = 0,
) -> ColumnElement[bool]:
    """Other open cases of a case's matter near its place and time; of its very area where no position is known."""
    other = aliased(m.Case)

    def of(column: Any) -> Any:  # noqa: ANN401 - a column
        return select(column).where(other.id == case_id).scalar_subquery()

    span: Any = func.make_interval(0, 0, 0, 0, hours)
    begin, end = of(other.reported_at) - span, of(other.reported_at) + span
    is_near = _around(row, of(other.longitude), of(other.latitude), metres)
    is_here = and_(row.longitude.is_(None), of(other.longitude).is_(None), row.area_id == of(other.area_id))
    return and_(
        row.is_open,
        row.id != case_id,
        row.matter_id == of(other.matter_id),
        or_(is_near, is_here),
        row.reported_at.between(begin, end),
    )


def _around(row: type[m.Case], longitude: Any, latitude: Any, metres: Any) -> ColumnElement[bool]:  # noqa: ANN401 - binds
    """Rows in a square around a position."""
    south = metres / _METRES_PER_DEGREE
    east = south / func.greatest(func.cos(func.radians(latitude)), math.cos(math.radians(89)))
    return and_(
        row.longitude.between(longitude - east, longitude + east),
        row.latitude.between(latitude - south, latitude + south),
    )


async def likely(arguments: dict[str, Any], principal: Any, services: Any) -> dict[str, Any]:  # noqa: ANN401 - the graph's
    """What is likely the same thing, as the city says where the caller does not."""
    settings = await stated_settings(services, principal.tenant_id)
    found = dict(arguments)
    found["metres"] = min(max(arguments.get("metres") or settings.duplicate_metres, 1), 5_000)
    hours = min(max(arguments.get("hours") or settings.duplicate_hours, 1), 8_760)
    works: Works | None = services.get(Works)
    now = works.clock.now() if works is not None else datetime.now(UTC)
    found["hours"] = int(now.timestamp()) // 60 - 60 * hours if "longitude" in arguments else hours
    return found


def drawn(
    row: type[m.Case],
    since: Annotated[datetime, b.argument("Only cases closed at this moment or later.")],
    until: Annotated[datetime, b.argument("Only cases closed before this moment.")],
    seed: Annotated[str, b.argument("Any text: the same text draws the same cases, so that a draw can be checked.")],
    size: Annotated[int, b.argument("How many cases, 1 to 100.")] = 20,
) -> ColumnElement[bool]:
    """A simple random sample of the closed cases of a period: those with the smallest digest of seed and id."""
    other = aliased(m.Case)
    chosen = (
        select(other.id)
        .where(other.closed_at >= since, other.closed_at < until, other.merged_into_id.is_(None))
        .order_by(digest(other, seed))
        .limit(size)
    )
    return row.id.in_(chosen)


def sized(arguments: dict[str, Any], _principal: object, _services: object) -> dict[str, Any]:
    """A sample that fits one page."""
    return {**arguments, "size": min(max(arguments.get("size") or 20, 1), 100)}


@b.output_type(description="What the return visits of a drawn sample say of all closed cases of a period.")
class CaseSampleResult:
    """See `service.SampleResult`."""

    closed: int = strawberry.field(description="How many cases of the caller's were closed in the period.")
    drawn: int = strawberry.field(description="How many of them were drawn.")
    visited: int = strawberry.field(description="How many of the drawn ones have been asked.")
    satisfied: int = strawberry.field(description="How many of those gave 4 or 5.")
    share: float | None = strawberry.field(description="The share of the satisfied, 0 to 1; null before a visit.")
    low: float | None = strawberry.field(
        description="With 95 % confidence the share among all is not below this (Wilson's score interval)."
    )
    high: float | None = strawberry.field(description="With 95 % confidence the share among all is not above this.")


async def _sample_result(
    info: strawberry.Info,
    since: Annotated[datetime, strawberry.argument(description="Only cases closed at this moment or later.")],
    until: Annotated[datetime, strawberry.argument(description="Only cases closed before this moment.")],
    seed: Annotated[str, strawberry.argument(description="The text that the sample was drawn with.")],
    size: Annotated[int, strawberry.argument(description="How many were drawn, 1 to 1,000.")] = 20,
) -> CaseSampleResult:
    context: GraphContext = info.context
    async with context.begin(context.principal) as work:
        found = await service.sample_result(work, since=since, until=until, seed=seed, size=size)
    return CaseSampleResult(**asdict(found))


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
        "Open cases of a matter around a position and a time, among those that the caller can see: likely the same"
        " thing. Ask before reporting; how near and how soon the city's settings say.",
        limit=20,
        narrow=near,
        prepare=likely,
    )
    case_likely_duplicates: list[Case] = b.root_list(
        Case,
        "Other open cases that are likely the same thing as a case, among those that the caller can see: join them"
        " with `caseMerge`.",
        limit=20,
        narrow=like,
        prepare=likely,
    )
    case_sample: list[Case] = b.root_list(
        Case,
        "A random sample of closed cases for return visits (回访抽样), among those that the caller can see.",
        limit=100,
        narrow=drawn,
        prepare=sized,
    )
    case_sample_result: CaseSampleResult = strawberry.field(
        resolver=_sample_result,
        description="The satisfaction that the visits of a sample show, with its confidence interval (满意率抽样结果).",
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
            "AREA": b.dimension(m.Case.area_path, "By the area that they lie in directly.", tag="area", shown=area_at),
            "DEPARTMENT": b.dimension(m.Case.department_id, "By the department that has them in hand.", tag="dept"),
            "SOURCE": b.dimension(m.Case.source, "By how they came in."),
            "PRIORITY": b.dimension(m.Case.priority, "By priority."),
            "LEVEL": b.dimension(m.Case.level, "By how far up the ladder they went."),
            "HOUR": b.dimension(
                lambda case: cast(func.extract("hour", func.timezone(_CIVIL, case.reported_at)), Integer),
                "By the hour of the day in which they were reported, 0 to 23.",
            ),
            "DAY": b.dimension(
                lambda case: cast(func.timezone(_CIVIL, case.reported_at), Date),
                "By the day on which they were reported.",
            ),
        },
        sums={"open": is_open, **MEASURES},
        figures=TIMES,
        narrow=within,
    )
    matter: Matter | None = b.root_one(Matter, "One matter by its id.")
    matters: b.Connection[Matter] = b.root_connection(Matter, "The matter catalogue.")
    workflow: Workflow | None = b.root_one(Workflow, "One version of a workflow by its id.")
    workflows: b.Connection[Workflow] = b.root_connection(Workflow, "The city's workflows, with earlier versions.")

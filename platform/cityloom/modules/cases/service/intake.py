"""How something becomes a case: who reports what, where it is, and whether it is known already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select, update
from sqlalchemy import case as when
from sqlalchemy.orm import aliased

from cityloom.core.crypto import check_mobile_number, mask_phone
from cityloom.core.errors import Forbidden
from cityloom.core.ids import new_id
from cityloom.core.prepared import Prepared, Reader
from cityloom.core.principal import PrincipalKind
from cityloom.modules.areas import models as areas
from cityloom.modules.areas import tree
from cityloom.modules.cases import clocks as ck
from cityloom.modules.cases import events
from cityloom.modules.cases import models as m
from cityloom.modules.cases.errors import (
    REFUSALS,
    AnonymousNotAllowed,
    MatterNotReportable,
    MergeImpossible,
    PlaceMissing,
    PlaceUnknown,
    ReferenceMissing,
    ReporterNotAllowed,
    absent,
)
from cityloom.modules.cases.service import record
from cityloom.modules.cases.service.flows import calendar_of, flow_of, settings_of
from cityloom.modules.cases.service.photos import attach
from cityloom.tenancy.keys import KeyRing

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.principal import Principal
    from cityloom.core.work import Work

REPORT, MERGE = "cases.case.report", "cases.case.merge"
DESCRIPTION_LIMIT = 2_000
LONGEST_REFERENCE = 200
_MATTERS = Reader(m.Matter)
_MATTER = Prepared(
    lambda: select(
        *_MATTERS.columns,
        select(m.WorkflowVersion.id)
        .where(
            m.WorkflowVersion.tenant_id == m.Matter.tenant_id,
            m.WorkflowVersion.code == m.Matter.workflow_code,
            m.WorkflowVersion.is_current,
        )
        .scalar_subquery()
        .label("version_id"),
    ).where(m.Matter.tenant_id == bindparam("tenant"), m.Matter.id == bindparam("row"))
)
#: What a matter's `reporters` call each kind of caller.
_CALLERS = {
    PrincipalKind.STAFF: "staff",
    PrincipalKind.RESIDENT: "resident",
    PrincipalKind.API_CLIENT: "system",
    PrincipalKind.SYSTEM: "system",
}
CALLERS = ("staff", "resident", "system")


@dataclass(frozen=True, slots=True)
class Reported:
    """What somebody reports; `position` is longitude and latitude in WGS-84 degrees."""

    matter_id: UUID | None
    description: str
    area_id: UUID | None = None
    has_area: bool = False
    position: tuple[float, float] | None = None
    address: str | None = None
    source: str = "WEB"
    priority: str | None = None
    phone: str | None = None
    external_reference: str | None = None
    is_anonymous: bool = False
    photos: tuple[UUID | None, ...] = ()


async def report(work: Work, given: Reported) -> m.CaseTracking:
    """Take a report: a new case in the state in which its workflow begins, clocks running, with a tracking code.

    Refuses (`Forbidden`, `NotFound`, `MatterNotReportable`, `ReporterNotAllowed`, `AnonymousNotAllowed`,
    `PlaceMissing`, `PlaceUnknown`, `AreaNotFound`, `AreaClosed`, `ReportedAlready`, `TextWrong`) and wrong numbers.
    """
    scope = work.authorise(REPORT)
    matter, version_id = await _matter(work, given)
    area = await place(work, given.area_id, given.position, has_area=given.has_area)
    if not (scope.own or scope.departments or scope.covers(area.path)):
        raise Forbidden(permission=REPORT)
    if version_id is None:
        raise MatterNotReportable(path=("matterId",), matter=matter.code)
    flow = await flow_of(work, version_id)
    state, now, calendar = flow.state(flow.initial), work.now(), await calendar_of(work)
    work.refusing(REFUSALS)
    case = work.new(
        m.Case,
        id=new_id(int(now.timestamp() * 1000)),
        tracking_code=record.tracking_code(),
        matter_id=matter.id,
        workflow_id=version_id,
        state=state.code,
        light=state.light,
        is_open=True,
        priority=given.priority or matter.priority,
        source=given.source,
        description=record.checked_text(given.description, "description", DESCRIPTION_LIMIT),
        address=record.checked_text(given.address, "address", 200) if given.address else None,
        longitude=given.position[0] if given.position else None,
        latitude=given.position[1] if given.position else None,
        area_id=area.id,
        area_path=area.path,
        reporter_id=None if given.is_anonymous else work.principal.account_id,
        department_id=None,
        reported_at=now,
        clocks={},
        entry_count=0,
        step_count=0,
        report_count=1,
        level=0,
        was_late=False,
        version=1,
        changed_at=now,
    )
    entries = ck.entering(ck.Clocks(), flow, state, matter.limits.get(state.code, state.limit), now, calendar)
    record.write_ledger(work, case, flow, entries, calendar)
    step = record.add_step(work, case, "REPORT", from_state=None)
    if given.is_anonymous:
        step.actor_id = None
    tracking = work.new(
        m.CaseTracking,
        code=case.tracking_code,
        case_id=case.id,
        matter_id=matter.id,
        state_zh=state.name.zh,
        state_en=state.name.en,
        light=state.light,
        is_open=True,
        reported_at=now,
        changed_at=now,
    )
    work.add(await _report_row(work, case, given))
    await attach(work, case, step, [("REPORT", file_id) for file_id in given.photos])
    work.emit(
        events.CaseReported(
            subject_id=case.id,
            area_path=case.area_path,
            matter=matter.code,
            source=case.source,
            state=case.state,
            light=case.light,
            priority=case.priority,
        )
    )
    record.audit(work, REPORT, case, {}, record.shown(case))
    return tracking


async def take_in(work: Work, given: Reported) -> m.CaseTracking:
    """Take a report of another system once: its own number again answers what that became, and changes nothing.

    Refuses what `report` refuses, `ReferenceMissing`, and (`ReportedAlready`) a number that somebody else's system
    gave, or that is being taken at this very moment: then repeat.
    """
    work.authorise(REPORT)
    if not given.external_reference or len(given.external_reference) > LONGEST_REFERENCE:
        raise ReferenceMissing(path=("externalReference",), limit=LONGEST_REFERENCE)
    known = await work.session.scalar(
        select(m.CaseTracking)
        .join(m.CaseReport, m.CaseReport.tracking_code == m.CaseTracking.code)
        .where(
            m.CaseReport.source == given.source,
            m.CaseReport.external_reference == given.external_reference,
            m.CaseReport.reporter_id == work.principal.account_id,
        )
    )
    return known if known is not None else await report(work, given)


async def _matter(work: Work, given: Reported) -> tuple[m.Matter, UUID | None]:
    """The matter, and the version of its workflow that new cases go through."""
    found = await _MATTER.row(work, row=given.matter_id)
    if found is None:
        raise absent("matter", ("matterId",))
    matter = _MATTERS.read(found)
    today = tree.civil_day(work.now())
    is_valid = (matter.valid_from is None or matter.valid_from <= today) and (
        matter.valid_until is None or matter.valid_until > today
    )
    if not (matter.is_reportable and matter.admission == "ADMITTED" and is_valid):
        raise MatterNotReportable(path=("matterId",), matter=matter.code)
    caller = _CALLERS.get(work.principal.kind)
    if caller not in matter.reporters:
        raise ReporterNotAllowed(path=("matterId",), known=", ".join(matter.reporters))
    if given.is_anonymous and not (matter.allows_anonymous or (await settings_of(work)).allows_anonymous):
        raise AnonymousNotAllowed(path=("isAnonymous",))
    return matter, found["version_id"]


async def _report_row(work: Work, case: m.Case, given: Reported) -> m.CaseReport:
    row = m.CaseReport(
        id=new_id(int(work.now().timestamp() * 1000)),
        case_id=case.id,
        original_case_id=case.id,
        tracking_code=case.tracking_code,
        source=given.source,
        external_reference=given.external_reference,
        reporter_id=case.reporter_id,
        description=case.description,
        reported_at=case.reported_at,
    )
    if given.phone is not None and not given.is_anonymous:
        number = check_mobile_number(given.phone, path=("phone",))
        ring: KeyRing = work.services[KeyRing]
        keys = await ring.of(work.tenant_id)
        row.phone, row.phone_masked = keys.seal("case_reports", "phone", row.id, number), mask_phone(number)
    return row


async def place(
    work: Work, area_id: UUID | None, position: tuple[float, float] | None, *, has_area: bool
) -> areas.Area:
    """The open area in which something happened: the one named, else the deepest one that holds the position.

    Refuses (`PlaceMissing`, `PlaceUnknown`, `AreaNotFound`, `AreaClosed`).
    """
    if has_area:
        return await tree.place_in(work, area_id)
    if position is None:
        raise PlaceMissing(path=("position",))
    found = await area_at(work, position)
    if found is None:
        raise PlaceUnknown(path=("position",))
    return await tree.place_in(work, found)


async def area_at(work: Work, position: tuple[float, float]) -> UUID | None:
    """The deepest open area whose boundary holds a WGS-84 position: plain comparisons with the box come first."""
    longitude, latitude = position
    today = tree.civil_day(work.now())
    area, ring = areas.Area, aliased(areas.AreaRing)
    inside = ring.ring.op("@>", is_comparison=True)(func.point(longitude, latitude, type_=areas.Point()))
    times = (
        select(func.coalesce(func.sum(when((ring.is_hole, -1), else_=1)), 0))
        .where(ring.area_id == area.id, inside)
        .scalar_subquery()
    )
    box = (area.west <= longitude) & (area.east >= longitude) & (area.south <= latitude) & (area.north >= latitude)
    is_open = (area.valid_from.is_(None) | (area.valid_from <= today)) & (
        area.valid_until.is_(None) | (area.valid_until > today)
    )
    return await work.session.scalar(
        select(area.id).where(box, is_open, times > 0).order_by(area.depth.desc(), area.id).limit(1)
    )


async def merge(
    work: Work, case_id: UUID | None, into_id: UUID | None, *, text: str | None = None, version: int | None = None
) -> m.CaseStep:
    """Join a duplicate to the case that stays: it is closed, and its reports and tracking codes go to the other.

    Answers the step of the case that stays. Refuses what `record.reach` refuses of both, and `MergeImpossible`.
    """
    if case_id == into_id and case_id is not None:
        raise MergeImpossible(path=("intoId",))
    # Locked in the order of their ids, so that two merges cannot wait for each other.
    found: dict[str, m.Case] = {}
    wanted = {"id": case_id, "intoId": into_id}
    for name in sorted(wanted, key=lambda name: str(wanted[name])):
        expected = version if name == "id" else None
        found[name], _ = await record.reach(work, wanted[name], MERGE, path=(name,), version=expected)
    gone, kept = found["id"], found["intoId"]
    if not (gone.is_open and kept.is_open):
        raise MergeImpossible(path=("id",))
    now, flow, calendar = work.now(), await flow_of(work, gone.workflow_id), await calendar_of(work)
    clocks = record.clocks_of(gone)
    record.write_ledger(
        work, gone, flow, [ck.Entry("STOP", which, now) for which in ck.BOTH if which in clocks.live], calendar
    )
    before = record.shown(gone)
    gone.merged_into_id, gone.is_open, gone.closed_at = kept.id, False, now
    gone.closure_seconds = int((now - gone.reported_at).total_seconds())
    kept.report_count += gone.report_count
    said = record.checked_text(text, "text") if text else None
    record.touch(work, gone)
    record.add_step(work, gone, "MERGE", from_state=gone.state, comment=said)
    record.touch(work, kept)
    step = record.add_step(work, kept, "MERGE", from_state=kept.state, comment=said)
    await work.flush()
    for model in (m.CaseReport, m.CaseTracking, m.CasePhoto):
        await work.session.execute(
            update(model)
            .where(model.case_id == gone.id)
            .values(case_id=kept.id)
            .execution_options(synchronize_session=False)
        )
    record.show(work, kept, (await flow_of(work, kept.workflow_id)).state(kept.state))
    work.emit(events.CaseMerged(subject_id=gone.id, area_path=gone.area_path, into_id=kept.id))
    record.audit(work, MERGE, gone, before, record.shown(gone) | {"merged_into_id": str(kept.id)})
    return step


def caller_word(principal: Principal) -> str | None:
    """What a matter's `reporters` call this caller."""
    return _CALLERS.get(principal.kind)

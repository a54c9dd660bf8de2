"""What time alone does: warnings, missed deadlines, escalation. Nothing here reads a clock but the work's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.modules.cases import clocks as ck
from cityloom.modules.cases import events
from cityloom.modules.cases import models as m
from cityloom.modules.cases.service import record
from cityloom.modules.cases.service.flows import calendar_of, flow_of
from cityloom.modules.cases.service.people import holders
from cityloom.modules.grid import service as grid

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.modules.cases.business import BusinessCalendar
    from cityloom.modules.cases.flow import Workflow

#: Where an overdue case goes when nobody is found: the board that the whole city's command centre sees.
BOARD = "board"
#: The duty officer of the roster.
DUTY = "duty"


async def run_due(work: Work, *, most: int = 200) -> int:
    """Bring the ledgers of at most so many cases up to date, the most overdue first; answers how many there were.

    Safe to run from several processes at once: cases that another one is busy with are skipped. Repeat until it
    answers less than `most`.
    """
    cases = (
        await work.session.scalars(
            select(m.Case)
            .where(m.Case.next_clock_at <= work.now())
            .order_by(m.Case.next_clock_at)
            .limit(most)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
    ).all()
    if cases:
        calendar = await calendar_of(work)
        for case in cases:
            before = case.version
            if await settle(work, case, await flow_of(work, case.workflow_id), calendar) and case.version == before:
                record.touch(work, case)
        await work.session.flush()
    return len(cases)


async def settle(work: Work, case: m.Case, flow: Workflow, calendar: BusinessCalendar) -> int:
    """Write every entry of one case's ledger that was due by now, with the moment at which it was due.

    Called also before a case moves, so that it does not matter how late the periodic run was.
    """
    if case.next_clock_at is None or case.next_clock_at > work.now():
        return 0
    entries, _, _ = ck.fallen_due(record.clocks_of(case), flow, work.now(), calendar)
    targets: dict[int, tuple[str, UUID | None]] = {}
    raised: tuple[str, UUID | None] | None = None
    for at, entry in enumerate(entries):
        if entry.kind == "ESCALATE":
            raised = targets[at] = await _target(work, case, flow, flow.escalation[(entry.number or 1) - 1].to)
    record.write_ledger(work, case, flow, entries, calendar, targets)
    if raised is not None:
        case.escalated_to_id, case.is_on_board = raised[1], raised[0] == BOARD
    for at, entry in enumerate(entries):
        _tell(work, case, entry, targets.get(at))
    if entries:
        before = {"due_at": None}
        record.audit(work, "cases.case.clock", case, before, {"entries": [f"{e.kind} {e.clock}" for e in entries]})
    return len(entries)


async def _target(work: Work, case: m.Case, flow: Workflow, rung: str) -> tuple[str, UUID | None]:
    """Whom a rung leads to: its own people, else who is on duty, else the city's board.

    Who is on duty is whom the workflow names, else the officer of the grid's roster.
    """
    if rung == BOARD:
        return BOARD, None
    for target in (rung, flow.duty):
        if target is not None and target != BOARD:
            found = await holders(work, case, target)
            if found:
                return target, found[0]
    officer = await grid.duty_officer(work, case.area_path) if flow.duty is None else None
    return (DUTY, officer.account_id) if officer is not None else (BOARD, None)


def _tell(work: Work, case: m.Case, entry: ck.Entry, target: tuple[str, UUID | None] | None) -> None:
    due_at = str(case.due_at.isoformat() if case.due_at else entry.at.isoformat())
    match entry.kind:
        case "WARN":
            work.emit(
                events.CaseWarned(
                    subject_id=case.id,
                    area_path=case.area_path,
                    clock=entry.clock,
                    percent=entry.number or 0,
                    due_at=due_at,
                )
            )
        case "BREACH":
            work.emit(
                events.CaseOverdue(
                    subject_id=case.id,
                    area_path=case.area_path,
                    clock=entry.clock,
                    state=case.state,
                    due_at=entry.at.isoformat(),
                )
            )
        case "ESCALATE" if target is not None:
            work.emit(
                events.CaseRaised(
                    subject_id=case.id,
                    area_path=case.area_path,
                    rung=entry.number or 0,
                    target=target[0],
                    account_id=target[1],
                )
            )
        case _:
            pass

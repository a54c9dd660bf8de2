"""Co-handlers: called in by a whistle (吹哨), they respond (报到), and say when they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.modules.areas.service import demand_version
from cityloom.modules.cases import events
from cityloom.modules.cases import models as m
from cityloom.modules.cases.errors import NotYours, TaskAnswered, absent
from cityloom.modules.cases.service import record
from cityloom.modules.cases.service.handling import HANDLE

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

READ = "cases.task.read"
_STEPS = {
    "RESPONDED": ("RESPOND", ("OPEN",)),
    "DONE": ("COMPLETE", ("OPEN", "RESPONDED")),
    "DECLINED": ("DECLINE", ("OPEN",)),
}


async def answer(
    work: Work, task_id: UUID | None, state: str, *, text: str | None = None, version: int | None = None
) -> m.CaseTask:
    """Answer a task: `RESPONDED`, `DONE` or `DECLINED` (with a reason).

    Refuses (`NotFound`, `Forbidden`, `ChangedMeanwhile`), `NotYours` who is not called in, and `TaskAnswered`.
    """
    task = await work.session.scalar(
        select(m.CaseTask).where(m.CaseTask.id == task_id).execution_options(populate_existing=True)
    )
    seen = work.rights.scope(READ)
    account = work.principal.account_id
    is_seen = task is not None and (
        (seen is not None and (seen.covers(task.area_path) or task.department_id in seen.departments))
        or task.assignee_id == account
    )
    scope = work.authorise(HANDLE)
    if task is None or not is_seen:
        raise absent("task")
    # The case first, as everywhere, so that two steps of one case cannot wait for each other.
    case = await work.session.scalar(
        select(m.Case).where(m.Case.id == task.case_id).with_for_update().execution_options(populate_existing=True)
    )
    await work.session.refresh(task, with_for_update=True)
    if case is None:
        raise absent("task")
    if not (task.assignee_id == account or task.department_id in scope.departments):
        raise NotYours(path=("id",), who="handler")
    demand_version(version, task.version)
    verb, allowed = _STEPS[state]
    if task.state not in allowed or not case.is_open:
        raise TaskAnswered(path=("id",))
    now = work.now()
    task.state, task.changed_at, task.version = state, now, task.version + 1
    task.responded_at = task.responded_at or now
    task.done_at = now if state == "DONE" else None
    task.answer = record.checked_text(text, "text") if text else task.answer
    before = record.shown(case)
    record.touch(work, case)
    record.add_step(
        work, case, verb, from_state=case.state, department_id=task.department_id, comment=task.answer if text else None
    )
    await work.session.flush()
    work.emit(events.TaskAnswered(subject_id=case.id, area_path=case.area_path, task_id=task.id, state=state))
    record.audit(work, f"cases.task.{verb.lower()}", case, before, record.shown(case))
    return task

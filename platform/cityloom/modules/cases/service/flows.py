"""Published workflows and the city's calendar, as the process remembers them."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.modules.cases import models as m
from cityloom.modules.cases.business import BusinessCalendar, read_hours
from cityloom.modules.cases.flow import Workflow
from cityloom.modules.cases.settings import CasesSettings, stated_settings

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

_MOST = 2_048
#: Other processes learn of a changed calendar after so many seconds at most.
_CALENDAR_LIVES = 30.0


class Remembered:
    """What hardly ever changes: versions of workflows never do, calendars are read again now and then."""

    def __init__(self) -> None:
        self.flows: OrderedDict[UUID, Workflow] = OrderedDict()
        self.calendars: dict[UUID, tuple[float, BusinessCalendar]] = {}


def remembered(work: Work) -> Remembered:
    """This process's memory."""
    found: Remembered | None = work.services.get(Remembered)
    if found is None:
        found = work.services[Remembered] = Remembered()
    return found


async def flow_of(work: Work, workflow_id: UUID) -> Workflow:
    """A version of a workflow; its id is enough, because a version never changes."""
    memory = remembered(work).flows
    found = memory.get(workflow_id)
    if found is None:
        definition = await work.session.scalar(
            select(m.WorkflowVersion.definition).where(m.WorkflowVersion.id == workflow_id)
        )
        found = memory[workflow_id] = Workflow.model_validate(definition)
        while len(memory) > _MOST:
            memory.popitem(last=False)
    return found


async def settings_of(work: Work) -> CasesSettings:
    """The city's settings; the platform's own where the work knows of no directory."""
    return await stated_settings(work.services, work.tenant_id)


async def calendar_of(work: Work) -> BusinessCalendar:
    """The city's business calendar."""
    memory = remembered(work).calendars
    known = memory.get(work.tenant_id)
    if known is not None and time.monotonic() - known[0] < _CALENDAR_LIVES:
        return known[1]
    settings = await settings_of(work)
    rows = await work.session.execute(select(m.BusinessDay.day, m.BusinessDay.is_workday))
    calendar = BusinessCalendar(read_hours(settings.working_hours), {row[0]: row[1] for row in rows})
    memory[work.tenant_id] = (time.monotonic(), calendar)
    return calendar


def forget_calendar(work: Work) -> None:
    """Read the calendar again after this work."""
    memory, tenant_id = remembered(work).calendars, work.tenant_id
    memory.pop(tenant_id, None)
    work.after_commit.append(lambda: memory.pop(tenant_id, None) and None)

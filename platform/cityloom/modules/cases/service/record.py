"""Writing down what happens to a case: its step, its ledger, its public face, event and audit entry."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from cityloom.access import models as access
from cityloom.core.events import AuditEntry
from cityloom.core.prepared import Prepared, Reader
from cityloom.modules.areas.service import demand_version
from cityloom.modules.cases import clocks as ck
from cityloom.modules.cases import models as m
from cityloom.modules.cases.errors import TextWrong, absent
from cityloom.modules.cases.service.people import covers, is_valid, reaches

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Select

    from cityloom.core.principal import Scope
    from cityloom.core.work import Work
    from cityloom.modules.cases.business import BusinessCalendar
    from cityloom.modules.cases.flow import State, Workflow

READ = "cases.case.read"
#: Digits and letters that nobody takes for another: Crockford's base 32.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_LENGTH = 12
TEXT_LIMIT = 2_000


_CASES = Reader(m.Case)
_CASE = Prepared(
    lambda: (
        select(*_CASES.columns)
        .where(m.Case.tenant_id == bindparam("tenant"), m.Case.id == bindparam("row"))
        .with_for_update()
    )
)


def _step() -> Select[Any]:
    """The case, locked, its matter, and the roles that an account holds where the case lies."""
    held, role, cases, matters = access.Membership, access.Role, m.Case.__table__, m.Matter.__table__
    tenant: Any = bindparam("tenant")
    roles = (
        select(func.array_agg(role.code, type_=ARRAY(Text)))
        .select_from(held)
        .join(role, (role.tenant_id == held.tenant_id) & (role.id == held.role_id))
        .where(
            held.tenant_id == tenant,
            held.account_id == bindparam("account"),
            reaches(cases.c.area_path, cases.c.department_id),
            is_valid(bindparam("now", type_=m.Case.changed_at.type)),
        )
        .correlate(cases)
        .scalar_subquery()
    )
    return (
        select(
            *_CASES.columns,
            matters.c.limits.label("matter_limits"),
            matters.c.needs.label("matter_needs"),
            matters.c.department_id.label("matter_owner"),
            matters.c.name_zh.label("matter_name"),
            roles.label("roles"),
        )
        .select_from(cases.join(matters, (matters.c.tenant_id == tenant) & (matters.c.id == cases.c.matter_id)))
        .where(cases.c.tenant_id == tenant, cases.c.id == bindparam("row"))
        .with_for_update(of=cases)
    )


_STEP = Prepared(_step)


def tracking_code() -> str:
    """Sixty random bits that can be read out on the telephone."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in secrets.token_bytes(_CODE_LENGTH))


def checked_text(value: str, name: str, limit: int = TEXT_LIMIT) -> str:
    """A text without blanks around it; refuses (`TextWrong`)."""
    value = value.strip()
    if not 0 < len(value) <= limit or "\x00" in value:
        raise TextWrong(path=(name,), limit=limit)
    return value


async def reach(
    work: Work,
    case_id: UUID | None,
    permission: str,
    *,
    path: tuple[str | int, ...] = ("id",),
    version: int | None = None,
) -> tuple[m.Case, Scope]:
    """The case, locked, for a caller who may do this to it, with the scope in which they may.

    Refuses (`NotFound`) what is absent or may not be seen, (`Forbidden`) what may be seen but not this,
    (`ChangedMeanwhile`) another version.
    """
    found = await _CASE.row(work, row=case_id)
    case = None if found is None else work.keep(_CASES.read(found))
    return _in_reach(work, case, permission, path, version)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a step needs to know besides the case: what its matter says, and what roles the caller holds here now."""

    scope: Scope
    limits: dict[str, str]
    needs: list[str]
    owner: UUID | None
    matter: str
    roles: frozenset[str]


async def reach_for_step(
    work: Work, case_id: UUID | None, permission: str, *, version: int | None = None
) -> tuple[m.Case, Standing]:
    """The same, with everything else that a step needs, by one statement."""
    account = work.principal.account_id
    found = await _STEP.row(work, row=case_id, account=account, now=work.now())
    case = None if found is None else work.keep(_CASES.read(found))
    case, scope = _in_reach(work, case, permission, ("id",), version)
    return case, Standing(
        scope,
        found["matter_limits"],
        found["matter_needs"],
        found["matter_owner"],
        found["matter_name"],
        frozenset(found["roles"] or ()),
    )


def _in_reach(
    work: Work, case: m.Case | None, permission: str, path: tuple[str | int, ...], version: int | None
) -> tuple[m.Case, Scope]:
    seen = work.rights.scope(READ)
    if case is None or seen is None or not covers(work, seen, case):
        # Whoever may not do this at all is told so, whether or not the case exists.
        work.authorise(permission)
        raise absent("case", path)
    scope = work.authorise(permission)
    if not covers(work, scope, case) and case.assignee_id != work.principal.account_id:
        work.authorise(permission, area_path=case.area_path)
    demand_version(version, case.version)
    return case, scope


def clocks_of(case: m.Case) -> ck.Clocks:
    """The case's clocks, from the projection on its row."""
    return ck.restored(case.clocks)


def write_ledger(
    work: Work,
    case: m.Case,
    flow: Workflow,
    entries: Sequence[ck.Entry],
    calendar: BusinessCalendar,
    targets: dict[int, tuple[str, UUID | None]] | None = None,
    *,
    clocks: ck.Clocks | None = None,
) -> None:
    """Add entries to the ledger and bring the case's projection of it up to date.

    `targets` names whom an entry (by its place) points to; `clocks` are the case's, where they are known. Entries that
    fell due before are added first: see `settle`.
    """
    clocks, now = clocks or clocks_of(case), work.now()
    for at, entry in enumerate(entries):
        clocks = clocks.add(entry, calendar)
        target, account = (targets or {}).get(at, (None, None))
        case.entry_count += 1
        work.new(
            m.CaseClockEntry,
            case_id=case.id,
            number=case.entry_count,
            kind=entry.kind,
            clock=entry.clock,
            at=entry.at,
            recorded_at=now,
            state=entry.state,
            limit_ms=None if entry.limit is None else round(entry.limit.total_seconds() * 1000),
            is_working=entry.is_working,
            due_at=entry.due_at,
            mark=entry.number,
            target=target,
            account_id=account,
        )
    project(case, clocks, flow, calendar)


def project(case: m.Case, clocks: ck.Clocks, flow: Workflow, calendar: BusinessCalendar) -> None:
    """What boards and the next look at the clocks need, from the clocks alone."""
    case.clocks = ck.stored(clocks)
    case.due_at, case.breached_at, case.level = clocks.due_at, clocks.breached_at, clocks.level
    case.was_late = case.was_late or clocks.breached_at is not None
    if case.level == 0:
        case.escalated_to_id, case.is_on_board = None, False
    ahead = ck.coming(clocks, flow, calendar)
    case.next_clock_at = ahead[0].at if ahead else None


def add_step(work: Work, case: m.Case, verb: str, *, from_state: str | None, **values: Any) -> m.CaseStep:  # noqa: ANN401 - columns
    """One more line of the case's history."""
    case.step_count += 1
    return work.new(
        m.CaseStep,
        case_id=case.id,
        number=case.step_count,
        verb=verb,
        from_state=from_state,
        to_state=case.state,
        actor_id=work.principal.account_id,
        happened_at=work.now(),
        **values,
    )


def touch(work: Work, case: m.Case) -> None:
    """Count the change."""
    case.version += 1
    case.changed_at = work.now()


def show(work: Work, case: m.Case, state: State) -> None:
    """Bring the public face of a case up to date."""
    work.change(
        m.CaseTracking,
        {"case_id": case.id},
        state_zh=state.name.zh,
        state_en=state.name.en,
        light=state.light,
        is_open=case.is_open,
        changed_at=case.changed_at,
        closed_at=case.closed_at,
    )


def audit(work: Work, action: str, case: m.Case, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Note a change in the audit log: what changed, without what anybody wrote."""
    changed = {key for key in after if before.get(key) != after[key]}
    work.audit(
        AuditEntry(
            action=action,
            object_tag="case",
            object_id=case.id,
            before={key: before.get(key) for key in changed},
            after={key: after[key] for key in changed},
        )
    )


def shown(case: m.Case) -> dict[str, Any]:
    """What the audit log and events may know of a case."""

    def text(value: datetime | UUID | None) -> str | None:
        return None if value is None else str(value)

    return {
        "state": case.state,
        "light": case.light,
        "department_id": text(case.department_id),
        "assignee_id": text(case.assignee_id),
        "due_at": text(case.due_at),
        "area_id": str(case.area_id),
        "step": case.step_count,
    }

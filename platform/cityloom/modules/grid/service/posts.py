"""Who holds which post where, in valid time; and whom to call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert

from cityloom.access.models import Account
from cityloom.core.principal import subtree
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.grid import events
from cityloom.modules.grid import models as m
from cityloom.modules.grid.errors import (
    AccountNotStaff,
    PeriodWrong,
    PostFull,
    PostNotForKind,
    PostTaken,
    not_found,
)
from cityloom.modules.grid.service import rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement

    from cityloom.core.work import Work

ASSIGN = "grid.post.assign"
_LONGEST_DAYS = 36_600
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who holds a post in an area."""

    account_id: UUID
    name: str
    post_code: str
    rank: int
    is_lead: bool
    area_id: UUID
    area_path: str


@dataclass(frozen=True, slots=True)
class DutyOfficer:
    """Whom to call: from the roster (with the shift), or the nearest lead where nobody is on it."""

    account_id: UUID
    name: str
    post_code: str | None
    area_id: UUID
    area_path: str
    shift_id: UUID | None

    @property
    def is_on_roster(self) -> bool:
        """Whether they are on a duty shift."""
        return self.shift_id is not None


async def assign_post(
    work: Work,
    *,
    account_id: UUID | None,
    post_id: UUID | None,
    area_id: UUID | None,
    valid_from: date | None = None,
    valid_until: date | None = None,
) -> m.PostAssignment:
    """Give an account a post in an open area from a day (today where none is given) to an exclusive day, or for good.

    Refuses (`Forbidden`, `AreaNotFound`, `AreaClosed`, `NotFound`, `AccountNotStaff`, `PostNotForKind`, `PostTaken`,
    `PostHeldAlready`, `PostFull`, `PeriodWrong`).
    """
    area = await rows.place(work, area_id, ASSIGN)
    work.authorise(ASSIGN, area_path=area.path)
    # The lock lets assignments of one post happen one after the other: how many there are is counted below.
    post = await work.session.scalar(select(m.Post).where(m.Post.id == post_id).with_for_update())
    if post is None:
        raise not_found("posts", ("postId",))
    staffing = await work.session.scalar(
        select(m.PostStaffing).where(m.PostStaffing.post_id == post.id, m.PostStaffing.kind == area.kind)
    )
    if staffing is None:
        raise PostNotForKind(path=("postId",), kind=area.kind, post=post.code)
    begins = valid_from or civil_day(work.now())
    if valid_until is not None and not 0 < (valid_until - begins).days <= _LONGEST_DAYS:
        raise PeriodWrong(path=("validUntil",), limit=f"{_LONGEST_DAYS} d")
    await _know_worker(work, account_id)
    assignment = m.PostAssignment(
        post_id=post.id,
        is_single=post.is_single,
        account_id=account_id,
        given_area_id=area.id,
        area_id=area.id,
        area_path=area.path,
        valid_from=begins,
        valid_until=valid_until,
    )
    await rows.insert(work, ASSIGN, assignment)
    held = await _most_at_once(work, assignment)
    if post.is_single and held > 1:
        raise PostTaken(path=("postId",))
    if staffing.most is not None and held > staffing.most:
        raise PostFull(path=("postId",), most=staffing.most)
    work.emit(
        events.PostAssigned(
            subject_id=assignment.id,
            area_path=area.path,
            account_id=assignment.account_id,
            post=post.code,
            valid_from=begins.isoformat(),
            valid_until=valid_until.isoformat() if valid_until else None,
        )
    )
    return assignment


async def release_post(
    work: Work, assignment_id: UUID | None, *, valid_until: date | None = None, version: int | None = None
) -> m.PostAssignment:
    """End an assignment on a day, the first on which it holds no longer; tomorrow where none is given.

    Refuses what `rows.reach` refuses, and (`PeriodWrong`) a day that is not after its first, or after its end.
    """
    assignment = await rows.reach(work, m.PostAssignment, assignment_id, ASSIGN, version=version)
    day = valid_until or max(civil_day(work.now()), assignment.valid_from) + _DAY
    if day <= assignment.valid_from or (assignment.valid_until is not None and day > assignment.valid_until):
        raise PeriodWrong(path=("validUntil",), limit=str(assignment.valid_until or "∞"))
    if await rows.write(work, ASSIGN, assignment, {"valid_until": day}):
        work.emit(
            events.PostReleased(
                subject_id=assignment.id,
                area_path=assignment.area_path,
                account_id=assignment.account_id,
                valid_until=day.isoformat(),
            )
        )
    return assignment


async def _know_worker(work: Work, account_id: UUID | None) -> None:
    account = await work.session.scalar(select(Account).where(Account.id == account_id))
    if account is None:
        raise not_found("accounts", ("accountId",))
    if account.kind != "STAFF" or not account.is_active:
        raise AccountNotStaff(path=("accountId",))
    values = {"name": account.name, "changed_at": work.now()}
    statement = insert(m.Worker).values(tenant_id=work.tenant_id, id=account.id, **values)
    await work.session.execute(statement.on_conflict_do_update(index_elements=["tenant_id", "id"], set_=values))


async def _most_at_once(work: Work, assignment: m.PostAssignment) -> int:
    """The largest number of holders on any day of an assignment: it is reached on the first day of one of them."""
    found = (
        await work.session.execute(
            select(m.PostAssignment.valid_from, m.PostAssignment.valid_until).where(
                m.PostAssignment.area_id == assignment.area_id,
                m.PostAssignment.post_id == assignment.post_id,
                or_(m.PostAssignment.valid_until.is_(None), m.PostAssignment.valid_until > assignment.valid_from),
            )
        )
    ).all()
    begins = [max(a, assignment.valid_from) for a, _ in found]
    within = [day for day in begins if assignment.valid_until is None or day < assignment.valid_until]
    return max(sum(a <= day and (b is None or b > day) for a, b in found) for day in within)


def holds_on(day: date) -> ColumnElement[bool]:
    """Assignments that are valid on a day."""
    valid = m.PostAssignment
    return (valid.valid_from <= day) & (valid.valid_until.is_(None) | (valid.valid_until > day))


def upwards(area_path: str) -> list[str]:
    """An area path and those of all areas above it, nearest first."""
    labels = area_path[:-1].split(".")
    return [".".join(labels[:n]) + "." for n in range(len(labels), 0, -1)]


async def holders(work: Work, day: date, *conditions: ColumnElement[bool]) -> list[Holder]:
    """Who holds posts on a day: the deepest areas first, then by rank of the post, then who has held it longest."""
    query = (
        select(m.PostAssignment, m.Post, m.Worker.name)
        .join(m.Post, m.Post.id == m.PostAssignment.post_id)
        .join(m.Worker, m.Worker.id == m.PostAssignment.account_id)
        .where(holds_on(day), *conditions)
    )
    found = [
        (a.valid_from, a.id, Holder(a.account_id, name, p.code, p.rank, p.is_lead, a.area_id, a.area_path))
        for a, p, name in (await work.session.execute(query)).all()
    ]
    found.sort(key=lambda one: (-one[2].area_path.count("."), one[2].area_path, one[2].rank, one[0], one[1]))
    return [holder for _, _, holder in found]


async def post_holders(work: Work, area_path: str, post_code: str, at: datetime | None = None) -> list[Holder]:
    """Holders of a post in the nearest area, from this one upwards, that has any at the moment (now)."""
    found = await holders(
        work, civil_day(at or work.now()), m.PostAssignment.area_path.in_(upwards(area_path)), m.Post.code == post_code
    )
    return [holder for holder in found if holder.area_path == found[0].area_path]


async def ladder(work: Work, area_path: str, at: datetime | None = None) -> list[list[Holder]]:
    """Holders of lead posts from this area to the top, one rung per area that has any, each in order of rank."""
    found = await holders(
        work, civil_day(at or work.now()), m.PostAssignment.area_path.in_(upwards(area_path)), m.Post.is_lead.is_(True)
    )
    rungs: dict[str, list[Holder]] = {}
    for holder in found:
        rungs.setdefault(holder.area_path, []).append(holder)
    return list(rungs.values())


async def holds_post(work: Work, account_id: UUID, post_code: str, area_path: str, at: datetime | None = None) -> bool:
    """Whether an account holds a post in this area, or in one above it, at the moment (now)."""
    found = await holders(
        work,
        civil_day(at or work.now()),
        m.PostAssignment.account_id == account_id,
        m.PostAssignment.area_path.in_(upwards(area_path)),
        m.Post.code == post_code,
    )
    return bool(found)


async def works_in(work: Work, account_id: UUID, area_path: str, day: date) -> bool:
    """Whether an account holds any post in this area, in one above it, or in one below it on a day."""
    low, high = subtree(area_path)
    path = m.PostAssignment.area_path
    found = await work.session.scalar(
        select(m.PostAssignment.id)
        .where(
            m.PostAssignment.account_id == account_id,
            holds_on(day),
            path.in_(upwards(area_path)) | ((path >= low) & (path < high)),
        )
        .limit(1)
    )
    return found is not None


async def duty_officer(work: Work, area_path: str, at: datetime | None = None) -> DutyOfficer | None:
    """Who is called for an area at a moment (now); None where there is nobody.

    That is whom the duty roster names in the nearest area upwards (who has checked in goes before who has not), and
    without a roster the nearest lead. Shifts are behind the area wall: ask in work that sees upwards.
    """
    moment = at or work.now()
    nearest = upwards(area_path)
    shift = m.Shift
    found: Sequence[tuple[m.Shift, str, str | None, int | None]] = [
        (row[0], row[1], row[2], row[3])
        for row in await work.session.execute(
            select(shift, m.Worker.name, m.Post.code, m.Post.rank)
            .join(m.Worker, m.Worker.id == shift.account_id)
            .outerjoin(m.Post, m.Post.id == shift.post_id)
            .where(
                shift.is_duty,
                shift.cancelled_at.is_(None),
                shift.area_path.in_(nearest),
                shift.starts_at <= moment,
                shift.ends_at > moment,
                or_(shift.checked_out_at.is_(None), shift.checked_out_at > moment),
            )
        )
    ]
    if found:
        on, name, post, _ = min(
            found,
            key=lambda row: (
                nearest.index(row[0].area_path),
                row[0].checked_in_at is None or row[0].checked_in_at > moment,
                row[3] or 100,
                row[0].starts_at,
                row[0].id,
            ),
        )
        return DutyOfficer(on.account_id, name, post, on.area_id, on.area_path, on.id)
    rungs = await ladder(work, area_path, moment)
    if not rungs:
        return None
    lead = rungs[0][0]
    return DutyOfficer(lead.account_id, lead.name, lead.post_code, lead.area_id, lead.area_path, None)

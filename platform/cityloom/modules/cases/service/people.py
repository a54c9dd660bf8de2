"""Who somebody is to a case, and who holds what in reach of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from cityloom.access import models as access
from cityloom.core.principal import PrincipalKind
from cityloom.modules.cases import models as m
from cityloom.modules.cases.errors import NotYours
from cityloom.modules.grid import service as grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cityloom.core.principal import Scope
    from cityloom.core.work import Work


def covers(work: Work, scope: Scope, case: m.Case) -> bool:
    """Whether a scope reaches a case: by its area, its department, or because the caller reported it."""
    return (
        scope.covers(case.area_path)
        or (case.department_id is not None and case.department_id in scope.departments)
        or (scope.own and case.reporter_id is not None and case.reporter_id == work.principal.account_id)
    )


async def demand_one_of(work: Work, case: m.Case, who: Sequence[str], scope: Scope, roles: frozenset[str]) -> None:
    """Refuse (`NotYours`) a caller who is nobody of those whom a transition names; `roles` are held where the case is.

    The platform itself is `system` and nobody else.
    """
    if work.principal.kind is PrincipalKind.SYSTEM:
        if "system" in who:
            return
        raise NotYours(who=", ".join(who))
    if any(_is(work, case, one, scope) or one.removeprefix("role:") in roles for one in who):
        return
    if "handler" in who and await _is_handler(work, case, scope):
        return
    if await _held_posts(work, case, [one.removeprefix("post:") for one in who if one.startswith("post:")]):
        return
    raise NotYours(who=", ".join(who))


def _is(work: Work, case: m.Case, who: str, scope: Scope) -> bool:
    account = work.principal.account_id
    match who:
        case "anyone":
            return True
        case "reporter":
            return account is not None and case.reporter_id == account
        case "assignee":
            return account is not None and case.assignee_id == account
        case "department":
            return case.department_id is not None and case.department_id in scope.departments
        case _:
            return False


async def _is_handler(work: Work, case: m.Case, scope: Scope) -> bool:
    mine = or_(
        m.CaseTask.assignee_id == work.principal.account_id, m.CaseTask.department_id.in_(list(scope.departments))
    )
    return bool(await work.session.scalar(select(m.CaseTask.id).where(m.CaseTask.case_id == case.id, mine).limit(1)))


def reaches(area_path: Any, department_id: Any) -> ColumnElement[bool]:  # noqa: ANN401 - values, or columns of a case
    """Memberships whose scope reaches a place or a department."""
    held = access.Membership
    return or_(
        held.scope_kind == "TENANT",
        and_(held.scope_kind == "AREA", func.left(area_path, func.length(held.area_path)) == held.area_path),
        and_(held.scope_kind == "DEPARTMENT", held.department_id == department_id),
    )


def is_valid(now: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a moment, or a parameter
    """Memberships that hold at a moment."""
    held = access.Membership
    return and_(or_(held.starts_at.is_(None), held.starts_at <= now), or_(held.ends_at.is_(None), held.ends_at > now))


async def _held_posts(work: Work, case: m.Case, posts: list[str]) -> bool:
    account = work.principal.account_id
    if account is None:
        return False
    for post in posts:
        if await grid.holds_post(work, account, post, case.area_path):
            return True
    return False


async def holders(work: Work, case: m.Case, target: str) -> list[UUID]:
    """The accounts behind a rung of a ladder, the nearest to the place first; none where nobody is."""
    kind, _, code = target.partition(":")
    if kind == "role":
        return await _role_holders(work, case, code)
    if kind == "post":
        return [holder.account_id for holder in await grid.post_holders(work, case.area_path, code)]
    if kind == "department" and case.department_id is not None:
        return await _department_above(work, case.department_id)
    return []


async def _role_holders(work: Work, case: m.Case, role: str) -> list[UUID]:
    held: Any = access.Membership
    query = (
        select(held.account_id)
        .join(access.Role, access.Role.id == held.role_id)
        .join(access.Account, access.Account.id == held.account_id)
        .where(
            access.Role.code == role,
            access.Account.is_active,
            reaches(case.area_path, case.department_id),
            is_valid(work.now()),
        )
        .order_by(func.length(held.area_path).desc().nulls_last(), held.id)
        .limit(20)
    )
    return list(await work.session.scalars(query))


async def _department_above(work: Work, department_id: UUID) -> list[UUID]:
    held = access.Membership
    parent = select(access.Department.parent_id).where(access.Department.id == department_id).scalar_subquery()
    query = (
        select(held.account_id)
        .join(access.Account, access.Account.id == held.account_id)
        .where(
            held.scope_kind == "DEPARTMENT",
            held.department_id == func.coalesce(parent, department_id),
            access.Account.is_active,
            is_valid(work.now()),
        )
        .order_by(held.id)
        .limit(20)
    )
    return list(await work.session.scalars(query))


async def roles_held(work: Work, codes: set[str]) -> set[str]:
    """Those of these roles that somebody holds who can sign in."""
    held = access.Membership
    query = (
        select(access.Role.code)
        .join(held, held.role_id == access.Role.id)
        .join(access.Account, access.Account.id == held.account_id)
        .where(access.Role.code.in_(codes), access.Account.is_active)
        .distinct()
    )
    return set(await work.session.scalars(query))

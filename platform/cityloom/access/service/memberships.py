"""Who holds which role, and where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from sqlalchemy import select

from cityloom.access import events
from cityloom.access import models as m
from cityloom.access.errors import AlreadyMember, RoleUnknown
from cityloom.access.rights import Held
from cityloom.access.service.accounts import account_of
from cityloom.access.service.guard import changing, demand_reach, lasting_rights, refuse_gain, snapshot_of
from cityloom.access.snapshots import held_by_all
from cityloom.core.constraints import refusing
from cityloom.core.database import Base
from cityloom.core.errors import InvalidInput, NotFound
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id

if TYPE_CHECKING:
    from cityloom.core.work import Work

ScopeKind = Literal["TENANT", "AREA", "DEPARTMENT", "OWN"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipDraft:
    """A role for an account: in the whole tenant, an area and all below it, a department, or over its own things."""

    account_id: UUID | None
    role: str
    scope_kind: ScopeKind
    area_id: UUID | None = None
    department_id: UUID | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_from_pack: bool = False


async def role_by_code(work: Work, code: str) -> m.Role:
    """A role of the tenant; refuses (`RoleUnknown`) where there is none with this code."""
    row: m.Role | None = await work.session.scalar(select(m.Role).where(m.Role.code == code))
    if row is None:
        raise RoleUnknown(role=code, path=("role",))
    return row


async def area_path_of(work: Work, area_id: UUID) -> str:
    """Path of an area; areas are a higher slice, of which only the table is known here."""
    areas = Base.metadata.tables["areas"]
    path: str | None = await work.session.scalar(
        select(areas.c.path).where(areas.c.tenant_id == work.tenant_id, areas.c.id == area_id)
    )
    if path is None:
        raise NotFound(thing="area", thing_zh="区域", path=("areaId",))
    return path


async def grant_membership(work: Work, draft: MembershipDraft) -> m.Membership:
    """Give an account a role.

    Needs `access.membership.grant` in all of the scope, and every permission of the role there; refuses
    (`AboveOwnRights`) otherwise.
    """
    work.authorise("access.membership.grant")
    _check(draft)
    account = await account_of(work, draft.account_id)
    role = await role_by_code(work, draft.role)
    path = await area_path_of(work, draft.area_id) if draft.area_id else None
    if draft.department_id and await work.session.get(m.Department, (work.tenant_id, draft.department_id)) is None:
        raise NotFound(thing="department", thing_zh="部门", path=("departmentId",))
    async with changing(work):
        snapshot = await snapshot_of(work)
        scope = Held(role.code, draft.scope_kind, path, draft.department_id).scope(snapshot)
        demand_reach(work, "access.membership.grant", scope)
        refuse_gain(work, ((permission, scope) for permission in snapshot.allowed.get(role.code, ())))
        async with refusing(work, {"uq_memberships_scope": AlreadyMember}):
            row = m.Membership(
                id=new_id(),
                account_id=account.id,
                role_id=role.id,
                scope_kind=draft.scope_kind,
                area_id=draft.area_id,
                area_path=path,
                department_id=draft.department_id,
                starts_at=draft.starts_at,
                ends_at=draft.ends_at,
                is_from_pack=draft.is_from_pack,
                granted_by_id=work.principal.account_id,
                granted_at=work.now(),
            )
            work.session.add(row)
    work.emit(
        events.MembershipGranted(
            subject_id=row.id, area_path=path, account_id=account.id, role=role.code, scope_kind=row.scope_kind
        )
    )
    work.audit(
        AuditEntry(action="access.membership.grant", object_tag="memb", object_id=row.id, after=_state(row, role))
    )
    return row


async def revoke_membership(work: Work, membership_id: UUID | None) -> m.Membership:
    """Take a role from an account.

    Needs `access.membership.revoke` in all of its scope. Refuses to leave the city without an administrator, and to
    take away a denying role where that gives more than the caller holds.
    """
    work.authorise("access.membership.revoke")
    row = await work.session.get(m.Membership, (work.tenant_id, membership_id)) if membership_id else None
    if row is None:
        raise NotFound(thing="membership", thing_zh="授权")
    role = await work.session.get_one(m.Role, (work.tenant_id, row.role_id))
    state = _state(row, role)
    async with changing(work):
        snapshot = await snapshot_of(work)
        demand_reach(
            work,
            "access.membership.revoke",
            Held(role.code, row.scope_kind, row.area_path, row.department_id).scope(snapshot),
        )
        held_before = (await held_by_all(work.session, row.account_id)).get(row.account_id, [])
        await work.session.delete(row)
        await work.session.flush()
        held_after = (await held_by_all(work.session, row.account_id)).get(row.account_id, [])
        before, after = (lasting_rights(work, snapshot, held).scopes for held in (held_before, held_after))
        refuse_gain(work, ((p, scope) for p, scope in after.items() if p not in before))
    work.emit(
        events.MembershipRevoked(
            subject_id=row.id,
            area_path=row.area_path,
            account_id=row.account_id,
            role=role.code,
            scope_kind=row.scope_kind,
        )
    )
    work.audit(AuditEntry(action="access.membership.revoke", object_tag="memb", object_id=row.id, before=state))
    return row


def _check(draft: MembershipDraft) -> None:
    targets = {"AREA": draft.area_id, "DEPARTMENT": draft.department_id}
    for kind, field in (("AREA", "areaId"), ("DEPARTMENT", "departmentId")):
        if (draft.scope_kind == kind) != (targets[kind] is not None):
            raise InvalidInput(
                f"{field} 仅在范围为 {kind} 时填写,且此时必填。",
                f"{field} is given where the scope is {kind}, and only there.",
                path=(field,),
            )
    if draft.starts_at and draft.ends_at and draft.starts_at >= draft.ends_at:
        raise InvalidInput("结束时间必须晚于开始时间。", "The end must be later than the beginning.", path=("endsAt",))


def _state(row: m.Membership, role: m.Role) -> dict[str, object]:
    return {
        "account_id": str(row.account_id),
        "role": role.code,
        "scope_kind": row.scope_kind,
        "area_path": row.area_path,
        "department_id": str(row.department_id) if row.department_id else None,
        "starts_at": row.starts_at.isoformat() if row.starts_at else None,
        "ends_at": row.ends_at.isoformat() if row.ends_at else None,
    }

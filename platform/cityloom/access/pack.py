"""Access in a tenant pack: `roles.csv`, `policy.csv`, `departments.csv`, `accounts.csv` and `memberships.csv`.

Roles, rules and departments are wholly the pack's; accounts and memberships only those that came from a pack, because
people come and go without anybody editing files. A pack holds no credential.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import delete, select

from cityloom.access import events
from cityloom.access import models as m
from cityloom.access.errors import (
    DepartmentStillUsed,
    PackAreaUnknown,
    PermissionUnknown,
    PolicyLineWrong,
    RoleStillHeldInPack,
)
from cityloom.access.policy import TEMPLATE_PREFIX, parse_rule
from cityloom.access.service.guard import catalogue_of, changing
from cityloom.access.service.roles import check_rules, delete_rule, row_of_rule
from cityloom.access.service.sessions import revoke_sessions_of
from cityloom.access.snapshots import load_rules
from cityloom.core.constraints import refusing
from cityloom.core.database import Base
from cityloom.core.errors import Refusal
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.tenancy.events import TENANT_TAG
from cityloom.tenancy.limits import demand_room
from cityloom.tenancy.packs import CsvTable, Difference, PackPart, PackRow, Table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from cityloom.access.policy import Rule
    from cityloom.core.work import Work
    from cityloom.tenancy.packs import Differences, Entry, Pack, Problems
    from cityloom.tenancy.packs.parts import Rows

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Login = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class RoleRow(PackRow):
    """One role."""

    code: Code
    title_zh: Name
    title_en: Name
    description_zh: Annotated[str, Field(max_length=500)] = ""
    description_en: Annotated[str, Field(max_length=500)] = ""


class PolicyRow(PackRow):
    """One Casbin line: `p, role, permission, allow|deny` or `g, role, parent`."""

    kind: Literal["p", "g"]
    role: Annotated[str, Field(max_length=80)]
    target: Annotated[str, Field(max_length=300)]
    effect: Literal["allow", "deny"] | None = None

    def rule(self) -> Rule:
        """The rule; refuses (`PolicyLineWrong`) what is none."""
        return parse_rule(", ".join(cell for cell in (self.kind, self.role, self.target, self.effect) if cell))


class DepartmentRow(PackRow):
    """One department; `parent` is another one's code."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    name: Name
    parent: str | None = None


class AccountRow(PackRow):
    """One account; who is not `enabled` cannot sign in."""

    login: Login
    name: Name
    locale: Literal["zh", "en"] = "zh"
    is_developer: bool = False
    enabled: bool = True


class MembershipRow(PackRow):
    """A role for an account: in an area, a department, over its own things, or (all three empty) in the whole city."""

    login: str
    role: str
    area: str | None = None
    department: str | None = None
    own: bool = False


ROLES = CsvTable("roles.csv", RoleRow, key=("code",))
POLICY = CsvTable("policy.csv", PolicyRow, key=("kind", "role", "target", "effect"), header=False, separator=", ")
DEPARTMENTS = CsvTable("departments.csv", DepartmentRow, key=("code",))
ACCOUNTS = CsvTable("accounts.csv", AccountRow, key=("login",))
MEMBERSHIPS = CsvTable("memberships.csv", MembershipRow, key=("login", "role", "area", "department", "own"))


class AccessPart(PackPart):
    """Roles, rules, departments and accounts."""

    name = "access"
    tables = (ROLES, POLICY, DEPARTMENTS, ACCOUNTS)

    def check(self, pack: Pack, problems: Problems) -> None:
        """Rules name roles, and departments name each other without circles."""
        for entry in pack.entries(POLICY):
            _check_rule(entry, pack, problems)
        for department in pack.entries(DEPARTMENTS):
            _check_parents(department, pack, problems)

    async def read(self, work: Work) -> Rows:
        """Roles, rules and departments as they are, and the accounts that came from a pack."""
        roles = [
            RoleRow(
                code=row.code,
                title_zh=row.title_zh,
                title_en=row.title_en,
                description_zh=row.description_zh,
                description_en=row.description_en,
            )
            for row in await work.session.scalars(select(m.Role))
        ]
        policy = [_policy_row(rule) for rule in await load_rules(work.session)]
        rows = (await work.session.scalars(select(m.Department))).all()
        codes = {row.id: row.code for row in rows}
        departments = [
            DepartmentRow(code=row.code, name=row.name, parent=codes[row.parent_id] if row.parent_id else None)
            for row in rows
        ]
        accounts = [
            AccountRow(
                login=row.login,
                name=row.name,
                locale="en" if row.locale == "en" else "zh",
                is_developer=row.is_developer,
                enabled=row.is_active,
            )
            for row in await work.session.scalars(select(m.Account).where(m.Account.is_from_pack))
        ]
        return {ROLES: roles, POLICY: policy, DEPARTMENTS: departments, ACCOUNTS: accounts}

    async def write(self, work: Work, differences: Differences) -> None:
        """Make it so; refuses rules over unknown permissions, and to take away what somebody still holds."""
        async with changing(work, rules=True):
            await _write_roles(work, differences[ROLES])
            await _write_policy(work, differences[POLICY])
            await _write_departments(work, differences[DEPARTMENTS])
            await _write_accounts(work, differences[ACCOUNTS])
            await _remove_roles(work, differences[ROLES])
        tables = [table.name for table in (ROLES, POLICY, DEPARTMENTS, ACCOUNTS) if _differs(differences, table)]
        work.emit(events.AccessWritten(subject_id=work.tenant_id, tables=tuple(tables)))
        work.audit(
            AuditEntry(
                action="access.pack.write", object_tag=TENANT_TAG, object_id=work.tenant_id, after={"tables": tables}
            )
        )


class MembershipsPart(PackPart):
    """Memberships; written after areas, which they name."""

    name = "memberships"
    tables = (MEMBERSHIPS,)
    order = 1

    def check(self, pack: Pack, problems: Problems) -> None:
        """Memberships name accounts, roles, areas and departments of the pack, and one scope each."""
        areas = next((table for table in pack.tables if table.name == "areas.csv"), None)
        for entry in pack.entries(MEMBERSHIPS):
            row = entry.row
            known = {
                "login": pack.find(ACCOUNTS, row.login),
                "role": pack.find(ROLES, row.role),
                "area": row.area is None or areas is None or pack.find(areas, row.area),
                "department": row.department is None or pack.find(DEPARTMENTS, row.department),
            }
            for column, found in known.items():
                if not found:
                    problems.add(
                        entry, column, zh=f"没有 {getattr(row, column)!r}", en=f"there is no {getattr(row, column)!r}"
                    )
            if (row.area is not None) + (row.department is not None) + row.own > 1:
                problems.add(
                    entry,
                    "area",
                    zh="区域、部门和本人三者只能填一个",
                    en="area, department and own: only one of them can be given",
                )

    async def read(self, work: Work) -> Rows:
        """Memberships that came from a pack."""
        areas = Base.metadata.tables["areas"]
        query = (
            select(m.Account.login, m.Role.code, areas.c.code, m.Department.code, m.Membership.scope_kind)
            .select_from(m.Membership)
            .join(m.Account, m.Account.id == m.Membership.account_id)
            .join(m.Role, m.Role.id == m.Membership.role_id)
            .outerjoin(areas, (areas.c.tenant_id == m.Membership.tenant_id) & (areas.c.id == m.Membership.area_id))
            .outerjoin(m.Department, m.Department.id == m.Membership.department_id)
            .where(m.Membership.is_from_pack)
        )
        rows = [
            MembershipRow(login=r[0], role=r[1], area=r[2], department=r[3], own=r[4] == "OWN")
            for r in await work.session.execute(query)
        ]
        return {MEMBERSHIPS: rows}

    async def write(self, work: Work, differences: Differences) -> None:
        """Make it so."""
        difference = differences[MEMBERSHIPS]
        accounts: dict[str, UUID] = {
            r[0]: r[1] for r in await work.session.execute(select(m.Account.login, m.Account.id))
        }
        roles: dict[str, UUID] = {r[0]: r[1] for r in await work.session.execute(select(m.Role.code, m.Role.id))}
        departments: dict[str, UUID] = {
            r[0]: r[1] for r in await work.session.execute(select(m.Department.code, m.Department.id))
        }
        areas = await _areas(work)
        async with changing(work):
            for row in difference.removed:
                await work.session.execute(
                    delete(m.Membership).where(
                        m.Membership.account_id == accounts.get(row.login),
                        m.Membership.role_id == roles.get(row.role),
                        m.Membership.scope_kind == _scope_kind(row),
                        m.Membership.area_id.is_not_distinct_from(areas[row.area][0] if row.area else None),
                        m.Membership.department_id.is_not_distinct_from(departments.get(row.department or "")),
                    )
                )
            for row in difference.added:
                if row.area is not None and row.area not in areas:
                    raise PackAreaUnknown(area=row.area)
                area_id, area_path = areas[row.area] if row.area else (None, None)
                work.session.add(
                    m.Membership(
                        id=new_id(),
                        account_id=accounts[row.login],
                        role_id=roles[row.role],
                        scope_kind=_scope_kind(row),
                        area_id=area_id,
                        area_path=area_path,
                        department_id=departments[row.department] if row.department else None,
                        is_from_pack=True,
                        granted_at=work.now(),
                    )
                )
        work.emit(events.AccessWritten(subject_id=work.tenant_id, tables=(MEMBERSHIPS.name,)))
        work.audit(AuditEntry(action="access.pack.write", object_tag=TENANT_TAG, object_id=work.tenant_id))


def _differs(differences: Differences, table: Table[Any]) -> bool:
    return bool(differences[table])


def _check_rule(entry: Entry[PolicyRow], pack: Pack, problems: Problems) -> None:
    row = entry.row
    try:
        row.rule()
    except PolicyLineWrong as refusal:
        problems.add(entry, "", zh=refusal.message("zh"), en=refusal.message("en"))
        return
    named = [("role", row.role)]
    if row.kind == "g" and not row.target.startswith(TEMPLATE_PREFIX):
        named.append(("target", row.target))
    for column, role in named:
        if pack.find(ROLES, role) is None:
            problems.add(entry, column, zh=f"roles.csv 中没有角色 {role!r}", en=f"roles.csv has no role {role!r}")


def _check_parents(entry: Entry[DepartmentRow], pack: Pack, problems: Problems) -> None:
    seen, parent = {entry.row.code}, entry.row.parent
    while parent is not None:
        found = pack.find(DEPARTMENTS, parent)
        if found is None or parent in seen:
            problems.add(
                entry,
                "parent",
                zh=f"没有上级部门 {parent!r},或部门循环隶属",
                en=f"there is no department {parent!r}, or the departments run in a circle",
            )
            return
        seen.add(parent)
        parent = found.row.parent


def _policy_row(rule: Rule) -> PolicyRow:
    cells = [cell.strip() for cell in str(rule).split(",")]
    return PolicyRow.model_validate(dict(zip(PolicyRow.model_fields, cells, strict=False)))


def _scope_kind(row: MembershipRow) -> str:
    return "AREA" if row.area else "DEPARTMENT" if row.department else "OWN" if row.own else "TENANT"


async def _areas(work: Work) -> Mapping[str, tuple[UUID, str]]:
    """Areas by code; of a code that was used again, the one that is valid longest."""
    areas = Base.metadata.tables["areas"]
    rows = await work.session.execute(
        select(areas.c.code, areas.c.id, areas.c.path)
        .where(areas.c.tenant_id == work.tenant_id)
        .order_by(areas.c.valid_until.asc().nulls_last())
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def _write_roles(work: Work, difference: Difference[RoleRow]) -> None:
    for row in difference.added:
        work.session.add(m.Role(id=new_id(), **row.model_dump()))
    for _, row in difference.changed:
        role = await work.session.scalar(select(m.Role).where(m.Role.code == row.code))
        for name, value in row.model_dump().items():
            setattr(role, name, value)
    await work.session.flush()


async def _remove_roles(work: Work, difference: Difference[RoleRow]) -> None:
    codes = [row.code for row in difference.removed]
    if not codes:
        return
    refusals = {"fk_memberships_tenant_id_role_id": lambda: RoleStillHeldInPack(roles=", ".join(codes))}
    async with refusing(work, refusals):
        await work.session.execute(delete(m.Role).where(m.Role.code.in_(codes)))


async def _write_policy(work: Work, difference: Difference[PolicyRow]) -> None:
    roles = {row.code: row.id for row in await work.session.scalars(select(m.Role))}
    added, removed = [row.rule() for row in difference.added], [row.rule() for row in difference.removed]
    try:
        check_rules(catalogue_of(work), roles, await load_rules(work.session), added, removed)
    except PermissionUnknown as refusal:
        raise PermissionUnknown(path=(POLICY.name,), **refusal.details) from refusal
    for rule in removed:
        await delete_rule(work, roles, rule)
    work.session.add_all(row_of_rule(roles, rule) for rule in added)
    await work.session.flush()


async def _write_departments(work: Work, difference: Difference[DepartmentRow]) -> None:
    rows = {row.code: row for row in await work.session.scalars(select(m.Department))}
    for added in difference.added:
        rows[added.code] = m.Department(id=new_id(), code=added.code, name=added.name)
        work.session.add(rows[added.code])
    await work.session.flush()
    for wanted in [*difference.added, *(new for _, new in difference.changed)]:
        rows[wanted.code].name = wanted.name
        rows[wanted.code].parent_id = rows[wanted.parent].id if wanted.parent else None
    removed = [row.code for row in difference.removed]
    refusals: dict[str, type[Refusal]] = {
        "fk_departments_tenant_id_parent_id": DepartmentStillUsed,
        "fk_memberships_tenant_id_department_id": DepartmentStillUsed,
    }
    async with refusing(work, refusals):
        await work.session.flush()
        if removed:
            await work.session.execute(delete(m.Department).where(m.Department.code.in_(removed)))


async def _write_accounts(work: Work, difference: Difference[AccountRow]) -> None:
    names = [row.login for row in difference.added + difference.removed] + [new.login for _, new in difference.changed]
    rows = {row.login: row for row in await work.session.scalars(select(m.Account).where(m.Account.login.in_(names)))}
    await demand_room(work, "accounts", m.Account, sum(row.login not in rows for row in difference.added))
    for wanted in [*difference.added, *(new for _, new in difference.changed)]:
        row = rows.get(wanted.login)
        if row is None:
            row = m.Account(id=new_id(), login=wanted.login, created_at=work.now())
            work.session.add(row)
        row.name, row.locale, row.is_developer = wanted.name, wanted.locale, wanted.is_developer
        row.is_active, row.is_from_pack = wanted.enabled, True
        if not row.is_active:
            await revoke_sessions_of(work, row.id)
    # What somebody did stays traceable to them: an account is switched off, and kept.
    for gone in difference.removed:
        row = rows[gone.login]
        row.is_active, row.is_from_pack = False, False
        await revoke_sessions_of(work, row.id)
    await work.session.flush()

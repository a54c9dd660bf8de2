"""Roles and their rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete, func, select

from cityloom.access import events
from cityloom.access import models as m
from cityloom.access.errors import (
    PermissionUnknown,
    PolicyLineWrong,
    RoleCodeTaken,
    RolesInCircle,
    RoleStillHeld,
    RoleUnknown,
    RuleAlreadyStated,
    RuleNotStated,
    TemplateUnknown,
)
from cityloom.access.policy import MAX_LINKS, TEMPLATE_PREFIX, GrantRule, LinkRule, parse_rule
from cityloom.access.service.guard import (
    ADMINISTERS,
    catalogue_of,
    changing,
    demand_everywhere,
    gains_of_roles,
    refuse_gain,
    snapshot_of,
)
from cityloom.access.service.memberships import role_by_code
from cityloom.access.snapshots import load_rules
from cityloom.core.constraints import refusing
from cityloom.core.errors import InvalidInput, NotFound
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.core.principal import Scope
from cityloom.core.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cityloom.access.catalogue import Catalogue
    from cityloom.access.policy import Rule
    from cityloom.core.work import Work

_CODE = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_ALL = Scope(everywhere=True)


async def role_of(work: Work, role_id: UUID | None) -> m.Role:
    """A role of the tenant; refuses (`NotFound`) an absent one."""
    row = await work.session.get(m.Role, (work.tenant_id, role_id)) if role_id else None
    if row is None:
        raise NotFound(thing="role", thing_zh="角色")
    return row


async def create_role(
    work: Work, code: str, title: Text, *, description: Text | None = None, template: str | None = None
) -> m.Role:
    """A new role; with a template it has the template's rules, which only an administrator who holds them may give."""
    demand_everywhere(work, "access.role.change")
    if not _CODE.match(code):
        raise InvalidInput(
            "角色代码只能包含小写字母、数字和下划线,以字母开头,最多 63 个字符。",
            "A role's code has lower-case letters, digits and underscores, begins with a letter, at most 63 of them.",
            path=("code",),
        )
    async with refusing(work, {"uq_roles_tenant_id_code": lambda: RoleCodeTaken(value=code, path=("code",))}):
        row = m.Role(
            id=new_id(),
            code=code,
            title_zh=title.zh,
            title_en=title.en,
            description_zh=description.zh if description else "",
            description_en=description.en if description else "",
        )
        work.session.add(row)
    if template is not None:
        await change_rules(work, added=[LinkRule(code, TEMPLATE_PREFIX + template)], removed=[])
    work.emit(events.RoleChanged(subject_id=row.id, role=code, change="CREATED"))
    work.audit(AuditEntry(action="access.role.create", object_tag="role", object_id=row.id, after=_state(row)))
    return row


async def change_role(
    work: Work, role_id: UUID | None, *, title: Text | None = None, description: Text | None = None
) -> m.Role:
    """Give a role another title or description."""
    demand_everywhere(work, "access.role.change")
    row = await role_of(work, role_id)
    before = _state(row)
    if title is not None:
        row.title_zh, row.title_en = title.zh, title.en
    if description is not None:
        row.description_zh, row.description_en = description.zh, description.en
    work.emit(events.RoleChanged(subject_id=row.id, role=row.code, change="RENAMED"))
    work.audit(
        AuditEntry(action="access.role.change", object_tag="role", object_id=row.id, before=before, after=_state(row))
    )
    return row


async def delete_role(work: Work, role_id: UUID | None) -> UUID:
    """Delete a role with its rules; refuses (`RoleStillHeld`) while somebody holds it."""
    demand_everywhere(work, "access.role.change")
    demand_everywhere(work, ADMINISTERS)
    row = await role_of(work, role_id)
    before = _state(row)
    held = await work.session.scalar(
        select(func.count()).select_from(m.Membership).where(m.Membership.role_id == row.id)
    )
    if held:
        raise RoleStillHeld(role=row.code, memberships=held)
    stated = [r for r in await load_rules(work.session) if r.role == row.code or getattr(r, "parent", "") == row.code]
    await change_rules(work, added=[], removed=stated)
    await work.session.delete(row)
    work.emit(events.RoleChanged(subject_id=row.id, role=row.code, change="DELETED"))
    work.audit(AuditEntry(action="access.role.delete", object_tag="role", object_id=row.id, before=before))
    return row.id


async def grant_to_role(work: Work, role_code: str, pattern: str, effect: str = "allow") -> m.Role:
    """Add one rule to a role; only an administrator, and nothing beyond their own rights."""
    return await _change_one(work, role_code, pattern, effect, is_added=True)


async def revoke_from_role(work: Work, role_code: str, pattern: str, effect: str = "allow") -> m.Role:
    """Take one rule from a role; refuses (`RuleNotStated`) one that it does not have."""
    return await _change_one(work, role_code, pattern, effect, is_added=False)


async def _change_one(work: Work, role_code: str, pattern: str, effect: str, *, is_added: bool) -> m.Role:
    demand_everywhere(work, ADMINISTERS)
    rule = parse_rule(f"p, {role_code}, {pattern}, {effect}")
    row = await role_by_code(work, role_code)
    await change_rules(work, added=[rule] if is_added else [], removed=[] if is_added else [rule])
    lines = (str(rule),)
    work.emit(
        events.PolicyChanged(subject_id=row.id, added=lines if is_added else (), removed=() if is_added else lines)
    )
    work.audit(
        AuditEntry(
            action="access.role.grant" if is_added else "access.role.revoke",
            object_tag="role",
            object_id=row.id,
            before=None if is_added else {"rule": str(rule)},
            after={"rule": str(rule)} if is_added else None,
        )
    )
    return row


async def change_rules(work: Work, *, added: Sequence[Rule], removed: Sequence[Rule]) -> None:
    """Write rules; checked against what is stated, circles, the last administrator and the caller's own rights."""
    demand_everywhere(work, ADMINISTERS)
    async with changing(work, rules=True):
        roles = {row.code: row.id for row in await work.session.scalars(select(m.Role))}
        stated = await load_rules(work.session)
        check_rules(catalogue_of(work), roles.keys(), stated, added, removed)
        before = await snapshot_of(work)
        for rule in removed:
            await delete_rule(work, roles, rule)
        work.session.add_all(row_of_rule(roles, rule) for rule in added)
        await work.session.flush()
        after = await snapshot_of(work)
        refuse_gain(work, ((permission, _ALL) for permission in gains_of_roles(before, after)))


def check_rules(
    catalogue: Catalogue, roles: Iterable[str], stated: Iterable[Rule], added: Sequence[Rule], removed: Sequence[Rule]
) -> list[Rule]:
    """The rules as they would be.

    Refuses what names no role or permission, is stated already or is not, and what runs in circles.
    """
    known, now = set(roles), set(stated)
    for rule in removed:
        if rule not in now:
            raise RuleNotStated(rule=str(rule))
        now.remove(rule)
    for rule in added:
        if rule.role not in known:
            raise RoleUnknown(role=rule.role)
        if rule in now:
            raise RuleAlreadyStated(rule=str(rule))
        if isinstance(rule, GrantRule):
            if not catalogue.expand(rule.pattern):
                raise PermissionUnknown(pattern=rule.pattern)
        elif rule.parent.startswith(TEMPLATE_PREFIX):
            code = rule.parent.removeprefix(TEMPLATE_PREFIX)
            if code not in catalogue.templates:
                raise TemplateUnknown(template=code, shipped=", ".join(catalogue.templates))
        elif rule.parent not in known:
            raise RoleUnknown(role=rule.parent)
        now.add(rule)
    _refuse_circles(now)
    return sorted(now, key=str)


def _refuse_circles(rules: Iterable[Rule]) -> None:
    parents: dict[str, list[str]] = {}
    for rule in rules:
        if isinstance(rule, LinkRule):
            parents.setdefault(rule.role, []).append(rule.parent)
    for role in parents:
        above = {role}
        for _ in range(MAX_LINKS + 1):
            above = {parent for name in above for parent in parents.get(name, ())}
            if role in above:
                raise RolesInCircle(role=role)
        if above:
            raise RolesInCircle(role=role)


def parse_lines(lines: Iterable[str], field: str) -> list[Rule]:
    """Rules from lines of a policy file; a refusal names the line that is wrong."""
    rules = []
    for number, line in enumerate(lines):
        try:
            rules.append(parse_rule(line))
        except PolicyLineWrong as refusal:
            refusal.path = (field, number)
            raise
    return rules


def row_of_rule(roles: dict[str, UUID], rule: Rule) -> m.Grant | m.RoleLink:
    """A rule as a row."""
    role_id = roles[rule.role]
    if isinstance(rule, GrantRule):
        return m.Grant(role_id=role_id, pattern=rule.pattern, effect=rule.effect)
    if rule.parent.startswith(TEMPLATE_PREFIX):
        return m.RoleLink(role_id=role_id, template=rule.parent.removeprefix(TEMPLATE_PREFIX))
    return m.RoleLink(role_id=role_id, parent_role_id=roles[rule.parent])


async def delete_rule(work: Work, roles: dict[str, UUID], rule: Rule) -> None:
    """Take a rule away."""
    row = row_of_rule(roles, rule)
    if isinstance(row, m.Grant):
        await work.session.execute(
            delete(m.Grant).where(
                m.Grant.role_id == row.role_id, m.Grant.pattern == row.pattern, m.Grant.effect == row.effect
            )
        )
    else:
        await work.session.execute(
            delete(m.RoleLink).where(
                m.RoleLink.role_id == row.role_id,
                m.RoleLink.parent_role_id.is_not_distinct_from(row.parent_role_id),
                m.RoleLink.template.is_not_distinct_from(row.template),
            )
        )


def _state(row: m.Role) -> dict[str, object]:
    return {"code": row.code, "title_zh": row.title_zh, "title_en": row.title_en}

"""Rehearsed changes of rules: proposed, previewed, and applied only while the preview still holds."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import select

from cityloom.access import events
from cityloom.access import models as m
from cityloom.access.changes import begin_change
from cityloom.access.errors import ProposalAlreadyApplied, ProposalStale
from cityloom.access.rights import includes, union
from cityloom.access.service.guard import ADMINISTERS, catalogue_of, demand_everywhere, snapshot_of
from cityloom.access.service.roles import change_rules, check_rules, parse_lines
from cityloom.access.snapshot import compile_snapshot
from cityloom.access.snapshots import held_by_all, load_rules, read_version
from cityloom.core.errors import InvalidInput, NotFound
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cityloom.access.policy import Rule
    from cityloom.access.rights import Held
    from cityloom.access.snapshot import Snapshot
    from cityloom.core.principal import Scope
    from cityloom.core.work import Work

#: Effects that are stored and shown one by one; the counts are always of all.
MOST_SHOWN = 1000
_MOST_LINES = 2000

_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Effect:
    """What one account gains, loses, or has in another scope."""

    account_id: UUID
    permission: str
    before: Scope | None
    after: Scope | None

    @property
    def change(self) -> Literal["GAINS", "LOSES", "WIDENS", "NARROWS"]:
        """In one word; a scope that is neither wider nor narrower counts as narrower."""
        if self.before is None:
            return "GAINS"
        if self.after is None:
            return "LOSES"
        return "WIDENS" if includes(self.after, self.before) else "NARROWS"


@dataclass(frozen=True, slots=True)
class Preview:
    """The effect of a change of rules on everybody, as of now."""

    effects: tuple[Effect, ...]

    @property
    def hash(self) -> str:
        """Equal for equal effects."""
        return hashlib.sha256(orjson.dumps([_as_json(e) for e in self.effects])).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Counts of all effects, and the first of them one by one."""
        return {
            "accounts": len({e.account_id for e in self.effects}),
            "changes": Counter(e.change for e in self.effects),
            "permissions": {
                change: Counter(e.permission for e in self.effects if e.change == change)
                for change in sorted({e.change for e in self.effects})
            },
            "effects": [_as_json(e) for e in self.effects[:MOST_SHOWN]],
        }


def preview(before: Snapshot, after: Snapshot, held: dict[UUID, list[Held]], now: datetime) -> Preview:
    """Who gains and loses what, and where, when the rules change from the one snapshot to the other."""
    roles = before.stated.keys() | after.stated.keys()
    concerned = _NOTHING.union(
        *(before.stated.get(r, _NOTHING) ^ after.stated.get(r, _NOTHING) for r in roles),
        *(before.denied.get(r, _NOTHING) ^ after.denied.get(r, _NOTHING) for r in roles),
    )
    effects = []
    for account_id in sorted(held):
        valid = [h for h in held[account_id] if h.is_valid(now)]
        names = {h.role for h in valid}
        for permission in sorted(concerned & (before.permissions(names) | after.permissions(names))):
            old, new = _reach(before, valid, permission), _reach(after, valid, permission)
            if old != new:
                effects.append(Effect(account_id, permission, old, new))
    return Preview(tuple(effects))


async def propose(work: Work, *, added: list[str], removed: list[str], reason: str) -> m.PolicyProposal:
    """Rehearse a change of rules, given as lines of a policy file, and keep what it would do; nothing changes yet."""
    demand_everywhere(work, "access.policy.propose")
    _check(added, removed, reason)
    plus, minus = parse_lines(added, "add"), parse_lines(removed, "remove")
    _, rules_version = await read_version(work.session)
    seen = await _rehearse(work, plus, minus)
    row = m.PolicyProposal(
        id=new_id(),
        reason=reason,
        added=[str(rule) for rule in plus],
        removed=[str(rule) for rule in minus],
        preview=seen.as_json(),
        preview_hash=seen.hash,
        rules_version=rules_version,
        proposed_by_id=work.principal.account_id,
        proposed_at=work.now(),
    )
    work.session.add(row)
    await work.session.flush()
    work.emit(events.PolicyProposed(subject_id=row.id, added=tuple(row.added), removed=tuple(row.removed)))
    work.audit(AuditEntry(action="access.policy.propose", object_tag="prop", object_id=row.id, after=_state(row)))
    return row


async def proposal_of(work: Work, proposal_id: UUID | None) -> m.PolicyProposal:
    """A proposal of the tenant; refuses (`NotFound`) an absent one."""
    row: m.PolicyProposal | None = await work.session.scalar(
        select(m.PolicyProposal).where(m.PolicyProposal.id == proposal_id)
    )
    if row is None:
        raise NotFound(thing="proposal", thing_zh="提案")
    return row


async def apply_proposal(work: Work, proposal_id: UUID | None) -> m.PolicyProposal:
    """Make a proposed change hold.

    Refuses (`ProposalStale`) where rules have changed since, or it would do something else today than what was shown.
    """
    demand_everywhere(work, ADMINISTERS)
    # From here on nobody else changes rules or memberships: what is rehearsed now is what is applied.
    await begin_change(work)
    row = await proposal_of(work, proposal_id)
    if row.state != "OPEN":
        raise ProposalAlreadyApplied
    plus, minus = parse_lines(row.added, "add"), parse_lines(row.removed, "remove")
    _, rules_version = await read_version(work.session)
    if rules_version != row.rules_version or (await _rehearse(work, plus, minus)).hash != row.preview_hash:
        raise ProposalStale
    await change_rules(work, added=plus, removed=minus)
    row.state, row.applied_by_id, row.applied_at = "APPLIED", work.principal.account_id, work.now()
    work.emit(events.PolicyApplied(subject_id=row.id, added=tuple(row.added), removed=tuple(row.removed)))
    work.audit(AuditEntry(action="access.policy.apply", object_tag="prop", object_id=row.id, after=_state(row)))
    return row


async def _rehearse(work: Work, added: list[Rule], removed: list[Rule]) -> Preview:
    stated = await load_rules(work.session)
    roles = (await work.session.scalars(select(m.Role.code))).all()
    catalogue, before = catalogue_of(work), await snapshot_of(work)
    rules = check_rules(catalogue, roles, stated, added, removed)
    after = compile_snapshot(catalogue, rules, version=before.version, departments=before.departments)
    return preview(before, after, await held_by_all(work.session), work.now())


def _reach(snapshot: Snapshot, held: Iterable[Held], permission: str) -> Scope | None:
    known = list(held)
    if any(permission in snapshot.denied.get(h.role, _NOTHING) for h in known):
        return None
    scopes = [h.scope(snapshot) for h in known if permission in snapshot.stated.get(h.role, _NOTHING)]
    return union(scopes) if scopes else None


def _check(added: list[str], removed: list[str], reason: str) -> None:
    if not added and not removed:
        raise InvalidInput(
            "请至少给出一条要增加或删除的规则。", "Give at least one rule to add or to remove.", path=("add",)
        )
    if len(added) + len(removed) > _MOST_LINES:
        raise InvalidInput(f"一次最多 {_MOST_LINES} 条规则。", f"At most {_MOST_LINES} rules at a time.", path=("add",))
    if not reason.strip() or len(reason) > _MOST_LINES:
        raise InvalidInput("请说明变更原因。", "Say why the rules are to change.", path=("reason",))


def scope_as_json(scope: Scope | None) -> dict[str, Any] | None:
    """A scope as JSON; areas by their paths."""
    if scope is None:
        return None
    return {
        "everywhere": scope.everywhere,
        "areaPaths": [low for low, _ in scope.areas],
        "departmentIds": [str(d) for d in scope.departments],
        "own": scope.own,
    }


def _as_json(effect: Effect) -> dict[str, Any]:
    return {
        "accountId": str(effect.account_id),
        "permission": effect.permission,
        "change": effect.change,
        "before": scope_as_json(effect.before),
        "after": scope_as_json(effect.after),
    }


def _state(row: m.PolicyProposal) -> dict[str, object]:
    return {"state": row.state, "added": row.added, "removed": row.removed, "reason": row.reason}

"""Why somebody may or may not: the layer that decides, the rule, the scope, and the nearest grant that would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from sqlalchemy import select

from cityloom.access import models as m
from cityloom.access.errors import PermissionUnknown
from cityloom.access.policy import GrantRule
from cityloom.access.rights import make_rights
from cityloom.access.service.accounts import account_of
from cityloom.access.service.guard import catalogue_of, snapshot_of
from cityloom.access.snapshots import held_by_all
from cityloom.core.errors import Forbidden
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.core.principal import FieldAccess

if TYPE_CHECKING:
    from cityloom.access.catalogue import Catalogue
    from cityloom.access.rights import Held, SnapshotRights
    from cityloom.access.snapshot import Snapshot
    from cityloom.core.principal import Scope
    from cityloom.core.work import Work

Layer = Literal["ACCOUNT", "ROLE", "SCOPE", "FIELD", "NONE"]
GrantKind = Literal["SWITCH_ON", "MEMBERSHIP", "RULE", "REMOVE_RULE"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object lies, as scopes see it; all None for what lies nowhere."""

    area_path: str | None = None
    department_id: UUID | None = None
    owner_id: UUID | None = None
    is_always_own: bool = False
    also: tuple[Place, ...] = ()
    """Other places where it lies too: an account lies wherever it holds a role."""


@dataclass(frozen=True, slots=True)
class NearestGrant:
    """The smallest change that would allow it."""

    kind: GrantKind
    role: str | None = None
    area_path: str | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and its reason. `layer` names what refuses; NONE where it is allowed."""

    decision_id: UUID
    account_id: UUID
    permission: str
    is_allowed: bool
    layer: Layer
    role: str | None
    rule: str | None
    scope: Scope | None
    field_access: FieldAccess | None
    nearest: NearestGrant | None


async def place_of_account(work: Work, account_id: UUID) -> Place:
    """Where an account lies: at itself, and in the area or department of each role that it holds."""
    held = await work.session.execute(
        select(m.Membership.area_path, m.Membership.department_id)
        .where(m.Membership.account_id == account_id)
        .order_by(m.Membership.id)
    )
    places = tuple(Place(path, department) for path, department in held if path or department)
    first = places[0] if places else Place()
    return Place(first.area_path, first.department_id, account_id, is_always_own=True, also=places[1:])


async def explain_access(
    work: Work, account_id: UUID | None, permission: str, place: Place | None, *, is_about_object: bool = False
) -> Explanation:
    """Why an account may or may not do this, to the object at a place or at all.

    Everybody may ask about themselves, about others with `access.policy.explain`. `is_about_object` without a place
    stands for an object that is absent or that the asker may not see, which is not told apart.
    """
    is_own = account_id is not None and account_id == work.principal.account_id
    scope = work.rights.scope("access.policy.explain")
    if not is_own and (scope is None or not scope.everywhere):
        raise Forbidden(permission="access.policy.explain")
    account, catalogue = await account_of(work, account_id), catalogue_of(work)
    hides = scope is None or not scope.everywhere
    is_field = permission in catalogue.protected_fields
    if not is_field and permission not in catalogue.names:
        raise PermissionUnknown(pattern=permission, path=("action",))
    snapshot, now = await snapshot_of(work), work.now()
    held = [h for h in (await held_by_all(work.session)).get(account.id, []) if h.is_valid(now)]
    cap = await work.session.scalar(select(m.ApiClient.permissions).where(m.ApiClient.account_id == account.id))
    rights = make_rights(snapshot, catalogue, held, version=snapshot.version, at=now, cap=tuple(cap) if cap else None)
    case = _Case(
        account, permission, snapshot, catalogue, held, rights, place, is_about_object=is_about_object, hides=hides
    )
    explanation = case.field() if is_field else case.permission_wanted()
    work.audit(
        AuditEntry(
            action="access.policy.explain",
            object_tag="acct",
            object_id=account.id,
            after={"decision_id": str(explanation.decision_id), "permission": permission},
        )
    )
    return explanation


@dataclass(frozen=True, slots=True)
class _Case:
    account: m.Account
    permission: str
    snapshot: Snapshot
    catalogue: Catalogue
    held: list[Held]
    rights: SnapshotRights
    place: Place | None
    is_about_object: bool
    #: Whether the asker may not know if the object exists: then nothing is said that tells.
    hides: bool

    def permission_wanted(self) -> Explanation:
        roles = list(dict.fromkeys(h.role for h in self.held))
        deciding = self.snapshot.deciding(roles, self.permission)
        role, rule = deciding or (None, None)
        scope = self.rights.scope(self.permission)
        if not self.account.is_active:
            return self._answer("ACCOUNT", None, None, None, NearestGrant("SWITCH_ON"))
        if rule is not None and rule.effect == "deny":
            return self._answer("ROLE", role, rule, None, NearestGrant("REMOVE_RULE", rule.role, rule=str(rule)))
        if scope is None:
            return self._answer("ROLE", role, rule, None, self._nearest_role())
        if self.is_about_object and not self._reaches(scope):
            area = self.place.area_path if self.place else None
            nearest = NearestGrant("MEMBERSHIP", role, area) if self.place and not self.hides else None
            return self._answer("SCOPE", role, rule, scope, nearest)
        return self._answer("NONE", role, rule, scope, None)

    def field(self) -> Explanation:
        """A protected field: allowed where it is seen at all, in full or masked."""
        level = self.rights.field(self.permission)
        wanted = f"{self.permission}.{'masked' if level is FieldAccess.MASKED else 'full'}"
        inner = _Case(
            self.account,
            wanted,
            self.snapshot,
            self.catalogue,
            self.held,
            self.rights,
            self.place,
            is_about_object=self.is_about_object,
            hides=self.hides,
        ).permission_wanted()
        is_seen = level is not FieldAccess.ABSENT and inner.is_allowed
        layer: Layer = "NONE" if is_seen else "FIELD" if inner.layer in {"ROLE", "NONE"} else inner.layer
        return Explanation(
            inner.decision_id,
            self.account.id,
            self.permission,
            is_seen,
            layer,
            inner.role,
            inner.rule,
            inner.scope,
            level,
            inner.nearest,
        )

    def _reaches(self, scope: Scope) -> bool:
        return self.place is not None and any(self._reaches_place(scope, one) for one in (self.place, *self.place.also))

    def _reaches_place(self, scope: Scope, place: Place) -> bool:
        return (
            scope.everywhere
            or (place.area_path is not None and scope.covers(place.area_path))
            or (place.department_id is not None and place.department_id in scope.departments)
            or ((scope.own or place.is_always_own) and place.owner_id == self.account.id)
        )

    def _nearest_role(self) -> NearestGrant:
        """The role that allows it and gives the least besides; where no role does, a rule for one that is held."""
        own = [role for role in self.snapshot.allowed if ":" not in role and self.snapshot.may(role, self.permission)]
        area = self.place.area_path if self.place and not self.hides else None
        if own:
            return NearestGrant("MEMBERSHIP", min(own, key=lambda r: (len(self.snapshot.allowed[r]), r)), area)
        role = min((h.role for h in self.held), default=None)
        rule = str(GrantRule(role, self.permission, "allow")) if role else None
        return NearestGrant("RULE", role, rule=rule)

    def _answer(
        self, layer: Layer, role: str | None, rule: GrantRule | None, scope: Scope | None, nearest: NearestGrant | None
    ) -> Explanation:
        return Explanation(
            decision_id=new_id(),
            account_id=self.account.id,
            permission=self.permission,
            is_allowed=layer == "NONE",
            layer=layer,
            role=role,
            rule=str(rule) if rule else None,
            scope=scope,
            field_access=None,
            nearest=nearest,
        )

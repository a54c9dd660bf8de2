"""What has happened in access, for streams and webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from cityloom.core.events import Event
from cityloom.tenancy.events import TENANT_TAG


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCreated(Event):
    """There is a new account."""

    type: ClassVar[str] = "access.account.created.v1"
    subject_tag: ClassVar[str] = "acct"

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged(Event):
    """An account has other details, or was switched on or off."""

    type: ClassVar[str] = "access.account.changed.v1"
    subject_tag: ClassVar[str] = "acct"

    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSet(Event):
    """An account has a new password."""

    type: ClassVar[str] = "access.account.password_set.v1"
    subject_tag: ClassVar[str] = "acct"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCreated(Event):
    """Somebody has signed in with a password."""

    type: ClassVar[str] = "access.session.created.v1"
    subject_tag: ClassVar[str] = "sesn"

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRevoked(Event):
    """A session has ended before its time."""

    type: ClassVar[str] = "access.session.revoked.v1"
    subject_tag: ClassVar[str] = "sesn"

    account_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipGranted(Event):
    """An account holds a role within a scope."""

    type: ClassVar[str] = "access.membership.granted.v1"
    subject_tag: ClassVar[str] = "memb"

    account_id: UUID
    role: str
    scope_kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipRevoked(Event):
    """An account holds a role no more within a scope."""

    type: ClassVar[str] = "access.membership.revoked.v1"
    subject_tag: ClassVar[str] = "memb"

    account_id: UUID
    role: str
    scope_kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChanged(Event):
    """A role was made, renamed or deleted."""

    type: ClassVar[str] = "access.role.changed.v1"
    subject_tag: ClassVar[str] = "role"

    role: str
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChanged(Event):
    """Rules of roles were added or taken away; the subject is the role, or the proposal that was applied."""

    type: ClassVar[str] = "access.policy.changed.v1"
    subject_tag: ClassVar[str] = "role"

    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyProposed(Event):
    """A change of rules was proposed and previewed."""

    type: ClassVar[str] = "access.policy.proposed.v1"
    subject_tag: ClassVar[str] = "prop"

    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyApplied(Event):
    """A proposed change of rules holds now."""

    type: ClassVar[str] = "access.policy.applied.v1"
    subject_tag: ClassVar[str] = "prop"

    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChanged(Event):
    """An API client was made, changed, or switched off."""

    type: ClassVar[str] = "access.client.changed.v1"
    subject_tag: ClassVar[str] = "clnt"

    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProviderChanged(Event):
    """An operator registered or disabled an identity provider of the city: the subject is the tenant."""

    type: ClassVar[str] = "access.identity_provider.changed.v1"
    subject_tag: ClassVar[str] = TENANT_TAG

    issuer: str
    audience: str
    is_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessWritten(Event):
    """A pack was applied: the subject is the tenant; `tables` names the files whose rows differ now."""

    type: ClassVar[str] = "access.pack.written.v1"
    subject_tag: ClassVar[str] = TENANT_TAG

    tables: tuple[str, ...]


EVENTS = (
    AccessWritten,
    AccountCreated,
    AccountChanged,
    PasswordSet,
    SessionCreated,
    SessionRevoked,
    MembershipGranted,
    MembershipRevoked,
    RoleChanged,
    PolicyChanged,
    PolicyProposed,
    PolicyApplied,
    ClientChanged,
    IdentityProviderChanged,
)

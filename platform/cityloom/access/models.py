"""Tables of access: who there is, what roles may do, who holds which role where, and what proves who is calling."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cityloom.core.database import Base, TenantTable, area_foreign_key, tenant_foreign_key
from cityloom.core.ids import new_id


class Department(TenantTable, Base):
    """A department of the city, in a tree: the vertical lines (条) of responsibility."""

    __tablename__ = "departments"

    code: Mapped[str]
    name: Mapped[str]
    parent_id: Mapped[UUID | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "code"),
        tenant_foreign_key("parent_id", "departments"),
        Index(None, "tenant_id", "parent_id"),
        Index(None, "tenant_id", "name", "id"),
        CheckConstraint("parent_id <> id", name="parent"),
    )


class Account(TenantTable, Base):
    """Someone, or a program, that can be granted roles."""

    __tablename__ = "accounts"

    login: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="STAFF")
    locale: Mapped[str] = mapped_column(default="zh")
    is_active: Mapped[bool] = mapped_column(default=True)
    is_developer: Mapped[bool] = mapped_column(default=False)
    is_from_pack: Mapped[bool] = mapped_column(default=False)
    password_hash: Mapped[str | None]
    oidc_issuer: Mapped[str | None]
    oidc_subject: Mapped[str | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("tenant_id", "login"),
        UniqueConstraint("tenant_id", "oidc_issuer", "oidc_subject"),
        CheckConstraint("kind IN ('STAFF', 'RESIDENT', 'SERVICE')", name="kind"),
        CheckConstraint("locale IN ('zh', 'en')", name="locale"),
        CheckConstraint("(oidc_issuer IS NULL) = (oidc_subject IS NULL)", name="oidc"),
        CheckConstraint("kind <> 'SERVICE' OR (password_hash IS NULL AND oidc_issuer IS NULL)", name="service"),
        CheckConstraint("login ~ '^[a-z0-9][a-z0-9._-]{0,62}$'", name="login"),
        Index(None, "tenant_id", "name", "id"),
    )


class Role(TenantTable, Base):
    """A role of the tenant; what it may do is said by its rules."""

    __tablename__ = "roles"

    code: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    description_zh: Mapped[str] = mapped_column(default="")
    description_en: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        UniqueConstraint("tenant_id", "code"),
        CheckConstraint("code ~ '^[a-z][a-z0-9_]{0,62}$'", name="code"),
    )


class Grant(TenantTable, Base):
    """Casbin `p` line: a role is allowed or denied what a pattern of permissions names."""

    __tablename__ = "grants"

    role_id: Mapped[UUID]
    pattern: Mapped[str]
    effect: Mapped[str]

    __table_args__ = (
        UniqueConstraint("tenant_id", "role_id", "pattern", "effect"),
        tenant_foreign_key("role_id", "roles", ondelete="CASCADE"),
        CheckConstraint("effect IN ('allow', 'deny')", name="effect"),
    )


class RoleLink(TenantTable, Base):
    """Casbin `g` line between roles: a role has all rules of its parent, which is a role or a shipped template."""

    __tablename__ = "role_links"

    role_id: Mapped[UUID]
    parent_role_id: Mapped[UUID | None]
    template: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "role_id", "parent_role_id"),
        UniqueConstraint("tenant_id", "role_id", "template"),
        tenant_foreign_key("role_id", "roles", ondelete="CASCADE"),
        tenant_foreign_key("parent_role_id", "roles", ondelete="CASCADE"),
        Index(None, "tenant_id", "parent_role_id"),
        CheckConstraint("(parent_role_id IS NULL) <> (template IS NULL)", name="parent"),
        CheckConstraint("parent_role_id <> role_id", name="self"),
    )


class Membership(TenantTable, Base):
    """An account holds a role within a scope and a time.

    `area_path` is the area's own, kept by a foreign key, so that a moved area moves the scope; the row itself is not
    behind the area wall, because who holds what must be decided before a wall is known.
    """

    __tablename__ = "memberships"

    account_id: Mapped[UUID]
    role_id: Mapped[UUID]
    scope_kind: Mapped[str]
    area_id: Mapped[UUID | None]
    area_path: Mapped[str | None] = mapped_column(Text(collation="C"))
    department_id: Mapped[UUID | None]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    is_from_pack: Mapped[bool] = mapped_column(default=False)
    granted_by_id: Mapped[UUID | None]
    granted_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint(
            "tenant_id",
            "account_id",
            "role_id",
            "scope_kind",
            "area_id",
            "department_id",
            name="uq_memberships_scope",
            postgresql_nulls_not_distinct=True,
        ),
        tenant_foreign_key("account_id", "accounts", ondelete="CASCADE"),
        tenant_foreign_key("role_id", "roles"),
        tenant_foreign_key("department_id", "departments"),
        area_foreign_key(),
        Index(None, "tenant_id", "role_id"),
        Index(None, "tenant_id", "area_id"),
        Index(None, "tenant_id", "area_path"),
        Index(None, "tenant_id", "department_id"),
        Index(None, "tenant_id", "ends_at"),
        CheckConstraint("scope_kind IN ('TENANT', 'AREA', 'DEPARTMENT', 'OWN')", name="scope_kind"),
        CheckConstraint("(scope_kind = 'AREA') = (area_id IS NOT NULL)", name="area"),
        CheckConstraint("(area_id IS NULL) = (area_path IS NULL)", name="area_path"),
        CheckConstraint("(scope_kind = 'DEPARTMENT') = (department_id IS NOT NULL)", name="department"),
        CheckConstraint("starts_at < ends_at", name="time"),
    )


class ApiClient(TenantTable, Base):
    """A program that calls the API: its roles are those of a service account, capped by patterns of permissions."""

    __tablename__ = "api_clients"

    name: Mapped[str]
    account_id: Mapped[UUID]
    permissions: Mapped[list[str]] = mapped_column(JSONB)
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        UniqueConstraint("tenant_id", "account_id"),
        tenant_foreign_key("account_id", "accounts", ondelete="CASCADE"),
    )


class ApiClientKey(TenantTable, Base):
    """A key of an API client; the secret is stored as SHA-256 only and shown once. At most two are active."""

    __tablename__ = "api_client_keys"

    client_id: Mapped[UUID]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]

    __table_args__ = (
        tenant_foreign_key("client_id", "api_clients", ondelete="CASCADE"),
        Index(None, "tenant_id", "client_id"),
    )


class SignIn(TenantTable, Base):
    """A session of an account: an opaque bearer, stored as SHA-256 only."""

    __tablename__ = "sign_ins"

    account_id: Mapped[UUID]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        tenant_foreign_key("account_id", "accounts", ondelete="CASCADE"),
        Index(None, "tenant_id", "account_id"),
        Index(None, "tenant_id", "expires_at"),
    )


class AccessVersion(TenantTable, Base):
    """The version of one tenant's access; one row, whose id is the tenant's, and whose lock orders all changes.

    `version` counts every change, `rules_version` those of roles and rules. Operators read it across tenants: it is how
    a process that missed a notification notices.
    """

    __tablename__ = "access_versions"

    version: Mapped[int] = mapped_column(BigInteger)
    rules_version: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("id = tenant_id", name="one"),
        {"info": {"operator_reads": True}},
    )


class PolicyProposal(TenantTable, Base):
    """A rehearsed change of rules with the preview that its proposer was shown."""

    __tablename__ = "policy_proposals"

    state: Mapped[str] = mapped_column(default="OPEN")
    reason: Mapped[str]
    added: Mapped[list[str]] = mapped_column(JSONB)
    removed: Mapped[list[str]] = mapped_column(JSONB)
    preview: Mapped[dict[str, Any]] = mapped_column(JSONB)
    preview_hash: Mapped[str]
    rules_version: Mapped[int] = mapped_column(BigInteger)
    proposed_by_id: Mapped[UUID | None]
    proposed_at: Mapped[datetime]
    applied_by_id: Mapped[UUID | None]
    applied_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("state IN ('OPEN', 'APPLIED')", name="state"),
        Index(None, "tenant_id", "proposed_at"),
    )


class AccessDecision(TenantTable, Base):
    """A refusal for want of a permission, for whoever is told its id to look up; kept for some months."""

    __tablename__ = "access_decisions"

    decided_at: Mapped[datetime]
    account_id: Mapped[UUID | None]
    client_id: Mapped[UUID | None]
    permissions: Mapped[list[str]] = mapped_column(JSONB)
    reason: Mapped[str]
    field: Mapped[str | None]
    #: The path of the area as it was then: a record is no row of an area, and does not move with it.
    place_path: Mapped[str | None] = mapped_column(Text(collation="C"))
    rights_version: Mapped[int] = mapped_column(BigInteger)
    trace_id: Mapped[str | None]

    __table_args__ = (Index(None, "tenant_id", "decided_at"),)


class IdentityProvider(Base):
    """An OIDC issuer whose tokens are believed for one tenant.

    Registered by operators: issuer and audience alone lead from a token to its tenant, so no tenant may claim them.
    """

    __tablename__ = "identity_providers"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    tenant_id: Mapped[UUID]
    issuer: Mapped[str]
    audience: Mapped[str]
    jwks_uri: Mapped[str]
    subject_claim: Mapped[str] = mapped_column(default="sub")
    login_claim: Mapped[str | None]
    is_enabled: Mapped[bool] = mapped_column(default=True)

    __table_args__ = (UniqueConstraint("issuer", "audience"), Index(None, "tenant_id"), {"info": {"kind": "control"}})


class Operator(Base):
    """Someone who runs the platform: sees the control plane and no tenant's data."""

    __tablename__ = "operators"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    locale: Mapped[str] = mapped_column(default="en")
    is_active: Mapped[bool] = mapped_column(default=True)
    password_hash: Mapped[str | None]
    created_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("locale IN ('zh', 'en')", name="locale"), {"info": {"kind": "control"}})


class OperatorSignIn(Base):
    """A session of an operator, stored as SHA-256 only."""

    __tablename__ = "operator_sign_ins"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    operator_id: Mapped[UUID]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["operator_id"], ["operators.id"], ondelete="CASCADE"),
        Index(None, "operator_id"),
        {"info": {"kind": "control"}},
    )


class LoginThrottle(Base):
    """Failed logins of one account or one address within a window; the key is a hash, so that it names nobody."""

    __tablename__ = "login_throttles"

    key_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int]
    window_started_at: Mapped[datetime]

    __table_args__ = (Index(None, "window_started_at"), {"info": {"kind": "control"}})

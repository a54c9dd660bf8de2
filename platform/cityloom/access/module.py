"""The manifest of access."""

from __future__ import annotations

from datetime import time, timedelta

from cityloom.access.api.control import AccessControlMutation, AccessControlQuery
from cityloom.access.api.mutations import AccessMutation
from cityloom.access.api.queries import AccessQuery
from cityloom.access.api.shapes import (
    AccessDecision,
    Account,
    ApiClient,
    ApiClientKey,
    Department,
    Membership,
    PolicyProposal,
    Role,
    TrustedDocumentAccess,
)
from cityloom.access.decisions import forget_decisions, has_old_decisions
from cityloom.access.events import EVENTS
from cityloom.access.holdings import HOLDINGS
from cityloom.access.pack import AccessPart, MembershipsPart
from cityloom.access.permissions import PERMISSIONS
from cityloom.core.module import GraphApi, Job, Module
from cityloom.core.text import Text

MODULE = Module(
    name="access",
    title=Text("权限", "Access"),
    description=Text(
        "账号、角色、授权、规则与接口客户端:谁可以在哪里做什么。",
        "Accounts, roles, memberships, rules and API clients: who may do what, and where.",
    ),
    is_core=True,
    permissions=PERMISSIONS,
    events=EVENTS,
    tenant_api=GraphApi(
        queries=(AccessQuery,),
        mutations=(AccessMutation,),
        extensions=(TrustedDocumentAccess,),
        types=(AccessDecision, Department, Account, Role, Membership, ApiClient, ApiClientKey, PolicyProposal),
    ),
    platform_api=GraphApi(queries=(AccessControlQuery,), mutations=(AccessControlMutation,)),
    pack_parts=(AccessPart(), MembershipsPart()),
    jobs=(
        Job(
            "access.decisions",
            Text("清理过期的授权决定", "Forget old decisions"),
            timedelta(days=1),
            forget_decisions,
            at=time(3, 5),
            waiting=has_old_decisions,
        ),
    ),
    holdings=HOLDINGS,
)

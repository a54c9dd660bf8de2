"""What the slice holds of people with an account of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cityloom.core.subjects import Fate, Holding
from cityloom.core.text import Text

if TYPE_CHECKING:
    from uuid import UUID


def _login(account_id: UUID) -> str:
    return f"erased-{account_id.hex}"


HOLDINGS = (
    Holding(
        table="accounts",
        column="id",
        by_account=True,
        fate=Fate.CLEAR,
        title=Text("账号", "The account"),
        reason=Text("仅保留无法识别个人的停用账号。", "A closed account that names nobody stays."),
        hidden=frozenset({"password_hash"}),
        cleared={
            "login": _login,
            "name": "已清除",
            "is_active": False,
            "password_hash": None,
            "oidc_issuer": None,
            "oidc_subject": None,
        },
    ),
    Holding(
        table="sign_ins",
        column="account_id",
        by_account=True,
        fate=Fate.DELETE,
        title=Text("登录会话", "Sessions"),
        reason=Text("无保存必要。", "There is no need to keep them."),
        hidden=frozenset({"token_hash"}),
    ),
)

"""What may be done with access itself."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

PERMISSIONS = (
    Permission("access.account.read", Text("查看账号", "See accounts")),
    Permission("access.account.create", Text("创建账号", "Create accounts")),
    Permission("access.account.change", Text("修改、停用账号", "Change accounts and switch them off")),
    Permission("access.account.set_password", Text("为他人设置密码", "Set others' passwords")),
    Permission("access.session.revoke", Text("结束他人的会话", "End others' sessions")),
    Permission("access.department.read", Text("查看部门", "See departments")),
    Permission("access.role.read", Text("查看角色与规则", "See roles and their rules")),
    Permission("access.role.change", Text("创建、修改、删除角色", "Create, change and delete roles")),
    Permission("access.membership.read", Text("查看授权", "See who holds which role")),
    Permission("access.membership.grant", Text("授予角色", "Give roles")),
    Permission("access.membership.revoke", Text("撤销角色", "Take roles away")),
    Permission("access.policy.propose", Text("提出规则变更", "Propose changes of rules")),
    Permission("access.policy.apply", Text("更改规则(管理员)", "Change rules (what makes an administrator)")),
    Permission("access.policy.explain", Text("查询他人的权限依据", "Ask why somebody may or may not")),
    Permission("access.client.read", Text("查看接口客户端", "See API clients")),
    Permission("access.client.change", Text("创建、修改接口客户端与密钥", "Create and change API clients and keys")),
)

"""What may be done with webhooks, and which shipped roles may."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

INTEGRATORS = ("city_administrator", "integrator")
READ, CREATE, CHANGE = "webhooks.endpoint.read", "webhooks.endpoint.create", "webhooks.endpoint.change"
READ_LOG, REPLAY = "webhooks.delivery.read", "webhooks.delivery.replay"

PERMISSIONS = (
    Permission(READ, Text("查看推送端点", "See webhook endpoints"), INTEGRATORS),
    Permission(CREATE, Text("创建推送端点", "Create webhook endpoints"), INTEGRATORS),
    Permission(CHANGE, Text("更改推送端点与密钥", "Change webhook endpoints and their keys"), INTEGRATORS),
    Permission(READ_LOG, Text("查看推送记录", "See what was delivered and what came of it"), INTEGRATORS),
    Permission(REPLAY, Text("重放推送", "Have deliveries sent again"), INTEGRATORS),
)

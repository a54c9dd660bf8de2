"""The manifest of webhooks."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.subjects import Copies
from cityloom.core.text import Text
from cityloom.webhooks.api.mutations import WebhooksMutation
from cityloom.webhooks.api.shapes import (
    WebhookAnswer,
    WebhookAttempt,
    WebhookCertification,
    WebhookContent,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookKey,
    WebhookLane,
    WebhooksQuery,
)
from cityloom.webhooks.events import EVENTS
from cityloom.webhooks.permissions import PERMISSIONS
from cityloom.webhooks.service import erase_bodies

MODULE = Module(
    name="webhooks",
    title=Text("推送", "Webhooks"),
    description=Text(
        "把城市中发生的事件推送给其他系统:签名、重试、重放、认证,一条不丢。",
        "What happens in the city is told to other programs: signed, retried, replayed, and never lost.",
    ),
    is_core=True,
    permissions=PERMISSIONS,
    events=EVENTS,
    copies=(Copies("webhook_deliveries", Text("推送内容", "Bodies of webhooks"), erase_bodies),),
    tenant_api=GraphApi(
        queries=(WebhooksQuery,),
        mutations=(WebhooksMutation,),
        types=(
            WebhookEndpoint,
            WebhookLane,
            WebhookKey,
            WebhookDelivery,
            WebhookContent,
            WebhookAttempt,
            WebhookAnswer,
            WebhookCertification,
        ),
    ),
)

"""How events are wired into the platform."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.events.api import Event, EventsQuery, EventsSubscription
from cityloom.events.holdings import HOLDINGS
from cityloom.events.permissions import PERMISSIONS

MODULE = Module(
    name="events",
    title=Text("事件", "Events"),
    description=Text(
        "本城市发生的一切,按顺序、不遗漏:可查询、可实时订阅。",
        "Everything that happens in the city, in order and without gaps: to be read, and to be followed live.",
    ),
    is_core=True,
    permissions=PERMISSIONS,
    holdings=HOLDINGS,
    tenant_api=GraphApi(queries=(EventsQuery,), subscriptions=(EventsSubscription,), types=(Event,)),
)

"""The manifest of departures."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.departures.api import DeparturesMutation, DeparturesQuery

MODULE = Module(
    name="departures",
    title=Text("退出", "Departures"),
    description=Text(
        "城市退出平台:移交全部数据,销毁密钥,清除数据,出具证书。",
        "Cities that leave: everything is handed over, keys are destroyed, nothing stays, and a certificate says so.",
    ),
    is_core=True,
    platform_api=GraphApi(queries=(DeparturesQuery,), mutations=(DeparturesMutation,)),
)

"""How the graph itself is wired: `node`, the price of a query, and trusted documents."""

from __future__ import annotations

from datetime import time, timedelta

from cityloom.core.module import GraphApi, Job, Module, Permission
from cityloom.core.text import Text
from cityloom.graph.api import GraphMutation, GraphQuery, TrustedDocument, TrustedDocumentQuery
from cityloom.graph.bound.nodes import NodeQuery
from cityloom.graph.events import EVENTS
from cityloom.graph.idempotency import forget, has_old_keys
from cityloom.graph.tallies import JOBS

MODULE = Module(
    name="graph",
    title=Text("接口", "Graph"),
    description=Text(
        "按编号取对象、查询代价、已登记的查询文档。",
        "Anything by its id, the price of a query, and registered documents.",
    ),
    is_core=True,
    permissions=(
        Permission(
            "graph.document.register",
            Text("登记查询文档,并限定客户端只能使用已登记的文档", "Register documents, and hold clients to them"),
            roles=("integrator",),
        ),
    ),
    events=EVENTS,
    tenant_api=GraphApi(
        queries=(NodeQuery, GraphQuery, TrustedDocumentQuery),
        mutations=(GraphMutation,),
        types=(TrustedDocument,),
    ),
    jobs=(
        Job(
            "graph.keys",
            Text("清理过期幂等键", "Forget old idempotency keys"),
            timedelta(days=1),
            forget,
            at=time(3, 0),
            waiting=has_old_keys,
        ),
        *JOBS,
    ),
)

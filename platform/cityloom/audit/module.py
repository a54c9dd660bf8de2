"""How the audit log is wired into the platform."""

from __future__ import annotations

from datetime import timedelta

from cityloom.audit.api import AuditQuery, AuditRecord
from cityloom.audit.checkpoints import is_unsigned, sign
from cityloom.audit.holdings import HOLDINGS
from cityloom.audit.permissions import PERMISSIONS
from cityloom.audit.sealing import BATCH, is_unsealed, seal
from cityloom.core.module import GraphApi, Job, Module
from cityloom.core.text import Text

MODULE = Module(
    name="audit",
    title=Text("审计", "Audit"),
    description=Text(
        "谁在何时对什么做了什么:只增不改,逐条封存,可由第三方核验。",
        "Who did what to what, and when: never changed, sealed entry by entry, to be verified by others.",
    ),
    is_core=True,
    permissions=PERMISSIONS,
    tenant_api=GraphApi(queries=(AuditQuery,), types=(AuditRecord,)),
    jobs=(
        Job(
            "audit.seal",
            Text("封存审计日志", "Seal the audit log"),
            timedelta(minutes=1),
            seal,
            batch=BATCH,
            waiting=is_unsealed,
        ),
        Job(
            "audit.sign",
            Text("签署审计检查点", "Sign checkpoints of the audit log"),
            timedelta(minutes=1),
            sign,
            waiting=is_unsigned,
        ),
    ),
    holdings=HOLDINGS,
)

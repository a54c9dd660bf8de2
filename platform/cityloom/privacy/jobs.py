"""What privacy does again and again."""

from __future__ import annotations

from datetime import time, timedelta

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.privacy.service import carry_on, note_erasures
from cityloom.privacy.service.erasure import BATCH as ERASURES
from cityloom.privacy.service.retention import BATCH as RETAINED
from cityloom.privacy.service.retention import carry_out
from cityloom.privacy.service.rotation import BATCH as RESEALED

JOBS = (
    Job(
        "privacy.note_erasures",
        Text("在数据库外登记清除记录", "Note erasures outside of the database"),
        timedelta(minutes=1),
        note_erasures,
        batch=ERASURES,
    ),
    Job("privacy.rotate", Text("轮换密钥", "Rotate keys"), timedelta(minutes=1), carry_on, batch=RESEALED),
    Job(
        "privacy.retain",
        Text("清除保存期限届满的信息", "Let go what was kept as long as it may be"),
        timedelta(days=1),
        carry_out,
        batch=RETAINED,
        at=time(2, 30),
    ),
)

"""What the audit log holds of people: who did what to their record, and no value of it."""

from __future__ import annotations

from cityloom.core.subjects import Fate, Holding
from cityloom.core.text import Text

HOLDINGS = (
    Holding(
        table="audit_records",
        column="object_id",
        tag_column="object_tag",
        fate=Fate.KEEP,
        title=Text("审计日志", "The audit log"),
        reason=Text(
            "依网络安全法第二十一条、个人信息保护法第五十四条留存;只有编号和摘要,不含个人信息的内容。",
            "Kept by the Cybersecurity Law, art. 21, and the Personal Information Protection Law, art. 54; it holds ids"
            " and hashes, and no value of a record.",
        ),
    ),
)

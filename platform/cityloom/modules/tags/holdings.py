"""What tags say of residents."""

from __future__ import annotations

from cityloom.core.subjects import Fate, Holding
from cityloom.core.text import Text

HOLDINGS = (
    Holding(
        table="resident_tags",
        column="resident_id",
        fate=Fate.DELETE,
        title=Text("标签及其历史", "Tags that they have or had"),
        reason=Text("无保存必要。", "There is no need to keep them."),
    ),
)

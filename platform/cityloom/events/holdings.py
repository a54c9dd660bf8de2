"""What the streams of events hold of people: that something happened to a record, and no value of it."""

from __future__ import annotations

from cityloom.core.subjects import Fate, Holding
from cityloom.core.text import Text


def _told(table: str, title: Text) -> Holding:
    return Holding(
        table=table,
        column="subject_id",
        tag_column="subject_tag",
        fate=Fate.KEEP,
        title=title,
        reason=Text(
            "事件流须前后连续可核验;其中只有编号,不含个人信息的内容。",
            "A stream has to be whole to be verified; it holds ids, and no value of a record.",
        ),
    )


HOLDINGS = (
    _told("events", Text("事件", "Events")),
    _told("outbox", Text("待排序的事件", "Events that have no position yet")),
)

"""What this slice itself holds of people, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from cityloom.core.module import Retention
from cityloom.core.subjects import Fate, Holding
from cityloom.core.text import Text
from cityloom.privacy import models as m

if TYPE_CHECKING:
    from datetime import datetime

    from cityloom.core.work import Work

_PROOF = Text(
    "依个人信息保护法第五十四条、第五十五条留存,用以证明处理活动合法;其中不含敏感信息。",
    "Kept as proof that the processing was lawful (Personal Information Protection Law, art. 54 and 55); holds no"
    " protected value.",
)


def _kept(table: str, title: Text) -> Holding:
    return Holding(
        table=table, column="subject_id", tag_column="subject_tag", fate=Fate.KEEP, title=title, reason=_PROOF
    )


HOLDINGS = (
    _kept("disclosures", Text("查阅记录", "Who was shown protected data")),
    _kept("consents", Text("同意记录", "Consents and withdrawals")),
    _kept("legal_holds", Text("依法保留", "Legal holds")),
    _kept("erasures", Text("清除记录", "Erasures")),
)


async def _count_disclosures(work: Work, before: datetime) -> int:
    query = select(func.count()).select_from(m.Disclosure).where(m.Disclosure.disclosed_at < before)
    return await work.session.scalar(query) or 0


async def _delete_disclosures(work: Work, before: datetime, most: int) -> int:
    old = (
        select(m.Disclosure.id)
        .where(m.Disclosure.disclosed_at < before)
        .order_by(m.Disclosure.disclosed_at)
        .limit(most)
    )
    found = (await work.session.scalars(old)).all()
    statement = delete(m.Disclosure).where(m.Disclosure.id.in_(found))
    await work.session.execute(statement.execution_options(synchronize_session=False))
    return len(found)


RETENTIONS = (
    Retention(
        "disclosures",
        Text("查阅记录:到期删除(审计日志不变)", "Disclosures: deleted; the audit log keeps its entries"),
        _count_disclosures,
        _delete_disclosures,
    ),
)

"""What the registry holds of residents, what becomes of it when one is erased, and how long it keeps who has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, func, or_, select

from cityloom.core.ids import new_id
from cityloom.core.module import Retention
from cityloom.core.subjects import Fate, Holding
from cityloom.core.text import Text
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry import models as m
from cityloom.privacy.models import Erasure, LegalHold
from cityloom.privacy.service import erase_person

if TYPE_CHECKING:
    from datetime import datetime

    from cityloom.core.work import Work

#: What stands in the place of a name that was erased.
ERASED_NAME = "已清除"

HOLDINGS = (
    Holding(
        table="residents",
        column="id",
        fate=Fate.CLEAR,
        title=Text("居民登记", "The record of the resident"),
        reason=Text(
            "仅保留无法识别个人的空记录,使统计与历史不致中断。",
            "An empty record that names nobody stays, so that figures and histories do not break.",
        ),
        cleared={
            "name": ERASED_NAME,
            "sex": "UNKNOWN",
            "birth_year": None,
            "birth_on": None,
            "identity_number": None,
            "identity_masked": None,
            "identity_index": None,
            "phone": None,
            "phone_masked": None,
            "phone_index": None,
            "household_id": None,
            "relationship": "OTHER",
            "status": "MOVED_AWAY",
            "account_id": None,
        },
    ),
    Holding(
        table="resident_name_tokens",
        column="id",
        fate=Fate.DELETE,
        title=Text("姓名检索词", "Parts of the name by which it is found"),
        reason=Text("无保存必要。", "There is no need to keep them."),
    ),
    Holding(
        table="resident_stays",
        column="resident_id",
        fate=Fate.DELETE,
        title=Text("居住经历", "In which households they lived"),
        reason=Text("无保存必要。", "There is no need to keep them."),
    ),
    Holding(
        table="dwelling_ties",
        column="resident_id",
        fate=Fate.DELETE,
        title=Text("房屋权属与租住关系", "Dwellings that they owned or rented, or hosted in"),
        reason=Text("无保存必要。", "There is no need to keep them."),
    ),
    Holding(
        table="vehicle_holdings",
        column="resident_id",
        fate=Fate.DELETE,
        title=Text("车辆持有经历", "Vehicles that they had"),
        reason=Text("无保存必要。", "There is no need to keep them."),
    ),
    Holding(
        table="vehicles",
        column="resident_id",
        fate=Fate.DELETE,
        title=Text("车辆", "Their vehicles"),
        reason=Text("无保存必要。", "There is no need to keep them."),
    ),
    Holding(
        table="custom_values",
        column="resident_id",
        fate=Fate.DELETE,
        title=Text("本城市自定义项目", "What the city's own fields hold of them"),
        reason=Text("无保存必要。", "There is no need to keep them."),
    ),
    Holding(
        table="field_changes",
        column="subject_id",
        tag_column="subject_tag",
        fate=Fate.KEEP,
        title=Text("离线提交的更正", "Changes that were submitted offline"),
        reason=Text(
            "证明工作人员何时办理了何事;仅含编号,不含内容。",
            "They prove what staff did and when; they hold numbers, and nothing of what was changed.",
        ),
        hidden=frozenset({"input_hash"}),
    ),
)


def _departed(before: datetime) -> ColumnElement[bool]:
    """Who left before a day, is under no hold and not yet erased; without a stay the last change is what counts."""
    left_on = (
        select(func.max(m.ResidentStay.until_on))
        .where(m.ResidentStay.resident_id == m.Resident.id)
        .correlate(m.Resident)
        .scalar_subquery()
    )
    about = ((Erasure, Erasure.id.is_not(None)), (LegalHold, LegalHold.lifted_at.is_(None)))
    spared = [
        select(model.id).where(model.subject_tag == "resd", model.subject_id == m.Resident.id, so).exists()
        for model, so in about
    ]
    is_old = func.coalesce(left_on, civil_day_of(m.Resident.changed_at)) < civil_day(before)
    return (m.Resident.status != "LIVING") & is_old & ~or_(*spared)


def civil_day_of(moment: ColumnElement[datetime] | object) -> ColumnElement[object]:
    """The calendar day in China of a column."""
    return func.date(func.timezone("Asia/Shanghai", moment))


async def _count(work: Work, before: datetime) -> int:
    return await work.session.scalar(select(func.count()).select_from(m.Resident).where(_departed(before))) or 0


async def _erase(work: Work, before: datetime, most: int) -> int:
    query = select(m.Resident).where(_departed(before)).order_by(m.Resident.id).limit(most)
    rows = (await work.session.scalars(query.with_for_update(skip_locked=True, of=m.Resident))).all()
    for resident in rows:
        await erase_person(work, resident, new_id(), "retention")
    return len(rows)


RETENTIONS = (
    Retention(
        "departed_residents",
        Text("迁出或死亡的居民:到期清除个人信息", "Residents who moved away or died: erased"),
        _count,
        _erase,
    ),
)

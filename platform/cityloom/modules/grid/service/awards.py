"""Awards for a published period (金牌网格员)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from cityloom.modules.grid import events
from cityloom.modules.grid import models as m
from cityloom.modules.grid.errors import (
    AwardRevoked,
    AwardsGone,
    PeriodNotPublished,
    ScoreTooLow,
    not_found,
)
from cityloom.modules.grid.service import rows
from cityloom.modules.grid.service.scores import demand_whole_period

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

GRANT = "grid.award.grant"


async def grant_award(work: Work, *, kind: str, score_id: UUID | None, citation: str | None = None) -> m.Award:
    """Give the worker of a published score an award, within the places that a period has of it.

    Whoever grants may do so in the whole area of the period. Refuses (`Forbidden`, `NotFound`, `PeriodNotPublished`,
    `ScoreTooLow`, `AwardsGone`, `AwardGivenAlready`, `TextTooLong`).
    """
    score = await rows.reach(work, m.Score, score_id, GRANT, path=("scoreId",))
    # The lock lets awards of one kind be given one after the other: places are counted below.
    award_kind = await work.session.scalar(select(m.AwardKind).where(m.AwardKind.code == kind).with_for_update())
    if award_kind is None:
        raise not_found("award_kinds", ("kind",))
    period = await demand_whole_period(work, score.id, GRANT)
    if period.state != "PUBLISHED":
        raise PeriodNotPublished(path=("scoreId",))
    least = award_kind.least_points_milli
    if least is not None and score.points_milli < least:
        raise ScoreTooLow(path=("scoreId",), least_milli=least, points_milli=score.points_milli)
    award = m.Award(
        kind_id=award_kind.id,
        account_id=score.account_id,
        score_id=score.id,
        citation=rows.checked_optional(citation, "citation", 1_000),
        granted_at=work.now(),
        area_id=score.area_id,
        area_path=score.area_path,
    )
    await rows.insert(work, GRANT, award)
    given = await work.session.scalar(
        select(func.count())
        .select_from(m.Award)
        .join(m.Score, m.Score.id == m.Award.score_id)
        .where(m.Award.kind_id == award_kind.id, m.Award.revoked_at.is_(None), m.Score.period_id == score.period_id)
    )
    if award_kind.places is not None and (given or 0) > award_kind.places:
        raise AwardsGone(path=("kind",), places=award_kind.places)
    work.emit(
        events.AwardGranted(
            subject_id=award.id, area_path=award.area_path, account_id=award.account_id, kind=award_kind.code
        )
    )
    return award


async def revoke_award(work: Work, award_id: UUID | None, *, reason: str, version: int | None = None) -> m.Award:
    """Take an award back, with the reason; refuses what `rows.reach` refuses, `AwardRevoked`, `TextTooLong`."""
    award = await rows.reach(work, m.Award, award_id, GRANT, version=version)
    if award.revoked_at is not None:
        raise AwardRevoked(path=("id",))
    values = {"revoked_at": work.now(), "revoked_reason": rows.checked_text(reason, "reason", 1_000)}
    await rows.write(work, GRANT, award, values)
    work.emit(events.AwardRevoked(subject_id=award.id, area_path=award.area_path, account_id=award.account_id))
    return award

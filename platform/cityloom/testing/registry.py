"""What must hold between the registry's things and their ties, whatever has happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import aliased

from cityloom.modules.registry.service.ties import TRACKS

if TYPE_CHECKING:
    from cityloom.core.work import Work


async def contradictions(work: Work) -> list[str]:
    """Where a thing is not what its tie of today says, lies elsewhere than its ties, or has two ties at a time."""
    found: list[str] = []
    for model, track in TRACKS.items():
        today, any_of = aliased(track.model), aliased(track.model)
        own = and_(getattr(today, track.thing) == model.id, today.until_on.is_(None))
        differs = or_(*(getattr(model, place).is_distinct_from(getattr(today, place)) for place in track.places))
        if track.places == ("use",):
            # A dwelling that was merged into another keeps what it was used for last.
            differs = and_(differs, model.ended_on.is_(None))
        wrong = await work.session.scalar(select(func.count()).select_from(model).outerjoin(today, own).where(differs))
        astray = await work.session.scalar(
            select(func.count())
            .select_from(model)
            .join(any_of, getattr(any_of, track.thing) == model.id)
            .where(any_of.area_path != model.area_path)
        )
        one, other = aliased(track.model), aliased(track.model)
        twice = await work.session.scalar(
            select(func.count())
            .select_from(one)
            .join(other, and_(getattr(one, track.thing) == getattr(other, track.thing), one.id < other.id))
            .where(
                or_(one.until_on.is_(None), other.from_on < one.until_on),
                or_(other.until_on.is_(None), one.from_on < other.until_on),
            )
        )
        name = model.__tablename__
        counted = {"are not where their tie says": wrong, "lie elsewhere than their ties": astray, "overlap": twice}
        found += [f"{count} {name} {what}" for what, count in counted.items() if count]
    return found

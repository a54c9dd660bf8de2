"""Who has a sensitive tag: told for a purpose of the register, and written down. See ADR 33."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from sqlalchemy import Text, cast, func, select

from cityloom.core.database import within
from cityloom.core.principal import Scope, subtree
from cityloom.core.subjects import ProtectedRows
from cityloom.modules.areas.models import Area
from cityloom.modules.registry.models import Resident
from cityloom.modules.tags import models as m
from cityloom.modules.tags.errors import TooManyHolders
from cityloom.modules.tags.permissions import READ, SENSITIVE
from cityloom.privacy.service import consents_to, demand_covered, note_found
from cityloom.privacy.service.purposes import purpose_in_force

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from cityloom.core.principal import Principal
    from cityloom.core.subjects import Person
    from cityloom.core.work import Work, Works

FIELD: Final = "tags.resident.sensitive"
#: Residents that are found, and written down, by one question: 100,000 take some four seconds.
MOST_HOLDERS: Final = 200_000


class SensitiveTags(ProtectedRows):
    """The sensitive tags that a resident has now, by their codes."""

    name: ClassVar[str] = FIELD
    tag: ClassVar[str] = "resd"
    permission: ClassVar[str] = SENSITIVE

    @classmethod
    async def told(cls, work: Work, person: Person) -> str | None:
        """Their codes in alphabetical order, set apart by commas."""
        query = (
            select(m.Tag.code)
            .join(m.ResidentTag, m.ResidentTag.tag_id == m.Tag.id)
            .where(m.ResidentTag.resident_id == person.id, m.ResidentTag.ended_at.is_(None))
            .where(m.ResidentTag.sensitivity == "SENSITIVE")
            .order_by(m.Tag.code)
        )
        return ",".join(await work.session.scalars(query)) or None


async def find_holders(
    works: Works, principal: Principal, codes: Sequence[str], *, purpose: str, area_id: UUID | None = None
) -> str:
    """Residents, in an area or everywhere, whom the caller may see with one of these sensitive tags: an array in text.

    Each is written down in their record, in a transaction of its own, because reads have none. Where the purpose stands
    on consent, only those who consent to it are found. Refuses (`PurposeUnknown`, `PurposeCoversNot`,
    `TooManyHolders`).
    """
    async with works.begin(principal) as work:
        register = await purpose_in_force(work, purpose)
        demand_covered(register, [FIELD], path=("purpose",))
        tags = select(m.Tag.id).where(m.Tag.code.in_(codes), m.Tag.sensitivity == "SENSITIVE")
        holders = select(m.ResidentTag.resident_id).where(m.ResidentTag.tag_id.in_(tags))
        query = select(Resident.id).where(Resident.id.in_(holders.where(m.ResidentTag.ended_at.is_(None))))
        for name in (Resident.__person__.read, READ, SENSITIVE):
            query = query.where(within(work.rights.scope(name), Resident.area_path))
        if area_id is not None:
            path = await work.session.scalar(select(Area.path).where(Area.id == area_id))
            inside = None if path is None else Scope(areas=(subtree(path),))
            query = query.where(within(inside, Resident.area_path))
        if register.basis == "CONSENT":
            query = query.where(consents_to(Resident.id, SensitiveTags.tag, register.id))
        few = query.limit(MOST_HOLDERS + 1).subquery()
        gathered = select(func.count(), func.coalesce(cast(func.array_agg(few.c.id), Text), "{}")).select_from(few)
        count, found = (await work.session.execute(gathered)).one()
        if count > MOST_HOLDERS:
            raise TooManyHolders(path=("areaId",), most=MOST_HOLDERS)
        await note_found(work, SensitiveTags.tag, found, field=FIELD, purpose=register)
        return str(found)

"""Who has a sensitive tag: told for a purpose of the register, and written down. See ADR 33."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from sqlalchemy import select

from cityloom.core.subjects import ProtectedRows
from cityloom.modules.registry.models import Resident
from cityloom.modules.tags import models as m
from cityloom.modules.tags.errors import TooManyHolders
from cityloom.modules.tags.permissions import READ, SENSITIVE
from cityloom.privacy.service import demand_covered, note_found, who_consents
from cityloom.privacy.service.purposes import purpose_in_force

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from cityloom.core.principal import Principal
    from cityloom.core.subjects import Person
    from cityloom.core.work import Work, Works

FIELD: Final = "tags.resident.sensitive"
#: Residents that are found, and written down, by one question.
MOST_HOLDERS: Final = 1_000


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


async def find_holders(works: Works, principal: Principal, codes: Sequence[str], *, purpose: str) -> list[UUID]:
    """Residents whom the caller may see with one of these sensitive tags; each is written down in their record.

    In a transaction of its own, because reads have none. Where the purpose stands on consent, only those who consent to
    it are found. Refuses (`PurposeUnknown`, `PurposeCoversNot`, `TooManyHolders`).
    """
    async with works.begin(principal) as work:
        register = await purpose_in_force(work, purpose)
        demand_covered(register, [FIELD], path=("purpose",))
        scopes = [work.rights.scope(name) for name in (Resident.__person__.read, READ, SENSITIVE)]
        query = (
            select(Resident)
            .join(m.ResidentTag, m.ResidentTag.resident_id == Resident.id)
            .join(m.Tag, m.Tag.id == m.ResidentTag.tag_id)
            .where(m.Tag.code.in_(codes), m.Tag.sensitivity == "SENSITIVE", m.ResidentTag.ended_at.is_(None))
            .distinct()
        )
        found = [
            resident
            for resident in await work.session.scalars(query)
            if all(scope is not None and scope.covers(resident.area_path) for scope in scopes)
        ]
        if register.basis == "CONSENT":
            consenting = await who_consents(work, SensitiveTags.tag, [one.id for one in found], register.id)
            found = [resident for resident in found if resident.id in consenting]
        if len(found) > MOST_HOLDERS:
            raise TooManyHolders(path=("purpose",), most=MOST_HOLDERS)
        await note_found(work, found, field=FIELD, purpose=register)
        return [resident.id for resident in found]

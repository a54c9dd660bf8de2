"""The register of purposes in a tenant pack: `purposes.csv`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from sqlalchemy import select

from cityloom.core.subjects import protected_names
from cityloom.privacy import models as m
from cityloom.privacy.service.purposes import (
    BASIS_LIMIT,
    CODE,
    LONGEST_MINUTES,
    MOST_QUOTA,
    TITLE_LIMIT,
    state_purpose,
    withdraw_purpose,
)
from cityloom.tenancy.packs import CsvTable, PackPart, PackRow

if TYPE_CHECKING:
    from cityloom.core.work import Work
    from cityloom.tenancy.packs import Differences, Pack, Problems
    from cityloom.tenancy.packs.parts import Rows

Title = Annotated[str, Field(min_length=1, max_length=TITLE_LIMIT)]
Basis = Literal["CONSENT", "CONTRACT", "LEGAL_DUTY", "EMERGENCY", "PUBLIC_INTEREST", "PUBLISHED", "OTHER_LAW"]


class PurposeRow(PackRow):
    """One purpose; `fields` are protected fields, divided by spaces, in alphabetical order.

    None is needed where people consent to something that shows none.
    """

    code: Annotated[str, Field(pattern=CODE)]
    title_zh: Title
    title_en: Title
    basis: Basis
    basis_text: Annotated[str, Field(max_length=BASIS_LIMIT)] = ""
    fields: str = ""
    daily_quota: Annotated[int, Field(ge=1, le=MOST_QUOTA)] = 50
    lasts_minutes: Annotated[int, Field(ge=1, le=LONGEST_MINUTES)] = 30


PURPOSES = CsvTable("purposes.csv", PurposeRow, key=("code",))


class PrivacyPart(PackPart):
    """See `cityloom.tenancy.packs.PackPart`: purposes that are in force; one that is left out goes out of force."""

    name = "privacy"
    tables = (PURPOSES,)

    def check(self, pack: Pack, problems: Problems) -> None:
        """Fields are protected ones, named once and in order."""
        known = protected_names()
        for entry in pack.entries(PURPOSES):
            fields = entry.row.fields.split(" ") if entry.row.fields else []
            is_empty = not fields and entry.row.basis != "CONSENT"
            if is_empty or fields != sorted(set(fields) & set(known)):
                told = " ".join(sorted(known))
                problems.add(
                    entry,
                    "fields",
                    zh=f"须为按字母顺序、以一个空格分隔的受保护字段;可选:{told}",
                    en=f"protected fields in alphabetical order, one space between them; there are: {told}",
                )

    async def read(self, work: Work) -> Rows:
        """The purposes in force."""
        rows = await work.session.scalars(select(m.Purpose).where(m.Purpose.is_active))
        return {
            PURPOSES: [
                PurposeRow.model_validate(
                    {
                        "code": one.code,
                        "title_zh": one.title_zh,
                        "title_en": one.title_en,
                        "basis": one.basis,
                        "basis_text": one.basis_text,
                        "fields": " ".join(one.fields),
                        "daily_quota": one.daily_quota,
                        "lasts_minutes": one.lasts_minutes,
                    }
                )
                for one in rows
            ]
        }

    async def write(self, work: Work, differences: Differences) -> None:
        """Make it so."""
        found = differences[PURPOSES]
        for row in (*found.added, *(after for _, after in found.changed)):
            await state_purpose(
                work,
                row.code,
                {
                    "title_zh": row.title_zh,
                    "title_en": row.title_en,
                    "basis": row.basis,
                    "basis_text": row.basis_text,
                    "fields": row.fields.split(),
                    "daily_quota": row.daily_quota,
                    "lasts_minutes": row.lasts_minutes,
                },
            )
        for row in found.removed:
            await withdraw_purpose(work, row.code)

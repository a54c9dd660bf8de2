"""The register of purposes (个人信息使用目的): what protected data may be asked for in this city."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from sqlalchemy import select

from cityloom.core.constraints import refusing
from cityloom.core.events import AuditEntry
from cityloom.core.subjects import protected_names
from cityloom.privacy import events, permissions
from cityloom.privacy import models as m
from cityloom.privacy.errors import PurposeCodeTaken, PurposeMalformed, PurposeUnknown, absent

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

CODE = r"^[A-Z][A-Z0-9_]{0,39}$"
MOST_QUOTA, LONGEST_MINUTES, TITLE_LIMIT, BASIS_LIMIT = 100_000, 1440, 60, 300
_TAKEN = {"uq_privacy_purposes_tenant_id_code": lambda: PurposeCodeTaken(path=("code",))}


class PurposeValues(TypedDict, total=False):
    """What can be stated of a purpose: `daily_quota` per account and day, `lasts_minutes` how long values are shown."""

    title_zh: str
    title_en: str
    basis: str
    basis_text: str
    fields: list[str]
    daily_quota: int
    lasts_minutes: int
    is_active: bool


async def create_purpose(work: Work, *, code: str, **values: Unpack[PurposeValues]) -> m.Purpose:
    """Add a purpose; refuses (`Forbidden`, `PurposeMalformed`, `PurposeCodeTaken`)."""
    work.authorise(permissions.CHANGE_PURPOSES)
    if not re.fullmatch(CODE, code):
        raise _malformed("code", "代码须为大写字母开头的 1 至 40 位大写字母、数字或下划线", "a code is like HOME_VISIT")
    async with refusing(work, _TAKEN):
        return await _insert(work, code, checked(values))


async def _insert(work: Work, code: str, values: PurposeValues) -> m.Purpose:
    now = work.now()
    purpose = m.Purpose(code=code, created_at=now, changed_at=now, **{"is_active": True, "basis_text": "", **values})
    work.session.add(purpose)
    await work.session.flush()
    _audit(work, "create", purpose, after={"code": code, **values})
    work.emit(events.PurposeCreated(subject_id=purpose.id, code=code))
    return purpose


async def change_purpose(work: Work, purpose_id: UUID | None, **values: Unpack[PurposeValues]) -> m.Purpose:
    """Change what is given of a purpose; refuses (`Forbidden`, `NotFound`, `PurposeMalformed`)."""
    work.authorise(permissions.CHANGE_PURPOSES)
    purpose = await work.session.scalar(select(m.Purpose).where(m.Purpose.id == purpose_id).with_for_update())
    if purpose is None:
        raise absent("purpose", "使用目的", "id")
    await _change(work, purpose, checked(values, basis=purpose.basis))
    return purpose


async def _change(work: Work, purpose: m.Purpose, values: PurposeValues) -> None:
    changed: dict[str, Any] = {name: value for name, value in values.items() if getattr(purpose, name) != value}
    if not changed:
        return
    before = {name: getattr(purpose, name) for name in changed}
    for name, value in changed.items():
        setattr(purpose, name, value)
    purpose.changed_at = work.now()
    _audit(work, "change", purpose, before=before, after=changed)
    work.emit(
        events.PurposeChanged(
            subject_id=purpose.id, code=purpose.code, is_active=purpose.is_active, fields=tuple(sorted(changed))
        )
    )


async def state_purpose(work: Work, code: str, values: PurposeValues) -> None:
    """Let the register have this purpose so, in force, as a pack states it."""
    purpose = await work.session.scalar(select(m.Purpose).where(m.Purpose.code == code).with_for_update())
    if purpose is None:
        await _insert(work, code, values)
    else:
        await _change(work, purpose, {**values, "is_active": True})


async def withdraw_purpose(work: Work, code: str) -> None:
    """Put a purpose out of force; it stays in the register for what was done under it."""
    purpose = await work.session.scalar(select(m.Purpose).where(m.Purpose.code == code).with_for_update())
    if purpose is not None:
        await _change(work, purpose, {"is_active": False})


async def purpose_in_force(work: Work, code: str, *, path: tuple[str, ...] = ("purpose",)) -> m.Purpose:
    """The purpose of this code; refuses (`PurposeUnknown`) one that is not in the register, or not in force."""
    found = await work.session.scalar(select(m.Purpose).where(m.Purpose.code == code, m.Purpose.is_active))
    if found is None:
        raise PurposeUnknown(path=path, code=code[:40])
    return found


def checked(values: PurposeValues, *, basis: str = "") -> PurposeValues:
    """The values, if a purpose of this basis can have them; refuses (`PurposeMalformed`).

    People may consent to a purpose that shows nothing protected, such as to a service.
    """
    basis = values.get("basis", basis)
    for name in ("title_zh", "title_en"):
        if name in values and not 0 < len(str(values[name]).strip()) <= TITLE_LIMIT:
            raise _malformed(name, f"名称须为 1 至 {TITLE_LIMIT} 个字符", f"a title has 1 to {TITLE_LIMIT} characters")
    if "basis_text" in values and len(values["basis_text"]) > BASIS_LIMIT:
        raise _malformed("basis_text", f"最多 {BASIS_LIMIT} 个字符", f"at most {BASIS_LIMIT} characters")
    if "basis" in values and values["basis"] not in m.BASES:
        known = ", ".join(m.BASES)
        raise _malformed("basis", f"依据须为以下之一:{known}", f"the basis is one of: {known}")
    if "daily_quota" in values and not 1 <= values["daily_quota"] <= MOST_QUOTA:
        raise _malformed("daily_quota", f"须在 1 至 {MOST_QUOTA} 之间", f"a quota is between 1 and {MOST_QUOTA}")
    if "lasts_minutes" in values and not 1 <= values["lasts_minutes"] <= LONGEST_MINUTES:
        raise _malformed("lasts_minutes", "须在 1 至 1440 之间", "a disclosure lasts 1 to 1440 minutes")
    if "fields" in values:
        fields, known_fields = sorted(set(values["fields"])), protected_names()
        strange = [name[:80] for name in fields if name not in known_fields]
        if strange or not (fields or basis == "CONSENT"):
            known = ", ".join(sorted(known_fields))
            raise _malformed(
                "fields",
                f"须为以下受保护字段中的至少一个:{known}",
                f"one or more of the protected fields {known} are needed",
            )
        return {**values, "fields": fields}
    return values


def _malformed(name: str, zh: str, en: str) -> PurposeMalformed:
    return PurposeMalformed(path=(name,), reason_zh=f"{zh}。", reason_en=f"{en[0].upper()}{en[1:]}.")


def _audit(work: Work, verb: str, purpose: m.Purpose, **states: Any) -> None:  # noqa: ANN401 - the state before and after
    work.audit(
        AuditEntry(
            action=f"privacy.purpose.{verb}",
            object_tag=events.PURPOSE,
            object_id=purpose.id,
            **states,
        )
    )

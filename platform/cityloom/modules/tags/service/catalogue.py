"""The catalogue of tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from sqlalchemy import select, text, update

from cityloom.core.constraints import refusing
from cityloom.core.events import AuditEntry
from cityloom.modules.areas.service import demand_version
from cityloom.modules.registry.models import Resident
from cityloom.modules.registry.service import checks
from cityloom.modules.tags import events
from cityloom.modules.tags import models as m
from cityloom.modules.tags.errors import REFUSALS, TagCodeMalformed, TagPurposeFixed, TagPurposeMissing, not_found
from cityloom.modules.tags.permissions import CHANGE, GUARDED, READ
from cityloom.privacy.models import Purpose
from cityloom.privacy.service import give_consents, who_consents
from cityloom.privacy.service.purposes import purpose_in_force

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
LONGEST_VALIDITY_DAYS = 36_500


class TagValues(TypedDict, total=False):
    """Of a tag; what is left out stays as it is. `purpose` is the code of the one to which residents consent."""

    title_zh: str
    title_en: str
    tag_class: str
    sensitivity: str
    validity_days: int | None
    needs_consent: bool
    purpose: str | None


async def _values(work: Work, values: TagValues) -> dict[str, Any]:
    rules: dict[str, Any] = {
        "title_zh": lambda v: checks.checked_text(v, "titleZh", 100),
        "title_en": lambda v: checks.checked_text(v, "titleEn", 100),
        "tag_class": lambda v: checks.checked_choice(v, "tagClass", m.TAG_CLASSES),
        "sensitivity": lambda v: checks.checked_choice(v, "sensitivity", m.SENSITIVITIES),
        "validity_days": lambda v: checks.checked_number(v, "validityDays", 1, LONGEST_VALIDITY_DAYS),
        "needs_consent": bool,
    }
    checked = {key: rules[key](value) for key, value in values.items() if key != "purpose"}
    if "purpose" in values:
        code = values["purpose"]
        checked["purpose_id"] = None if code is None else (await purpose_in_force(work, code)).id
    return checked


async def create_tag(work: Work, *, code: str, **values: Unpack[TagValues]) -> m.Tag:
    """Add a tag to the city's catalogue.

    Refuses (`Forbidden`, `TagCodeMalformed`, `TagCodeTaken`, `TextMalformed`, `ValueUnknown`, `NumberOutOfRange`,
    `PurposeUnknown`, `TagPurposeMissing`).
    """
    work.authorise(CHANGE, area_path="")
    checked = await _values(work, values)
    demand_guard(work, checked["sensitivity"])
    _demand_purpose(needs_consent=checked.get("needs_consent", False), purpose_id=checked.get("purpose_id"))
    if _CODE.match(code) is None:
        raise TagCodeMalformed(path=("code",))
    tag = m.Tag(code=code, version=1, created_at=work.now(), changed_at=work.now(), **checked)
    async with refusing(work, REFUSALS):
        work.session.add(tag)
    after = {"code": code, **_told(checked)}
    work.audit(AuditEntry(action=CHANGE, object_tag="ctag", object_id=tag.id, after=after))
    work.emit(events.TagCreated(subject_id=tag.id, code=code))
    return tag


async def change_tag(
    work: Work, tag_id: UUID | None, *, version: int | None = None, **values: Unpack[TagValues]
) -> m.Tag:
    """Change what is given of a tag; another sensitivity holds for everybody who has it or had it.

    Refuses (`Forbidden`, `NotFound`, `ChangedMeanwhile`, `TagPurposeFixed`) and what `create_tag` refuses.
    """
    work.authorise(CHANGE, area_path="")
    checked = await _values(work, values)
    tag = await reach_tag(work, tag_id, is_locked=True)
    demand_version(version, tag.version)
    changed = {key: value for key, value in checked.items() if getattr(tag, key) != value}
    if not changed:
        return tag
    await demand_consents(
        work,
        tag,
        needs_consent=changed.get("needs_consent", tag.needs_consent),
        purpose_id=changed.get("purpose_id", tag.purpose_id),
    )
    if "sensitivity" in changed:
        demand_guard(work, changed["sensitivity"])
        await carry_sensitivity(work, tag, changed["sensitivity"])
    before = {key: getattr(tag, key) for key in changed}
    async with refusing(work, REFUSALS):
        for key, value in changed.items():
            setattr(tag, key, value)
        tag.version += 1
        tag.changed_at = work.now()
    entry = AuditEntry(action=CHANGE, object_tag="ctag", object_id=tag.id, before=_told(before), after=_told(changed))
    work.audit(entry)
    fields = sorted("purpose" if key == "purpose_id" else key for key in changed)
    work.emit(events.TagChanged(subject_id=tag.id, fields=tuple(fields)))
    return tag


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Values of a tag as the audit log has them."""
    return {key: str(value) if key == "purpose_id" and value is not None else value for key, value in values.items()}


def _demand_purpose(*, needs_consent: bool, purpose_id: UUID | None) -> None:
    if needs_consent and purpose_id is None:
        raise TagPurposeMissing(path=("purpose",))


async def demand_consents(work: Work, tag: m.Tag, *, needs_consent: bool, purpose_id: UUID | None) -> None:
    """Refuse (`TagPurposeMissing`, `TagPurposeFixed`) a change by which residents have a tag without their consent.

    Who has it with a consent that was only noted in the assignment, before tags had purposes, has given it to the first
    purpose that is stated: that is entered in the ledger.
    """
    _demand_purpose(needs_consent=needs_consent, purpose_id=purpose_id)
    if not (tag.needs_consent and needs_consent) or purpose_id is None or purpose_id == tag.purpose_id:
        return
    query = select(Resident).join(m.ResidentTag, m.ResidentTag.resident_id == Resident.id)
    query = query.where(m.ResidentTag.tag_id == tag.id, m.ResidentTag.ended_at.is_(None), m.ResidentTag.has_consent)
    if tag.purpose_id is not None:
        if await work.session.scalar(query.limit(1)) is not None:
            code = await work.session.scalar(select(Purpose.code).where(Purpose.id == tag.purpose_id))
            raise TagPurposeFixed(path=("purpose",), purpose=code)
        return
    residents = (await work.session.scalars(query.order_by(Resident.id).with_for_update(of=Resident))).all()
    known = await who_consents(work, Resident.__person__.tag, [one.id for one in residents], purpose_id)
    missing = [one for one in residents if one.id not in known]
    await give_consents(work, missing, purpose_id, evidence=f"赋予标签 {tag.code} 时已取得同意")


async def carry_sensitivity(work: Work, tag: m.Tag, sensitivity: str) -> None:
    """Let everybody's assignments have the sensitivity that the tag is about to have."""
    # One of the two has to be changed first: that they are equal is held at the commit.
    await work.session.execute(text("SET CONSTRAINTS fk_resident_tags_tag DEFERRED"))
    carried = update(m.ResidentTag).where(m.ResidentTag.tag_id == tag.id).values(sensitivity=sensitivity)
    await work.session.execute(carried.execution_options(synchronize_session=False))


async def reach_tag(
    work: Work, tag_id: UUID | None, *, path: tuple[str | int, ...] = ("id",), is_locked: bool = False
) -> m.Tag:
    """A tag that the caller may see; refuses (`NotFound`) what is absent or of a sensitivity that is kept from them."""
    query = select(m.Tag).where(m.Tag.id == tag_id).execution_options(populate_existing=True)
    found = await work.session.scalar(query.with_for_update() if is_locked else query)
    if found is None or work.rights.scope(READ) is None or not _may_see(work, found.sensitivity):
        raise not_found("tags", path)
    return found


def _may_see(work: Work, sensitivity: str) -> bool:
    permission = GUARDED.get(sensitivity)
    return permission is None or work.rights.scope(permission) is not None


def demand_guard(work: Work, sensitivity: str, *, area_path: str = "") -> None:
    """Refuse (`Forbidden`) who may not see tags of this sensitivity there: nobody handles what is kept from them."""
    permission = GUARDED.get(sensitivity)
    if permission is not None:
        work.authorise(permission, area_path=area_path)

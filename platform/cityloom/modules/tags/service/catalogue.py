"""The catalogue of tags."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from sqlalchemy import select, text, update

from cityloom.core.constraints import refusing
from cityloom.core.events import AuditEntry
from cityloom.modules.areas.service import demand_version
from cityloom.modules.registry.service import checks
from cityloom.modules.tags import events
from cityloom.modules.tags import models as m
from cityloom.modules.tags.errors import REFUSALS, TagCodeMalformed, not_found
from cityloom.modules.tags.permissions import CHANGE, GUARDED, READ

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work

_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
LONGEST_VALIDITY_DAYS = 36_500


class TagValues(TypedDict, total=False):
    """Of a tag; what is left out stays as it is."""

    title_zh: str
    title_en: str
    tag_class: str
    sensitivity: str
    validity_days: int | None
    needs_consent: bool


def _values(values: TagValues) -> dict[str, Any]:
    rules: dict[str, Any] = {
        "title_zh": lambda v: checks.checked_text(v, "titleZh", 100),
        "title_en": lambda v: checks.checked_text(v, "titleEn", 100),
        "tag_class": lambda v: checks.checked_choice(v, "tagClass", m.TAG_CLASSES),
        "sensitivity": lambda v: checks.checked_choice(v, "sensitivity", m.SENSITIVITIES),
        "validity_days": lambda v: checks.checked_number(v, "validityDays", 1, LONGEST_VALIDITY_DAYS),
        "needs_consent": bool,
    }
    return {key: rules[key](value) for key, value in values.items()}


async def create_tag(work: Work, *, code: str, **values: Unpack[TagValues]) -> m.Tag:
    """Add a tag to the city's catalogue.

    Refuses (`Forbidden`, `TagCodeMalformed`, `TagCodeTaken`, `TextMalformed`, `ValueUnknown`, `NumberOutOfRange`).
    """
    checked = _values(values)
    work.authorise(CHANGE, area_path="")
    demand_guard(work, checked["sensitivity"])
    if _CODE.match(code) is None:
        raise TagCodeMalformed(path=("code",))
    tag = m.Tag(code=code, version=1, created_at=work.now(), changed_at=work.now(), **checked)
    async with refusing(work, REFUSALS):
        work.session.add(tag)
    work.audit(AuditEntry(action=CHANGE, object_tag="ctag", object_id=tag.id, after={"code": code, **checked}))
    work.emit(events.TagCreated(subject_id=tag.id, code=code))
    return tag


async def change_tag(
    work: Work, tag_id: UUID | None, *, version: int | None = None, **values: Unpack[TagValues]
) -> m.Tag:
    """Change what is given of a tag; another sensitivity holds for everybody who has it or had it.

    Refuses (`Forbidden`, `NotFound`, `ChangedMeanwhile`) and what `create_tag` refuses.
    """
    checked = _values(values)
    work.authorise(CHANGE, area_path="")
    tag = await reach_tag(work, tag_id, is_locked=True)
    demand_version(version, tag.version)
    changed = {key: value for key, value in checked.items() if getattr(tag, key) != value}
    if not changed:
        return tag
    if "sensitivity" in changed:
        demand_guard(work, changed["sensitivity"])
        await carry_sensitivity(work, tag, changed["sensitivity"])
    before = {key: getattr(tag, key) for key in changed}
    async with refusing(work, REFUSALS):
        for key, value in changed.items():
            setattr(tag, key, value)
        tag.version += 1
        tag.changed_at = work.now()
    work.audit(AuditEntry(action=CHANGE, object_tag="ctag", object_id=tag.id, before=before, after=changed))
    work.emit(events.TagChanged(subject_id=tag.id, fields=tuple(sorted(changed))))
    return tag


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

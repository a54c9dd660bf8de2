"""The rules of the city: published, tried, retired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from cityloom.core.events import AuditEntry
from cityloom.modules.tags import events, rules
from cityloom.modules.tags import models as m
from cityloom.modules.tags.errors import RuleMalformed, RuleNeedsNoConsent, not_found
from cityloom.modules.tags.permissions import PUBLISH
from cityloom.modules.tags.service.catalogue import demand_guard, reach_tag
from cityloom.modules.tags.service.evaluation import Counts, count_rule
from cityloom.modules.tags.settings import settings_of

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All rules of a city, in the order in which they are held: one that stands on another's tag comes after it."""

    tags: dict[str, m.Tag]
    rows: dict[str, m.TagRule]
    conditions: dict[str, rules.Condition]
    order: list[str]

    @property
    def tag_ids(self) -> dict[str, UUID]:
        """Ids of tags by code."""
        return {code: tag.id for code, tag in self.tags.items()}


async def rulebook(work: Work, *, is_locked: bool = False) -> Rulebook:
    """The rules as they are; locked, so that nobody else evaluates or changes them meanwhile."""
    query = select(m.TagRule).order_by(m.TagRule.id).execution_options(populate_existing=True)
    found = (await work.session.scalars(query.with_for_update() if is_locked else query)).all()
    tags = {tag.id: tag for tag in await work.session.scalars(select(m.Tag))}
    by_code = {tags[rule.tag_id].code: rule for rule in found}
    conditions = {code: rules.parse(rule.definition) for code, rule in by_code.items()}
    return Rulebook({tag.code: tag for tag in tags.values()}, by_code, conditions, rules.in_order(conditions))


async def publish_rule(work: Work, *, tag_id: UUID | None, definition: Any) -> m.TagRule:  # noqa: ANN401 - whatever JSON was sent
    """Let a rule decide who has a tag, in place of the one that it has; everybody is held against it soon after.

    Refuses (`Forbidden`, `NotFound`, `RuleMalformed`, `RuleInCircle`, `RuleNeedsNoConsent`).
    """
    tag, book, _ = await _checked(work, tag_id, definition)
    rule = book.rows.get(tag.code)
    before = None if rule is None else {"edition": rule.edition, "definition": rule.definition}
    if rule is None:
        rule = m.TagRule(tag_id=tag.id, definition=definition, edition=1, version=1, created_at=work.now())
        work.session.add(rule)
    elif rule.definition != definition:
        rule.definition, rule.edition, rule.version = definition, rule.edition + 1, rule.version + 1
    else:
        return rule
    rule.is_pending, rule.changed_at = True, work.now()
    await work.session.flush()
    after = {"tag": tag.code, "edition": rule.edition, "definition": definition}
    work.audit(AuditEntry(action=PUBLISH, object_tag="trul", object_id=rule.id, before=before, after=after))
    work.emit(events.RulePublished(subject_id=rule.id, tag_id=tag.id, edition=rule.edition))
    return rule


async def preview_rule(work: Work, *, tag_id: UUID | None, definition: object) -> Counts | None:
    """What a rule would come to for everybody, changing nothing; refuses as `publish_rule`.

    None for a sensitive tag where one of the numbers is one that the city does not tell.
    """
    tag, book, condition = await _checked(work, tag_id, definition)
    counts = await count_rule(work, tag, condition, book.tag_ids)
    if tag.sensitivity == "SENSITIVE":
        smallest = (await settings_of(work.tenant_id, work.services)).smallest_count
        if any(0 < number < smallest for number in (counts.assigned, counts.withdrawn, counts.kept)):
            return None
    return counts


async def retire_rule(work: Work, rule_id: UUID | None) -> m.Tag:
    """Let nobody have the tag by a rule any more; refuses (`Forbidden`, `NotFound`)."""
    work.authorise(PUBLISH, area_path="")
    rule = await work.session.scalar(select(m.TagRule).where(m.TagRule.id == rule_id).with_for_update())
    if rule is None:
        raise not_found("tag_rules", ("id",))
    tag = await reach_tag(work, rule.tag_id)
    demand_guard(work, tag.sensitivity)
    await end_rule(work, rule)
    work.audit(AuditEntry(action=PUBLISH, object_tag="trul", object_id=rule.id, before={"definition": rule.definition}))
    work.emit(events.RuleRetired(subject_id=rule.id, tag_id=tag.id))
    return tag


async def end_rule(work: Work, rule: m.TagRule) -> None:
    """Delete a rule and end what it assigned; other rules are held anew. The caller has authorised it."""
    by_rule = [m.ResidentTag.tag_id == rule.tag_id, m.ResidentTag.source == "RULE", m.ResidentTag.ended_at.is_(None)]
    await work.session.execute(
        update(m.ResidentTag)
        .where(*by_rule)
        .values(ended_at=work.now(), ending="RULE")
        .execution_options(synchronize_session=False)
    )
    await work.session.delete(rule)
    await work.session.flush()
    await work.session.execute(update(m.TagRule).values(is_pending=True))


async def _checked(work: Work, tag_id: UUID | None, definition: object) -> tuple[m.Tag, Rulebook, rules.Condition]:
    work.authorise(PUBLISH, area_path="")
    tag = await reach_tag(work, tag_id, path=("tagId",), is_locked=True)
    demand_guard(work, tag.sensitivity)
    condition = rules.parse(definition)
    book = await rulebook(work, is_locked=True)
    demand_known(rules.codes_in(condition), book.tags.keys())
    if tag.needs_consent:
        raise RuleNeedsNoConsent(path=("tagId",))
    rules.in_order({**book.conditions, tag.code: condition})
    return tag, book, condition


def demand_known(codes: frozenset[str], known: Any) -> None:  # noqa: ANN401 - any collection of codes
    """Refuse (`RuleMalformed`) a rule that stands on tags which the catalogue does not have."""
    if unknown := sorted(code for code in codes if code not in known):
        listed = ", ".join(unknown)
        raise RuleMalformed(
            path=("definition",),
            at="tag",
            why_zh=f"目录中没有标签 {listed}。",
            why_en=f"the catalogue has no tag {listed}.",
        )

"""The mutations of tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry

from cityloom.core.ids import decode_id
from cityloom.core.work import Work
from cityloom.graph import bound as b
from cityloom.graph.given import given
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.modules.tags import models as m
from cityloom.modules.tags import service
from cityloom.modules.tags.api import inputs as i
from cityloom.modules.tags.api.shapes import ResidentTag, Tag, TagRule

if TYPE_CHECKING:
    from uuid import UUID


@b.output_type(description="What a change of a tag for many residents came to.")
class ResidentTagsChanged:
    """See `service.assignments.Assigned`."""

    changed: int = strawberry.field(description="For so many residents it was assigned, or withdrawn.")
    unchanged: int = strawberry.field(description="For so many nothing had to be changed, or a rule decides.")


@b.output_type(description="What a rule would come to if it was published now. All null where that is not told.")
class TagRulePreview:
    """See `service.evaluation.Counts`."""

    assigned: int | None = strawberry.field(description="So many residents would get the tag.")
    withdrawn: int | None = strawberry.field(description="So many would lose it.")
    kept: int | None = strawberry.field(description="So many have it and would keep it, by whomever it was assigned.")
    is_suppressed: bool = strawberry.field(
        description="Whether a number is small, and the city does not tell small numbers of sensitive tags."
    )


def _id(work: Work, value: str, tag: str, *path: str | int) -> UUID | None:
    return decode_id(value, work.tenant_id, tag, path=tuple(map(str, path)) or ("id",))


def _residents(work: Work, values: list[b.ID]) -> list[UUID | None]:
    return [_id(work, value, "resd", "residentIds", at) for at, value in enumerate(values)]


async def _create(work: Work, input: i.TagCreateInput) -> m.Tag:  # noqa: A002 - the argument's name in GraphQL
    return await service.create_tag(work, **{"validity_days": None, **given(input)})


async def _change(work: Work, input: i.TagChangeInput) -> m.Tag:  # noqa: A002 - the argument's name in GraphQL
    never_null = ("title_zh", "title_en", "tag_class", "sensitivity", "needs_consent")
    return await service.change_tag(
        work, _id(work, input.id, "ctag"), **given(input, without=("id",), never_null=never_null)
    )


async def _assign(work: Work, input: i.ResidentTagAssignInput) -> m.ResidentTag:  # noqa: A002 - the argument's name in GraphQL
    return await service.assign_tag(
        work,
        resident_id=_id(work, input.resident_id, "resd", "residentId"),
        tag_id=_id(work, input.tag_id, "ctag", "tagId"),
        valid_until=input.valid_until,
        consent_evidence=input.consent_evidence,
    )


async def _assign_many(work: Work, input: i.ResidentTagAssignManyInput) -> ResidentTagsChanged:  # noqa: A002 - the argument's name in GraphQL
    found = await service.assign_tag_to_many(
        work,
        resident_ids=_residents(work, input.resident_ids),
        tag_id=_id(work, input.tag_id, "ctag", "tagId"),
        valid_until=input.valid_until,
        consent_evidence=input.consent_evidence,
    )
    return ResidentTagsChanged(changed=found.changed, unchanged=found.unchanged)


async def _withdraw(work: Work, input: i.ResidentTagWithdrawInput) -> m.ResidentTag:  # noqa: A002 - the argument's name in GraphQL
    return await service.withdraw_tag(work, _id(work, input.id, "rtag"))


async def _withdraw_many(work: Work, input: i.ResidentTagWithdrawManyInput) -> ResidentTagsChanged:  # noqa: A002 - the argument's name in GraphQL
    found = await service.withdraw_from_many(
        work, resident_ids=_residents(work, input.resident_ids), tag_id=_id(work, input.tag_id, "ctag", "tagId")
    )
    return ResidentTagsChanged(changed=found.changed, unchanged=found.unchanged)


async def _publish(work: Work, input: i.TagRulePublishInput) -> m.TagRule:  # noqa: A002 - the argument's name in GraphQL
    tag_id = _id(work, input.tag_id, "ctag", "tagId")
    return await service.publish_rule(work, tag_id=tag_id, definition=input.definition)


async def _preview(work: Work, input: i.TagRulePreviewInput) -> TagRulePreview:  # noqa: A002 - the argument's name in GraphQL
    tag_id = _id(work, input.tag_id, "ctag", "tagId")
    found = await service.preview_rule(work, tag_id=tag_id, definition=input.definition)
    if found is None:
        return TagRulePreview(assigned=None, withdrawn=None, kept=None, is_suppressed=True)
    return TagRulePreview(assigned=found.assigned, withdrawn=found.withdrawn, kept=found.kept, is_suppressed=False)


async def _retire(work: Work, input: i.TagRuleRetireInput) -> m.Tag:  # noqa: A002 - the argument's name in GraphQL
    return await service.retire_rule(work, _id(work, input.id, "trul"))


@mutation_root(module="tags")
class TagMutation:
    """Keeping the catalogue and its rules, and giving tags to residents."""

    tag_create: Tag = mutation(_create, "Add a tag to the city's catalogue.")
    tag_change: Tag = mutation(_change, "Change a tag; another sensitivity holds for everybody who has it.")
    resident_tag_assign: ResidentTag = mutation(
        _assign, "Give a resident a tag. Who has it by hand with the same validity keeps it as it is."
    )
    resident_tag_assign_many: ResidentTagsChanged = mutation(
        _assign_many, "Give up to 500 residents a tag; where one of them is refused, nobody gets it."
    )
    resident_tag_withdraw: ResidentTag = mutation(
        _withdraw, "Take a tag back that somebody assigned; what a rule assigned, the rule takes back."
    )
    resident_tag_withdraw_many: ResidentTagsChanged = mutation(
        _withdraw_many, "Take a tag back from up to 500 residents."
    )
    tag_rule_publish: TagRule = mutation(
        _publish, "Let a rule decide who has a tag: everybody is held against it within seconds, and on every change."
    )
    tag_rule_preview: TagRulePreview = mutation(
        _preview, "Count what a rule would come to, changing nothing.", changes=False
    )
    tag_rule_retire: Tag = mutation(_retire, "Let nobody have a tag by its rule any more.")

"""The mutations of areas."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from cityloom.core.ids import decode_id
from cityloom.core.work import Work
from cityloom.graph.given import given
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.modules.areas import models as m
from cityloom.modules.areas import restructure, service
from cityloom.modules.areas.api.inputs import (
    AreaBoundarySetInput,
    AreaCloseInput,
    AreaCreateInput,
    AreaMergeApplyInput,
    AreaMergePlanInput,
    AreaMoveApplyInput,
    AreaMovePlanInput,
    AreaNewCodeInput,
    AreaPlan,
    AreaRenameInput,
    AreaSplitApplyInput,
    AreaSplitPlanInput,
    position_of,
)
from cityloom.modules.areas.api.shapes import Area
from cityloom.modules.areas.errors import AreaNotFound


def _id(work: Work, value: str, *path: str | int) -> UUID | None:
    return decode_id(value, work.tenant_id, "area", path=path)  # type: ignore[arg-type] # positions in lists are steps too


def _with_centre(values: dict[str, Any]) -> dict[str, Any]:
    centre = values.get("centre")
    return values if centre is None else {**values, "centre": position_of(centre)}


async def _create(work: Work, input: AreaCreateInput) -> m.Area:  # noqa: A002 - the argument's name in GraphQL
    values = _with_centre(given(input, without=("parent_id",)))
    parent_id = None
    if input.parent_id is not None:
        parent_id = _id(work, input.parent_id, "parentId")
        if parent_id is None:
            raise AreaNotFound(path=("parentId",))
    return await service.create_area(work, parent_id=parent_id, **values)


async def _rename(work: Work, input: AreaRenameInput) -> m.Area:  # noqa: A002 - the argument's name in GraphQL
    values = _with_centre(given(input, without=("id",), never_null=("name", "position")))
    return await service.change_area(work, _id(work, input.id, "id"), **values)


async def _set_boundary(work: Work, input: AreaBoundarySetInput) -> m.Area:  # noqa: A002 - the argument's name in GraphQL
    return await service.set_boundary(work, _id(work, input.id, "id"), input.boundary, version=input.version)  # type: ignore[arg-type] # checked there


async def _close(work: Work, input: AreaCloseInput) -> m.Area:  # noqa: A002 - the argument's name in GraphQL
    return await service.close_area(work, _id(work, input.id, "id"), closed_on=input.closed_on, version=input.version)


def _codes(work: Work, values: list[AreaNewCodeInput]) -> dict[UUID, str]:
    found = {_id(work, one.id, "newCodes", i, "id"): one.code for i, one in enumerate(values)}
    return {area_id: code for area_id, code in found.items() if area_id is not None}


async def _plan_move(work: Work, input: AreaMovePlanInput) -> AreaPlan:  # noqa: A002 - the argument's name in GraphQL
    area_id, parent_id = _id(work, input.id, "id"), _id(work, input.parent_id, "parentId")
    return AreaPlan.of(
        await restructure.plan_move(work, area_id, parent_id, _codes(work, input.new_codes)), work.locale
    )


async def _apply_move(work: Work, input: AreaMoveApplyInput) -> m.Area:  # noqa: A002 - the argument's name in GraphQL
    area_id, parent_id = _id(work, input.id, "id"), _id(work, input.parent_id, "parentId")
    return await restructure.apply_move(work, area_id, parent_id, input.fingerprint, _codes(work, input.new_codes))


def _merge(work: Work, values: AreaMergePlanInput) -> tuple[list[UUID | None], UUID | None]:
    sources = [_id(work, one, "sourceIds", i) for i, one in enumerate(values.source_ids)]
    return sources, _id(work, values.target_id, "targetId")


async def _plan_merge(work: Work, input: AreaMergePlanInput) -> AreaPlan:  # noqa: A002 - the argument's name in GraphQL
    sources, target = _merge(work, input)
    return AreaPlan.of(
        await restructure.plan_merge(work, sources, target, input.merged_on, _codes(work, input.new_codes)), work.locale
    )


async def _apply_merge(work: Work, input: AreaMergeApplyInput) -> m.Area:  # noqa: A002 - the argument's name in GraphQL
    sources, target = _merge(work, input)
    return await restructure.apply_merge(
        work, sources, target, input.fingerprint, input.merged_on, _codes(work, input.new_codes)
    )


def _parts(work: Work, values: AreaSplitPlanInput) -> list[restructure.Part]:
    return [
        restructure.Part(
            code=part.code,
            name=part.name,
            kind=part.kind,
            boundary=part.boundary,  # type: ignore[arg-type] # checked by the service
            child_ids=tuple(_id(work, one, "parts", i, "childIds") for one in part.child_ids),
            takes_rest=part.takes_rest,
        )
        for i, part in enumerate(values.parts)
    ]


async def _plan_split(work: Work, input: AreaSplitPlanInput) -> AreaPlan:  # noqa: A002 - the argument's name in GraphQL
    plan = await restructure.plan_split(
        work, _id(work, input.id, "id"), _parts(work, input), input.split_on, _codes(work, input.new_codes)
    )
    return AreaPlan.of(plan, work.locale)


async def _apply_split(work: Work, input: AreaSplitApplyInput) -> UUID | None:  # noqa: A002 - the argument's name in GraphQL
    area_id = _id(work, input.id, "id")
    await restructure.apply_split(
        work, area_id, _parts(work, input), input.fingerprint, input.split_on, _codes(work, input.new_codes)
    )
    return area_id


@mutation_root(module="areas")
class AreasMutation:
    """Changes of areas."""

    area_create: Area = mutation(_create, "Create an area at the end of its siblings.")
    area_rename: Area = mutation(_rename, "Change an area's name, place among its siblings, stated figures or centre.")
    area_boundary_set: Area = mutation(_set_boundary, "Give an area a boundary, or take it away.")
    area_close: Area = mutation(_close, "End the validity of an area in which nothing lies any more.")
    area_move_plan: AreaPlan = mutation(
        _plan_move, "See what moving an area into another parent touches; changes nothing.", changes=False
    )
    area_move_apply: Area = mutation(_apply_move, "Move an area with everything in it, as planned. Answers the area.")
    area_merge_plan: AreaPlan = mutation(
        _plan_merge, "See what merging areas into another one touches; changes nothing.", changes=False
    )
    area_merge_apply: Area = mutation(_apply_merge, "Merge areas into another one, as planned. Answers that one.")
    area_split_plan: AreaPlan = mutation(
        _plan_split, "See what splitting an area into new ones touches; changes nothing.", changes=False
    )
    area_split_apply: Area = mutation(
        _apply_split, "Split an area, as planned. Answers the area that ended; `became` leads to the new ones."
    )

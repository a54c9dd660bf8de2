"""The GraphQL inputs of areas, and the plans that mutations answer."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import strawberry
from strawberry.types.unset import UNSET

from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import CoordinateSystem
from cityloom.modules.areas.coordinates import CoordinateSystem as Datum
from cityloom.modules.areas.coordinates import to_wgs84
from cityloom.modules.areas.service import checked_centre

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cityloom.core.text import Locale
    from cityloom.modules.areas.plans import Place, Plan

_VERSION = "The `version` that you read; the change is refused as STALE if it is not the current one. Or nothing."
_CODES = "New codes for areas that move along, where the old ones would not begin with the code above them any more."
_FINGERPRINT = "The `fingerprint` of the plan that you have looked at."


@b.input_type(description="A position on the earth.")
class PositionInput:
    """Longitude, latitude and their datum."""

    longitude: float = strawberry.field(description="Degrees east, -180 to 180.")
    latitude: float = strawberry.field(description="Degrees north, -90 to 90.")
    system: CoordinateSystem = strawberry.field(default=CoordinateSystem.WGS84, description="The datum of both.")


def position_of(position: PositionInput) -> tuple[float, float]:
    """A position in WGS-84; refuses (`CoordinateOutOfRange`)."""
    checked_centre((position.longitude, position.latitude))
    return to_wgs84(position.longitude, position.latitude, Datum(str(position.system.value)))


@b.input_type(description="A new area.")
class AreaCreateInput:
    """See `service.create_area`."""

    code: str = strawberry.field(description="Its official code, of the form that its kind asks for.")
    name: str = strawberry.field(description="Its name, 1 to 100 characters.")
    kind: str = strawberry.field(description="The code of its kind, one of `areaKinds`.")
    parent_id: b.ID | None = strawberry.field(
        default=None, description="The area that it lies in; null for a top area."
    )
    valid_from: date | None = strawberry.field(default=UNSET, description="Its first day; today where nothing is sent.")
    valid_until: date | None = strawberry.field(
        default=None, description="The first day on which it is valid no longer."
    )
    boundary: b.JSON | None = strawberry.field(
        default=None,
        description="GeoJSON Polygon or MultiPolygon in WGS-84 with closed rings, at most 20,000 positions.",
    )
    centre: PositionInput | None = strawberry.field(
        default=None, description="Its centre; taken from the boundary where that is sent."
    )
    stated_households: int | None = strawberry.field(default=None, description="Households as the city states them.")
    stated_residents: int | None = strawberry.field(default=None, description="Residents as the city states them.")


@b.input_type(description="A change of an area; what is not sent stays as it is.")
class AreaRenameInput:
    """See `service.change_area`."""

    id: b.ID = strawberry.field(description="The area.")
    version: int | None = strawberry.field(default=None, description=_VERSION)
    name: str | None = strawberry.field(default=UNSET, description="Its new name, 1 to 100 characters.")
    position: int | None = strawberry.field(default=UNSET, description="Its place among the areas of the same parent.")
    stated_households: int | None = strawberry.field(default=UNSET, description="Households as the city states them.")
    stated_residents: int | None = strawberry.field(default=UNSET, description="Residents as the city states them.")
    centre: PositionInput | None = strawberry.field(default=UNSET, description="Its centre; null takes it away.")


@b.input_type(description="A boundary for an area.")
class AreaBoundarySetInput:
    """See `service.set_boundary`."""

    id: b.ID = strawberry.field(description="The area.")
    boundary: b.JSON | None = strawberry.field(
        description="GeoJSON Polygon or MultiPolygon in WGS-84 with closed rings; null takes the boundary away."
    )
    version: int | None = strawberry.field(default=None, description=_VERSION)


@b.input_type(description="The end of an area's validity.")
class AreaCloseInput:
    """See `service.close_area`."""

    id: b.ID = strawberry.field(description="The area. Nothing may lie in it any more.")
    closed_on: date | None = strawberry.field(
        default=None, description="The first day on which it is valid no longer; today where nothing is sent."
    )
    version: int | None = strawberry.field(default=None, description=_VERSION)


@b.input_type(description="A new code for an area that moves along.")
class AreaNewCodeInput:
    """One entry of `restructure.Codes`."""

    id: b.ID = strawberry.field(description="The area.")
    code: str = strawberry.field(description="Its code from now on.")


@b.input_type(description="A move of an area into another parent.")
class AreaMovePlanInput:
    """See `restructure.plan_move`."""

    id: b.ID = strawberry.field(description="The area that moves, with everything in it.")
    parent_id: b.ID = strawberry.field(description="Where it moves to.")
    new_codes: list[AreaNewCodeInput] = strawberry.field(default_factory=list, description=_CODES)


@b.input_type(description="A move that was planned.")
class AreaMoveApplyInput(AreaMovePlanInput):
    """See `restructure.apply_move`."""

    fingerprint: str = strawberry.field(description=_FINGERPRINT)


@b.input_type(description="A merger of areas into another one of the same level.")
class AreaMergePlanInput:
    """See `restructure.plan_merge`."""

    source_ids: list[b.ID] = strawberry.field(description="The areas that end, 1 to 50.")
    target_id: b.ID = strawberry.field(description="The area that gets everything in them.")
    merged_on: date | None = strawberry.field(default=None, description="Since which day; today where nothing is sent.")
    new_codes: list[AreaNewCodeInput] = strawberry.field(default_factory=list, description=_CODES)


@b.input_type(description="A merger that was planned.")
class AreaMergeApplyInput(AreaMergePlanInput):
    """See `restructure.apply_merge`."""

    fingerprint: str = strawberry.field(description=_FINGERPRINT)


@b.input_type(description="One of the areas that a split makes.")
class AreaSplitPartInput:
    """See `restructure.Part`."""

    code: str = strawberry.field(description="Its official code.")
    name: str = strawberry.field(description="Its name, 1 to 100 characters.")
    kind: str | None = strawberry.field(
        default=None, description="Its kind; that of the split area where none is sent."
    )
    boundary: b.JSON | None = strawberry.field(default=None, description="Its boundary, as in `areaBoundarySet`.")
    child_ids: list[b.ID] = strawberry.field(
        default_factory=list, description="Which areas directly in the split one go to it."
    )
    takes_rest: bool = strawberry.field(
        default=False, description="Whether it gets everything that no part names; true for exactly one part."
    )


@b.input_type(description="A split of an area into new ones.")
class AreaSplitPlanInput:
    """See `restructure.plan_split`."""

    id: b.ID = strawberry.field(description="The area that ends.")
    parts: list[AreaSplitPartInput] = strawberry.field(description="What it becomes, 2 to 50 areas in the same parent.")
    split_on: date | None = strawberry.field(default=None, description="Since which day; today where nothing is sent.")
    new_codes: list[AreaNewCodeInput] = strawberry.field(default_factory=list, description=_CODES)


@b.input_type(description="A split that was planned.")
class AreaSplitApplyInput(AreaSplitPlanInput):
    """See `restructure.apply_split`."""

    fingerprint: str = strawberry.field(description=_FINGERPRINT)


@b.output_type(description="How many things of one sort a plan touches.")
class AreaPlanCount:
    """One line of a plan."""

    thing: str = strawberry.field(description="The sort: `areas`, `buildings`, `residents`, `memberships` and so on.")
    count: int = strawberry.field(description="How many, when the plan was made.")


@b.output_type(description="An area as a plan tells it: before the change, or after it.")
class AreaPlanPlace:
    """One end of a shift."""

    code: str = strawberry.field(description="The area's code.")
    name: str = strawberry.field(description="The area's name.")
    parent_name: str | None = strawberry.field(description="The name of the area that it lies in; null at the top.")


@b.output_type(description="What lies directly in one area today, and where the change puts it.")
class AreaPlanShift:
    """See `restructure.Shift`."""

    former: AreaPlanPlace = strawberry.field(description="Where it lies today.")
    new: AreaPlanPlace = strawberry.field(description="Where it will lie.")
    counts: list[AreaPlanCount] = strawberry.field(description="What lies there, by sort.")


@b.output_type(description="What a change of the tree would touch. Nothing is changed by making a plan.")
class AreaPlan:
    """See `restructure.Plan`."""

    fingerprint: str = strawberry.field(description="Send it back to apply exactly this plan.")
    can_be_applied: bool = strawberry.field(description="Whether there are no problems.")
    counts: list[AreaPlanCount] = strawberry.field(description="What is touched, by sort.")
    shifts: list[AreaPlanShift] = strawberry.field(
        description="The same by area: from which grid to which. Areas in which nothing lies directly are left out."
    )
    problems: list[str] = strawberry.field(description="What stands in the way, in the caller's language.")
    notes: list[str] = strawberry.field(description="What to know before applying it, in the caller's language.")

    @classmethod
    def of(cls, plan: Plan, locale: Locale) -> AreaPlan:
        """The plan in a language."""
        return cls(
            fingerprint=plan.fingerprint,
            can_be_applied=not plan.problems,
            counts=plan_counts(plan.counts),
            shifts=[
                AreaPlanShift(former=_place(one.former), new=_place(one.new), counts=plan_counts(one.counts))
                for one in plan.shifts
            ],
            problems=[problem[locale] for problem in plan.problems],
            notes=[note[locale] for note in plan.notes],
        )


def plan_counts(counts: Mapping[str, int]) -> list[AreaPlanCount]:
    """Counts by sort as the API tells them."""
    return [AreaPlanCount(thing=thing, count=count) for thing, count in counts.items()]


def _place(told: Place) -> AreaPlanPlace:
    code, name, parent_name = told
    return AreaPlanPlace(code=code, name=name, parent_name=parent_name)

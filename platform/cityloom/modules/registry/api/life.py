"""Mutations of what happens to several at once, and of the past: households and dwellings that part and join, ties."""

from __future__ import annotations

from datetime import date

import strawberry
from strawberry.types.unset import UNSET

from cityloom.core.work import Work
from cityloom.graph import bound as b
from cityloom.graph.given import given, word
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.modules.registry import models as m
from cityloom.modules.registry import service
from cityloom.modules.registry.api.inputs import VERSION
from cityloom.modules.registry.api.mutations import id_in
from cityloom.modules.registry.api.shapes import Dwelling, Household, Resident
from cityloom.modules.registry.api.ties import DwellingTie, HouseholdStay, ResidentStay
from cityloom.modules.registry.api.words import DwellingUse, Relationship, TieRole
from cityloom.modules.registry.service.stays import one_holder

_SINCE = "Since which day; today where nothing is sent."
_FROM = "The first day."
_UNTIL = "The first day on which it did not hold any more."


@b.input_type(description="Somebody who goes along into a new household.")
class HouseholdMemberInput:
    """See `service.Member`."""

    id: b.ID = strawberry.field(description="The resident; they live in the household.")
    relationship: Relationship = strawberry.field(
        default=Relationship.OTHER, description="What they are to the head of the new household."
    )


@b.input_type(description="Some of a household who become one of their own (分户), in the same place.")
class HouseholdSplitInput:
    """See `service.split_household`."""

    id: b.ID = strawberry.field(description="The household.")
    residents: list[HouseholdMemberInput] = strawberry.field(description="Who goes: not nobody, and not everybody.")
    number: str = strawberry.field(description="The new household's number, unique in the city, 1 to 40 characters.")
    split_on: date | None = strawberry.field(default=None, description=_SINCE)
    version: int | None = strawberry.field(default=None, description=VERSION)


@b.input_type(description="A household that joins another one (并户).")
class HouseholdMergeInput:
    """See `service.merge_household`."""

    id: b.ID = strawberry.field(description="The household that ends; everybody in it joins the other.")
    into_id: b.ID = strawberry.field(description="The household that stays.")
    merged_on: date | None = strawberry.field(default=None, description=_SINCE)
    version: int | None = strawberry.field(default=None, description=VERSION)


@b.input_type(description="A part of a dwelling that becomes one of its own; its owners own the new one too.")
class DwellingSplitInput:
    """See `service.split_dwelling`."""

    id: b.ID = strawberry.field(description="The dwelling; it stays, without the part.")
    unit: str | None = strawberry.field(default=UNSET, description="The staircase or unit, at most 20 characters.")
    number: str = strawberry.field(description="The new number on the door, 1 to 20 characters.")
    floor: int | None = strawberry.field(default=UNSET, description="The floor, -9 to 200; 1 is the ground floor.")
    use: DwellingUse = strawberry.field(description="What the new dwelling is used for.")
    size_dm2: int | None = strawberry.field(
        default=UNSET, description="The new dwelling's floor area in square decimetres (100 dm² = 1 m²)."
    )
    household_ids: list[b.ID] = strawberry.field(
        default_factory=list, description="Households of the dwelling that live in the new one from then on."
    )
    split_on: date | None = strawberry.field(default=None, description=_SINCE)
    version: int | None = strawberry.field(default=None, description=VERSION)


@b.input_type(description="A dwelling that becomes part of another one in the same building.")
class DwellingMergeInput:
    """See `service.merge_dwelling`."""

    id: b.ID = strawberry.field(description="The dwelling that ends; what is in it goes to the other.")
    into_id: b.ID = strawberry.field(
        description="The dwelling that stays; its owners are joined by those of the other."
    )
    merged_on: date | None = strawberry.field(default=None, description=_SINCE)
    version: int | None = strawberry.field(default=None, description=VERSION)


@b.input_type(description="A dwelling that is used for something else.")
class DwellingUseChangeInput:
    """See `service.change_use`."""

    id: b.ID = strawberry.field(description="The dwelling.")
    use: DwellingUse = strawberry.field(description="What it is used for from then on.")
    changed_on: date | None = strawberry.field(default=None, description=_SINCE)
    version: int | None = strawberry.field(default=None, description=VERSION)


@b.input_type(description="Somebody who owns or rents a dwelling, or hosts guests in it. Send one of the two holders.")
class DwellingTieBeginInput:
    """See `service.begin_tie`."""

    dwelling_id: b.ID = strawberry.field(description="The dwelling.")
    role: TieRole = strawberry.field(description="What ties them.")
    resident_id: b.ID | None = strawberry.field(default=None, description="Who, where it is a resident.")
    organisation_id: b.ID | None = strawberry.field(default=None, description="Who, where it is an organisation.")
    from_on: date | None = strawberry.field(default=None, description=_SINCE)
    until_on: date | None = strawberry.field(default=None, description=f"{_UNTIL} Nothing: it holds today.")


@b.input_type(description="Somebody who does not own, rent or host any more.")
class DwellingTieEndInput:
    """See `service.end_tie`."""

    id: b.ID = strawberry.field(description="The tie.")
    until_on: date | None = strawberry.field(default=None, description=f"{_UNTIL} Today where nothing is sent.")


@b.input_type(description="A time in which a resident belonged to a household, and which has ended.")
class ResidentStayRecordInput:
    """See `service.record_resident_stay`."""

    resident_id: b.ID = strawberry.field(description="Who.")
    household_id: b.ID = strawberry.field(description="The household.")
    from_on: date = strawberry.field(description=_FROM)
    until_on: date = strawberry.field(description=_UNTIL)


@b.input_type(description="A stay that was recorded wrongly; what is not sent stays as it is.")
class ResidentStayCorrectInput:
    """See `service.correct_resident_stay`."""

    id: b.ID = strawberry.field(description="The stay. Of the one that holds today only the first day can be changed.")
    household_id: b.ID | None = strawberry.field(default=UNSET, description="The household.")
    from_on: date | None = strawberry.field(default=UNSET, description=_FROM)
    until_on: date | None = strawberry.field(default=UNSET, description=_UNTIL)


@b.input_type(description="A stay that never was.")
class ResidentStayRemoveInput:
    """See `service.remove_resident_stay`."""

    id: b.ID = strawberry.field(description="The stay; not the one that holds today.")


@b.input_type(description="A time in which a household lived in a dwelling, and which has ended.")
class HouseholdStayRecordInput:
    """See `service.record_household_stay`."""

    household_id: b.ID = strawberry.field(description="The household.")
    dwelling_id: b.ID = strawberry.field(description="The dwelling.")
    from_on: date = strawberry.field(description=_FROM)
    until_on: date = strawberry.field(description=_UNTIL)


@b.input_type(description="A stay that was recorded wrongly; what is not sent stays as it is.")
class HouseholdStayCorrectInput:
    """See `service.correct_household_stay`."""

    id: b.ID = strawberry.field(description="The stay. Of the one that holds today only the first day can be changed.")
    dwelling_id: b.ID | None = strawberry.field(default=UNSET, description="The dwelling.")
    from_on: date | None = strawberry.field(default=UNSET, description=_FROM)
    until_on: date | None = strawberry.field(default=UNSET, description=_UNTIL)


@b.input_type(description="A stay that never was.")
class HouseholdStayRemoveInput:
    """See `service.remove_household_stay`."""

    id: b.ID = strawberry.field(description="The stay; not the one that holds today.")


async def _split_household(work: Work, input: HouseholdSplitInput) -> m.Household:  # noqa: A002 - the argument's name in GraphQL
    members = [
        service.Member(id_in(work, one.id, "resd", "residents", str(at), "id"), word(one.relationship))
        for at, one in enumerate(input.residents)
    ]
    return await service.split_household(
        work,
        id_in(work, input.id, "hshd"),
        members,
        number=input.number,
        split_on=input.split_on,
        version=input.version,
    )


async def _merge_household(work: Work, input: HouseholdMergeInput) -> m.Household:  # noqa: A002 - the argument's name in GraphQL
    into_id = id_in(work, input.into_id, "hshd", "intoId")
    return await service.merge_household(
        work, id_in(work, input.id, "hshd"), into_id, merged_on=input.merged_on, version=input.version
    )


async def _split_dwelling(work: Work, input: DwellingSplitInput) -> m.Dwelling:  # noqa: A002 - the argument's name in GraphQL
    households = [id_in(work, one, "hshd", "householdIds", str(at)) for at, one in enumerate(input.household_ids)]
    values = given(input, without=("id", "household_ids"))
    return await service.split_dwelling(work, id_in(work, input.id, "dwel"), households, **values)


async def _merge_dwelling(work: Work, input: DwellingMergeInput) -> m.Dwelling:  # noqa: A002 - the argument's name in GraphQL
    into_id = id_in(work, input.into_id, "dwel", "intoId")
    return await service.merge_dwelling(
        work, id_in(work, input.id, "dwel"), into_id, merged_on=input.merged_on, version=input.version
    )


async def change_use(work: Work, input: DwellingUseChangeInput) -> m.Dwelling:  # noqa: A002 - the argument's name in GraphQL
    """See `service.change_use`."""
    return await service.change_use(
        work,
        id_in(work, input.id, "dwel"),
        use=word(input.use),
        changed_on=input.changed_on,
        version=input.version,
    )


async def _begin_tie(work: Work, input: DwellingTieBeginInput) -> m.DwellingTie:  # noqa: A002 - the argument's name in GraphQL
    names_resident = one_holder(input.resident_id, input.organisation_id)
    resident, organisation = input.resident_id, input.organisation_id
    return await service.begin_tie(
        work,
        id_in(work, input.dwelling_id, "dwel", "dwellingId"),
        word(input.role),
        resident_id=None if resident is None else id_in(work, resident, "resd", "residentId"),
        organisation_id=None if organisation is None else id_in(work, organisation, "orgn", "organisationId"),
        names_resident=names_resident,
        from_on=input.from_on,
        until_on=input.until_on,
    )


async def _end_tie(work: Work, input: DwellingTieEndInput) -> m.DwellingTie:  # noqa: A002 - the argument's name in GraphQL
    return await service.end_tie(work, id_in(work, input.id, "dtie"), until_on=input.until_on)


async def _record_resident_stay(work: Work, input: ResidentStayRecordInput) -> m.ResidentStay:  # noqa: A002 - the argument's name in GraphQL
    return await service.record_resident_stay(
        work,
        id_in(work, input.resident_id, "resd", "residentId"),
        id_in(work, input.household_id, "hshd", "householdId"),
        input.from_on,
        input.until_on,
    )


async def _correct_resident_stay(work: Work, input: ResidentStayCorrectInput) -> m.ResidentStay:  # noqa: A002 - the argument's name in GraphQL
    values = given(input, without=("id",), never_null=("household_id", "from_on"))
    if "household_id" in values:
        values["household_id"] = id_in(work, values["household_id"], "hshd", "householdId")
    return await service.correct_resident_stay(work, id_in(work, input.id, "rsty"), **values)


async def _remove_resident_stay(work: Work, input: ResidentStayRemoveInput) -> m.Resident:  # noqa: A002 - the argument's name in GraphQL
    return await service.remove_resident_stay(work, id_in(work, input.id, "rsty"))


async def _record_household_stay(work: Work, input: HouseholdStayRecordInput) -> m.HouseholdStay:  # noqa: A002 - the argument's name in GraphQL
    return await service.record_household_stay(
        work,
        id_in(work, input.household_id, "hshd", "householdId"),
        id_in(work, input.dwelling_id, "dwel", "dwellingId"),
        input.from_on,
        input.until_on,
    )


async def _correct_household_stay(work: Work, input: HouseholdStayCorrectInput) -> m.HouseholdStay:  # noqa: A002 - the argument's name in GraphQL
    values = given(input, without=("id",), never_null=("dwelling_id", "from_on"))
    if "dwelling_id" in values:
        values["dwelling_id"] = id_in(work, values["dwelling_id"], "dwel", "dwellingId")
    return await service.correct_household_stay(work, id_in(work, input.id, "hsty"), **values)


async def _remove_household_stay(work: Work, input: HouseholdStayRemoveInput) -> m.Household:  # noqa: A002 - the argument's name in GraphQL
    return await service.remove_household_stay(work, id_in(work, input.id, "hsty"))


@mutation_root(module="registry")
class LifeMutation:
    """Events of life, and the past set right."""

    household_split: Household = mutation(
        _split_household, "Let some of a household become one of their own. Answers the new household."
    )
    household_merge: Household = mutation(
        _merge_household, "Let a household join another one. Answers the one that stays."
    )
    dwelling_split: Dwelling = mutation(
        _split_dwelling, "Let a part of a dwelling become one of its own. Answers the new dwelling."
    )
    dwelling_merge: Dwelling = mutation(
        _merge_dwelling, "Let a dwelling become part of another one. Answers the one that stays."
    )
    dwelling_use_change: Dwelling = mutation(change_use, "Record that a dwelling is used for something else.")
    dwelling_tie_begin: DwellingTie = mutation(_begin_tie, "Record that somebody owns, rents or hosts in a dwelling.")
    dwelling_tie_end: DwellingTie = mutation(_end_tie, "Record that somebody does not own, rent or host any more.")
    resident_stay_record: ResidentStay = mutation(
        _record_resident_stay, "Record where a resident belonged for a time that has ended."
    )
    resident_stay_correct: ResidentStay = mutation(
        _correct_resident_stay, "Set a recorded stay right. It is refused where it would overlap another one."
    )
    resident_stay_remove: Resident = mutation(
        _remove_resident_stay, "Take back a recorded stay that never was. Answers the resident."
    )
    household_stay_record: HouseholdStay = mutation(
        _record_household_stay, "Record where a household lived for a time that has ended."
    )
    household_stay_correct: HouseholdStay = mutation(
        _correct_household_stay, "Set a recorded stay right. It is refused where it would overlap another one."
    )
    household_stay_remove: Household = mutation(
        _remove_household_stay, "Take back a recorded stay that never was. Answers the household."
    )

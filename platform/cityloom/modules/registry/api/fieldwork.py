"""Submitting what was done without a network: one mutation for a batch of changes, each with its own outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import strawberry

from cityloom.core.ids import encode_id, split_id
from cityloom.core.work import Work
from cityloom.graph import bound as b
from cityloom.graph.given import given
from cityloom.graph.idempotency import input_hash
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.graph.refusals import RefusalData, as_data, camel
from cityloom.modules.registry import models as m
from cityloom.modules.registry.api import holder_changes as h
from cityloom.modules.registry.api import inputs as i
from cityloom.modules.registry.api import life
from cityloom.modules.registry.api import mutations as chain
from cityloom.modules.registry.errors import ChangeAmbiguous
from cityloom.modules.registry.service import fieldwork

if TYPE_CHECKING:
    from cityloom.core.text import Locale

    Resolver = Callable[..., Awaitable[Any]]

_ANY = "Of one change exactly one of these is sent."


@strawberry.enum(description="What became of a change that was made offline.")
class FieldChangeOutcome(Enum):
    """See `fieldwork.Outcome`."""

    APPLIED = strawberry.enum_value("APPLIED", description="It has been carried out.")
    REPEATED = strawberry.enum_value("REPEATED", description="It was carried out before, under this id; not again.")
    CONFLICT = strawberry.enum_value(
        "CONFLICT", description="Somebody else was faster: it was not carried out; `differences` tells both versions."
    )
    REFUSED = strawberry.enum_value("REFUSED", description="It was not carried out; `refusal` tells why.")


@b.input_type(description="One change that was made offline. Send exactly one of the changes in it.")
class FieldChangeInput:
    """See `fieldwork.Change`."""

    client_id: str = strawberry.field(
        description="A UUIDv7 that the device made with the change. It is the last 32 digits of the id of what is"
        " recorded new, `<type>_<city>_<32 digits>`, so that later changes of the batch can name it."
    )
    made_at: datetime = strawberry.field(description="When it was made, by the device's clock.")
    building_change: i.BuildingChangeInput | None = strawberry.field(default=None, description=_ANY)
    dwelling_create: i.DwellingCreateInput | None = strawberry.field(default=None, description=_ANY)
    dwelling_change: i.DwellingChangeInput | None = strawberry.field(default=None, description=_ANY)
    dwelling_use_change: life.DwellingUseChangeInput | None = strawberry.field(default=None, description=_ANY)
    household_create: i.HouseholdCreateInput | None = strawberry.field(default=None, description=_ANY)
    household_change: i.HouseholdChangeInput | None = strawberry.field(default=None, description=_ANY)
    household_move: i.HouseholdMoveInput | None = strawberry.field(default=None, description=_ANY)
    resident_create: i.ResidentCreateInput | None = strawberry.field(default=None, description=_ANY)
    resident_change: i.ResidentChangeInput | None = strawberry.field(default=None, description=_ANY)
    resident_move: i.ResidentMoveInput | None = strawberry.field(default=None, description=_ANY)
    resident_leave: i.ResidentLeaveInput | None = strawberry.field(default=None, description=_ANY)
    organisation_create: h.OrganisationCreateInput | None = strawberry.field(default=None, description=_ANY)
    organisation_change: h.OrganisationChangeInput | None = strawberry.field(default=None, description=_ANY)
    organisation_move: h.OrganisationMoveInput | None = strawberry.field(default=None, description=_ANY)
    organisation_close: h.OrganisationCloseInput | None = strawberry.field(default=None, description=_ANY)
    vehicle_create: h.VehicleCreateInput | None = strawberry.field(default=None, description=_ANY)
    vehicle_change: h.VehicleChangeInput | None = strawberry.field(default=None, description=_ANY)
    vehicle_transfer: h.VehicleTransferInput | None = strawberry.field(default=None, description=_ANY)


@b.input_type(description="What a device did while it had no network, in the order in which it was done.")
class FieldChangesSubmitInput:
    """See `fieldwork.submit`."""

    changes: list[FieldChangeInput] = strawberry.field(description="1 to 100 changes.")


@b.output_type(description="A field of which the server has another value than was sent.")
class FieldDifference:
    """See `fieldwork.Difference`."""

    field: str = strawberry.field(description="The field, as in the input; `custom.<code>` for the city's own.")
    server: b.JSON | None = strawberry.field(
        description="What the server has now, as the caller may see it: protected fields are masked or null."
    )
    sent: b.JSON | None = strawberry.field(description="What was sent; protected fields are masked here, too.")


@b.output_type(description="What became of one change that was made offline.")
class FieldChangeResult:
    """See `fieldwork.Outcome`."""

    client_id: str = strawberry.field(description="The change's id, as it was sent.")
    outcome: FieldChangeOutcome = strawberry.field(description="What became of it.")
    id: b.ID | None = strawberry.field(description="The thing that was or would have been changed.")
    version: int | None = strawberry.field(
        description="The thing's version: after this change, or for a CONFLICT the one to decide from."
    )
    refusal: RefusalData | None = strawberry.field(description="Why it was not carried out.")
    differences: list[FieldDifference] = strawberry.field(
        description="For a CONFLICT: the fields that were sent and that the server has otherwise."
    )


@b.output_type(description="What became of a batch of changes that were made offline.")
class FieldChangesSubmitted:
    """The outcomes of a batch."""

    results: list[FieldChangeResult] = strawberry.field(description="One for each change, in the order of the batch.")


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind of change is carried out, and on what."""

    model: type[Any]
    tag: str
    resolver: Resolver
    is_new: bool = False


KINDS = {
    "building_change": _Kind(m.Building, "bldg", chain.change_building),
    "dwelling_create": _Kind(m.Dwelling, "dwel", chain.create_dwelling, is_new=True),
    "dwelling_change": _Kind(m.Dwelling, "dwel", chain.change_dwelling),
    "dwelling_use_change": _Kind(m.Dwelling, "dwel", life.change_use),
    "household_create": _Kind(m.Household, "hshd", chain.create_household, is_new=True),
    "household_change": _Kind(m.Household, "hshd", chain.change_household),
    "household_move": _Kind(m.Household, "hshd", chain.move_household),
    "resident_create": _Kind(m.Resident, "resd", chain.create_resident, is_new=True),
    "resident_change": _Kind(m.Resident, "resd", chain.change_resident),
    "resident_move": _Kind(m.Resident, "resd", chain.move_resident),
    "resident_leave": _Kind(m.Resident, "resd", chain.leave),
    "organisation_create": _Kind(m.Organisation, "orgn", h.create_organisation, is_new=True),
    "organisation_change": _Kind(m.Organisation, "orgn", h.change_organisation),
    "organisation_move": _Kind(m.Organisation, "orgn", h.move_organisation),
    "organisation_close": _Kind(m.Organisation, "orgn", h.close_organisation),
    "vehicle_create": _Kind(m.Vehicle, "vehi", h.create_vehicle, is_new=True),
    "vehicle_change": _Kind(m.Vehicle, "vehi", h.change_vehicle),
    "vehicle_transfer": _Kind(m.Vehicle, "vehi", h.transfer_vehicle),
}


async def _submit(work: Work, input: FieldChangesSubmitInput) -> FieldChangesSubmitted:  # noqa: A002 - the argument's name in GraphQL
    work.authorise(fieldwork.SUBMIT)
    changes = [_change(work, one, at) for at, one in enumerate(input.changes)]
    outcomes = await fieldwork.submit(work, changes)
    texts = [one.client_id for one in input.changes]
    return FieldChangesSubmitted(
        results=[_result(work, text, one, work.locale) for text, one in zip(texts, outcomes, strict=True)]
    )


def _change(work: Work, given_: FieldChangeInput, at: int) -> fieldwork.Change:
    named = [name for name in KINDS if getattr(given_, name) is not None]
    if len(named) != 1:
        raise ChangeAmbiguous(path=("changes", at))
    kind, input_ = KINDS[named[0]], getattr(given_, named[0])
    client_id = fieldwork.checked_client_id(work, given_.client_id, "changes", at, "clientId")
    subject_id = None if kind.is_new else split_id(input_.id, work.tenant_id, path=("changes", str(at), "id"))[1]

    async def carry_out(row_id: UUID) -> Any:  # noqa: ANN401 - one of six models
        return await (kind.resolver(work, input_, row_id) if kind.is_new else kind.resolver(work, input_))

    sent = {} if kind.is_new else given(input_, without=("id", "version"))
    columns = {name for name in sent if name in _COLUMNS[kind.model] or name in _SHOWN}
    return fieldwork.Change(
        client_id=client_id,
        action=named[0],
        made_at=given_.made_at,
        content=input_hash({named[0]: input_}),
        carry_out=carry_out,
        model=kind.model,
        subject_id=subject_id,
        sent={name: value for name, value in sent.items() if name in columns},
    )


#: What is compared besides columns; ids of places and days of moves are told by the thing's own ties.
_SHOWN = frozenset({"custom", "birth_on"})
_COLUMNS = {
    kind.model: frozenset(name for name in kind.model.__mapper__.columns.keys() if not name.endswith("_id"))  # noqa: SIM118 - no dict
    for kind in KINDS.values()
}


def _result(work: Work, text: str, outcome: fieldwork.Outcome, locale: Locale) -> FieldChangeResult:
    subject = outcome.subject
    return FieldChangeResult(
        client_id=text,
        outcome=FieldChangeOutcome(outcome.outcome),
        id=None if subject is None else b.ID(encode_id(subject[0], work.tenant_id, subject[1])),
        version=outcome.version,
        refusal=None if outcome.refusal is None else as_data(outcome.refusal, locale),
        differences=[
            FieldDifference(field=camel(one.field), server=_plain(one.server), sent=_plain(one.sent))
            for one in outcome.differences
        ],
    )


def _plain(value: object) -> Any:  # noqa: ANN401 - any JSON
    return orjson.loads(orjson.dumps(value, default=str))


@mutation_root(module="registry")
class FieldworkMutation:
    """What was done without a network."""

    field_changes_submit: FieldChangesSubmitted = mutation(
        _submit,
        "Submit changes that were made offline. Each stands on its own: one that is refused, or of something that"
        " somebody else has changed meanwhile, does not hold up the others. Sent again, each is made once.",
    )

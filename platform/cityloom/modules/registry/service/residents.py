"""Residents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from sqlalchemy import delete, select

from cityloom.access.models import Account
from cityloom.core.crypto import check_identity_number, check_mobile_number
from cityloom.core.database import beyond_wall
from cityloom.core.ids import new_id
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry import events, names, people
from cityloom.modules.registry import models as m
from cityloom.modules.registry.errors import (
    AccountOfNobody,
    AccountTaken,
    HouseholdEnded,
    IdentityNumberTaken,
    ResidentLeftAlready,
    ResidentNotLiving,
    not_found,
)
from cityloom.modules.registry.service import chain, checks, ties
from cityloom.tenancy.limits import demand_room

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Work
    from cityloom.modules.registry.service.values import ResidentValues

NAME_LIMIT = 60
#: What the audit log names but does not show.
SECRET = frozenset(
    {
        "name",
        "birth_on",
        "birth_year",
        "identity_masked",
        "phone_masked",
        "identity_number",
        "identity_index",
        "phone",
        "phone_index",
    }
)


def resident_columns(today: date, keys: TenantKeys, row_id: UUID, values: ResidentValues) -> dict[str, Any]:
    """The columns that follow from what is stated of a resident; refuses what creating one refuses of values."""
    return sealed_resident(keys, row_id, checked_resident(today, values))


def checked_resident(today: date, values: ResidentValues) -> ResidentValues:
    """What is stated of a resident in its normal form; refuses what creating one refuses of values."""
    checked: ResidentValues = {}
    if "name" in values:
        checked["name"] = checks.checked_text(values["name"], "name", NAME_LIMIT)
    if (sex := values.get("sex")) is not None:
        checked["sex"] = checks.checked_choice(sex, "sex", m.SEXES)
    if "birth_on" in values:
        checked["birth_on"] = values["birth_on"]
    if "identity_number" in values:
        stated = checked["identity_number"] = values["identity_number"]
        if stated is not None:
            number = checked["identity_number"] = check_identity_number(stated, path=("identityNumber",))
            checked["birth_on"], checked["sex"] = people.agree(number, values.get("birth_on"), sex)
    if (born_on := checked.get("birth_on")) is not None:
        checks.past_day(today, born_on, "birthOn")
    if "phone" in values:
        phone = values["phone"]
        checked["phone"] = None if phone is None else check_mobile_number(phone, path=("phone",))
    if "relationship" in values:
        checked["relationship"] = checks.checked_choice(values["relationship"], "relationship", m.RELATIONSHIPS)
    if "custom" in values:
        checked["custom"] = values["custom"] or {}
    return checked


def sealed_resident(
    keys: TenantKeys, row_id: UUID, checked: ResidentValues, *, index: bytes | None = None
) -> dict[str, Any]:
    """The columns of values that were checked; protected ones are sealed, masked and indexed.

    `index` is that of the identity number, where it was made before.
    """
    columns: dict[str, Any] = {key: checked[key] for key in _PLAIN if key in checked}  # type: ignore[literal-required] # keys of the mapping
    if "identity_number" in checked:
        columns |= people.identity_columns(keys, row_id, checked["identity_number"], index)
    if "birth_on" in checked:
        columns |= people.birth_columns(keys, row_id, checked["birth_on"])
    if "phone" in checked:
        columns |= people.phone_columns(keys, row_id, checked["phone"])
    return columns


_PLAIN = ("sex", "name", "custom", "relationship")


async def create_resident(
    work: Work,
    *,
    household_id: UUID | None,
    arrived_on: date | None = None,
    row_id: UUID | None = None,
    **values: Unpack[ResidentValues],
) -> m.Resident:
    """Record a resident (`name`, `sex`, `birth_on`, `identity_number`, `phone`, `relationship`) in a household.

    They belong to it since `arrived_on`, today where no day is given. Birth date and sex follow from the identity
    number where it is given. Refuses (`Forbidden`, `NotFound`,
    `InvalidIdentityNumber`, `InvalidMobileNumber`, `BirthDateContradicts`, `SexContradicts`, `DateOutOfRange`,
    `IdentityNumberTaken`, `HouseholdHasHead`, `HouseholdEnded`, `TextMalformed`, `ValueUnknown`, `AnswersWrong`,
    `TenantLimitReached`).
    """
    action = "registry.resident.create"
    household = await _holder(work, household_id, action)
    day = checks.checked_day(work, arrived_on or civil_day(work.now()), "arrivedOn")
    await demand_room(work, "residents", m.Resident, 1)
    row_id = row_id or new_id(int(work.now().timestamp() * 1000))
    keys = await people.keys_of(work)
    columns = resident_columns(civil_day(work.now()), keys, row_id, values)
    answers = columns.pop("custom", None)
    resident = m.Resident(
        id=row_id,
        household_id=household.id,
        area_id=household.area_id,
        area_path=household.area_path,
        status="LIVING",
        **{"relationship": "OTHER", "sex": "UNKNOWN", **columns},
    )
    await chain.insert(work, action, resident, secret=SECRET, answers=answers)
    await _demand_new_number(work, keys, row_id, values)
    await ties.tie(work, resident, day, name="arrivedOn", household_id=household.id)
    await _write_tokens(work, resident)
    work.emit(events.ResidentCreated(subject_id=resident.id, area_path=resident.area_path, household_id=household.id))
    return resident


async def change_resident(
    work: Work, resident_id: UUID | None, *, version: int | None = None, **values: Unpack[ResidentValues]
) -> m.Resident:
    """Change what is given of a resident; refuses what creating and `chain.reach` refuse.

    Whose `account_id` a resident is sees all that is stored of them: refuses what `_account_column` refuses.
    """
    action = "registry.resident.change"
    resident = await chain.reach(work, m.Resident, resident_id, action, version=version)
    keys = await people.keys_of(work)
    columns = resident_columns(civil_day(work.now()), keys, resident.id, values)
    columns |= await _account_column(work, resident, values)
    keep_equal(keys, resident, columns)
    former_name = resident.name
    if await chain.write(work, action, resident, columns, secret=SECRET):
        await _demand_new_number(work, keys, resident.id, values)
        if resident.name != former_name:
            await _write_tokens(work, resident)
        fields = tuple(sorted(values))
        work.emit(events.ResidentChanged(subject_id=resident.id, area_path=resident.area_path, fields=fields))
    return resident


async def move_resident(
    work: Work,
    resident_id: UUID | None,
    household_id: UUID | None,
    *,
    relationship: str = "OTHER",
    moved_on: date | None = None,
    version: int | None = None,
) -> m.Resident:
    """Let a resident live in another household, since today where no day is given; who had left comes back.

    Refuses what `chain.reach` refuses of both, `ResidentNotLiving` for the dead, `HouseholdHasHead`, `HouseholdEnded`,
    `DateOutOfRange`, and `TieStillHolds` a day before which something later is recorded.
    """
    action = "registry.resident.move"
    day = checks.checked_day(work, moved_on or civil_day(work.now()), "movedOn")
    checks.checked_choice(relationship, "relationship", m.RELATIONSHIPS)
    household = await _holder(work, household_id, action)
    resident = await chain.reach(work, m.Resident, resident_id, action, version=version)
    if resident.status == "DECEASED":
        raise ResidentNotLiving(path=("id",))
    former = resident.household_id
    if former == household.id and resident.status == "LIVING":
        return resident
    await settle_resident(work, action, resident, household, day, relationship=relationship, name="movedOn")
    work.emit(
        events.ResidentMoved(
            subject_id=resident.id,
            area_path=household.area_path,
            former_household_id=former,
            household_id=household.id,
        )
    )
    return resident


async def settle_resident(
    work: Work,
    action: str,
    resident: m.Resident,
    household: m.Household,
    day: date,
    *,
    relationship: str,
    name: str,
) -> None:
    """Let a resident belong to a household since a day, with vehicles and past stays; `name` is the day's field."""
    columns = {
        "household_id": household.id,
        "area_id": household.area_id,
        "area_path": household.area_path,
        "relationship": relationship,
        "status": "LIVING",
    }
    await chain.write(work, action, resident, columns)
    await chain.relocate_resident(work, resident, household.area_id, household.area_path)
    await ties.tie(work, resident, day, name=name, household_id=household.id)


async def leave(
    work: Work, resident_id: UUID | None, *, status: str, left_on: date | None = None, version: int | None = None
) -> m.Resident:
    """A resident moved away from the city (`MOVED_AWAY`) or died (`DECEASED`); the record stays where it was.

    Refuses what `chain.reach` refuses, `ResidentLeftAlready`, `ValueUnknown`, `DateOutOfRange`, `TieStillHolds`.
    """
    action = "registry.resident.move"
    checks.checked_choice(status, "status", tuple(s for s in m.RESIDENT_STATUSES if s != "LIVING"))
    day = checks.checked_day(work, left_on or civil_day(work.now()), "leftOn")
    resident = await chain.reach(work, m.Resident, resident_id, action, version=version)
    if resident.status in {"DECEASED", status}:
        raise ResidentLeftAlready(path=("id",))
    former = resident.household_id
    await chain.write(work, action, resident, {"household_id": None, "relationship": "OTHER", "status": status})
    if former is not None:
        await ties.tie(work, resident, day, name="leftOn")
    work.emit(
        events.ResidentLeft(
            subject_id=resident.id, area_path=resident.area_path, former_household_id=former, status=status
        )
    )
    return resident


async def _account_column(work: Work, resident: m.Resident, values: ResidentValues) -> dict[str, UUID | None]:
    """The account that is the resident's; refuses (`Forbidden`, `NotFound`, `AccountOfNobody`, `AccountTaken`)."""
    if "account_id" not in values:
        return {}
    await chain.reach(work, m.Resident, resident.id, "registry.resident.link")
    account_id, path = values["account_id"], ("accountId",)
    if account_id is None:
        return {"account_id": None}
    # Locked, so that two residents do not get it at once.
    query = select(Account.kind).where(Account.id == account_id, Account.is_active).with_for_update()
    kind = await work.session.scalar(query)
    if kind is None:
        raise not_found("accounts", path)
    if kind != "RESIDENT":
        raise AccountOfNobody(path=path)
    others = select(m.Resident.id).where(m.Resident.account_id == account_id, m.Resident.id != resident.id)
    async with beyond_wall(work.session):
        is_taken = await work.session.scalar(others.limit(1)) is not None
    if is_taken:
        raise AccountTaken(path=path)
    return {"account_id": account_id}


async def _demand_new_number(work: Work, keys: TenantKeys, row_id: UUID, values: ResidentValues) -> None:
    stated = values.get("identity_number")
    if stated is not None:
        known = people.identity_indexes(keys, stated)
        await people.demand_new(
            work, m.Resident.identity_index, known, row_id, IdentityNumberTaken(path=("identityNumber",))
        )


def keep_equal(keys: TenantKeys, resident: m.Resident, columns: dict[str, Any]) -> None:
    """Leave envelopes alone whose value is the same: every sealing differs, and nothing has changed."""
    for index, envelope in (("identity_index", "identity_number"), ("phone_index", "phone")):
        if index in columns and columns[index] == getattr(resident, index):
            columns.pop(envelope)
    sealed = columns.get("birth_on")
    if sealed is not None and resident.birth_on is not None:
        table = people.TABLE
        if keys.open(table, "birth_on", resident.id, sealed) == keys.open(
            table, "birth_on", resident.id, resident.birth_on
        ):
            columns.pop("birth_on")


async def _write_tokens(work: Work, resident: m.Resident) -> None:
    await work.session.execute(delete(m.ResidentNameToken).where(m.ResidentNameToken.id == resident.id))
    work.session.add_all(m.ResidentNameToken(id=resident.id, token=token) for token in names.tokens(resident.name))
    await work.session.flush()


async def _holder(work: Work, household_id: UUID | None, permission: str) -> m.Household:
    found = await chain.reach(work, m.Household, household_id, permission, path=("householdId",), is_holder=True)
    if found.ended_on is not None:
        raise HouseholdEnded(path=("householdId",))
    return found

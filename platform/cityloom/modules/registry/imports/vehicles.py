"""Importing vehicles: a row for each, of a resident or an organisation who are registered already.

One is known by its number plate. Whose it is stays as it is registered: transfers have a day and a deed of their own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from cityloom.core.bulk import insert_text, table_of
from cityloom.core.crypto import check_identity_number
from cityloom.core.ids import NEW_ID_SQL
from cityloom.core.text import Text
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry import errors as registered
from cityloom.modules.registry import papers, people
from cityloom.modules.registry.imports import cells, own
from cityloom.modules.registry.imports import columns as c
from cityloom.modules.registry.imports import errors as e
from cityloom.modules.registry.imports import models as m
from cityloom.modules.registry.imports.comparing import COVERED, MINE, OF_REGISTERED, REGISTERED, Comparer
from cityloom.modules.registry.imports.rows import RowChecking, RowTarget
from cityloom.modules.registry.service import checks
from cityloom.modules.registry.service.organisations import plate_columns

if TYPE_CHECKING:
    from datetime import date, datetime
    from uuid import UUID

    from cityloom.core.crypto import TenantKeys
    from cityloom.core.work import Work
    from cityloom.imports.targets import Asked
    from cityloom.modules.registry.imports.rows import Cells

_TABLE: Final = "vehicles"
_COLUMNS: Final = (
    "id",
    "sheet",
    "row",
    "kind",
    "plate",
    "plate_masked",
    "plate_index",
    "owner_index",
    "credit_code",
    "held_since",
)
_STAGE: Final = insert_text(table_of(m.StagedVehicle), _COLUMNS, same=("import_id",))
_LOCKS: Final = (
    """SELECT count(*) FROM (SELECT 1 FROM registry_staged_vehicles AS s
    JOIN residents AS x ON x.tenant_id = $1 AND x.identity_index = s.owner_index
    WHERE s.tenant_id = $1 AND s.import_id = $2 ORDER BY x.id FOR SHARE OF x) AS locked""",
    """SELECT count(*) FROM (SELECT 1 FROM registry_staged_vehicles AS s
    JOIN organisations AS x ON x.tenant_id = $1 AND x.credit_code = s.credit_code
    WHERE s.tenant_id = $1 AND s.import_id = $2 ORDER BY x.id FOR SHARE OF x) AS locked""",
)
#: Which each is among those that are registered, and whose it is to be, where that is.
_PLACE: Final = f"""
UPDATE registry_staged_vehicles AS s SET
  target_id = coalesce(x.id, s.id), version = x.version, holder_id = coalesce(r.id, o.id),
  place_id = coalesce(x.area_id, r.area_id, o.area_id), place_path = coalesce(x.area_path, r.area_path, o.area_path),
  outcome = CASE WHEN x.id IS NULL THEN 'NEW' ELSE {OF_REGISTERED.format(differs="s.kind <> x.kind")} END
FROM registry_staged_vehicles AS me
LEFT JOIN vehicles AS x ON x.tenant_id = $1 AND x.plate_index = me.plate_index
LEFT JOIN residents AS r ON r.tenant_id = $1 AND r.identity_index = me.owner_index
LEFT JOIN organisations AS o ON o.tenant_id = $1 AND o.credit_code = me.credit_code
WHERE {MINE} AND me.tenant_id = $1 AND me.import_id = $2 AND me.id = s.id
"""  # noqa: S608 - constants of ours
_REPEATED: Final = ((c.PLATE, e.StatedTwice(), "o.plate_index = s.plate_index"),)
#: Who may be whose a vehicle is: what says so, its column, and the permission to know of them.
_HOLDERS: Final = (
    ("s.owner_index", c.OWNER, "registry.resident.read"),
    ("s.credit_code", "credit_code", "registry.organisation.read"),
)
_HELD_OTHERWISE: Final = (
    "EXISTS (SELECT 1 FROM vehicles AS x WHERE x.tenant_id = $1 AND x.id = s.target_id "
    "AND coalesce(x.resident_id, x.organisation_id) IS DISTINCT FROM s.holder_id)"
)
_NEW: Final = """
INSERT INTO vehicles (tenant_id, id, area_id, area_path, kind, plate, plate_masked, plate_index, resident_id,
  organisation_id, version, created_at, changed_at)
SELECT $1, s.target_id, s.place_id, s.place_path, s.kind, s.plate, s.plate_masked, s.plate_index,
  CASE WHEN s.owner_index IS NOT NULL THEN s.holder_id END, CASE WHEN s.owner_index IS NULL THEN s.holder_id END,
  1, $3, $3
FROM registry_staged_vehicles AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'NEW' ORDER BY s.sheet, s.row
"""
_CHANGED: Final = """
UPDATE vehicles AS x SET kind = coalesce(s.kind, x.kind), version = x.version + 1, changed_at = $3
FROM registry_staged_vehicles AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'CHANGED'
  AND x.tenant_id = $1 AND x.id = s.target_id AND x.version = s.version
"""
#: Since the day that is stated, or else the day of the import, $4.
_HOLDINGS: Final = f"""
INSERT INTO vehicle_holdings
  (tenant_id, id, area_id, area_path, vehicle_id, resident_id, organisation_id, from_on, recorded_at)
SELECT $1, {NEW_ID_SQL}, s.place_id, s.place_path, s.target_id,
  CASE WHEN s.owner_index IS NOT NULL THEN s.holder_id END, CASE WHEN s.owner_index IS NULL THEN s.holder_id END,
  coalesce(s.held_since, $4), $3
FROM registry_staged_vehicles AS s
WHERE s.tenant_id = $1 AND s.import_id = $2 AND s.outcome = 'NEW'
"""  # noqa: S608 - constants of ours


def _taken(keys: TenantKeys, today: date, row: Cells, row_id: UUID) -> tuple[Any, ...] | None:
    """See `rows.Take`: the plate is sealed, of the owner's identity number there is but the index."""

    def index_of(cell: str) -> bytes:
        return people.index_of_identity(keys, check_identity_number(cells.digits(cell)))

    row.demand(c.PLATE, "vehicle", "车辆")
    kind = row.value("vehicle_kind", partial(cells.word, "vehicle_kind"))
    plate = row.value(c.PLATE, lambda cell: papers.checked_plate(cell, kind))
    owner, code = row.value(c.OWNER, index_of), row.value("credit_code", cells.credit_code)
    since = row.value("held_since", lambda cell: checks.past_day(today, cells.day(cell), "held_since"))
    if owner is not None and code is not None:
        row.refuse("credit_code", e.TwoHolders())
    if row.errors:
        return None
    sealed = plate_columns(keys, row_id, plate)
    return (kind, sealed["plate"], sealed["plate_masked"], sealed["plate_index"], owner, code, since)


class VehicleTarget(RowTarget):
    """Vehicles."""

    name = "vehicles"
    title = Text("车辆登记", "Vehicles")
    description = Text(
        "机动车和非机动车:每行一辆,车主(居民或单位)须已登记;变更车主须另行办理。",
        "Motor vehicles and electric bicycles: a row for each, of residents or organisations who are registered. "
        "Who has one already keeps it: transfers are recorded one by one.",
    )
    permissions = ("registry.vehicle.create",)
    thing, table, stage, naming = "VEHICLE", _TABLE, m.StagedVehicle, c.PLATE
    known = c.OF_VEHICLE
    repeated = _REPEATED
    new, changed = _NEW, _CHANGED

    async def begin(self, work: Work, asked: Asked) -> RowChecking:
        """Begin to check, or go on."""
        keys, fields = await people.keys_of(work), await own.own_fields(work, (self.thing,))
        return RowChecking(asked, _STAGE, fields, partial(_taken, keys, civil_day(work.now())))

    async def place(self, comparer: Comparer, *, locks: bool) -> None:
        """Which each is, by its plate, and whose it is to be."""
        for sql in _LOCKS if locks else ():
            await comparer.execute(sql)
        await comparer.execute(_PLACE, comparer.asked.rule)

    async def refuse(self, comparer: Comparer) -> None:
        """What is nobody's, somebody else's, or not the caller's to see, record or change."""
        is_new, taken, unknown = "s.outcome = 'NEW' AND", registered.PlateTaken(), e.VehicleUnknown()
        await comparer.refuse(_TABLE, f"{is_new} s.kind IS NULL", "vehicle_kind", unknown)
        nobodys = f"{is_new} s.owner_index IS NULL AND s.credit_code IS NULL"
        await comparer.refuse(_TABLE, nobodys, c.OWNER, unknown)
        for said, column, permission in _HOLDERS:
            # Whoever is out of the caller's sight is not there.
            unseen = f"{is_new} {said} IS NOT NULL AND (s.holder_id IS NULL OR NOT {COVERED})"
            await comparer.refuse(_TABLE, unseen, column, e.HolderUnknown(), *comparer.ranges(permission))
        await comparer.refuse_hidden(_TABLE, "registry.vehicle.read", c.PLATE, taken)
        await comparer.refuse_outside(_TABLE, "vehicle", c.PLATE)
        if comparer.asked.rule == "REFUSE":
            await comparer.refuse(_TABLE, REGISTERED, c.PLATE, taken)
        for said, column, _ in _HOLDERS:
            # The same is said of who is not registered: nobody learns from it who is.
            otherwise = f"{REGISTERED} AND {said} IS NOT NULL AND {_HELD_OTHERWISE}"
            await comparer.refuse(_TABLE, otherwise, column, e.HeldByAnother())

    async def publish_beside(self, comparer: Comparer, now: datetime) -> None:
        """Since when each is whose it is."""
        await comparer.execute(_HOLDINGS, now, civil_day(now))


VEHICLES = VehicleTarget()

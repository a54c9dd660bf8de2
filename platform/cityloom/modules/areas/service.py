"""What can be done to one area: create, change, give a boundary, close, remove. Trees are changed in `restructure`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, select

from cityloom.core.constraints import refusing
from cityloom.core.events import AuditEntry
from cityloom.core.principal import EVERYWHERE
from cityloom.modules.areas import events, tree
from cityloom.modules.areas import models as m
from cityloom.modules.areas.boundary import Boundary, read_boundary
from cityloom.modules.areas.codes import CodeForm, check_code
from cityloom.modules.areas.errors import (
    AreaCodeTaken,
    AreaFigureNegative,
    AreaNameMalformed,
    AreaStillInUse,
    AreaValidityWrong,
    ChangedMeanwhile,
    CoordinateOutOfRange,
)
from cityloom.tenancy.limits import demand_room

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from uuid import UUID

    from cityloom.core.errors import Refusal
    from cityloom.core.work import Work

CREATE, CHANGE, CLOSE, RESTRUCTURE = (
    "areas.area.create",
    "areas.area.change",
    "areas.area.close",
    "areas.area.restructure",
)
NAME_LIMIT = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Unset:
    """Stands for a value that the caller did not give, where null means something."""


UNSET: Final = Unset()


def refusals(code: str) -> dict[str, Callable[[], Refusal]]:
    """Constraints of this slice's tables by name."""
    return {
        "ex_areas_code_in_period": lambda: AreaCodeTaken(path=("code",), area_code=code),
        "ck_areas_validity_ordered": lambda: AreaValidityWrong(path=("validUntil",)),
    }


async def create_area(  # noqa: PLR0913 - the columns of an area
    work: Work,
    *,
    code: str,
    name: str,
    kind: str,
    parent_id: UUID | None = None,
    valid_from: date | Unset | None = UNSET,
    valid_until: date | None = None,
    boundary: dict[str, Any] | None = None,
    is_boundary_synthetic: bool = False,
    centre: tuple[float, float] | None = None,
    stated_households: int | None = None,
    stated_residents: int | None = None,
    area_id: UUID | None = None,
) -> m.Area:
    """Create an area at the end of its siblings; valid from today where nothing is said (None: since ever).

    Refuses (`Forbidden`, `AreaKindUnknown`, `AreaNotFound`, `AreaLevelWrong`, `AreaTooDeep`, `AreaCodeMalformed`,
    `AreaCodeTaken`, `AreaNameMalformed`, `BoundaryMalformed`, `AreaValidityWrong`, `TenantLimitReached`).
    """
    await tree.lock_tree(work)
    parent = await tree.place_in(work, parent_id, ("parentId",)) if parent_id is not None else None
    work.authorise(CREATE, area_path=parent.path if parent else EVERYWHERE[0])
    known = await tree.kinds(work)
    wanted = tree.kind_of(known, kind)
    tree.demand_level(wanted, parent, known, ("kind",))
    await demand_room(work, "areas", m.Area, 1)
    check_code(code, kind, CodeForm(wanted.code_form), wanted.code_pattern, await tree.lineage(work, parent, known))
    label = await tree.next_label(work)
    area = m.Area(
        code=code,
        name=checked_name(name),
        kind=kind,
        parent_id=parent.id if parent else None,
        label=label,
        path=(parent.path if parent else "") + tree.label_of(label) + ".",
        depth=parent.depth + 1 if parent else 0,
        position=await tree.next_position(work, parent.id if parent else None),
        valid_from=tree.civil_day(work.now()) if isinstance(valid_from, Unset) else valid_from,
        valid_until=valid_until,
        stated_households=_figure(stated_households, "statedHouseholds"),
        stated_residents=_figure(stated_residents, "statedResidents"),
        created_at=work.now(),
        changed_at=work.now(),
        version=1,
    )
    if area_id is not None:
        area.id = area_id
    if centre is not None:
        area.centre_longitude, area.centre_latitude = checked_centre(centre)
    async with refusing(work, refusals(code)):
        work.session.add(area)
    if boundary is not None:
        await _write_boundary(work, area, read_boundary(boundary), is_synthetic=is_boundary_synthetic)
    work.emit(events.AreaCreated(subject_id=area.id, area_path=area.path, code=code, name=area.name, kind=kind))
    work.audit(AuditEntry(action=CREATE, object_tag="area", object_id=area.id, after=_shown(area)))
    return area


async def change_area(
    work: Work,
    area_id: UUID | None,
    *,
    version: int | None = None,
    name: str | Unset = UNSET,
    position: int | Unset = UNSET,
    stated_households: int | Unset | None = UNSET,
    stated_residents: int | Unset | None = UNSET,
    centre: tuple[float, float] | Unset | None = UNSET,
) -> m.Area:
    """Change name, place among the siblings, stated figures or centre; what is not given stays.

    Refuses (`Forbidden`, `AreaNotFound`, `ChangedMeanwhile` where the version is not the current one,
    `AreaNameMalformed`, `AreaFigureNegative`, `CoordinateOutOfRange`).
    """
    area = await tree.area_of(work, area_id)
    work.authorise(CHANGE, area_path=area.path)
    demand_version(version, area.version)
    before = _shown(area)
    given: dict[str, Any] = {}
    if not isinstance(name, Unset):
        given["name"] = checked_name(name)
    if not isinstance(position, Unset):
        given["position"] = _figure(position, "position")
    if not isinstance(stated_households, Unset):
        given["stated_households"] = _figure(stated_households, "statedHouseholds")
    if not isinstance(stated_residents, Unset):
        given["stated_residents"] = _figure(stated_residents, "statedResidents")
    if not isinstance(centre, Unset):
        given["centre_longitude"], given["centre_latitude"] = checked_centre(centre) if centre else (None, None)
    changed = {key: value for key, value in given.items() if getattr(area, key) != value}
    if changed:
        for key, value in changed.items():
            setattr(area, key, value)
        _touch(work, area)
        await work.session.flush()
        work.emit(events.AreaChanged(subject_id=area.id, area_path=area.path, fields=tuple(sorted(changed))))
        work.audit(AuditEntry(action=CHANGE, object_tag="area", object_id=area.id, before=before, after=_shown(area)))
    return area


async def set_boundary(
    work: Work,
    area_id: UUID | None,
    geometry: dict[str, Any] | None,
    *,
    version: int | None = None,
    is_synthetic: bool = False,
) -> m.Area:
    """Give an area a boundary (GeoJSON Polygon or MultiPolygon, WGS-84 degrees), or take it away.

    The centre becomes the boundary's centroid. Refuses (`Forbidden`, `AreaNotFound`, `ChangedMeanwhile`,
    `BoundaryMalformed`).
    """
    area = await tree.area_of(work, area_id)
    work.authorise(CHANGE, area_path=area.path)
    demand_version(version, area.version)
    boundary = read_boundary(geometry) if geometry is not None else None
    if (boundary.geometry if boundary else None) == area.boundary and area.is_boundary_synthetic == is_synthetic:
        return area
    await _write_boundary(work, area, boundary, is_synthetic=is_synthetic)
    _touch(work, area)
    await work.session.flush()
    work.emit(events.AreaBoundarySet(subject_id=area.id, area_path=area.path, has_boundary=boundary is not None))
    work.audit(
        AuditEntry(action=CHANGE, object_tag="area", object_id=area.id, after={"boundary": boundary is not None})
    )
    return area


async def close_area(
    work: Work, area_id: UUID | None, *, closed_on: date | None = None, version: int | None = None
) -> m.Area:
    """End an area's validity on a day that is not in the future (today where none is given).

    Refuses (`Forbidden`, `AreaNotFound`, `AreaClosed`, `ChangedMeanwhile`, `AreaValidityWrong`, `AreaStillInUse` while
    open areas or anything else lie in it).
    """
    await tree.lock_tree(work)
    area = await tree.area_of(work, area_id)
    work.authorise(CLOSE, area_path=area.path)
    demand_version(version, area.version)
    today = tree.civil_day(work.now())
    tree.demand_open(area, today, ("id",))
    day = closing_day(area, closed_on, today, "closedOn")
    counts = await tree.residing_counts(work, [area.path])
    inside = [a for a in await tree.subtree_of(work, area) if a.id != area.id and tree.is_open(a, today)]
    if inside:
        counts["areas"] = len(inside)
    if counts:
        raise AreaStillInUse(
            path=("id",), name=area.name, counts=", ".join(f"{thing} {n}" for thing, n in sorted(counts.items()))
        )
    await end_validity(work, area, day)
    return area


async def remove_area(work: Work, area: m.Area) -> None:
    """Delete an area that nothing lies in and nothing refers to: only the pack does this.

    Refuses (`AreaStillInUse`).
    """
    counts = await tree.residing_counts(work, [area.path])
    children = await work.session.scalar(select(func.count()).where(m.Area.parent_id == area.id))
    changes = await work.session.scalar(
        select(func.count()).where((m.AreaChange.area_id == area.id) | (m.AreaChange.successor_id == area.id))
    )
    counts |= {key: n for key, n in (("areas", children), ("area_changes", changes)) if n}
    if counts:
        raise AreaStillInUse(name=area.name, counts=", ".join(f"{thing} {n}" for thing, n in sorted(counts.items())))
    await work.session.delete(area)
    await work.session.flush()
    work.audit(AuditEntry(action=CLOSE, object_tag="area", object_id=area.id, before=_shown(area)))


async def end_validity(work: Work, area: m.Area, day: date) -> None:
    """Write the end of an area's validity."""
    async with refusing(work, refusals(area.code)):
        area.valid_until = day
        _touch(work, area)
    work.emit(events.AreaClosed(subject_id=area.id, area_path=area.path, closed_on=day.isoformat()))
    work.audit(AuditEntry(action=CLOSE, object_tag="area", object_id=area.id, after={"valid_until": day.isoformat()}))


def closing_day(area: m.Area, wanted: date | None, today: date, name: str) -> date:
    """The day on which an area can be closed; refuses (`AreaValidityWrong`) the future and before its beginning."""
    day = wanted or today
    if day > today or (area.valid_from is not None and day < area.valid_from):
        raise AreaValidityWrong(path=(name,))
    return day


async def _write_boundary(work: Work, area: m.Area, boundary: Boundary | None, *, is_synthetic: bool) -> None:
    await work.session.execute(delete(m.AreaRing).where(m.AreaRing.area_id == area.id))
    area.boundary = boundary.geometry if boundary else None
    area.is_boundary_synthetic = is_synthetic and boundary is not None
    area.west, area.south = (boundary.west, boundary.south) if boundary else (None, None)
    area.east, area.north = (boundary.east, boundary.north) if boundary else (None, None)
    if boundary:
        area.centre_longitude, area.centre_latitude = boundary.centre
        work.session.add_all(
            m.AreaRing(area_id=area.id, is_hole=ring.is_hole, ring=list(ring.positions)) for ring in boundary.rings
        )
    await work.session.flush()


def demand_version(given: int | None, current: int) -> None:
    """Refuse (`ChangedMeanwhile`) a change of something that has changed since it was read."""
    if given is not None and given != current:
        raise ChangedMeanwhile(path=("version",), given=given, current=current)


def checked_name(name: str, path: tuple[str | int, ...] = ("name",)) -> str:
    """A name without blanks around it; refuses (`AreaNameMalformed`)."""
    name = name.strip()
    if not 0 < len(name) <= NAME_LIMIT or _CONTROL.search(name):
        raise AreaNameMalformed(path=path, limit=NAME_LIMIT)
    return name


def checked_centre(centre: tuple[float, float]) -> tuple[float, float]:
    """A WGS-84 position; refuses (`CoordinateOutOfRange`)."""
    longitude, latitude = centre
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):  # noqa: PLR2004 - degrees
        raise CoordinateOutOfRange(path=("centre",), longitude=longitude, latitude=latitude)
    return longitude, latitude


def _figure(value: int | None, name: str) -> int | None:
    if value is not None and value < 0:
        raise AreaFigureNegative(path=(name,))
    return value


def _touch(work: Work, area: m.Area) -> None:
    area.version += 1
    area.changed_at = work.now()


def _shown(area: m.Area) -> dict[str, Any]:
    return {
        "code": area.code,
        "name": area.name,
        "kind": area.kind,
        "parent_id": str(area.parent_id) if area.parent_id else None,
        "position": area.position,
        "valid_from": area.valid_from.isoformat() if area.valid_from else None,
        "valid_until": area.valid_until.isoformat() if area.valid_until else None,
        "stated_households": area.stated_households,
        "stated_residents": area.stated_residents,
    }

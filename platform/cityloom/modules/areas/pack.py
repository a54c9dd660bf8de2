"""Areas in a tenant pack: kinds in `tenant.toml`, the tree in `areas.csv`, boundaries in `areas.geojson`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import delete, insert, select, update

from cityloom.core.constraints import refusing
from cityloom.core.errors import Refusal
from cityloom.core.ids import new_id
from cityloom.modules.areas import models as m
from cityloom.modules.areas import restructure, service, tree
from cityloom.modules.areas.boundary import read_boundary
from cityloom.modules.areas.codes import CodeForm, check_code, is_pattern
from cityloom.modules.areas.errors import AreaKindStillInUse, AreaStillInUse
from cityloom.modules.areas.events import TreeWritten
from cityloom.tenancy.limits import demand_room
from cityloom.tenancy.packs import CsvTable, GeoJsonTable, PackPart, PackRow, PackText, TomlTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.tenancy.packs import Difference, Differences, Entry, Pack, Problems
    from cityloom.tenancy.packs.parts import Rows

Code = Annotated[str, Field(min_length=1, max_length=40)]
_CHUNK = 1_000


class KindRow(PackRow):
    """One kind of area."""

    code: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,39}$")]
    title: PackText
    level: Annotated[int, Field(ge=1, le=99)]
    grid_class: Literal["BASIC", "DEDICATED", "MICRO"] | None = None
    code_form: CodeForm = CodeForm.FREE
    code_pattern: Annotated[str, Field(max_length=200)] | None = None


class AreaRow(PackRow):
    """One area; `valid_to` is the first day on which it is valid no longer."""

    code: Code
    name: Annotated[str, Field(min_length=1, max_length=service.NAME_LIMIT)]
    kind: str
    parent: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None


class BoundaryRow(PackRow):
    """One area's boundary."""

    code: Code
    synthetic: bool = False
    geometry: dict[str, Any]


KINDS = TomlTable("area_kinds", KindRow, key=("code",), order=("level",))
AREAS = CsvTable("areas.csv", AreaRow, key=("code",))
BOUNDARIES = GeoJsonTable("areas.geojson", BoundaryRow, key=("code",))


class AreasPart(PackPart):
    """See `cityloom.tenancy.packs.PackPart`."""

    name = "areas"
    tables = (KINDS, AREAS, BOUNDARIES)

    def check(self, pack: Pack, problems: Problems) -> None:
        """Kinds, parents, levels, codes, validity and boundaries across the three tables."""
        kinds = {entry.row.code: entry.row for entry in pack.entries(KINDS)}
        for kind in pack.entries(KINDS):
            _check_kind(kind, problems)
        rows = {entry.row.code: entry.row for entry in pack.entries(AREAS)}
        roots = [entry for entry in pack.entries(AREAS) if entry.row.parent is None]
        for entry in roots[1:]:
            problems.add(
                entry, "parent", zh="只能有一个顶层区域", en="there is one area without a parent: the top of the city"
            )
        for entry in pack.entries(AREAS):
            _check_area(entry, rows, kinds, problems)
        for boundary in pack.entries(BOUNDARIES):
            if boundary.row.code not in rows:
                problems.add(boundary, "code", zh="areas.csv 中没有该代码", en="areas.csv has no such code")
            try:
                read_boundary(boundary.row.geometry)
            except Refusal as refusal:
                problems.add(boundary, "geometry", zh=refusal.message("zh"), en=refusal.message("en"))

    async def read(self, work: Work) -> Rows:
        """Kinds, areas (the latest one of a code that was used again) and boundaries as they are now."""
        kinds = [_kind_row(kind) for kind in (await tree.kinds(work)).values()]
        latest = await _latest(work)
        codes = {area.id: area.code for area in latest.values()}
        areas = [_area_row(area, codes.get(area.parent_id) if area.parent_id else None) for area in latest.values()]
        boundaries = [
            BoundaryRow(code=area.code, synthetic=area.is_boundary_synthetic, geometry=area.boundary)
            for area in latest.values()
            if area.boundary is not None
        ]
        return {KINDS: kinds, AREAS: areas, BOUNDARIES: boundaries}

    async def write(self, work: Work, differences: Differences) -> None:
        """Make it so; refuses (`AreaStillInUse`, `AreaKindStillInUse`) what would leave something without its area."""
        kinds, areas, boundaries = differences[KINDS], differences[AREAS], differences[BOUNDARIES]
        if not (kinds or areas or boundaries):
            return
        work.authorise(service.CREATE, area_path="")
        work.authorise(service.RESTRUCTURE, area_path="")
        await tree.lock_tree(work)
        await _write_kinds(work, kinds)
        latest = await _latest(work)
        await _add(work, areas.added, latest)
        for old, new in areas.changed:
            await _change(work, old, new, latest)
        await _demand_empty(work, [latest[new.code] for old, new in areas.changed if new.valid_to != old.valid_to])
        # Children go before their parents.
        for row in sorted(areas.removed, key=lambda row: -latest[row.code].depth):
            await service.remove_area(work, latest[row.code])
        await _write_boundaries(work, boundaries, latest)
        async with refusing(work, {"fk_areas_tenant_id_kind": AreaKindStillInUse}):
            removed = [row.code for row in kinds.removed]
            await work.session.execute(delete(m.AreaKind).where(m.AreaKind.code.in_(removed)))
        work.emit(
            TreeWritten(
                subject_id=work.tenant_id,
                added=len(areas.added),
                changed=len(areas.changed),
                removed=len(areas.removed),
            )
        )


def _check_kind(entry: Entry[KindRow], problems: Problems) -> None:
    kind = entry.row
    if (kind.code_form is CodeForm.PATTERN) != (kind.code_pattern is not None):
        problems.add(
            entry,
            "code_pattern",
            zh="code_form 为 PATTERN 时须给出 code_pattern,否则不得给出",
            en="code_pattern is given exactly where code_form is PATTERN",
        )
    elif kind.code_pattern is not None and not is_pattern(kind.code_pattern):
        problems.add(
            entry,
            "code_pattern",
            zh=r"只能由字符、\d、[A-Z0-9]、?、{n}、{m,n} 组成,且最多三处长度可变",
            en=r"a pattern is made of characters, \d, [A-Z0-9], ?, {n} and {m,n}, at most three of variable length",
        )


def _check_area(entry: Entry[AreaRow], rows: dict[str, AreaRow], kinds: dict[str, KindRow], problems: Problems) -> None:
    row, kind = entry.row, kinds.get(entry.row.kind)
    if kind is None:
        known = ", ".join(kinds)
        problems.add(
            entry, "kind", zh=f"没有该区域类型;可用:{known}", en=f"there is no such kind of area; there are: {known}"
        )
        return
    if (row.longitude is None) != (row.latitude is None):
        problems.add(entry, "longitude", zh="经纬度须同时给出", en="longitude and latitude are given together")
    if row.valid_from and row.valid_to and row.valid_to < row.valid_from:
        problems.add(entry, "valid_to", zh="不能早于 valid_from", en="it is not before valid_from")
    parent = rows.get(row.parent) if row.parent is not None else None
    if row.parent is not None and parent is None:
        problems.add(entry, "parent", zh="areas.csv 中没有该代码", en="areas.csv has no such code")
        return
    above = kinds.get(parent.kind) if parent else None
    if above is not None and above.level >= kind.level:
        problems.add(
            entry,
            "parent",
            zh=f"类型 {kind.code}(第 {kind.level} 级)不能置于类型 {above.code}(第 {above.level} 级)之下",
            en=f"the kind {kind.code} (level {kind.level}) cannot lie in the kind {above.code} (level {above.level})",
        )
        return
    if parent and parent.valid_to and (row.valid_to is None or row.valid_to > parent.valid_to):
        problems.add(entry, "valid_to", zh="不能晚于上级的 valid_to", en="it is not after the parent's valid_to")
    try:
        check_code(row.code, kind.code, kind.code_form, kind.code_pattern, _lineage(row, rows, kinds))
    except Refusal as refusal:
        problems.add(entry, "code", zh=refusal.message("zh"), en=refusal.message("en"))


def _lineage(row: AreaRow, rows: dict[str, AreaRow], kinds: dict[str, KindRow]) -> Iterator[tuple[CodeForm, str]]:
    seen = {row.code}
    while row.parent is not None and row.parent in rows and row.parent not in seen:
        row = rows[row.parent]
        seen.add(row.code)
        if row.kind in kinds:
            yield kinds[row.kind].code_form, row.code


async def _latest(work: Work) -> dict[str, m.Area]:
    rows = await work.session.scalars(
        select(m.Area)
        .order_by(m.Area.valid_from.asc().nulls_first(), m.Area.id)
        .execution_options(populate_existing=True)
    )
    return {area.code: area for area in rows}


def _kind_row(kind: m.AreaKind) -> KindRow:
    return KindRow(
        code=kind.code,
        title=PackText(zh=kind.title_zh, en=kind.title_en),
        level=kind.level,
        grid_class=kind.grid_class,
        code_form=CodeForm(kind.code_form),
        code_pattern=kind.code_pattern,
    )


def _area_row(area: m.Area, parent: str | None) -> AreaRow:
    return AreaRow(
        code=area.code,
        name=area.name,
        kind=area.kind,
        parent=parent,
        valid_from=area.valid_from,
        valid_to=area.valid_until,
        longitude=area.centre_longitude,
        latitude=area.centre_latitude,
    )


async def _write_kinds(work: Work, kinds: Difference[KindRow]) -> None:
    for row in (*kinds.added, *(new for _, new in kinds.changed)):
        values = {
            "title_zh": row.title.zh,
            "title_en": row.title.en,
            "level": row.level,
            "grid_class": row.grid_class,
            "code_form": row.code_form.value,
            "code_pattern": row.code_pattern,
        }
        if row in kinds.added:
            work.session.add(m.AreaKind(code=row.code, **values))
        else:
            await work.session.execute(update(m.AreaKind).where(m.AreaKind.code == row.code).values(values))
    await work.session.flush()


async def _add(work: Work, added: tuple[AreaRow, ...], latest: dict[str, m.Area]) -> None:
    """Insert areas by the thousand, parents first: what `create_area` checks one by one, `check` has checked."""
    if not added:
        return
    await demand_room(work, "areas", m.Area, len(added))
    label = await tree.next_label(work)
    # Nothing lies in an area that is only now made: its first child needs no question.
    position: dict[UUID | None, int] = {}
    waiting, made = {row.code: row for row in sorted(added, key=lambda row: row.code)}, list[m.Area]()
    while waiting:
        ready = [row for row in waiting.values() if row.parent is None or row.parent in latest]
        if not ready:
            raise AreaStillInUse(name=next(iter(waiting)), counts="parent")
        for row in ready:
            parent = latest[row.parent] if row.parent is not None else None
            above = parent.id if parent else None
            if above not in position:
                position[above] = await tree.next_position(work, above)
            area = m.Area(
                tenant_id=work.tenant_id,
                id=new_id(),
                code=row.code,
                name=row.name,
                kind=row.kind,
                parent_id=above,
                label=label,
                path=(parent.path if parent else "") + tree.label_of(label) + ".",
                depth=parent.depth + 1 if parent else 0,
                position=position[above],
                valid_from=row.valid_from,
                valid_until=row.valid_to,
                centre_longitude=row.longitude,
                centre_latitude=row.latitude,
                is_boundary_synthetic=False,
                version=1,
                created_at=work.now(),
                changed_at=work.now(),
            )
            position[above] += 1
            position[area.id] = 1
            label += 1
            latest[row.code] = area
            made.append(area)
            del waiting[row.code]
    columns = [column.key for column in m.Area.__mapper__.column_attrs if column.key in m.Area.__table__.c]
    for start in range(0, len(made), _CHUNK):
        values = [{key: getattr(area, key) for key in columns} for area in made[start : start + _CHUNK]]
        await work.session.execute(insert(m.Area), values)
    latest.update(await _latest(work))


async def _change(work: Work, old: AreaRow, new: AreaRow, latest: dict[str, m.Area]) -> None:
    area = latest[new.code]
    if new.parent != old.parent:
        await restructure.transplant(work, area, latest[new.parent] if new.parent is not None else None)
    area.name, area.kind = new.name, new.kind
    area.valid_from, area.valid_until = new.valid_from, new.valid_to
    area.centre_longitude, area.centre_latitude = new.longitude, new.latitude
    area.version += 1
    area.changed_at = work.now()
    await work.session.flush()


async def _demand_empty(work: Work, closed: list[m.Area]) -> None:
    today = tree.civil_day(work.now())
    for area in closed:
        counts = {} if tree.is_open(area, today) else await tree.residing_counts(work, [area.path])
        if counts:
            stated = ", ".join(f"{thing} {count}" for thing, count in sorted(counts.items()))
            raise AreaStillInUse(name=area.name, counts=stated)


async def _write_boundaries(work: Work, boundaries: Difference[BoundaryRow], latest: dict[str, m.Area]) -> None:
    wanted = [*boundaries.added, *(new for _, new in boundaries.changed)]
    gone = [latest[row.code] for row in boundaries.removed if row.code in latest]
    touched = [*(latest[row.code].id for row in wanted), *(area.id for area in gone)]
    for start in range(0, len(touched), _CHUNK):
        chunk = touched[start : start + _CHUNK]
        await work.session.execute(delete(m.AreaRing).where(m.AreaRing.area_id.in_(chunk)))
    for area in gone:
        area.boundary, area.is_boundary_synthetic = None, False
        area.west = area.south = area.east = area.north = None
    rings: list[dict[str, Any]] = []
    for row in wanted:
        area, boundary = latest[row.code], read_boundary(row.geometry)
        area.boundary, area.is_boundary_synthetic = boundary.geometry, row.synthetic
        area.west, area.south, area.east, area.north = boundary.west, boundary.south, boundary.east, boundary.north
        rings += (
            {
                "tenant_id": work.tenant_id,
                "id": new_id(),
                "area_id": area.id,
                "is_hole": ring.is_hole,
                "ring": list(ring.positions),
            }
            for ring in boundary.rings
        )
    await work.session.flush()
    for start in range(0, len(rings), _CHUNK):
        await work.session.execute(insert(m.AreaRing), rings[start : start + _CHUNK])

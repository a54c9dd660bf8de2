"""Changes of the tree's shape: planned first, then applied with the plan's fingerprint.

A plan says what will be touched and what stands in the way. Applying makes the plan again under the tree's lock and
refuses (`AreaPlanStale`) where the fingerprint differs: nobody applies what they have not seen. The fingerprint covers
the shape of the tree that is touched, not the rows inside, which change all day long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, select, update

from cityloom.access.changes import begin_change
from cityloom.core.constraints import refusing
from cityloom.core.database import move_area_paths
from cityloom.core.events import AuditEntry
from cityloom.core.principal import subtree
from cityloom.modules.areas import events, service, tree
from cityloom.modules.areas import models as m
from cityloom.modules.areas.boundary import joined, read_boundary
from cityloom.modules.areas.codes import CodeForm, check_code
from cityloom.modules.areas.errors import AreaCodeMalformed, AreaCodeTaken
from cityloom.modules.areas.plans import Place, Plan
from cityloom.modules.areas.service import RESTRUCTURE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date
    from uuid import UUID

    from cityloom.core.work import Work

    #: Areas that move, and form and code of what they will lie in, nearest first.
    Moving = tuple[list[m.Area], list[tuple[CodeForm, str]]]
    #: New codes of areas whose old ones would not begin with the code above them any more.
    Codes = Mapping[UUID, str]

#: Sources of one merge, parts of one split.
MAXIMUM_PARTS = 50


@dataclass(frozen=True, slots=True)
class Part:
    """One area that a split makes; `takes_rest` for the one that gets everything that no part names."""

    code: str
    name: str
    kind: str | None = None
    boundary: dict[str, Any] | None = None
    child_ids: tuple[UUID | None, ...] = ()
    takes_rest: bool = False


async def plan_move(work: Work, area_id: UUID | None, parent_id: UUID | None, codes: Codes | None = None) -> Plan:
    """What moving an area into another parent touches.

    Refuses (`Forbidden`, `AreaNotFound`, `AreaClosed`).
    """
    return (await _plan_move(work, area_id, parent_id, codes or {}))[0]


async def apply_move(
    work: Work, area_id: UUID | None, parent_id: UUID | None, fingerprint: str, codes: Codes | None = None
) -> m.Area:
    """Move an area with everything in it; refuses what planning refuses, `AreaPlanStale` and `AreaPlanImpossible`."""
    plan, area, parent = await _plan_move(work, area_id, parent_id, codes or {})
    plan.demand(fingerprint)
    await begin_change(work)
    former = area.parent_id
    await transplant(work, area, parent)
    await _recode(work, codes or {})
    _record(work, "MOVED", area, area, former, tree.civil_day(work.now()))
    work.emit(events.AreaMoved(subject_id=area.id, area_path=area.path, former_parent_id=former, parent_id=parent.id))
    return area


async def plan_merge(
    work: Work,
    source_ids: Sequence[UUID | None],
    target_id: UUID | None,
    merged_on: date | None = None,
    codes: Codes | None = None,
) -> Plan:
    """What merging areas into a target of the same level touches.

    Refuses (`Forbidden`, `AreaNotFound`, `AreaClosed`, `AreaValidityWrong`).
    """
    return (await _plan_merge(work, source_ids, target_id, merged_on, codes or {}))[0]


async def apply_merge(
    work: Work,
    source_ids: Sequence[UUID | None],
    target_id: UUID | None,
    fingerprint: str,
    merged_on: date | None = None,
    codes: Codes | None = None,
) -> m.Area:
    """Put everything in the sources into the target and close them, with the target as their successor."""
    plan, sources, target = await _plan_merge(work, source_ids, target_id, merged_on, codes or {})
    plan.demand(fingerprint)
    await begin_change(work)
    today = tree.civil_day(work.now())
    boundaries = [a.boundary for a in (target, *sources)]
    for source in sources:
        for child in await _open_children(work, source, today):
            await transplant(work, child, target)
        await tree.repoint(work, source, target)
        await service.end_validity(work, source, merged_on or today)
        _record(work, "MERGED", source, target, source.parent_id, merged_on or today)
        work.emit(events.AreaMerged(subject_id=source.id, area_path=source.path, successor_id=target.id))
    await _recode(work, codes or {})
    known = [boundary for boundary in boundaries if boundary is not None]
    if len(known) == len(boundaries):
        synthetic = any(a.is_boundary_synthetic for a in (target, *sources))
        await service.set_boundary(work, target.id, joined(known), is_synthetic=synthetic)
    return target


async def plan_split(
    work: Work,
    area_id: UUID | None,
    parts: Sequence[Part],
    split_on: date | None = None,
    codes: Codes | None = None,
) -> Plan:
    """What splitting an area into new ones touches.

    Refuses (`Forbidden`, `AreaNotFound`, `AreaClosed`, `AreaValidityWrong`, and what creating the parts refuses).
    """
    return (await _plan_split(work, area_id, parts, split_on, codes or {}))[0]


async def apply_split(
    work: Work,
    area_id: UUID | None,
    parts: Sequence[Part],
    fingerprint: str,
    split_on: date | None = None,
    codes: Codes | None = None,
) -> list[m.Area]:
    """Make the parts, distribute what lies in the area, and close it with the parts as its successors."""
    plan, area, children = await _plan_split(work, area_id, parts, split_on, codes or {})
    plan.demand(fingerprint)
    await begin_change(work)
    day = split_on or tree.civil_day(work.now())
    await service.end_validity(work, area, day)
    made = []
    for part in parts:
        new = await service.create_area(
            work,
            code=part.code,
            name=part.name,
            kind=part.kind or area.kind,
            parent_id=area.parent_id,
            valid_from=day,
            boundary=part.boundary,
        )
        made.append(new)
        for child in _share(part, parts, children):
            await transplant(work, child, new)
        _record(work, "SPLIT", area, new, area.parent_id, day)
    await _recode(work, codes or {})
    await tree.repoint(work, area, next(new for new, part in zip(made, parts, strict=True) if part.takes_rest))
    work.emit(events.AreaSplit(subject_id=area.id, area_path=area.path, successor_ids=tuple(new.id for new in made)))
    return made


async def _plan_move(
    work: Work, area_id: UUID | None, parent_id: UUID | None, codes: Codes
) -> tuple[Plan, m.Area, m.Area]:
    await tree.lock_tree(work)
    area = await tree.area_of(work, area_id)
    parent = await tree.place_in(work, parent_id, ("parentId",))
    work.authorise(RESTRUCTURE, area_path=area.path)
    work.authorise(RESTRUCTURE, area_path=parent.path)
    today = tree.civil_day(work.now())
    tree.demand_open(area, today, ("id",))
    known, inside = await tree.kinds(work), await tree.subtree_of(work, area)
    plan = Plan("MOVE")
    if parent.id == area.parent_id:
        plan.problem("该区域已在此上级之下。", "The area lies there already.")
    elif parent.path.startswith(area.path):
        plan.problem("区域不能移入自身或其下级。", "An area cannot be moved into itself or into what lies in it.")
    elif known[parent.kind].level >= known[area.kind].level:
        plan.problem(
            f"类型 {area.kind} 不能置于类型 {parent.kind} 之下。",
            f"The kind {area.kind} cannot lie in the kind {parent.kind}.",
        )
    _check_depth(plan, inside, parent.depth + 1 - area.depth)
    lineage = await tree.lineage(work, parent, known)
    await _check_codes(work, plan, [(inside, lineage)], known, codes)
    plan.counts = {"areas": len(inside)}
    inner = {one.id: one for one in inside}

    def becomes(one: m.Area) -> Place:
        over = parent if one.id == area.id else inner[one.parent_id] if one.parent_id else None
        return codes.get(one.id, one.code), one.name, over.name if over else None

    above = {one.id: one for one in await tree.ancestors(work, area.path)}
    plan.tell(await tree.residing_by_path(work, [area.path]), inside, above, becomes)
    plan.seal([area.id, parent.id, codes], [*inside, parent])
    return plan, area, parent


async def _plan_merge(
    work: Work, source_ids: Sequence[UUID | None], target_id: UUID | None, merged_on: date | None, codes: Codes
) -> tuple[Plan, list[m.Area], m.Area]:
    await tree.lock_tree(work)
    target = await tree.area_of(work, target_id, ("targetId",))
    plan = Plan("MERGE")
    if not 0 < len(set(source_ids)) == len(source_ids) <= MAXIMUM_PARTS:
        plan.problem(
            f"须给出 1 至 {MAXIMUM_PARTS} 个互不相同的待合并区域。",
            f"Give 1 to {MAXIMUM_PARTS} different areas to merge.",
        )
    sources = [
        await tree.area_of(work, one, ("sourceIds", i)) for i, one in enumerate(list(source_ids)[:MAXIMUM_PARTS])
    ]
    today = tree.civil_day(work.now())
    for area in (target, *sources):
        work.authorise(RESTRUCTURE, area_path=area.path)
        tree.demand_open(area, today, ("targetId",) if area is target else ("sourceIds",))
    known = await tree.kinds(work)
    lineage = await tree.lineage(work, target, known)
    moving: list[Moving] = []
    touched: dict[UUID, m.Area] = {target.id: target}
    for source in sources:
        service.closing_day(source, merged_on, today, "mergedOn")
        inside = await tree.subtree_of(work, source)
        touched |= {a.id: a for a in inside}
        moving.append(([a for a in inside if a.id != source.id], lineage))
        if source.path.startswith(target.path) or target.path.startswith(source.path):
            plan.problem(
                f"{source.name}与目标区域互为上下级或相同。", f"{source.name} and the target lie in each other."
            )
        elif known[source.kind].level != known[target.kind].level:
            plan.problem(f"{source.name}与目标区域层级不同。", f"{source.name} is not of the target's level.")
        _check_depth(plan, inside, target.depth - source.depth)
    await _check_codes(work, plan, moving, known, codes)
    if any(a.boundary is None for a in (target, *sources)) and target.boundary is not None:
        plan.note("部分区域没有边界:目标边界保持不变。", "Not all have a boundary: the target keeps its own.")
    plan.counts = {"areas": len(touched)}
    ending = {one.id for one in sources}
    over = next(iter(await tree.ancestors(work, target.path)), None)

    def becomes(one: m.Area) -> Place:
        if one.id in ending:
            return target.code, target.name, over.name if over else None
        parent = target if one.parent_id in ending or one.parent_id is None else touched[one.parent_id]
        return codes.get(one.id, one.code), one.name, parent.name

    above = {one.id: one for source in sources for one in await tree.ancestors(work, source.path)}
    residing = await tree.residing_by_path(work, _outermost(sources))
    plan.tell(residing, [one for one in touched.values() if one.id != target.id], above, becomes)
    plan.seal([*(a.id for a in sources), target.id, merged_on, codes], touched.values())
    return plan, sources, target


async def _plan_split(
    work: Work, area_id: UUID | None, parts: Sequence[Part], split_on: date | None, codes: Codes
) -> tuple[Plan, m.Area, list[m.Area]]:
    await tree.lock_tree(work)
    area = await tree.area_of(work, area_id)
    above = await tree.ancestors(work, area.path)
    work.authorise(RESTRUCTURE, area_path=area.path)
    work.authorise(service.CREATE, area_path=above[0].path if above else "")
    today = tree.civil_day(work.now())
    tree.demand_open(area, today, ("id",))
    service.closing_day(area, split_on, today, "splitOn")
    plan, known = Plan("SPLIT"), await tree.kinds(work)
    if not 1 < len(parts) <= MAXIMUM_PARTS or sum(part.takes_rest for part in parts) != 1:
        plan.problem(
            f"须给出 2 至 {MAXIMUM_PARTS} 个部分,且恰有一个接收其余内容。",
            f"Give 2 to {MAXIMUM_PARTS} parts, exactly one of which takes the rest.",
        )
    lineage = await tree.lineage(work, above[0] if above else None, known)
    for i, part in enumerate(parts):
        await _check_part(work, part, area, known, lineage, split_on or today, i)
    if len({part.code for part in parts}) < len(parts):
        plan.problem("各部分的代码不能相同。", "The parts need different codes.")
    children = await _open_children(work, area, today)
    named = [child for part in parts for child in part.child_ids]
    if len(set(named)) < len(named) or not set(named) <= {child.id for child in children}:
        plan.problem(
            "下级区域只能分给一个部分,且须是被拆分区域的直接下级。",
            "A child goes to one part, and must lie directly in the area that is split.",
        )
    if any(part.kind and known[part.kind].level != known[area.kind].level for part in parts):
        plan.problem("各部分须与原区域同级。", "The parts must be of the area's level.")
    moving: list[Moving] = []
    for part in parts:
        form = CodeForm(known[part.kind or area.kind].code_form)
        over = [(form, part.code), *lineage]
        moving += [(await tree.subtree_of(work, child), over) for child in _share(part, parts, children)]
    await _check_codes(work, plan, moving, known, codes)
    plan.counts = {"areas": 1 + len(children)}
    inside = await tree.subtree_of(work, area)
    plan.tell(
        await tree.residing_by_path(work, [area.path]),
        inside,
        {one.id: one for one in above},
        _split_into(area, above[0] if above else None, parts, inside, codes),
    )
    if set(plan.counts) - {"areas"}:
        plan.note(
            "未随下级区域分配的数据和任职都归入接收其余内容的部分,之后可逐栋调整。",
            "What does not lie in a child, and every membership, goes to the part that takes the rest; "
            "buildings can be moved one by one afterwards.",
        )
    plan.seal([area.id, *parts, split_on, codes], [*above[:1], *inside])
    return plan, area, children


def _split_into(
    area: m.Area, over: m.Area | None, parts: Sequence[Part], inside: Sequence[m.Area], codes: Codes
) -> Callable[[m.Area], Place]:
    """Where what lies directly in an area goes: what no child takes along goes to the part that takes the rest."""
    by_id = {one.id: one for one in inside}
    rest = next((part for part in parts if part.takes_rest), None)

    def becomes(one: m.Area) -> Place:
        if one.id == area.id:
            return (rest.code, rest.name, over.name if over else None) if rest else (area.code, area.name, None)
        parent: m.Area | Part | None = by_id[one.parent_id] if one.parent_id else None
        if parent is area:
            parent = next((part for part in parts if one.id in part.child_ids), rest)
        return codes.get(one.id, one.code), one.name, parent.name if parent else None

    return becomes


async def _check_part(
    work: Work,
    part: Part,
    area: m.Area,
    known: dict[str, m.AreaKind],
    lineage: list[tuple[CodeForm, str]],
    day: date,
    i: int,
) -> None:
    kind = tree.kind_of(known, part.kind or area.kind, ("parts", i, "kind"))
    service.checked_name(part.name, ("parts", i, "name"))
    check_code(part.code, kind.code, CodeForm(kind.code_form), kind.code_pattern, lineage)
    if part.boundary is not None:
        read_boundary(part.boundary, ("parts", i, "boundary"))
    taken = await work.session.scalar(
        select(m.Area.id).where(
            m.Area.code == part.code, m.Area.id != area.id, m.Area.valid_until.is_(None) | (m.Area.valid_until > day)
        )
    )
    if taken is not None:
        raise AreaCodeTaken(path=("parts", i, "code"), area_code=part.code)


def _share(part: Part, parts: Sequence[Part], children: list[m.Area]) -> list[m.Area]:
    """The children that go to one part."""
    if not part.takes_rest:
        return [child for child in children if child.id in part.child_ids]
    elsewhere = {child for other in parts if other is not part for child in other.child_ids}
    return [child for child in children if child.id not in elsewhere]


def _outermost(areas: Iterable[m.Area]) -> list[str]:
    paths = sorted({a.path for a in areas})
    return [p for i, p in enumerate(paths) if not any(p.startswith(other) for other in paths[:i])]


def _check_depth(plan: Plan, inside: Iterable[m.Area], shift: int) -> None:
    if max(a.depth for a in inside) + shift > m.MAXIMUM_DEPTH:
        plan.problem(f"嵌套将超过 {m.MAXIMUM_DEPTH} 级。", f"It would nest deeper than {m.MAXIMUM_DEPTH} levels.")


async def _check_codes(
    work: Work, plan: Plan, moving: Iterable[Moving], known: dict[str, m.AreaKind], codes: Codes
) -> None:
    """Say which codes would not begin with the code above them, and which new codes are not possible."""
    today, foreign = tree.civil_day(work.now()), list[str]()
    reached: set[UUID] = set()
    for inside, lineage in moving:
        by_id = {a.id: a for a in inside}
        for one in inside:
            reached.add(one.id)
            chain, at = list[tuple[CodeForm, str]](), by_id.get(one.parent_id) if one.parent_id else None
            while at is not None:
                chain.append((CodeForm(known[at.kind].code_form), codes.get(at.id, at.code)))
                at = by_id.get(at.parent_id) if at.parent_id else None
            kind, code = known[one.kind], codes.get(one.id, one.code)
            try:
                check_code(code, kind.code, CodeForm(kind.code_form), kind.code_pattern, [*chain, *lineage])
            except AreaCodeMalformed:
                if tree.is_open(one, today):
                    foreign.append(code)
    if foreign:
        shown = ", ".join(foreign[:5]) + (" …" if len(foreign) > 5 else "")  # noqa: PLR2004 - enough to see which
        plan.problem(
            f"{len(foreign)} 个区域的代码与新的上级不符({shown}):请给出新代码。",
            f"The codes of {len(foreign)} areas do not fit the new place ({shown}): send new codes for them.",
        )
    if not set(codes) <= reached:
        plan.problem("只能为随之移动的区域给出新代码。", "New codes are only for areas that move along.")


async def _recode(work: Work, codes: Codes) -> None:
    """Give areas the new codes of a plan; refuses (`AreaCodeTaken`)."""
    if not codes:
        return
    rows = await work.session.scalars(select(m.Area).where(m.Area.id.in_(codes)).order_by(m.Area.path))
    for area in rows:
        former, wanted = area.code, codes[area.id]
        if former == wanted:
            continue
        async with refusing(work, service.refusals(wanted)):
            area.code = wanted
            area.version += 1
        _record(work, "RECODED", area, area, area.parent_id, tree.civil_day(work.now()), former_code=former)


async def _open_children(work: Work, area: m.Area, day: date) -> list[m.Area]:
    rows = await work.session.scalars(
        select(m.Area)
        .where(m.Area.parent_id == area.id, m.Area.valid_until.is_(None) | (m.Area.valid_until > day))
        .order_by(m.Area.position, m.Area.id)
        .execution_options(populate_existing=True)
    )
    return list(rows)


async def transplant(work: Work, area: m.Area, parent: m.Area | None) -> None:
    """Hang an area with all below it under another parent, rows of every slice included."""
    old, shift = area.path, (parent.depth + 1 if parent else 0) - area.depth
    new = (parent.path if parent else "") + tree.label_of(area.label) + "."
    position = await tree.next_position(work, parent.id if parent else None)
    await work.session.flush()
    low, high = subtree(old)
    itself = m.Area.id == area.id
    await work.session.execute(
        update(m.Area)
        .where(m.Area.path >= low, m.Area.path < high)
        .values(
            depth=m.Area.depth + shift,
            parent_id=case((itself, parent.id if parent else None), else_=m.Area.parent_id),
            position=case((itself, position), else_=m.Area.position),
            version=m.Area.version + 1,
            changed_at=work.now(),
        )
        .execution_options(synchronize_session=False)
    )
    await move_area_paths(work.session, old, new)
    await work.session.scalars(
        select(m.Area)
        .where(m.Area.path >= new, m.Area.path < subtree(new)[1])
        .execution_options(populate_existing=True)
    )


def _record(
    work: Work,
    kind: str,
    area: m.Area,
    successor: m.Area,
    former: UUID | None,
    day: date,
    *,
    former_code: str | None = None,
) -> None:
    work.session.add(
        m.AreaChange(
            kind=kind,
            area_id=area.id,
            successor_id=successor.id,
            former_parent_id=former,
            former_code=former_code,
            happened_on=day,
            recorded_at=work.now(),
            recorded_by=work.principal.account_id,
        )
    )
    work.audit(
        AuditEntry(
            action=RESTRUCTURE,
            object_tag="area",
            object_id=area.id,
            after={
                "kind": kind,
                "successor_id": str(successor.id),
                "former_parent_id": str(former) if former else None,
            },
        )
    )

"""What departments ask communities to fill in, and what of it nobody has to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from cityloom.access.models import Department
from cityloom.core.clock import CIVIL_TIME
from cityloom.core.errors import Forbidden
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.exports.titles import title
from cityloom.graph.wholes import Wholes
from cityloom.reports import events
from cityloom.reports import models as m
from cityloom.reports.burden import Burden, Form, counted, months
from cityloom.reports.composing import compose, ticks
from cityloom.reports.errors import (
    CodeMalformed,
    FieldNotProposed,
    FieldUnknown,
    NothingAsked,
    NumberWrong,
    RequestSettled,
    RootUnknown,
    WhollyDerivable,
    absent,
)
from cityloom.reports.matching import Known, Match, match, normal
from cityloom.reports.permissions import CONFIRM, FIELDS, FILE, REQUEST_READ
from cityloom.reports.service.stored import text
from cityloom.reports.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from uuid import UUID

    from cityloom.core.work import Work

TAG = "rreq"
MOST_FIELDS: Final = 100
_MOST_MINUTES, _MOST_UNITS = 10_000, 100_000
#: The list whose rows are the communities: what can be derived of each is in the catalogue without being stated.
_UNITS: Final = "areas"
_OPEN: Final = ("PROPOSED", "ASKED")


@dataclass(frozen=True, slots=True)
class AskedField:
    """One field that a department wants: what it is called, and how long it takes to find out, in minutes."""

    name: str
    minutes: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What a department wants to have filled in by so many units in a rhythm.

    `on_derivable` says what becomes of a request that the platform can answer wholly: GENERATE or ASK, then with a
    reason; None refuses it.
    """

    title: str
    frequency: str
    units: int
    fields: Sequence[AskedField]
    on_derivable: str | None = None
    override_reason: str | None = None


@dataclass(slots=True)
class _Found:
    """What is known of one asked field."""

    asked: AskedField
    match: Match | None
    elsewhere: UUID | None = field(default=None)


async def file_request(work: Work, department_id: UUID | None, asked: Asked) -> m.ReportRequest:
    """File a request; each field is held against what the platform can derive, and what is asked for already.

    Refuses (`Forbidden`, `NotFound`, `TextMissing`, `NumberWrong`, `NothingAsked`, `WhollyDerivable`).
    """
    scope = work.authorise(FILE)
    filer = work.principal.account_id
    if filer is None or not (scope.everywhere or department_id in scope.departments):
        raise Forbidden(permission=FILE)
    if await work.session.scalar(select(Department.id).where(Department.id == department_id)) is None:
        raise absent(("department_id",), "department", "部门")
    _check(asked)
    found = [await _known_of(work, one) for one in asked.fields]
    is_derivable = all(one.match is not None and one.match.is_certain for one in found)
    if is_derivable and asked.on_derivable is None:
        raise WhollyDerivable(path=("on_derivable",), fields=", ".join(one.name for one in asked.fields))
    reason = None
    if is_derivable and asked.on_derivable == "ASK":
        reason = text(asked.override_reason or "", "override_reason", least=4, most=500)
    request = m.ReportRequest(
        id=new_id(int(work.now().timestamp() * 1000)),
        title=text(asked.title, "title"),
        department_id=department_id,
        filer_id=filer,
        frequency=asked.frequency,
        units=asked.units,
        state="PROPOSED",
        override_reason=reason,
        filed_at=work.now(),
    )
    work.session.add(request)
    await work.session.flush()
    rows = [_row(request.id, at, one) for at, one in enumerate(found)]
    work.session.add_all(rows)
    if is_derivable:
        for row in rows:
            row.decision = "REJECTED" if reason is not None else "CONFIRMED"
    await work.session.flush()
    if is_derivable or not any(one.match or one.elsewhere for one in found):
        await _settle(work, request, rows)
    proposed = sum(row.match != "NONE" for row in rows)
    work.emit(
        events.RequestFiled(
            subject_id=request.id,
            department_id=request.department_id,
            state=request.state,
            field_count=len(rows),
            proposed=proposed,
            is_overridden=reason is not None,
        )
    )
    after = {"state": request.state, "fields": len(rows), "proposed": proposed, "overridden": reason is not None}
    work.audit(AuditEntry(action=FILE, object_tag=TAG, object_id=request.id, purpose=reason, after=after))
    return request


def _check(asked: Asked) -> None:
    names = [normal(one.name) for one in asked.fields]
    if not 1 <= len(names) <= MOST_FIELDS or len(set(names)) < len(names):
        raise NothingAsked(path=("fields",), limit=MOST_FIELDS)
    if not 1 <= asked.units <= _MOST_UNITS:
        raise NumberWrong(path=("units",), least=1, most=_MOST_UNITS)
    for at, one in enumerate(asked.fields):
        text(one.name, "fields", most=100)
        if not 0 <= one.minutes <= _MOST_MINUTES:
            raise NumberWrong(path=("fields", at, "minutes"), least=0, most=_MOST_MINUTES)


async def _known_of(work: Work, asked: AskedField) -> _Found:
    settings = await settings_of(work)
    found = match(asked.name, await catalogue(work), percent=settings.match_percent)
    if found is not None and found.is_certain:
        return _Found(asked, found)
    other = await work.session.scalar(
        select(m.ReportRequestField.id)
        .join(
            m.ReportRequest,
            (m.ReportRequest.id == m.ReportRequestField.request_id) & m.ReportRequest.state.in_(_OPEN),
        )
        .where(m.ReportRequestField.normal == normal(asked.name), m.ReportRequestField.decision != "CONFIRMED")
        .order_by(m.ReportRequestField.id)
        .limit(1)
    )
    return _Found(asked, None, other) if other is not None else _Found(asked, found)


async def catalogue(work: Work) -> list[Known]:
    """What can be derived: the city's own fields first, then what is known of each area."""
    own = (await work.session.scalars(select(m.ReportField).order_by(m.ReportField.code))).all()
    found = [
        Known(one.root, one.path, frozenset(map(normal, (one.code, one.title_zh, one.title_en, *one.synonyms))))
        for one in own
    ]
    wholes: Wholes = work.services[Wholes]
    schema = (await wholes.contract(work.principal)).graphql
    try:
        known = ticks(schema, work.rights, _UNITS)
    except RootUnknown:
        return found
    for tick in known:
        if tick.kind in {"VALUE", "COUNT"} and tick.type in {"Int", "BigInt", "Float", "String"}:
            names = frozenset(normal(title(tick.fields, locale)) for locale in ("zh", "en"))
            found.append(Known(_UNITS, tick.path, names))
    return found


def _row(request_id: UUID, at: int, one: _Found) -> m.ReportRequestField:
    match_ = "DERIVABLE" if one.match else "ASKED_ELSEWHERE" if one.elsewhere else "NONE"
    return m.ReportRequestField(
        id=new_id(),
        request_id=request_id,
        position=at + 1,
        name=one.asked.name.strip(),
        normal=normal(one.asked.name),
        minutes=one.asked.minutes,
        match=match_,
        is_certain=one.match is not None and one.match.is_certain,
        root=one.match.known.root if one.match else None,
        path=one.match.known.path if one.match else None,
        elsewhere_id=one.elsewhere,
        decision="OPEN",
    )


async def decide_request(
    work: Work, request_id: UUID | None, *, confirmed: Sequence[int], rejected: Sequence[int]
) -> m.ReportRequest:
    """Say of which fields, by their positions, the proposal is right: those are not asked for.

    What can be derived becomes a report. Refuses (`Forbidden`, `NotFound`, `RequestSettled`, `FieldNotProposed`).
    """
    work.authorise(CONFIRM)
    request = await _locked(work, request_id)
    rows = (
        await work.session.scalars(
            select(m.ReportRequestField)
            .where(m.ReportRequestField.request_id == request.id)
            .order_by(m.ReportRequestField.position)
        )
    ).all()
    by_position = {row.position: row for row in rows}
    for decision, positions in (("CONFIRMED", confirmed), ("REJECTED", rejected)):
        for position in positions:
            row = by_position.get(position)
            if row is None or row.match == "NONE":
                raise FieldNotProposed(path=("confirmed",), position=position)
            row.decision = decision
    before = {"state": request.state}
    await _settle(work, request, rows)
    spared = sum(row.decision == "CONFIRMED" for row in rows)
    work.emit(
        events.RequestDecided(
            subject_id=request.id,
            department_id=request.department_id,
            state=request.state,
            asked=len(rows) - spared,
            spared=spared,
        )
    )
    after = {"state": request.state, "spared": spared}
    work.audit(AuditEntry(action=CONFIRM, object_tag=TAG, object_id=request.id, before=before, after=after))
    return request


async def _settle(work: Work, request: m.ReportRequest, rows: Sequence[m.ReportRequestField]) -> None:
    """The state that decisions lead to; what can be derived is put together as a report, if it is not there yet."""
    request.state = "GENERATED" if all(row.decision == "CONFIRMED" for row in rows) else "ASKED"
    request.settled_at = work.now()
    derived = [row for row in rows if row.decision == "CONFIRMED" and row.match == "DERIVABLE"]
    if derived:
        report = await _generated(work, request, derived)
        request.report_id = report.id
    await work.session.flush()


async def _generated(work: Work, request: m.ReportRequest, derived: Sequence[m.ReportRequestField]) -> m.Report:
    """The report that answers in place of people: of the list in which most of the fields are."""
    root = Counter(row.root for row in derived).most_common(1)[0][0] or _UNITS
    wholes: Wholes = work.services[Wholes]
    schema = (await wholes.contract(work.principal)).graphql
    head = ["code", "name"] if root == _UNITS else []
    paths = [*head, *(row.path for row in derived if row.root == root and row.path)]
    document = compose(schema, work.rights, root, paths)
    report = None
    if request.report_id is not None:
        report = await work.session.scalar(select(m.Report).where(m.Report.id == request.report_id).with_for_update())
    if report is None:
        report = m.Report(
            id=new_id(), code=f"request-{request.id.hex}"[:40], is_from_pack=False, document="", changed_at=work.now()
        )
        work.session.add(report)
        work.emit(events.ReportCreated(subject_id=report.id, code=report.code))
    parameter = {"name": "where", "title_zh": "筛选", "title_en": "Filter"}
    report.title_zh = report.title_en = request.title
    report.document, report.parameters, report.changed_at = document, [parameter], work.now()
    await work.session.flush()
    return report


async def withdraw_request(work: Work, request_id: UUID | None) -> m.ReportRequest:
    """Ask for something no longer; who relied on it asks again. Refuses (`Forbidden`, `NotFound`, `RequestSettled`)."""
    scope = work.authorise(FILE)
    request = await _locked(work, request_id, also=("GENERATED",))
    if not (scope.everywhere or request.department_id in scope.departments):
        raise Forbidden(permission=FILE)
    before = {"state": request.state}
    request.state, request.withdrawn_at = "WITHDRAWN", work.now()
    await _ask_again(work, request)
    work.emit(events.RequestWithdrawn(subject_id=request.id, department_id=request.department_id))
    entry = AuditEntry(
        action="reports.request.withdraw",
        object_tag=TAG,
        object_id=request.id,
        before=before,
        after={"state": request.state},
    )
    work.audit(entry)
    return request


async def _ask_again(work: Work, gone: m.ReportRequest) -> None:
    """What other requests did not ask for because this one did, they ask for now."""
    own = select(m.ReportRequestField.id).where(m.ReportRequestField.request_id == gone.id)
    rows = (
        await work.session.scalars(
            select(m.ReportRequestField)
            .where(m.ReportRequestField.elsewhere_id.in_(own), m.ReportRequestField.decision == "CONFIRMED")
            .with_for_update()
        )
    ).all()
    for row in rows:
        row.decision = "OPEN"
        other = await work.session.get_one(m.ReportRequest, (work.tenant_id, row.request_id))
        if other.state == "GENERATED":
            other.state = "ASKED"
    await work.session.flush()


async def _locked(work: Work, request_id: UUID | None, *, also: tuple[str, ...] = ()) -> m.ReportRequest:
    request = await work.session.scalar(
        select(m.ReportRequest).where(m.ReportRequest.id == request_id).with_for_update()
    )
    if request is None:
        raise absent(thing="report request", thing_zh="填表要求")
    if request.state not in {*_OPEN, *also}:
        raise RequestSettled(state=request.state)
    return request


async def define_field(
    work: Work, code: str, *, title_zh: str, title_en: str, root: str, path: str, synonyms: Sequence[str]
) -> m.ReportField:
    """State a field that can be derived, or its names anew.

    Refuses (`Forbidden`, `CodeMalformed`, `TextMissing`, `RootUnknown`, `FieldUnknown`).
    """
    work.authorise(FIELDS)
    if not code or normal(code) == "" or not code[0].islower() or len(code) > 60:  # noqa: PLR2004 - the column's check
        raise CodeMalformed(path=("code",), code=code[:60])
    wholes: Wholes = work.services[Wholes]
    schema = (await wholes.contract(work.principal)).graphql
    if path not in {tick.path for tick in ticks(schema, work.rights, root)}:
        raise FieldUnknown(path=("path",), root=root, field=path)
    row = await work.session.scalar(select(m.ReportField).where(m.ReportField.code == code).with_for_update())
    before = None if row is None else {"path": row.path, "synonyms": row.synonyms}
    if row is None:
        row = m.ReportField(id=new_id(), code=code)
        work.session.add(row)
    row.title_zh, row.title_en = text(title_zh, "title_zh"), text(title_en, "title_en")
    row.root, row.path, row.is_from_pack = root, path, False
    row.synonyms = [text(one, "synonyms", most=100) for one in synonyms]
    await work.session.flush()
    work.emit(events.FieldDefined(subject_id=row.id, code=code, root=root, path=path))
    after = {"path": row.path, "synonyms": row.synonyms}
    work.audit(AuditEntry(action=FIELDS, object_tag="rfld", object_id=row.id, before=before, after=after))
    return row


async def burden(work: Work, first: date, last: date) -> dict[tuple[UUID, date], Burden]:
    """The burden by department and month. Refuses (`Forbidden`, `MonthWrong`)."""
    work.authorise(REQUEST_READ)
    wanted = list(months(first, last))
    requests = (await work.session.scalars(select(m.ReportRequest))).all()
    minutes: Counter[UUID] = Counter()
    asked: Counter[UUID] = Counter()
    remaining: Counter[UUID] = Counter()
    for request_id, spent, decision in await work.session.execute(
        select(m.ReportRequestField.request_id, m.ReportRequestField.minutes, m.ReportRequestField.decision)
    ):
        minutes[request_id] += spent
        if decision != "CONFIRMED":
            asked[request_id] += spent
            remaining[request_id] += 1
    forms = [
        Form(
            one.department_id,
            one.frequency,
            one.units,
            _month(one.filed_at),
            None if one.withdrawn_at is None else _month(one.withdrawn_at),
            minutes[one.id],
            asked[one.id],
            remaining[one.id] > 0,
        )
        for one in requests
    ]
    return counted(forms, wanted)


def _month(moment: datetime) -> date:
    return moment.astimezone(CIVIL_TIME).date().replace(day=1)

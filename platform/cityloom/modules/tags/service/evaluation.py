"""Holding residents against a rule: one statement finds who is due, ends what is not and assigns what is missing.

It touches the whole city, or the households and residents whose data has changed. Every value is a parameter; the
tenant is named on every table, because nothing is added to statements that the driver sends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from cityloom.core.ids import NEW_ID_SQL
from cityloom.core.prepared import Prepared
from cityloom.core.principal import EVERYWHERE
from cityloom.modules.areas.models import Area
from cityloom.modules.areas.tree import civil_day
from cityloom.modules.registry.models import Dwelling, Household, Resident
from cityloom.modules.tags import models as m
from cityloom.modules.tags import rules
from cityloom.privacy.models import Consent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Executable, SQLColumnExpression

    from cityloom.core.work import Work


def _given(name: str, type_: Any) -> sa.BindParameter[Any]:  # noqa: ANN401 - a type of SQLAlchemy
    """A parameter that is given when the statement is sent."""
    return sa.bindparam(name, type_=type_, required=False)


_TENANT = _given("tenant", sa.Uuid())
_TAG = _given("tag", sa.Uuid())
_NOW = _given("now", sa.DateTime(timezone=True))
_TODAY = _given("today", sa.Date())
_YEAR = _given("year", sa.Integer())
_CODE = _given("code", sa.Text())
_SENSITIVITY = _given("sensitivity", sa.Text())
_PURPOSE = _given("purpose", sa.Uuid())
_HOUSEHOLDS = _given("households", sa.ARRAY(sa.Uuid()))
_LOW, _HIGH = _given("low", sa.Text()), _given("high", sa.Text())
_RESIDENTS = _given("residents", sa.ARRAY(sa.Uuid()))
_NO_TAG: Final = UUID(int=0)


#: Some ten thousand residents: a grid has a few hundred.
_AREAS_OF_SLICE = 32


@dataclass(frozen=True, slots=True)
class Touched:
    """Whose data has changed: households with everybody in them, and single residents, who may have left."""

    households: frozenset[UUID] = frozenset()
    residents: frozenset[UUID] = frozenset()

    def __bool__(self) -> bool:
        """Whether there is anybody."""
        return bool(self.households or self.residents)

    @property
    def arguments(self) -> dict[str, Any]:
        """As parameters."""
        return {"households": list(self.households), "residents": list(self.residents)}


@dataclass(frozen=True, slots=True)
class Change:
    """An assignment that a rule began or ended."""

    id: UUID
    resident_id: UUID
    area_path: str
    is_assigned: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How many would begin, end and stay as they are, whoever assigned them."""

    assigned: int
    withdrawn: int
    kept: int


async def apply_rule(
    work: Work, tag: m.Tag, condition: rules.Condition, tag_ids: Mapping[str, UUID], touched: Touched
) -> list[Change]:
    """Make the tags of the touched what the rule says; what a person or an import assigned is left alone."""
    statement = _differing(condition, needs_consent=tag.needs_consent, is_whole=False)
    rows = await statement.rows(work, **_arguments(work, tag, condition, tag_ids), **touched.arguments)
    return [Change(row["id"], row["resident_id"], row["area_path"], row["is_assigned"]) for row in rows]


async def apply_rule_to_all(
    work: Work, tag: m.Tag, condition: rules.Condition, tag_ids: Mapping[str, UUID], slices: Sequence[tuple[str, str]]
) -> tuple[int, int]:
    """The same for everybody, slice by slice of the city; answers how many tags were assigned and withdrawn.

    A statement over a whole city would be planned by statistics that know nothing of what the one before has written,
    and one over ten million residents would be stopped: a slice is some ten thousand, whatever the city.
    """
    statement = _differing(condition, needs_consent=tag.needs_consent, is_whole=True)
    arguments = _arguments(work, tag, condition, tag_ids)
    assigned = withdrawn = 0
    for low, high in slices:
        row = await statement.row(work, **arguments, low=low, high=high)
        assigned, withdrawn = assigned + row["assigned"], withdrawn + row["withdrawn"]
    return assigned, withdrawn


async def slices_of(work: Work) -> list[tuple[str, str]]:
    """Ranges of paths that together are the whole city, each of so many areas."""
    found = (await work.session.scalars(sa.select(Area.path).order_by(Area.path))).all()
    ends = ["", *found[_AREAS_OF_SLICE::_AREAS_OF_SLICE], EVERYWHERE[1]]
    return list(pairwise(ends))


async def count_rule(work: Work, tag: m.Tag, condition: rules.Condition, tag_ids: Mapping[str, UUID]) -> Counts:
    """What applying the rule to everybody would come to, without doing it."""
    statement = Prepared(lambda: _count(condition, needs_consent=tag.needs_consent))
    low, high = EVERYWHERE
    row = await statement.row(work, **_arguments(work, tag, condition, tag_ids), low=low, high=high)
    return Counts(int(row["assigned"]), int(row["withdrawn"]), int(row["kept"]))


def _arguments(work: Work, tag: m.Tag, condition: rules.Condition, tag_ids: Mapping[str, UUID]) -> dict[str, Any]:
    today = civil_day(work.now())
    return {
        "tag": tag.id,
        "code": tag.code,
        "sensitivity": tag.sensitivity,
        "purpose": tag.purpose_id,
        "now": work.now(),
        "today": today,
        "year": today.year,
        # A tag that the catalogue does not have is one that nobody has.
        **{f"tag_{code}": tag_ids.get(code, _NO_TAG) for code in rules.codes_in(condition)},
    }


@lru_cache(maxsize=1_024)
def _differing(condition: rules.Condition, *, needs_consent: bool, is_whole: bool) -> Prepared:
    """Made once for all cities with the same condition: putting a statement together takes longer than a small one."""
    return Prepared(lambda: _difference(condition, needs_consent=needs_consent, is_whole=is_whole))


def _difference(condition: rules.Condition, *, needs_consent: bool, is_whole: bool) -> Executable:
    due = _due(condition, needs_consent=needs_consent, is_whole=is_whole)
    gone = [
        m.ResidentTag.tenant_id == _TENANT,
        m.ResidentTag.tag_id == _TAG,
        m.ResidentTag.source == "RULE",
        m.ResidentTag.ended_at.is_(None),
        m.ResidentTag.resident_id.not_in(sa.select(due.c.id)),
    ]
    if is_whole:
        gone.append(_is_inside(m.ResidentTag.area_path))
    else:
        person = aliased(Resident)
        gone.append(
            m.ResidentTag.resident_id.in_(sa.select(person.id).where(person.tenant_id == _TENANT, _is_touched(person)))
        )
    told = (m.ResidentTag.id, m.ResidentTag.resident_id, m.ResidentTag.area_path)
    withdrawn = (
        sa.update(m.ResidentTag).where(*gone).values(ended_at=_NOW, ending="RULE").returning(*told).cte("withdrawn")
    )
    missing = sa.select(
        _TENANT,
        sa.literal_column(NEW_ID_SQL, sa.Uuid()),
        _TAG,
        _CODE,
        due.c.id,
        _SENSITIVITY,
        sa.literal("RULE"),
        _TODAY,
        sa.true() if needs_consent else sa.false(),
        _NOW,
        due.c.area_id,
        due.c.area_path,
    ).where(~_has(due.c.id, _TAG, is_whole=is_whole))
    columns = [
        "tenant_id",
        "id",
        "tag_id",
        "code",
        "resident_id",
        "sensitivity",
        "source",
        "valid_from",
        "has_consent",
        "assigned_at",
        "area_id",
        "area_path",
    ]
    assigned = (
        insert(m.ResidentTag)
        .from_select(columns, missing, include_defaults=False)
        # A person may be assigning the same tag at this moment: theirs stays.
        .on_conflict_do_nothing(
            index_elements=["tenant_id", "resident_id", "tag_id"], index_where=m.ResidentTag.ended_at.is_(None)
        )
        .returning(*told)
        .cte("assigned")
    )
    if is_whole:
        counts = [
            sa.select(sa.func.count()).select_from(cte).scalar_subquery().label(cte.name)
            for cte in (assigned, withdrawn)
        ]
        return sa.select(*counts)
    return sa.union_all(
        sa.select(*withdrawn.c, sa.false().label("is_assigned")), sa.select(*assigned.c, sa.true().label("is_assigned"))
    )


def _count(condition: rules.Condition, *, needs_consent: bool) -> Executable:
    due = _due(condition, needs_consent=needs_consent, is_whole=True)
    row = aliased(m.ResidentTag)
    current = (
        sa.select(row.resident_id, row.source)
        .where(row.tenant_id == _TENANT, row.tag_id == _TAG, row.ended_at.is_(None))
        .cte("current")
    )
    is_due = sa.exists().where(due.c.id == current.c.resident_id)
    has = sa.exists().where(current.c.resident_id == due.c.id)
    stays = is_due | (current.c.source != "RULE")
    return sa.select(
        sa.select(sa.func.count()).select_from(due).where(~has).scalar_subquery().label("assigned"),
        sa.select(sa.func.count()).select_from(current).where(~stays).scalar_subquery().label("withdrawn"),
        sa.select(sa.func.count()).select_from(current).where(stays).scalar_subquery().label("kept"),
    )


def _due(condition: rules.Condition, *, needs_consent: bool, is_whole: bool) -> sa.CTE:
    """Who lives here and fulfils the condition, and consents where the tag needs it."""
    person = aliased(Resident)
    where = [
        person.tenant_id == _TENANT,
        person.status == "LIVING",
        _holds(condition, person, is_whole=is_whole),
    ]
    if needs_consent:
        where.append(_consents(person))
    where.append(_is_inside(person.area_path) if is_whole else _is_touched(person))
    return sa.select(person.id, person.area_id, person.area_path).where(*where).cte("due")


def _consents(person: type[Resident]) -> ColumnElement[bool]:
    """Whether the newest entry of the ledger on the tag's purpose says so."""
    entry, later = aliased(Consent), aliased(Consent)

    def theirs(row: type[Consent]) -> list[ColumnElement[bool]]:
        of = [row.tenant_id == _TENANT, row.subject_tag == Resident.__person__.tag]
        return [*of, row.subject_id == person.id, row.purpose_id == _PURPOSE]

    return _some(*theirs(entry), entry.is_given.is_(True), sa.not_(_some(*theirs(later), later.id > entry.id)))


def _is_inside(path: SQLColumnExpression[str]) -> ColumnElement[bool]:
    return sa.and_(path >= _LOW, path < _HIGH)


def _is_touched(person: type[Resident]) -> ColumnElement[bool]:
    return sa.or_(person.household_id == sa.func.any(_HOUSEHOLDS), person.id == sa.func.any(_RESIDENTS))


def _holds(condition: rules.Condition, person: type[Resident], *, is_whole: bool) -> ColumnElement[bool]:
    """Whether a person fulfils a condition: true or false, never null."""
    match condition:
        case rules.Everything(parts):
            return sa.and_(*(_holds(part, person, is_whole=is_whole) for part in parts))
        case rules.Something(parts):
            return sa.or_(*(_holds(part, person, is_whole=is_whole) for part in parts))
        case rules.Otherwise(part):
            return sa.not_(_holds(part, person, is_whole=is_whole))
        case rules.Number("age", least, most):
            return _age(person, least, most)
        case rules.Number(_, least, most):
            return _household_size(person, least, most)
        case rules.Word(fact, words):
            return _word(fact, words, person)
        case rules.HasTag(codes):
            return _has(person.id, *(_given(f"tag_{code}", sa.Uuid()) for code in codes), is_whole=is_whole)
        case rules.Cohabitants(which, part):
            other = aliased(Resident)
            held = _holds(part, other, is_whole=is_whole)
            found = _some(_lives_with(person, other), sa.not_(held) if which == "every" else held)
            return found if which == "some" else sa.not_(found)


def _age(person: type[Resident], least: int | None, most: int | None) -> ColumnElement[bool]:
    # Whoever has no year of birth has no age; the year is compared, not the age, so that an index can be used.
    bounds: list[ColumnElement[bool]] = [person.birth_year.is_not(None)]
    if least is not None:
        bounds.append(person.birth_year <= _YEAR - least)
    if most is not None:
        bounds.append(person.birth_year >= _YEAR - most)
    return sa.and_(*bounds)


def _household_size(person: type[Resident], least: int | None, most: int | None) -> ColumnElement[bool]:
    other = aliased(Resident)
    if least is None and most == 1:
        return sa.not_(_some(_lives_with(person, other)))
    count = sa.select(sa.func.count()).select_from(other).where(_lives_with(person, other)).scalar_subquery()
    bounds: list[ColumnElement[bool]] = [sa.true()]
    if least is not None:
        bounds.append(count >= least - 1)
    if most is not None:
        bounds.append(count <= most - 1)
    return sa.and_(*bounds)


def _lives_with(person: type[Resident], other: type[Resident]) -> ColumnElement[bool]:
    return sa.and_(
        other.tenant_id == _TENANT,
        other.household_id == person.household_id,
        other.id != person.id,
        other.status == "LIVING",
    )


def _word(fact: str, words: Sequence[str], person: type[Resident]) -> ColumnElement[bool]:
    household, dwelling = aliased(Household), aliased(Dwelling)
    mine = [household.tenant_id == _TENANT, household.id == person.household_id]
    match fact:
        case "household_kind":
            return _some(*mine, household.kind.in_(words))
        case "dwelling_use":
            return _some(
                *mine,
                dwelling.tenant_id == _TENANT,
                dwelling.id == household.dwelling_id,
                dwelling.use.in_(words),
            )
    column: ColumnElement[str] = getattr(person, fact)
    return column.in_(words)


def _some(*where: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether there is such a row, looked up by its index for each row around: OFFSET keeps it from becoming a join.

    By statistics of a table that has just been filled, joins with it took minutes where this takes a second.
    """
    return sa.select(sa.literal_column("1")).where(*where).offset(sa.literal_column("0")).exists()


def _has(resident_id: SQLColumnExpression[UUID], *tags: ColumnElement[UUID], is_whole: bool) -> ColumnElement[bool]:
    """Whether a resident has one of these tags now.

    For a table that is being filled for the first time all indexes look alike to the planner. So nothing depends on
    which one it takes: of a slice, all who have the tags are read once (`IS TRUE` keeps that from becoming a join), and
    of the few who are touched, the few tags that each has.
    """
    row = aliased(m.ResidentTag)
    current = [row.tenant_id == _TENANT, row.ended_at.is_(None)]
    if is_whole:
        holders = sa.select(row.resident_id).where(*current, row.tag_id.in_(tags), _is_inside(row.area_path))
        return resident_id.in_(holders).is_(sa.true())
    theirs = sa.select(row.tag_id).where(*current, row.resident_id == resident_id)
    held = sa.func.any(sa.func.array(theirs.scalar_subquery()))
    return sa.or_(sa.false(), *(tag == held for tag in tags))

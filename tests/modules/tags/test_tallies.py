"""Tallies of tags are the count of the rows, whoever writes at once; they answer what the rows would."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from cityloom.core.database import asyncpg_arguments
from cityloom.core.principal import Scope, subtree
from cityloom.core.tallies import keeping
from cityloom.graph.tallies import JOBS
from cityloom.modules.areas import restructure
from cityloom.modules.areas.models import Area
from cityloom.modules.registry.models import Resident
from cityloom.modules.tags import models as m
from cityloom.testing.examples import examples
from cityloom.testing.rights import ALL, StatedRights, principal
from cityloom.testing.tallies import both_ways, drift, fold

if TYPE_CHECKING:
    from cityloom.core.principal import Principal
    from cityloom.core.work import Work
    from tests.modules.tags.conftest import Street

GRIDS = ("s1c1g1", "s1c1g2", "s1c2g1", "s2c1g1", "s2c1")
_ASSIGN = text(
    "INSERT INTO resident_tags"
    " (tenant_id, id, tag_id, code, resident_id, sensitivity, source, valid_from, area_id, area_path)"
    " SELECT r.tenant_id, gen_random_uuid(), t.id, t.code, r.id, t.sensitivity, :source, current_date, r.area_id,"
    " r.area_path"
    " FROM residents r JOIN tags t ON t.tenant_id = r.tenant_id"
    " WHERE r.tenant_id = :tenant AND hashtext(r.id::text || t.code || :salt) % 3 = 0 ON CONFLICT DO NOTHING"
)


class Undone(Exception):
    """The unit of work thinks better of it."""


def some(column: Any, salt: str) -> Any:
    return func.hashtext(func.concat(column, salt)) % 2 == 0


async def assign(work: Work, _street: Street, salt: str) -> None:
    given = {"tenant": work.tenant_id, "salt": salt, "source": "RULE" if len(salt) % 2 else "PERSON"}
    await work.session.execute(_ASSIGN, given)


async def end(work: Work, _street: Street, salt: str) -> None:
    rows = update(m.ResidentTag).where(m.ResidentTag.ended_at.is_(None), some(m.ResidentTag.id, salt))
    await work.session.execute(rows.values(ended_at=work.now(), ending="EXPIRED"))


async def begin_again(work: Work, _street: Street, salt: str) -> None:
    row = m.ResidentTag
    current = select(row.resident_id, row.tag_id).where(row.ended_at.is_(None))
    one = select(row.id).where(func.row(row.resident_id, row.tag_id).not_in(current), some(row.id, salt)).limit(1)
    await work.session.execute(update(row).where(row.id.in_(one)).values(ended_at=None, ending=None))


async def settle_elsewhere(work: Work, street: Street, salt: str) -> None:
    to = street.tree.areas[GRIDS[len(salt) % len(GRIDS)]]
    path = await work.session.scalar(select(Area.path).where(Area.id == to.id))
    rows = update(m.ResidentTag).where(some(m.ResidentTag.resident_id, salt))
    await work.session.execute(rows.values(area_id=to.id, area_path=path))


async def regrid(work: Work, street: Street, salt: str) -> None:
    area, parent = ("s1c1", "s2") if len(salt) % 2 else ("s1c1", "s1")
    plan = await restructure.plan_move(work, street.tree.id(area), street.tree.id(parent))
    if not plan.problems:
        await restructure.apply_move(work, street.tree.id(area), street.tree.id(parent), plan.fingerprint)


async def forget(work: Work, _street: Street, salt: str) -> None:
    await work.session.execute(delete(m.ResidentTag).where(some(m.ResidentTag.id, salt)))


async def erase(work: Work, street: Street, salt: str) -> None:
    """A resident goes, and what a foreign key deletes along."""
    person = sorted(street.people)[len(salt) % len(street.people)]
    await work.session.execute(delete(Resident).where(Resident.id == street.people[person].id))


async def fold_some(work: Work, _street: Street, salt: str) -> None:
    await keeping.fold(await work.connection(), work.tenant_id, 1 + len(salt))


STEPS = (assign, assign, end, begin_again, settle_elsewhere, regrid, forget, erase, fold_some, fold_some)
WORKER = st.lists(st.tuples(st.sampled_from(STEPS), st.text("ab", max_size=5), st.booleans()), min_size=3, max_size=7)


def demand(is_kept: bool) -> None:  # noqa: FBT001 - as drawn
    if not is_kept:
        raise Undone


async def carry_out(street: Street, steps: list[tuple[Any, str, bool]]) -> None:
    for step, salt, is_kept in steps:
        try:
            async with street.works.begin(street.tree.administrator) as work:
                await step(work, street, salt)
                await work.session.flush()
                demand(is_kept)
        except Undone:
            continue
        except DBAPIError as error:
            # Two of them wrote the same rows in another order, or gave the same tag: one of them is undone.
            assert str(getattr(error.orig, "sqlstate", "")) in {"40P01", "23505", "23503"}, error  # noqa: PT017 - which it was


@given(workers=st.lists(WORKER, min_size=3, max_size=3))
@settings(examples(6, shares_fixtures=True), phases=(Phase.explicit, Phase.generate))
async def test_a_tally_is_the_count_of_its_rows(street: Street, workers: list[Any]) -> None:
    await asyncio.gather(*(carry_out(street, steps) for steps in workers))
    tenant_id = street.tree.tenant_id
    assert await drift(street.works, tenant_id) == []
    while await fold(street.works, tenant_id):
        pass
    assert await drift(street.works, tenant_id) == []
    for text_ in QUESTIONS:
        ours, rows, _ = await both_ways(street.works, street.tree.administrator, text_, {"codes": ["plain"]})
        assert ours == rows


QUESTIONS = (
    "{ tagStats(by: [TAG]) { keys count isSuppressed } }",
    "{ tagStats(by: []) { keys count isSuppressed } }",
    "{ tagStats(by: [AREA]) { keys count isSuppressed } }",
    "{ tagStats(by: [TAG, SOURCE], first: 3) { keys count isSuppressed __typename } }",
    *(f"{{ tagStats(by: [TAG, AREA_DEPTH_{depth}]) {{ keys count isSuppressed }} }}" for depth in (1, 2, 3, 5)),
    "query($codes: [String!]) { tagStats(by: [AREA_DEPTH_2, TAG], codes: $codes) { keys count } }",
    "{ tagStats(by: [TAG, AREA_DEPTH_1], where: {source: {eq: PERSON}}) { keys count } }",
)


def callers(street: Street) -> dict[str, Principal]:
    reads = ("tags.tag.read", "areas.area.read", "registry.resident.read")
    secret = ("tags.restricted.read", "tags.sensitive.read")

    def area(name: str) -> Scope:
        return Scope(areas=(subtree(street.tree.areas[name].path),))

    both = Scope(areas=(subtree(street.tree.areas["s1c1"].path), subtree(street.tree.areas["s2"].path)))
    stated = {
        "all": dict.fromkeys((*reads, *secret), ALL),
        "open tags": dict.fromkeys(reads, ALL),
        "a street": dict.fromkeys((*reads, *secret), area("s1")),
        "a grid": dict.fromkeys((*reads, *secret), area("s1c1g1")),
        "two places": dict.fromkeys((*reads, *secret), both),
        "secrets of a community": {**dict.fromkeys(reads, ALL), "tags.sensitive.read": area("s1c1")},
        "nobody": {"areas.area.read": ALL},
        "no residents": dict.fromkeys((*reads[:2], *secret), ALL),
    }
    return {name: principal(street.tree.tenant_id, StatedRights(rights)) for name, rights in stated.items()}


@pytest.mark.parametrize("is_folded", [False, True])
async def test_every_caller_is_answered_the_same_both_ways(street: Street, *, is_folded: bool) -> None:
    await street.household("many", "s1c1g2", *([1990] * 6))
    for at in range(6):
        await street.assign(f"many{at}", "secret", "kept", *(["plain"] if at < 2 else []))
    for person in ("s1c1g10", "s1c2g10", "s2c1g10", "s2c1g11"):
        await street.assign(person, "secret", "plain")
    async with street.works.begin(street.tree.administrator) as work:
        await end(work, street, "b")
    if is_folded:
        assert await fold(street.works, street.tree.tenant_id)
    used = set()
    for name, caller in callers(street).items():
        for text_ in QUESTIONS:
            ours, rows, sources = await both_ways(street.works, caller, text_, {"codes": ["plain", "secret"]})
            assert ours == rows, (name, text_)
            used.update(sources)
        area = {"area": street.tree.global_id("s1c1")}
        inside = "query($area: ID!) { tagStats(by: [TAG, AREA_DEPTH_3], area: $area) { keys count isSuppressed } }"
        ours, rows, sources = await both_ways(street.works, caller, inside, area)
        assert ours == rows, name
        assert sources == ["resident_tag_tallies"]
    assert used == {"resident_tag_tallies"}


async def test_what_goes_with_a_resident_is_tallied(street: Street) -> None:
    """A foreign key deletes along as the owner of the tables, whom the policies bind too."""
    await street.assign("s1c1g10", "plain", "secret")
    async with street.works.begin(street.tree.administrator) as work:
        await work.session.execute(delete(Resident).where(Resident.id == street.people["s1c1g10"].id))
    assert await drift(street.works, street.tree.tenant_id) == []
    ours, rows, sources = await both_ways(street.works, street.tree.administrator, QUESTIONS[0])
    assert ours == rows == {"tagStats": []}
    assert sources == ["resident_tag_tallies"]


async def test_what_a_tally_does_not_know_is_asked_of_the_rows(street: Street) -> None:
    await street.assign("s1c1g10", "plain")
    text_ = "{ tagStats(by: [TAG], where: {id: {isNull: false}}) { count } }"
    ours, rows, sources = await both_ways(street.works, street.tree.administrator, text_)
    assert ours == rows == {"tagStats": [{"count": 1}]}
    assert sources == ["resident_tags"]


async def test_a_difference_is_found_and_put_right(street: Street, admin_url: str) -> None:
    tenant_id = street.tree.tenant_id
    await street.assign("s1c1g10", "plain")
    await fold(street.works, tenant_id)
    await street.assign("s1c1g11", "plain")
    admin = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        await admin.execute("SET session_replication_role = replica")
        await admin.execute("DELETE FROM resident_tags WHERE tenant_id = $1 AND resident_id = $2", tenant_id,
                            street.people["s1c1g11"].id)  # fmt: skip
        await admin.execute("UPDATE resident_tag_tallies SET count = 9 WHERE tenant_id = $1 AND tier = 1", tenant_id)
    finally:
        await admin.close()
    (found,) = await drift(street.works, tenant_id)
    assert (found.tally, found.changes, found.sums) == ("resident_tag_tallies", 1, 1)
    settle = next(job for job in JOBS if job.name == "graph.recount")
    async with street.works.begin(street.tree.administrator) as work:
        assert await settle.run(work) == 2
    assert await drift(street.works, tenant_id) == []
    ours, rows, _ = await both_ways(street.works, street.tree.administrator, QUESTIONS[5])
    assert ours == rows


async def test_a_trigger_that_is_off_is_found(admin_url: str) -> None:
    name = "keep_tallies_of_resident_tags"
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        assert await keeping.are_kept(connection)
        begun = connection.transaction()
        await begun.start()
        await connection.execute(f"ALTER TABLE resident_tags DISABLE TRIGGER {name}_update")
        ((place, _),) = await keeping.unkept(connection)
        await begun.rollback()
        assert place == f"{name}_update"
    finally:
        await connection.close()

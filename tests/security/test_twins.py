"""Every operation of the tenant API, by every role of one city, finds and changes nothing of the other."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from cityloom.core.database import Base, asyncpg_arguments
from cityloom.core.ids import encode_id, new_id
from cityloom.testing.documents import DocumentMaker, Operation
from cityloom.testing.twins import HOLDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cityloom.app import Platform
    from cityloom.testing.twins import Twin

_CHANCE = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f-]{27}")


def every_query(opened: Platform, an_id: Callable[[str], str]) -> Iterable[Operation]:
    return DocumentMaker(opened.tenant_api.contracts.whole.graphql, an_id).queries()


def every_mutation(opened: Platform, an_id: Callable[[str], str]) -> Iterable[Operation]:
    return DocumentMaker(opened.tenant_api.contracts.whole.graphql, an_id).mutations()


async def test_the_probes_find_what_they_may(alder: Twin, birch: Twin, opened: Platform) -> None:
    """Without this the other tests could pass by asking nothing: each administrator finds the own canary everywhere."""
    found: dict[str, Counter[str]] = {twin.slug: Counter() for twin in (alder, birch)}
    for operation in every_query(opened, lambda _: "none"):
        if operation.ids:
            continue
        for twin in (alder, birch):
            text = (await twin.send("city_administrator", operation.document, operation.variables)).text
            found[twin.slug][operation.field] += text.count(twin.canary)
    for counts in found.values():
        assert {"accounts", "areas", "buildings", "dwellings", "households", "residents", "city", "departments"} <= {
            name for name, count in counts.items() if count
        }


#: Parts of all operations; within each, every role asks the same before the next is asked: what is prepared for one of
#: them, serves the others.
SHARES = 8


@pytest.mark.parametrize("share", range(SHARES))
async def test_no_query_of_any_role_shows_the_other_city(
    share: int, alder: Twin, birch: Twin, opened: Platform, probed: Callable[[int], None]
) -> None:
    for operation in islice(every_query(opened, lambda _: birch.ids["Resident"][0]), share, None, SHARES):
        for role in sorted(HOLDERS):
            answer = await alder.send(role, operation.document, operation.variables)
            assert answer.status_code in {200, 400}, (role, operation.document)
            assert birch.canary not in answer.text, (role, operation.document)
            assert '"INTERNAL"' not in answer.text, (role, operation.document, answer.text)
            probed(1)


def _always(value: str, _name: str) -> str:
    return value


def normal(text: str, *ids: str) -> str:
    """An answer without what differs by chance: the id that was sent, and ids of traces and decisions."""
    for one in ids:
        text = text.replace(one, "<id>")
    return _CHANCE.sub("<chance>", text)


def absent_like(id_: str, tenant: Twin) -> str:
    """A well-formed id of the asking city that nothing has, of the same type."""
    return encode_id(id_.split("_", 1)[0], tenant.id, new_id())


def test_operations_that_take_ids_are_known(opened: Platform) -> None:
    made = [*every_query(opened, lambda _: "none"), *every_mutation(opened, lambda _: "none")]
    swept = {operation.field for operation in made if operation.ids}
    assert {"node", "nodes", "resident", "residentMove", "areaMoveApply", "membershipGrant", "accountChange"} <= swept


@pytest.mark.parametrize("share", range(SHARES))
async def test_the_other_citys_ids_answer_exactly_as_absent_ones(
    share: int, alder: Twin, birch: Twin, opened: Platform, probed: Callable[[int], None], admin_url: str
) -> None:
    before = await fingerprint(admin_url, birch)
    swept = set()
    pairs = {type_: (ids[0], absent_like(ids[0], alder)) for type_, ids in birch.ids.items()}
    for make in (every_query, every_mutation):
        made = [
            (
                type_,
                ids,
                zip(make(opened, partial(_always, ids[0])), make(opened, partial(_always, ids[1])), strict=True),
            )
            for type_, ids in pairs.items()
        ]
        # One operation with the ids of every type before the next: it is prepared once.
        turns = zip(*(operations for *_, operations in made), strict=True)
        for turn in islice(turns, share, None, SHARES):
            for (type_, (foreign, absent), _), (theirs, nobodys) in zip(made, turn, strict=True):
                if not theirs.ids:
                    continue
                swept.add(theirs.field)
                one = await alder.send("city_administrator", theirs.document, theirs.variables)
                other = await alder.send("city_administrator", nobodys.document, nobodys.variables)
                assert normal(one.text, foreign) == normal(other.text, absent), (type_, theirs.document)
                assert one.status_code == other.status_code
                assert birch.canary not in one.text
                probed(1)
    assert swept
    assert await fingerprint(admin_url, birch) == before


@pytest.mark.parametrize("share", range(SHARES))
async def test_no_mutation_of_any_role_changes_the_other_city(
    share: int, alder: Twin, birch: Twin, opened: Platform, probed: Callable[[int], None], admin_url: str
) -> None:
    before = await fingerprint(admin_url, birch)
    by_argument = {
        "areaId": "Area",
        "parentId": "Area",
        "newParentId": "Area",
        "buildingId": "Building",
        "dwellingId": "Dwelling",
        "householdId": "Household",
        "residentId": "Resident",
        "accountId": "Account",
        "departmentId": "Department",
    }
    every = every_mutation(opened, lambda name: birch.ids[by_argument.get(name, "Resident")][0])
    for operation in islice(every, share, None, SHARES):
        if operation.field == "sessionRevoke":
            continue
        for role in sorted(HOLDERS):
            answer = await alder.send(role, operation.document, operation.variables)
            assert birch.canary not in answer.text, (role, operation.document)
            assert '"INTERNAL"' not in answer.text, (role, operation.document, operation.variables, answer.text)
            probed(1)
    assert await fingerprint(admin_url, birch) == before


async def test_a_bearer_of_one_surface_is_worth_nothing_on_the_other(
    alder: Twin, probed: Callable[[int], None]
) -> None:
    for role, bearer in alder.bearers.items():
        answer = await alder.client.post(
            "/platform/graphql", json={"query": "{ __typename }"}, headers={"authorization": f"Bearer {bearer}"}
        )
        assert answer.status_code == 401, role
        probed(1)


async def test_no_header_or_body_chooses_the_tenant(alder: Twin, birch: Twin, probed: Callable[[int], None]) -> None:
    document = "{ city { slug } }"
    for headers in (
        {"x-tenant": birch.slug},
        {"x-tenant-id": str(birch.id)},
        {"host": birch.slug},
        {"cookie": f"tenant={birch.slug}"},
    ):
        for extra in ({}, {"tenant": birch.slug}, {"tenantId": str(birch.id)}, {"extensions": {"tenant": birch.slug}}):
            answer = await alder.client.post(
                "/graphql",
                json={"query": document, **extra},
                headers={"authorization": f"Bearer {alder.bearers['city_administrator']}", **headers},
            )
            assert birch.slug not in answer.text
            probed(1)


async def fingerprint(admin_url: str, twin: Twin) -> dict[str, Any]:
    """A hash of every row that a city has, read past row-level security by an administrator."""
    connection = await asyncpg.connect(**asyncpg_arguments(make_url(admin_url)))
    try:
        return {
            table.name: await connection.fetchval(
                "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) "  # noqa: S608 - names of the models
                f"FROM {table.name} t WHERE tenant_id = $1",
                twin.id,
            )
            for table in Base.metadata.sorted_tables
            if "tenant_id" in table.c
        }
    finally:
        await connection.close()

"""Which operations the database plans once, and which for the values of each request."""

from __future__ import annotations

import pytest
from graphql import parse, validate

from cityloom.core.ids import encode_id, new_id
from cityloom.graph.compiler import Compiler
from cityloom.graph.schema import shared_contracts
from cityloom.installed import modules
from cityloom.testing.rights import StatedRights, principal

INSTALLED = modules()
SCHEMA = shared_contracts(INSTALLED, "tenant").of(frozenset(one.name for one in INSTALLED)).graphql
CALLER = principal(new_id(), StatedRights(may_all=True))
KEYED = {
    "a row": "resident(id: $resident) { name }",
    "what belongs to a row": (
        "resident(id: $resident) { household { residents(first: 20) { nodes { tags { tag { code } } } } }"
        " tagHistory(last: 20) { nodes { validFrom } } stays { fromOn } visits(last: 10) { nodes { visitedAt } }"
        " reportedCases(last: 10) { nodes { matter { nameZh } } } }"
    ),
    "areas above": "resident(id: $resident) { area { ancestors { name } } }",
    "by any id": "node(id: $resident) { ... on Resident { household { number } } }",
}
VARYING = {
    "a list": "residents(first: 1) { nodes { name } }",
    "counts": "residentStats(by: [SEX]) { keys count }",
    "one beside a list": "resident(id: $resident) { name } residents { totalCount }",
    "areas below": "area(id: $area) { descendants(first: 5) { nodes { name } } }",
    "a filter": 'household(id: $household) { residents(where: {name: {eq: "x"}}) { nodes { name } } }',
    "an order": "household(id: $household) { residents(orderBy: {by: BIRTH_YEAR}) { nodes { name } } }",
}


def varies(fields: str) -> bool:
    """Whether the operation with these fields is planned for each request."""
    tags = {"resident": "resd", "area": "area", "household": "hshd"}
    ids = {name: encode_id(tag, CALLER.tenant_id, new_id()) for name, tag in tags.items() if f"${name}" in fields}
    document = parse(
        f"query ({', '.join(f'${name}: ID!' for name in ids)}) {{ {fields} }}" if ids else f"{{ {fields} }}"
    )
    assert not validate(SCHEMA, document)
    return Compiler().plan(SCHEMA, document, None, ids, CALLER).plan.varies


@pytest.mark.parametrize("what", KEYED)
def test_what_is_found_by_keys_is_planned_once(what: str) -> None:
    assert not varies(KEYED[what])


@pytest.mark.parametrize("what", VARYING)
def test_what_is_found_by_values_is_planned_for_them(what: str) -> None:
    assert varies(VARYING[what])

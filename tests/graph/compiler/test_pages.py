"""Pages: walking a list by its cursors gives the whole list, in both directions, whatever it is ordered by."""

# ruff: noqa: E501 - documents read better on one line
from __future__ import annotations

from typing import Any

import pytest

from cityloom.graph.compiler.refusals import CursorRefused, PageBothWays, PageSizeRefused

ORDERS = [
    "[]",
    "[{by: NUMBER}]",
    "[{by: NUMBER, direction: DESC}]",
    "[{by: ROOMS}]",
    "[{by: ROOMS, direction: DESC}]",
    "[{by: BUILT}, {by: ROOMS, direction: DESC}]",
    "[{by: CHECKED, direction: DESC}, {by: NUMBER}]",
    "[{by: VALUE}, {by: BUILT, direction: DESC}]",
    "[{by: CREATED, direction: DESC}]",
]
FULL = 3


async def _walk(desk: Any, principal: Any, order: str, size: int, *, backward: bool) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    count, end, more, start = (
        ("last", "before", "hasPreviousPage", "startCursor")
        if backward
        else ("first", "after", "hasNextPage", "endCursor")
    )
    text = (
        "query ($cursor: String) "
        f"{{ houses({count}: {size}, {end}: $cursor, orderBy: {order}) {{ edges {{ cursor node {{ id }} }} pageInfo {{ {more} {start} }} }} }}"
    )
    while True:
        page = (await desk.data(text, principal, {"cursor": cursor}))["houses"]
        ids = [edge["node"]["id"] for edge in page["edges"]]
        assert len(ids) <= size
        found = [*ids, *found] if backward else [*found, *ids]
        if page["edges"]:
            assert page["pageInfo"][start] == page["edges"][0 if backward else -1]["cursor"]
        if not page["pageInfo"][more]:
            return found
        cursor = page["pageInfo"][start]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [1, 4, 100])
async def test_walks_equal_the_whole_list_in_both_directions(desk: Any, order: str, size: int) -> None:
    for caller in ("whole city", "two areas"):
        principal = desk.caller(FULL, caller)
        whole = (
            await desk.data(f"{{ houses(first: 100, orderBy: {order}) {{ totalCount nodes {{ id }} }} }}", principal)
        )["houses"]
        ids = [node["id"] for node in whole["nodes"]]
        assert len(ids) == whole["totalCount"] == len(set(ids))
        assert await _walk(desk, principal, order, size, backward=False) == ids
        assert await _walk(desk, principal, order, size, backward=True) == ids


@pytest.mark.parametrize("order", ORDERS)
async def test_pages_between_two_cursors_equal_naive_pages(desk: Any, order: str) -> None:
    principal = desk.caller(FULL)
    edges = (await desk.data(f"{{ houses(first: 100, orderBy: {order}) {{ edges {{ cursor }} }} }}", principal))[
        "houses"
    ]["edges"]
    cursors = [edge["cursor"] for edge in edges]
    text = f"""query ($first: Int, $last: Int, $after: String, $before: String) {{
      houses(first: $first, last: $last, after: $after, before: $before, orderBy: {order}) {{
        nodes {{ id }} totalCount pageInfo {{ hasNextPage hasPreviousPage }} }} }}"""
    for first, last in ((2, None), (None, 2), (100, None), (None, 100), (0, None), (None, 0)):
        for after, before in (
            (cursors[3], cursors[9]),
            (cursors[3], None),
            (None, cursors[9]),
            (cursors[0], cursors[1]),
            (cursors[-1], None),
            (None, cursors[0]),
        ):
            variables = {"first": first, "last": last, "after": after, "before": before}
            naive = await desk.naive(text, principal, FULL, variables)
            assert not naive.errors
            assert await desk.data(text, principal, variables) == naive.data, variables


async def test_cursors_stay_small_and_are_tied_to_list_and_order(desk: Any) -> None:
    principal = desk.caller(FULL)
    ask = (
        "query ($after: String) {{ {field}(first: 2, after: $after, "
        "orderBy: [{{by: {by}}}]) {{ pageInfo {{ endCursor }} }} }}"
    )
    cursor = (await desk.data(ask.format(field="houses", by="NUMBER"), principal))["houses"]["pageInfo"]["endCursor"]
    for field, by in (("houses", "ROOMS"), ("districts", "NAME"), ("people", "NAME")):
        with pytest.raises(CursorRefused) as refused:
            await desk.ask(ask.format(field=field, by=by), principal, {"after": cursor})
        assert refused.value.path == ("after",)
    for nonsense in ("", "x", cursor[:-3], "W10", "W251bGxd", "WyJhIiwgMV0", "é", "A" * 5_000):
        with pytest.raises(CursorRefused):
            await desk.ask(ask.format(field="houses", by="NUMBER"), principal, {"after": nonsense})


async def test_page_sizes_are_checked(desk: Any) -> None:
    principal = desk.caller(FULL)
    for size in (-1, 101, 2**31 - 1):
        for text in (
            "query ($n: Int) { houses(first: $n) { totalCount } }",
            "query ($n: Int) { houses(last: $n) { totalCount } }",
            "query ($n: Int) { houses { nodes { people(first: $n) { nodes { id } } } } }",
        ):
            with pytest.raises(PageSizeRefused):
                await desk.ask(text, principal, {"n": size})
    with pytest.raises(PageSizeRefused):
        await desk.ask("{ shortList(first: 8) { title } }", principal)
    with pytest.raises(PageBothWays):
        await desk.ask("{ houses(first: 1, last: 1) { totalCount } }", principal)


async def test_nothing_is_counted_that_is_not_selected(desk: Any) -> None:
    principal = desk.caller(FULL)
    for text, counts in (
        ("{ houses { nodes { id } } }", False),
        ("{ houses { pageInfo { hasNextPage } } }", False),
        ("{ houses { totalCount } }", True),
    ):
        sql = desk.plan(text, principal).plan.sql
        assert ("AS total" in sql) is counts
        assert "OVER ()" not in sql or "row_number() OVER ()" in sql

"""The compiled answer is the answer of an executor that walks Python objects, for random documents.

Data and callers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from graphql import parse, validate
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cityloom.core.ids import encode_id
from cityloom.graph.compiler import Compiler
from cityloom.testing.examples import TIMES
from cityloom.testing.graph.documents import documents
from cityloom.testing.graph.naive import Naive, normal
from cityloom.testing.graph.people import callers, make_city
from cityloom.testing.graph.sandbox import paper_schema

if TYPE_CHECKING:
    from cityloom.testing.graph.documents import Written

CALLERS = list(callers(make_city(0, 0), 0))
SCHEMA = paper_schema()._schema
NAIVE_SCHEMA = paper_schema()._schema
TAGS = {"districts": "dist", "houses": "hous", "people": "pers", "notices": "note"}
WORDS = ["", "a", "A", "中", "o'clock", 'quo"te', "back\\slash", "%", "{}", "$1", "\U0001f600"]
FUZZ = TIMES > 1
EXAMPLES = 48 * TIMES
SIZES = (0, 1, 6, 25)


def _ids(city: Any) -> list[str]:
    own = [encode_id(tag, city.tenant_id, row.id) for table, tag in TAGS.items() for row in city.all(table)[:4]]
    strange = make_city(99, 1)
    return [
        *own,
        *(encode_id(tag, strange.tenant_id, row.id) for table, tag in TAGS.items() for row in strange.all(table)[:1]),
        f"none_{'0' * 8}_{'0' * 32}",
    ]


def _drawn(count: int) -> list[tuple[int, Written]]:
    """Random documents, each for one of the cities.

    Drawn beforehand and not shrunk: inside the async test Hypothesis reported flaky draws, which none were here.
    """
    found: list[tuple[int, Written]] = []
    ids = [_ids(make_city(seed, size)) for seed, size in enumerate(SIZES)]

    @settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=not FUZZ,
        phases=(Phase.generate,),
    )
    @given(data=st.data(), number=st.integers(0, len(SIZES) - 1))
    def draw(data: st.DataObject, number: int) -> None:
        found.append((number, data.draw(documents(SCHEMA, ids[number], WORDS, {}))))

    draw()
    return found


DOCUMENTS = _drawn(EXAMPLES)


@pytest.mark.parametrize("caller", CALLERS)
async def test_compiled_answers_equal_naive_answers(desk: Any, caller: str) -> None:
    assert desk.sizes == SIZES
    for number, written in DOCUMENTS:
        await _compare(desk, number, caller, written)


async def _compare(desk: Any, number: int, caller: str, written: Written) -> None:
    document = parse(written.text)
    assert not validate(SCHEMA, document), written
    principal = callers(desk.cities[number], number)[caller]
    naive = await Naive(NAIVE_SCHEMA, desk.cities[number], principal).answer(document, written.variables)
    desk.statements.clear()
    answer = (
        await Compiler().plan(SCHEMA, document, None, written.variables, principal).run(desk.fetch, context="context")
    )
    assert len(desk.statements) <= 1
    assert normal(orjson.loads(answer.data())) == normal(orjson.loads(orjson.dumps(naive.data, default=str))), written
    assert _places(answer.errors) == _places(naive.errors or []), written


def _places(errors: Any) -> list[tuple[str, str]]:
    return sorted((str(error.path), str((error.extensions or {}).get("code"))) for error in errors)

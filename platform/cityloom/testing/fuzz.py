"""Schemathesis against a running server: whatever a client sends, the server has no error of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import schemathesis
from graphql import (
    BooleanValueNode,
    FloatValueNode,
    IntValueNode,
    ListValueNode,
    NameNode,
    NullValueNode,
    ObjectFieldNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Collection

#: Documents for each root field: few in `make test`, as many as `FUZZ_EXAMPLES` says in `make fuzz`.
EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "3"))

_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
_SIMPLE: st.SearchStrategy[ValueNode] = st.one_of(
    st.builds(NullValueNode),
    st.booleans().map(lambda value: BooleanValueNode(value=value)),
    st.integers(-(2**63), 2**63).map(lambda value: IntValueNode(value=str(value))),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: FloatValueNode(value=str(value))),
    st.text(max_size=12).map(lambda value: StringValueNode(value=value)),
)


def _object(fields: dict[str, ValueNode]) -> ValueNode:
    return ObjectValueNode(fields=tuple(ObjectFieldNode(name=NameNode(value=k), value=v) for k, v in fields.items()))


def _json() -> st.SearchStrategy[ValueNode]:
    """Literals of the scalar JSON: of any kind, also deep in one another."""
    return st.recursive(
        _SIMPLE,
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda values: ListValueNode(values=tuple(values)))
            | st.dictionaries(_NAMES, inner, max_size=3).map(_object)
        ),
        max_leaves=6,
    )


schemathesis.graphql.scalar("JSON", _json())


class ServerFault(AssertionError):
    """The server answered with an error of its own."""


def check(case: Any, headers: dict[str, str]) -> None:  # noqa: ANN401 - a generic of schemathesis
    """Send one generated document; fails (`ServerFault`) on a status of 500 and above and on a masked bug."""
    response = case.call(headers=headers)
    answer: Any = response.json() if response.status_code < 500 else None  # noqa: PLR2004 - the server's own errors
    codes = [error["extensions"]["code"] for error in (answer or {}).get("errors", [])]
    if answer is None or "INTERNAL" in codes or not {"data", "errors"} & answer.keys():
        raise ServerFault(f"{response.status_code} {response.text[:800]}\n\nfor the document\n\n{case.body!s}")


def fuzz(url: str, bearer: str, *, without: Collection[str] = (), examples: int = EXAMPLES) -> dict[str, int]:
    """Generate documents for every root field but those in `without` (`Query.name`); answers how many were sent.

    The credential has to be a developer's: the schema is read by introspection.
    """
    headers = {"authorization": f"Bearer {bearer}"}
    sent: dict[str, int] = {}
    for result in schemathesis.graphql.from_url(url, headers=headers).get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr] # an invalid schema raises here, as it should
        if operation.label in without:
            continue
        sent[operation.label] = 0

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize="FUZZ_EXAMPLES" not in os.environ,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy())
        def attempt(case: Any) -> None:  # noqa: ANN401 - as above
            sent[case.operation.label] += 1
            check(case, headers)

        attempt()
    return sent

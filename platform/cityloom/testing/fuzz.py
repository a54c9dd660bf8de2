"""Schemathesis against a running server: whatever a client sends, the server has no error of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

if TYPE_CHECKING:
    from collections.abc import Collection

#: Documents for each root field: few in `make test`, as many as `FUZZ_EXAMPLES` says in `make fuzz`.
EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "3"))


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

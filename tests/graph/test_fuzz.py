"""Schemathesis against the sandbox: no server error, and the check itself notices one."""

from __future__ import annotations

import pytest

from cityloom.testing.fuzz import EXAMPLES, ServerFault, fuzz
from cityloom.testing.serving import served

FAULTY = {"Query.broken", "Query.waiting", "Mutation.lampChange"}


def test_generated_documents_meet_no_server_error() -> None:
    with served("cityloom.testing.sandbox:serve") as url:
        sent = fuzz(f"{url}/graphql", "developer", without=FAULTY)
        assert set(sent) == {"Query.lamp", "Query.lamps", "Query.refused", "Query.repair"}
        assert sum(sent.values()) >= 2 * EXAMPLES
        with pytest.raises(ServerFault, match="INTERNAL"):
            fuzz(f"{url}/graphql", "developer", without={*sent, "Query.waiting", "Mutation.lampChange"}, examples=2)

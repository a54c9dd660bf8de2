"""What the tests of the edge share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cityloom.graph.schema import Contracts
from cityloom.testing import sandbox as made

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def sandbox() -> made.Sandbox:
    """The surface of two modules."""
    return made.sandbox()


@pytest.fixture
def contracts_of() -> Callable[..., Contracts]:
    """Contracts of other modules, for tests of assembly."""
    return lambda *modules: Contracts(modules, "tenant")

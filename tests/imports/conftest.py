"""A city of its own for the tests of imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cityloom.testing.imports import Desk
from cityloom.testing.twins import plant

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from cityloom.app import Platform


@pytest.fixture(scope="module")
async def desk(opened: Platform, app: Starlette) -> Desk:
    """The administrator of a new city."""
    return Desk(opened, await plant(opened, app, "alder"))

"""What the contestants written in Python share: the platform's own connections and authentication, at the same cost."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from cityloom.app import platform
from cityloom.serving import DATABASE_VARIABLE
from cityloom.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.routing import BaseRoute


def application(routes: Sequence[BaseRoute]) -> Starlette:
    """An application over an open platform, without the platform's own middleware."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with platform(Settings.from_environment(os.environ), os.environ[DATABASE_VARIABLE]) as opened:
            app.state.platform = opened
            yield

    return Starlette(routes=routes, lifespan=lifespan)

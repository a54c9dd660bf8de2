"""GraphiQL, served from files of the package: nothing is loaded from anywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

FILES: Final = Path(__file__).resolve().parents[2] / "console" / "static" / "graphiql"

#: `unsafe-inline` for styles only: the editor positions its lines with them.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:;"
    " img-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


async def _page(_request: Request) -> Response:
    return HTMLResponse((FILES / "index.html").read_text(encoding="utf-8"), headers=HEADERS)


def graphiql_routes(path: str = "/console/graphiql") -> list[Route | Mount]:
    """The page and its files below `path`; which endpoint it talks to is chosen on the page."""
    return [
        Route(path, _page, methods=["GET"]),
        Mount(f"{path}/files", StaticFiles(directory=FILES)),
    ]

# ruff: noqa: S608 - the only text that is put together is the constant above each statement
"""Hand-written SQL behind plain routes: what a good engineer writes who needs these four answers and no others.

One statement each, under the same role, row-level security and area scope, in the form that was fastest here: the
context is set by a CTE in the same round trip, PostgreSQL builds the JSON, and its text is sent as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from peers import application
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from cityloom.core.ids import decode_id, id_prefix
from cityloom.observation import Observed

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request

    from cityloom.app import Platform
    from cityloom.core.principal import Principal

CONTEXT = """
WITH ctx AS MATERIALIZED (
  SELECT set_config('app.tenant_id', $1::uuid::text, true), set_config('app.area_lo', $2, true),
         set_config('app.area_hi', $3, true)
)
"""

#: 100 dwellings by number, each with its first two residents by name.
NESTED = (
    CONTEXT
    + """
SELECT (
  SELECT row_to_json(answer) FROM (
    SELECT coalesce(json_agg(dwelling), '[]'::json) AS nodes FROM (
      SELECT $4 || replace(d.id::text, '-', '') AS id, d.number, d.unit, d.floor, d.use, r.residents
      FROM (
        SELECT id, number, unit, floor, use FROM dwellings
        WHERE tenant_id = $1::uuid AND area_path >= $2 AND area_path < $3 AND use = $6
        ORDER BY number, id LIMIT 100
      ) d
      LEFT JOIN LATERAL (
        SELECT row_to_json(page) AS residents FROM (
          SELECT coalesce(json_agg(resident), '[]'::json) AS nodes FROM (
            SELECT $5 || replace(r.id::text, '-', '') AS id, r.name, r.sex, r.birth_year AS "birthYear",
                   r.relationship, r.status, r.phone_masked AS phone, r.identity_masked AS "identityNumber"
            FROM residents r JOIN households h ON h.tenant_id = r.tenant_id AND h.id = r.household_id
            WHERE r.tenant_id = $1::uuid AND r.area_path >= $2 AND r.area_path < $3
              AND h.tenant_id = $1::uuid AND h.area_path >= $2 AND h.area_path < $3 AND h.dwelling_id = d.id
            ORDER BY r.name, r.id LIMIT 2
          ) resident
        ) page
      ) r ON true
    ) dwelling
  ) answer
)::text FROM ctx
"""
)

POINT = (
    CONTEXT
    + """
SELECT (
  SELECT row_to_json(resident) FROM (
    SELECT $4 || replace(id::text, '-', '') AS id, name, birth_year AS "birthYear" FROM residents
    WHERE tenant_id = $1::uuid AND area_path >= $2 AND area_path < $3 AND id = $5
  ) resident
)::text FROM ctx
"""
)

#: By area path, which an index holds in order, then the id of each area: no row of a resident is visited.
AGGREGATE = (
    CONTEXT
    + """
SELECT (
  SELECT coalesce(json_agg(groups), '[]'::json) FROM (
    SELECT json_build_array($4 || replace(a.id::text, '-', '')) AS keys, c.count
    FROM (
      SELECT area_path, count(*) FROM residents
      WHERE tenant_id = $1::uuid AND area_path >= $2 AND area_path < $3 GROUP BY area_path
    ) c
    JOIN areas a ON a.tenant_id = $1::uuid AND a.path = c.area_path
    ORDER BY c.count DESC, c.area_path LIMIT 1000
  ) groups
)::text FROM ctx
"""
)


async def _asked(request: Request) -> tuple[Platform, Principal, dict[str, Any]]:
    opened: Platform = request.app.state.platform
    principal = await opened.authenticator(request)
    return opened, principal, orjson.loads(await request.body())


def _answer(name: str, json: str | None) -> Response:
    return Response(f'{{"data":{{"{name}":{json or "null"}}}}}', media_type="application/json")


async def nested(request: Request) -> Response:
    """`reads.nested`."""
    opened, principal, asked = await _asked(request)
    tenant, (low, high) = principal.tenant_id, principal.rights.wall
    prefixes = id_prefix("dwel", tenant), id_prefix("resd", tenant)
    return _answer(
        "dwellings", await opened.database.lists.fetchval(NESTED, tenant, low, high, *prefixes, asked["use"])
    )


async def point(request: Request) -> Response:
    """`reads.point`."""
    opened, principal, asked = await _asked(request)
    tenant, (low, high) = principal.tenant_id, principal.rights.wall
    row = decode_id(asked["id"], tenant, "resd")
    return _answer(
        "node", await opened.database.reads.fetchval(POINT, tenant, low, high, id_prefix("resd", tenant), row)
    )


async def aggregate(request: Request) -> Response:
    """`reads.aggregate`."""
    opened, principal, _asked_for = await _asked(request)
    tenant, (low, high) = principal.tenant_id, principal.rights.wall
    prefix = id_prefix("area", tenant)
    return _answer("residentStats", await opened.database.lists.fetchval(AGGREGATE, tenant, low, high, prefix))


def create_app() -> Starlette:
    """The application that is served."""
    answers = {"/nested": nested, "/point": point, "/aggregate": aggregate}
    routes = [Route(path, answer, methods=["POST"]) for path, answer in answers.items()]
    # As a route of the platform itself it would be traced and counted, too.
    routes.append(Route("/observed/point", point, methods=["POST"], middleware=[Middleware(Observed)]))
    return application(routes)

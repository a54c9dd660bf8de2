"""The story of one real city, told from its pack through the public API only, on a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
from sqlalchemy import select

from cityloom.access import models as access
from cityloom.access.service.sessions import open_session
from cityloom.modules.cases.jobs import run_tenant
from cityloom.tenancy.packs import Problems, read_folder
from cityloom.tenancy.system import system_principal

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from starlette.applications import Starlette

    from cityloom.app import Platform
    from cityloom.testing.clock import ManualClock

#: Stories take months.
_LIFETIME = timedelta(days=400)
_CASE = (
    "state light isOpen dueAt isOverdue wasLate level isOnBoard stateDetail { nameZh } department { code }"
    " escalatedTo { login }"
)


@dataclass
class Story:
    """One city that runs on the platform, and short ways to ask it things as somebody."""

    platform: Platform
    clock: ManualClock
    tenant_id: UUID
    client: httpx.AsyncClient
    bearers: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def begin(cls, platform: Platform, app: Starlette, clock: ManualClock, folder: Path) -> Story:
        """Onboard the city from its shipped pack, which a second time changes nothing."""
        problems = Problems()
        source = read_folder(folder, problems)
        problems.refuse()
        done = await platform.tenants.apply(source, actor="scenario")
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://platform.test")
        return cls(platform, clock, done.tenant_id, client)

    async def bearer(self, login: str) -> str:
        """A session of an account of the pack."""
        if login not in self.bearers:
            async with self.platform.works.begin(system_principal(self.tenant_id)) as work:
                account = await work.session.scalar(select(access.Account.id).where(access.Account.login == login))
                assert account is not None, login
                self.bearers[login] = (await open_session(work, account, lifetime=_LIFETIME)).token
        return self.bearers[login]

    async def ask(self, login: str, document: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """The data of an answer without errors."""
        headers = {
            "accept": "application/graphql-response+json",
            "authorization": f"Bearer {await self.bearer(login)}",
        }
        body = {"query": document, "variables": variables or {}}
        answer = (await self.client.post("/graphql", json=body, headers=headers)).json()
        assert "errors" not in answer, answer["errors"]
        found: dict[str, Any] = answer["data"]
        return found

    async def change(self, login: str, mutation: str, given: dict[str, Any], selection: str) -> dict[str, Any]:
        """What a mutation answers: `selection` is on the type that it makes; a refusal has `reason`."""
        title = mutation[0].upper() + mutation[1:]
        document = (
            f"mutation ($input: {title}Input!) {{ {mutation}(input: $input)"
            f" {{ __typename {selection} ... on Refusal {{ reason message path }} }} }}"
        )
        found: dict[str, Any] = (await self.ask(login, document, {"input": given}))[mutation]
        return found

    async def resident(self, login: str) -> None:
        """An account of a resident who sees their own things, made by the city's administrator."""
        made = await self.change(
            "admin", "accountCreate", {"login": login, "name": login, "kind": "RESIDENT"}, "... on Account { id }"
        )
        if made["__typename"] == "Refusal":
            return
        given = {"accountId": made["id"], "role": "resident", "scopeKind": "OWN"}
        answer = await self.change("admin", "membershipGrant", given, "... on Membership { id }")
        assert answer["__typename"] == "Membership", answer

    async def area(self, code: str) -> str:
        """The id of an area by its official code."""
        query = "query ($code: String!) { areaByCode(code: $code) { id } }"
        found = (await self.ask("admin", query, {"code": code}))["areaByCode"]
        assert found is not None, code
        return str(found["id"])

    async def matter(self, code: str) -> str:
        """The id of a matter."""
        query = "query ($code: String!) { matters(where: {code: {eq: $code}}) { edges { node { id } } } }"
        return str((await self.ask("admin", query, {"code": code}))["matters"]["edges"][0]["node"]["id"])

    async def department(self, code: str) -> str:
        """The id of a department."""
        query = "query ($code: String!) { departments(where: {code: {eq: $code}}) { edges { node { id } } } }"
        return str((await self.ask("admin", query, {"code": code}))["departments"]["edges"][0]["node"]["id"])

    async def account(self, login: str) -> str:
        """The id of an account."""
        query = "query ($login: String!) { accounts(where: {login: {eq: $login}}) { edges { node { id } } } }"
        return str((await self.ask("admin", query, {"login": login}))["accounts"]["edges"][0]["node"]["id"])

    async def report(self, login: str, matter: str, area: str, text: str, **more: Any) -> tuple[str, str]:  # noqa: ANN401 - input
        """Report something; the case's id and its tracking code."""
        given = {"matterId": await self.matter(matter), "areaId": await self.area(area), "description": text, **more}
        made = await self.change(login, "caseReport", given, "... on CaseTracking { trackingCode light }")
        assert made["__typename"] == "CaseTracking", made
        code = made["trackingCode"]
        query = "query ($code: String!) { cases(where: {trackingCode: {eq: $code}}) { edges { node { id } } } }"
        return str((await self.ask("admin", query, {"code": code}))["cases"]["edges"][0]["node"]["id"]), code

    async def upload(self, login: str, content: bytes) -> str:
        """Upload a photo or video; its id."""
        headers = {"authorization": f"Bearer {await self.bearer(login)}"}
        answer = await self.client.post("/files", content=content, headers=headers)
        assert answer.status_code == 201, answer.text  # noqa: PLR2004 - created
        return str(answer.json()["id"])

    async def step(self, login: str, verb: str, case: str, **more: Any) -> str:  # noqa: ANN401 - of the input
        """Carry out a verb; the state after it, or the reason of the refusal."""
        answer = await self.change(login, f"case{verb}", {"id": case, **more}, "... on CaseStep { toState }")
        return str(answer.get("toState") or answer["reason"])

    async def case(self, case: str, selection: str = _CASE) -> dict[str, Any]:
        """The case as the city's administrator sees it."""
        document = f"query ($id: ID!) {{ case(id: $id) {{ {selection} }} }}"
        found: dict[str, Any] = (await self.ask("admin", document, {"id": case}))["case"]
        return found

    async def pass_time(self, **amount: float) -> None:
        """Let time pass; the periodic run comes at its end."""
        self.clock.advance(**amount)
        await run_tenant(self.platform.works, self.tenant_id)

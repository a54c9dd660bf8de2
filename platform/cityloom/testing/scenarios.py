"""The story of one real city, told from its pack through the public API only, on a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
from sqlalchemy import select

from cityloom.access import models as access
from cityloom.access.service.sessions import open_session
from cityloom.core.crypto import LEAD
from cityloom.core.ids import decode_id
from cityloom.events.sequencer import Sequencer
from cityloom.exports.running import Exporter
from cityloom.imports.running import run_import
from cityloom.modules.cases.jobs import run_tenant
from cityloom.modules.tags.jobs import begin_day, keep_up
from cityloom.privacy.service import carry_on
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

    async def make(self, login: str, mutation: str, type_: str, **given: Any) -> str:  # noqa: ANN401 - of the input
        """The id of what a mutation makes."""
        made = await self.change(login, mutation, given, f"... on {type_} {{ id }}")
        assert made["__typename"] == type_, made
        return str(made["id"])

    async def reason(self, login: str, mutation: str, **given: Any) -> str | None:  # noqa: ANN401 - of the input
        """Why a mutation is refused; None where it is not."""
        return (await self.change(login, mutation, given, "")).get("reason")

    async def count(self, login: str, root: str, where: str = "") -> int:
        """How many of a list somebody sees."""
        arguments = f"(where: {{ {where} }})" if where else ""
        return int((await self.ask(login, f"{{ {root}{arguments} {{ totalCount }} }}"))[root]["totalCount"])

    async def dwelling(self, login: str, area: str, number: str, use: str = "OWNED") -> str:
        """The id of a new dwelling, in a new building of its own in an area."""
        building = await self.make(
            login, "buildingCreate", "Building", areaId=await self.area(area), code=f"B{number}", name=f"{number}号楼"
        )
        given = {"buildingId": building, "number": number, "use": use, "usedSince": "2020-01-01"}
        return await self.make(login, "dwellingCreate", "Dwelling", **given)

    async def household(self, login: str, dwelling: str, number: str, *people: dict[str, Any]) -> tuple[str, list[str]]:
        """A household that has lived in a dwelling since 2020, with people in it: its id and theirs."""
        home = {"dwellingId": dwelling, "number": number, "movedInOn": "2020-01-01"}
        made = await self.make(login, "householdCreate", "Household", **home)
        since = {"householdId": made, "arrivedOn": "2020-01-01"}
        found = [await self.make(login, "residentCreate", "Resident", **since, **one) for one in people]
        return made, found

    async def post(self, login: str, post: str, area: str) -> None:
        """Let an account hold a post in an area, by their codes; who holds it already keeps it."""
        posts = {one["code"]: one["id"] for one in (await self.ask("admin", "{ posts { id code } }"))["posts"]}
        given = {"accountId": await self.account(login), "postId": posts[post], "areaId": await self.area(area)}
        assert await self.reason("admin", "postAssign", **given) in {None, "POST_HELD_ALREADY"}

    async def tags_of(self, login: str, resident: str) -> set[str]:
        """Which tags of a resident somebody sees."""
        query = "query ($id: ID!) { resident(id: $id) { tags { tag { code } } } }"
        found = (await self.ask(login, query, {"id": resident}))["resident"]["tags"]
        return {one["tag"]["code"] for one in found}

    async def tag(self, code: str) -> str:
        """The id of a tag of the catalogue."""
        query = "query ($code: String!) { tags(where: {code: {eq: $code}}) { nodes { id } } }"
        return str((await self.ask("admin", query, {"code": code}))["tags"]["nodes"][0]["id"])

    async def import_table(self, login: str, content: bytes) -> str:
        """Upload a table for the registry; the import's id."""
        headers = {"authorization": f"Bearer {await self.bearer(login)}"}
        answer = await self.client.post("/imports/registry", content=content, headers=headers)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    async def run_import(self, login: str, mutation: str, import_id: str, selection: str) -> dict[str, Any]:
        """Check or apply an import, let a worker do it, and look at it."""
        await self.make(login, mutation, "Import", id=import_id)
        row_id = decode_id(import_id, self.tenant_id, "impt")
        assert row_id is not None
        assert await run_import(self.platform.works, self.tenant_id, row_id)
        document = f"query ($id: ID!) {{ import(id: $id) {{ {selection} }} }}"
        found: dict[str, Any] = (await self.ask(login, document, {"id": import_id}))["import"]
        return found

    async def subject_export(self, login: str, person: str, purpose: str) -> dict[str, Any]:
        """All that is stored of a person, as a file of JSON; or the refusal."""
        headers = {"authorization": f"Bearer {await self.bearer(login)}"}
        answer = await self.client.get(f"/privacy/people/{person}", params={"purpose": purpose}, headers=headers)
        found: dict[str, Any] = answer.json()
        return found

    async def rotate_keys(self) -> None:
        """Begin to rotate the city's keys and let the platform end it."""
        document = "mutation { keyRotationStart { __typename ... on KeyRotation { id } } }"
        made = (await self.ask("admin", document))["keyRotationStart"]
        for _ in range(3):
            self.clock.advance(seconds=LEAD.total_seconds())
            done = 1
            while done:
                async with self.platform.works.begin(system_principal(self.tenant_id)) as work:
                    done = await carry_on(work)
        query = "query ($id: ID!) { keyRotation(id: $id) { finishedAt } }"
        assert (await self.ask("admin", query, {"id": made["id"]}))["keyRotation"]["finishedAt"]

    async def run_exports(self) -> None:
        """Let a worker write the exports that wait."""
        await Exporter(self.platform.works).run_due()

    async def follow_up(self) -> None:
        """What the platform does within seconds of a change: events get their places, tags follow."""
        await Sequencer(self.platform.works).drain(self.tenant_id)
        done = 1
        while done:
            async with self.platform.works.begin(system_principal(self.tenant_id)) as work:
                done = await keep_up(work)

    async def pass_night(self) -> None:
        """Let a day pass, and what the platform does at its beginning."""
        self.clock.advance(days=1)
        async with self.platform.works.begin(system_principal(self.tenant_id)) as work:
            await begin_day(work)

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

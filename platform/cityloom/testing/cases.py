"""An office that handles cases in an `AreaTree`: accounts with real roles, departments, a workflow and a matter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cityloom.access import models as access
from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import Principal, PrincipalKind, Scope, subtree
from cityloom.modules.cases import models as m
from cityloom.modules.cases import service
from cityloom.modules.cases.flow import Workflow
from cityloom.modules.cases.permissions import PERMISSIONS
from cityloom.modules.cases.service import catalogue
from cityloom.testing.rights import StatedRights

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.testing.areas import AreaTree
    from cityloom.testing.front import Front

LIGHTS: dict[str, Any] = {
    "code": "whistle",
    "title": {"zh": "四色灯", "en": "Four lights"},
    "initial": "found",
    "duty": "role:duty_officer",
    "states": [
        {"code": "found", "name": {"zh": "已发现", "en": "Found"}, "light": "RED", "limit": "30m"},
        {"code": "whistled", "name": {"zh": "已吹哨", "en": "Whistled"}, "light": "BLUE", "limit": "2h"},
        {"code": "handling", "name": {"zh": "处置中", "en": "In hand"}, "light": "BLUE", "limit": "3wd"},
        {"code": "held", "name": {"zh": "挂起", "en": "On hold"}, "light": "BLUE", "clock": "PAUSE"},
        {"code": "resolved", "name": {"zh": "待验收", "en": "To verify"}, "light": "YELLOW", "limit": "1d"},
        {"code": "verified", "name": {"zh": "已验收", "en": "Verified"}, "light": "YELLOW"},
        {"code": "closed", "name": {"zh": "已销号", "en": "Closed"}, "light": "GREEN", "is_terminal": True},
    ],
    "transitions": [
        {
            "code": verb.lower(),
            "verb": verb,
            "name": {"zh": verb, "en": verb},
            "from_states": states,
            "to": to,
            "who": who,
            "needs": needs,
        }
        for verb, states, to, who, needs in (
            ("DISPATCH", ["found"], "whistled", ["role:community_worker"], ["department"]),
            ("ACCEPT", ["whistled"], "handling", ["department"], []),
            ("RETURN", ["whistled", "handling"], "found", ["department"], ["comment"]),
            ("TRANSFER", ["handling"], None, ["department"], ["department"]),
            ("HOLD", ["handling"], "held", ["department"], ["comment"]),
            ("RESUME", ["held"], "handling", ["department"], []),
            ("RESOLVE", ["handling"], "resolved", ["department", "assignee"], []),
            ("VERIFY", ["resolved"], "verified", ["role:community_worker", "department"], []),
            ("REJECT", ["resolved"], "handling", ["role:community_worker"], ["comment"]),
            ("CLOSE", ["verified"], "closed", ["role:community_worker"], []),
            ("REOPEN", ["closed"], "found", ["reporter", "role:community_worker"], ["comment"]),
        )
    ],
    "escalation": [{"to": "role:street_lead"}, {"after": "1h", "to": "role:mayor"}],
}

_ALL = tuple(permission.name for permission in PERMISSIONS if ".phone." not in permission.name)
_BESIDE = ("areas.area.read", "access.account.read", "access.department.read", "files.file.read", "files.file.upload")


@dataclass
class Office:
    """Who works in one tenant: `who["worker"]` is a principal whose account and roles are in the database."""

    tree: AreaTree
    front: Front
    who: dict[str, Principal] = field(default_factory=dict)
    departments: dict[str, UUID] = field(default_factory=dict)
    roles: dict[str, UUID] = field(default_factory=dict)
    matters: dict[str, UUID] = field(default_factory=dict)

    @classmethod
    async def open(cls, tree: AreaTree, front: Front, *, definition: dict[str, Any] | None = None) -> Office:
        """Two communities' workers, a grid worker, a street lead, two departments, a resident, and one matter."""
        made = cls(tree, front)
        async with front.works.begin(tree.administrator) as work:
            for code in ("urban", "water"):
                made.departments[code] = new_id()
                work.session.add(access.Department(id=made.departments[code], code=code, name=code))
            for code in ("community_worker", "grid_worker", "street_lead", "department_officer", "resident", "mayor"):
                made.roles[code] = new_id()
                work.session.add(access.Role(id=made.roles[code], code=code, title_zh=code, title_en=code))
            made.roles["duty_officer"] = new_id()
            work.session.add(
                access.Role(id=made.roles["duty_officer"], code="duty_officer", title_zh="值班", title_en="Duty")
            )
            await work.session.flush()
        await made.hire("worker", "community_worker", at="s1c1")
        await made.hire("colleague", "community_worker", at="s1c1")
        await made.hire("neighbour", "community_worker", at="s2c1")
        await made.hire("grid", "grid_worker", at="s1c1g1")
        await made.hire("lead", "street_lead", at="s1")
        await made.hire("mayor", "mayor", at="city")
        await made.hire("duty", "duty_officer", at="city")
        await made.hire("urban", "department_officer", department="urban")
        await made.hire("water", "department_officer", department="water")
        await made.hire("resident", "resident", own=True)
        async with front.works.begin(tree.administrator) as work:
            await service.publish(work, Workflow.model_validate(definition or LIGHTS))
            made.matters["rubbish"] = await made.add_matter(work, "0101", workflow=(definition or LIGHTS)["code"])
        return made

    async def hire(
        self,
        name: str,
        role: str,
        *,
        at: str | None = None,
        department: str | None = None,
        own: bool = False,
        permissions: tuple[str, ...] = _ALL,
    ) -> Principal:
        """An account that holds a role, with rights of the same reach."""
        area = self.tree.areas[at] if at else None
        kind = PrincipalKind.RESIDENT if own else PrincipalKind.STAFF
        account = new_id()
        async with self.front.works.begin(self.tree.administrator) as work:
            now = work.now()
            work.session.add(
                access.Account(
                    id=account, login=f"{name}-{account.hex[-8:]}", name=name, kind=kind.value, created_at=now
                )
            )
            await work.session.flush()
            work.session.add(
                access.Membership(
                    account_id=account,
                    role_id=self.roles[role],
                    scope_kind="AREA" if area else "DEPARTMENT" if department else "OWN",
                    area_id=area.id if area else None,
                    area_path=area.path if area else None,
                    department_id=self.departments[department] if department else None,
                    granted_at=now,
                )
            )
        scope = (
            Scope(areas=(subtree(area.path),))
            if area
            else Scope(departments=(self.departments[department],))
            if department
            else Scope(own=True)
        )
        rights = StatedRights(dict.fromkeys((*permissions, *_BESIDE), scope))
        made = Principal(self.tree.tenant_id, kind, rights, account_id=account, locale="en")
        self.who[name] = made
        return made

    async def add_matter(self, work: Any, code: str, **stated: Any) -> UUID:  # noqa: ANN401 - a Work, columns of a pack
        """One more matter that can be reported."""
        matter: m.Matter = catalogue.blank(
            work, code, name_zh=code, name_en=code, admission="ADMITTED", stated=stated, is_from_pack=False
        )
        work.session.add(matter)
        await work.session.flush()
        await catalogue.settle_all(work)
        return matter.id

    def matter(self, name: str = "rubbish") -> str:
        """The global id of a matter."""
        return encode_id("matr", self.tree.tenant_id, self.matters[name])

    def department(self, code: str) -> str:
        """The global id of a department."""
        return encode_id("dept", self.tree.tenant_id, self.departments[code])

    def account(self, name: str) -> str:
        """The global id of an account."""
        account = self.who[name].account_id
        assert account is not None
        return encode_id("acct", self.tree.tenant_id, account)

    async def report(self, who: str = "grid", *, at: str = "s1c1g1", **more: Any) -> str:  # noqa: ANN401 - input
        """Report something and answer the case's global id, as an administrator sees it."""
        given = {"matterId": self.matter(), "areaId": self.tree.global_id(at), "description": "rubbish", **more}
        answer = await self.front.data(self.who[who], REPORT, {"input": given})
        assert answer["caseReport"]["__typename"] == "CaseTracking", answer
        code = answer["caseReport"]["trackingCode"]
        found = await self.front.data(
            self.tree.administrator,
            "query ($code: String!) { cases(where: {trackingCode: {eq: $code}}) { edges { node { id } } } }",
            {"code": code},
        )
        case_id: str = found["cases"]["edges"][0]["node"]["id"]
        return case_id

    async def step(self, who: str | Principal, verb: str, case_id: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of the input
        """Carry out one verb and answer what came back: a step, or a refusal."""
        name = f"case{verb.capitalize()}"
        document = (
            f"mutation ($input: Case{verb.capitalize()}Input!) {{ {name}(input: $input) {{ __typename"
            " ... on CaseStep {"
            " number verb fromState toState case { id state light isOpen dueAt isOverdue version } }"
            " ... on Refusal { code reason path message } } }"
        )
        principal = self.who[who] if isinstance(who, str) else who
        answer = await self.front.data(principal, document, {"input": {"id": case_id, **more}})
        found: dict[str, Any] = answer[name]
        return found

    async def case(self, case_id: str, fields: str = "state light isOpen dueAt isOverdue level") -> dict[str, Any]:
        """The case as an administrator sees it."""
        document = f"query ($id: ID!) {{ case(id: $id) {{ {fields} }} }}"
        found: dict[str, Any] = (await self.front.data(self.tree.administrator, document, {"id": case_id}))["case"]
        return found


REPORT = (
    "mutation ($input: CaseReportInput!) { caseReport(input: $input) { __typename ... on CaseTracking"
    " { trackingCode light isOpen stateZh case { id } } ... on Refusal { code reason path message } } }"
)

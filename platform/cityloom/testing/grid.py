"""A tenant's posts and the people who hold them, for tests of the grid and above."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from cityloom.access.models import Account
from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import Principal, Scope, subtree
from cityloom.modules.grid import models as m
from cityloom.modules.grid import service
from cityloom.testing.rights import StatedRights

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.testing.areas import AreaTree

#: Code, rank, lead, single, patrols, and how many a grid needs and may have: 1+1+1+N.
POSTS = (
    ("GRID_LEAD", 1, True, True, False, 1, 1),
    ("GRID_WORKER", 2, False, False, True, 1, 2),
    ("ADVISER", 3, False, True, False, 0, 1),
    ("FUNCTIONAL_WORKER", 4, False, False, False, 0, None),
)
#: What somebody on the grid may do by default.
FIELD = (
    "areas.area.read",
    "registry.dwelling.read",
    "registry.household.read",
    "registry.resident.read",
    "grid.post.read",
    "grid.shift.read",
    "grid.shift.attend",
    "grid.patrol.read",
    "grid.patrol.record",
    "grid.visit.read",
    "grid.visit.record",
    "grid.report.read",
    "grid.report.submit",
    "grid.score.read",
    "grid.score.appeal",
    "grid.award.read",
)
SINCE = date(2026, 1, 1)


@dataclass
class Roster:
    """Posts of one tenant by code and its people by name; a street and a community have a post `LEAD` of their own."""

    tree: AreaTree
    posts: dict[str, UUID] = field(default_factory=dict)
    accounts: dict[str, UUID] = field(default_factory=dict)
    assignments: dict[str, UUID] = field(default_factory=dict)

    @classmethod
    async def of(cls, tree: AreaTree) -> Roster:
        """The posts 1+1+1+N in the tenant's grids, and a lead in streets and communities; nobody holds any yet."""
        made = cls(tree)
        async with tree.works.begin(tree.administrator) as work:
            for code, rank, is_lead, is_single, must_patrol, *_ in (*POSTS, ("LEAD", 1, True, False, False, 0, None)):
                post = m.Post(
                    id=new_id(),
                    code=code,
                    title_zh=code,
                    title_en=code,
                    rank=rank,
                    is_lead=is_lead,
                    is_single=is_single,
                    must_patrol=must_patrol,
                )
                work.session.add(post)
                made.posts[code] = post.id
            await work.session.flush()
            for code, *_, least, most in POSTS:
                work.session.add(m.PostStaffing(post_id=made.posts[code], kind="GRID", least=least, most=most))
            for kind in ("CITY", "STREET", "COMMUNITY"):
                work.session.add(m.PostStaffing(post_id=made.posts["LEAD"], kind=kind, least=0, most=None))
        return made

    async def account(self, name: str) -> UUID:
        """An active account of the staff."""
        async with self.tree.works.begin(self.tree.administrator) as work:
            row = Account(id=new_id(), login=f"{name}", name=name, created_at=work.now())
            work.session.add(row)
        self.accounts[name] = row.id
        return row.id

    async def hold(
        self, name: str, post: str, area: str, *, since: date = SINCE, until: date | None = None
    ) -> m.PostAssignment:
        """Somebody, made where they are new, gets a post."""
        account_id = self.accounts.get(name) or await self.account(name)
        async with self.tree.works.begin(self.tree.administrator) as work:
            assignment = await service.assign_post(
                work,
                account_id=account_id,
                post_id=self.posts[post],
                area_id=self.tree.id(area),
                valid_from=since,
                valid_until=until,
            )
        self.assignments[name] = assignment.id
        return assignment

    def principal(self, name: str, *permissions: str, at: str | None = None) -> Principal:
        """Somebody with what people on the grid may do, and these permissions besides, in one area or everywhere."""
        scope = Scope(everywhere=True) if at is None else Scope(areas=(subtree(self.tree.areas[at].path),))
        rights = StatedRights(dict.fromkeys((*FIELD, *permissions), scope))
        return replace(self.tree.someone(), rights=rights, account_id=self.accounts[name])

    def worker_id(self, name: str) -> str:
        """The global id of a worker."""
        return encode_id("gwkr", self.tree.tenant_id, self.accounts[name])

    def account_id(self, name: str) -> str:
        """The global id of an account."""
        return encode_id("acct", self.tree.tenant_id, self.accounts[name])

    def post_id(self, code: str) -> str:
        """The global id of a post."""
        return encode_id("post", self.tree.tenant_id, self.posts[code])

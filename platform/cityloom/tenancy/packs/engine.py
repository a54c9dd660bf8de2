"""The pack engine: files to a checked pack, pack and database to a plan, and back to files. It never commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from cityloom.core.text import Text
from cityloom.tenancy.packs.difference import Change, Differences, Plan, changed_fields, difference
from cityloom.tenancy.packs.pack import Bases, Pack, read_base, read_pack
from cityloom.tenancy.packs.parts import PackPart
from cityloom.tenancy.packs.problems import InvalidPack, Problem, Problems
from cityloom.tenancy.packs.tables import Table
from cityloom.tenancy.packs.writing import write_pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cityloom.core.work import Work
    from cityloom.tenancy.packs.manifest import TenantRow
    from cityloom.tenancy.packs.parts import Rows
    from cityloom.tenancy.packs.source import PackSource


class PackEngine:
    """Knows the parts of packs, in the order in which they are written, and where base packs are."""

    def __init__(self, parts: Sequence[PackPart], bases: Bases) -> None:
        self.parts, self.bases = tuple(sorted(parts, key=lambda part: part.order)), bases
        self.tables: tuple[Table[Any], ...] = tuple(table for part in self.parts for table in part.tables)
        names = [table.name for table in self.tables]
        if len(set(names)) != len(names):
            message = f"two parts of packs share a name: {sorted(names)}"
            raise ValueError(message)

    def check(self, source: PackSource, problems: Problems | None = None) -> Pack:
        """The pack, if there is nothing wrong with it; refuses (`InvalidPack`) with everything that is."""
        problems = Problems() if problems is None else problems
        pack = read_pack(source, self.tables, self.bases, problems)
        # Checks across rows rest on rows that are each sound; otherwise one slip would be told many times.
        if pack is not None and not problems:
            for part in self.parts:
                part.check(pack, problems)
        problems.refuse()
        return cast("Pack", pack)

    def problems(self, source: PackSource, problems: Problems) -> tuple[Problem, ...]:
        """All that is wrong with a pack, as data."""
        try:
            self.check(source, problems)
        except InvalidPack as refusal:
            return refusal.problems
        return ()

    def canonical(self, pack: Pack) -> dict[str, bytes]:
        """The pack's files in canonical form."""
        if pack.tenant is None:
            message = "a base pack has no canonical tenant"
            raise ValueError(message)
        rows = {table: pack.rows(table) for table in self.tables}
        return write_pack(pack.tenant, rows, self.tables, pack.base)

    async def read(self, work: Work) -> Rows:
        """Every row of every part that the tenant has now."""
        rows: dict[Table[Any], Sequence[Any]] = {}
        for part in self.parts:
            rows.update(await part.read(work))
        return rows

    def differences(self, pack: Pack, present: Rows) -> Differences:
        """What turns the present rows into the pack's."""
        return Differences(
            {table: difference(table, pack.rows(table), present.get(table, ())) for table in self.tables}
        )

    def plan(self, pack: Pack, tenant: TenantRow | None, differences: Differences) -> Plan:
        """The plan for a person; `tenant` is how the tenant is called now, None where there is none yet."""
        wanted = cast("TenantRow", pack.tenant)
        changes: list[Change] = []
        if tenant is not None and tenant != wanted:
            changes.append(Change("tenant", "~", (wanted.slug,), changed_fields(tenant, wanted)))
        changes.extend(differences.changes())
        return Plan(wanted.slug, tenant is None, pack.digest(), tuple(changes))

    async def write(self, work: Work, differences: Differences) -> None:
        """Carry the differences out, part by part, in the work's one transaction."""
        kept = differences.without_removals()
        for part in self.parts:
            if any(kept[table] for table in part.tables):
                await part.write(work, kept)
                await work.session.flush()
        removed = differences.only_removals()
        for part in reversed(self.parts):
            if any(removed[table] for table in part.tables):
                await part.write(work, removed)
                await work.session.flush()

    async def export(self, work: Work, tenant: TenantRow) -> dict[str, bytes]:
        """The files of the tenant's pack as the database has it, on top of the base pack that it extends."""
        problems = Problems()
        base = None
        if tenant.extends:
            base = read_base(tenant.extends, self.tables, self.bases, problems)
            if base is None and not problems:
                problems.say(
                    tenant.extends,
                    0,
                    "",
                    Text("没有该基础包", "there is no such base pack"),
                    Text("基础包在 tenants/packs/ 下", "base packs lie in tenants/packs/"),
                )
            problems.refuse()
        return write_pack(tenant, await self.read(work), self.tables, base)

"""A tenant's tree of areas for tests, planted as a pack would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cityloom.core.ids import encode_id, new_id
from cityloom.core.principal import Scope, subtree
from cityloom.modules.areas import models as m
from cityloom.modules.areas import pack
from cityloom.modules.areas.pack import AreaRow, KindRow
from cityloom.tenancy.packs import Difference, Differences, PackText, Table
from cityloom.testing.rights import StatedRights, principal

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.principal import FieldAccess, Principal
    from cityloom.core.work import Works
    from cityloom.tenancy.packs import Table

KINDS = (("CITY", 1, None), ("STREET", 2, None), ("COMMUNITY", 3, None), ("GRID", 4, "BASIC"), ("MICRO", 5, "MICRO"))


@dataclass
class AreaTree:
    """The areas of one tenant by a short name: `city`, `s1`, `s1c1`, `s1c1g1` and so on."""

    tenant_id: UUID
    works: Works
    areas: dict[str, m.Area] = field(default_factory=dict)

    @classmethod
    async def plant(cls, works: Works, *, streets: int = 2, communities: int = 2, grids: int = 2) -> AreaTree:
        """A fresh tenant with kinds and a tree, valid since ever."""
        made = cls(new_id(), works)
        rows = [("city", "CITY", "")]
        for s in range(1, streets + 1):
            rows.append((f"s{s}", "STREET", "city"))
            for c in range(1, communities + 1):
                rows.append((f"s{s}c{c}", "COMMUNITY", f"s{s}"))
                rows += ((f"s{s}c{c}g{g}", "GRID", f"s{s}c{c}") for g in range(1, grids + 1))
        kinds = [
            KindRow(code=code, title=PackText(zh=code, en=code), level=level, grid_class=grid)
            for code, level, grid in KINDS
        ]
        areas = [
            AreaRow(code=name.upper(), name=name, kind=kind, parent=parent.upper() or None)
            for name, kind, parent in rows
        ]
        # As a pack does it: by a few statements, where one area after the other is a hundred and fifty.
        async with works.begin(made.administrator) as work:
            differences: dict[Table[Any], Difference[Any]] = {
                pack.KINDS: Difference(added=tuple(kinds)),
                pack.AREAS: Difference(added=tuple(areas)),
            }
            await pack.AreasPart().write(work, Differences(differences))
            found = {area.code: area for area in await work.session.scalars(select(m.Area))}
        made.areas |= {name: found[name.upper()] for name, *_ in rows}
        return made

    @property
    def administrator(self) -> Principal:
        """Someone who may do everything."""
        return principal(self.tenant_id)

    def someone(
        self, *permissions: str, at: str | None = None, fields: dict[str, FieldAccess] | None = None
    ) -> Principal:
        """Someone with these permissions in one area, or everywhere."""
        scope = Scope(everywhere=True) if at is None else Scope(areas=(subtree(self.areas[at].path),))
        return principal(self.tenant_id, StatedRights(dict.fromkeys(permissions, scope), fields or {}))

    def id(self, name: str) -> UUID:
        """The row id of an area."""
        return self.areas[name].id

    def global_id(self, name: str) -> str:
        """The global id of an area."""
        return encode_id("area", self.tenant_id, self.areas[name].id)

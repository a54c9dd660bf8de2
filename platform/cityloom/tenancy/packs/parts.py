"""What a module contributes so that its rows can stand in a pack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cityloom.core.work import Work
    from cityloom.tenancy.packs.difference import Differences
    from cityloom.tenancy.packs.pack import Pack
    from cityloom.tenancy.packs.problems import Problems
    from cityloom.tenancy.packs.tables import Table

    Rows = Mapping[Table[Any], Sequence[Any]]


class PackPart:
    """The tables of one module in a pack; subclass it and name an instance in `Module.pack_parts`.

    Reading files, inheritance, comparing and writing files are the engine's; a part knows its rows and the database.
    """

    name: str
    tables: tuple[Table[Any], ...]
    #: Parts of a higher order are written after all of a lower one, whatever the order of their modules.
    order: int = 0

    def check(self, pack: Pack, problems: Problems) -> None:
        """Add what is wrong across rows and tables, without a database. Base packs are merged in already."""

    async def read(self, work: Work) -> Rows:
        """Every row that the tenant has now, named as in packs (codes and logins, never ids)."""
        raise NotImplementedError

    async def write(self, work: Work, differences: Differences) -> None:
        """Make it so; refuses by raising, which undoes the whole application.

        Called twice in one transaction: in the order of parts with what is added and changed, then in the opposite
        order with what is removed. Afterwards `read` must give what the pack states.
        """
        raise NotImplementedError

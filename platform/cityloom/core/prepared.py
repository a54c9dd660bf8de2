"""Statements that are compiled once and sent by the driver itself, for paths where the ORM's work per call counts."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import inspect
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from cityloom.core.writes import made

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg
    from sqlalchemy import Column, Executable

    from cityloom.core.database import TenantTable
    from cityloom.core.work import Work

_DIALECT = asyncpg_dialect.dialect()  # type: ignore[no-untyped-call] # the dialect is untyped

Row = TypeVar("Row", bound="TenantTable")


class Prepared:
    """A statement with named parameters, made by a function when it is first used.

    The tenant is the parameter `tenant`, which the statement must name on every table: nothing is added to it. What is
    pending in the work is written before it, unless `is_apart` says that it asks of nothing that the work may change.
    """

    def __init__(self, make: Callable[[], Executable], *, is_apart: bool = False) -> None:
        self._make, self._is_apart = make, is_apart

    @cached_property
    def _compiled(self) -> tuple[str, tuple[str, ...], dict[str, Any]]:
        compiled = self._make().compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined] # every statement can be compiled
        return str(compiled), tuple(compiled.positiontup or ()), dict(compiled.params)

    async def row(self, work: Work, **values: Any) -> Any:  # noqa: ANN401 - an asyncpg record, or None
        """The first row that it answers in the work's transaction, or None."""
        connection = await self._connection(work)
        return await connection.fetchrow(self._compiled[0], *self._arguments(work, values))

    async def rows(self, work: Work, **values: Any) -> list[Any]:  # noqa: ANN401 - asyncpg records
        """All rows that it answers in the work's transaction."""
        connection = await self._connection(work)
        return list(await connection.fetch(self._compiled[0], *self._arguments(work, values)))

    async def _connection(self, work: Work) -> asyncpg.Connection[asyncpg.Record]:
        return work.transaction.connection if self._is_apart else await work.connection()

    def _arguments(self, work: Work, values: dict[str, Any]) -> list[Any]:
        _, names, constants = self._compiled
        given = {**constants, **values, "tenant": work.tenant_id}
        return [given[name] for name in names]


class Reader(Generic[Row]):
    """Makes objects of a model from records that hold `columns`: all of its columns but those left out.

    The driver's codecs make Python values of every type that the models use, JSON included.
    """

    def __init__(self, model: type[Row], *, without: tuple[str, ...] = ()) -> None:
        self._model, self._without = model, without

    @cached_property
    def columns(self) -> tuple[Column[Any], ...]:
        """What to select."""
        return tuple(one for one in inspect(self._model).local_table.columns if one.name not in self._without)

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        mapper = inspect(self._model)
        return tuple(mapper.get_property_by_column(column).key for column in self.columns)

    def read(self, record: Any) -> Row:  # noqa: ANN401 - an asyncpg record
        """The row of one record, which begins with `columns`; it belongs to no session: see `Work.keep`."""
        return made(self._model, dict(zip(self._keys, record, strict=False)))

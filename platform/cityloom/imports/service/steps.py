"""What the importer asks for: a check, the change, an end. A worker does it (`running`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cityloom.core.events import AuditEntry
from cityloom.imports import events
from cityloom.imports import models as m
from cityloom.imports.errors import ImportStateWrong, absent
from cityloom.imports.permissions import READ, RUN
from cityloom.imports.service.ending import end
from cityloom.imports.service.mappings import mapping_named
from cityloom.imports.service.uploads import TAG, demand_target
from cityloom.imports.targets import demand_columns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from cityloom.core.work import Work


async def reach(work: Work, import_id: UUID | None) -> m.Import:
    """An import of the caller's own, locked; refuses (`Forbidden`, `NotFound`).

    Nobody goes on with the import of somebody else: it is done with the rights of whoever uploaded the file.
    """
    work.authorise(RUN)
    found = await work.session.scalar(
        select(m.Import)
        .where(m.Import.id == import_id, m.Import.account_id == work.principal.account_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None or found.client_id != work.principal.client_id or work.rights.scope(READ) is None:
        raise absent()
    return found


async def check_import(
    work: Work,
    import_id: UUID | None,
    *,
    rule: str = "SKIP",
    mapping: Mapping[str, str | None] | None = None,
    mapping_name: str | None = None,
) -> m.Import:
    """Have all rows checked, without any change; a check before is forgotten.

    `rule` says what is done with what is registered already; `mapping` says of headers which column they stand for,
    before a mapping of the city by name. Refuses (`Forbidden`, `NotFound`, `ImportStateWrong`, `MappingNameUnknown`,
    and what `demand_columns` refuses).
    """
    return await _start(work, import_id, rule, mapping, mapping_name, applies=False)


async def apply_import(
    work: Work,
    import_id: UUID | None,
    *,
    skips_refused: bool = False,
    rule: str | None = None,
    mapping: Mapping[str, str | None] | None = None,
    mapping_name: str | None = None,
) -> m.Import:
    """Have the rows taken over: all of them or, with `skips_refused`, those without errors.

    They are checked first, where that was not done yet. What was stated with the last check holds where nothing else
    is stated. Refuses what `check_import` refuses.
    """
    return await _start(work, import_id, rule, mapping, mapping_name, applies=True, skips_refused=skips_refused)


async def cancel_import(work: Work, import_id: UUID | None) -> m.Import:
    """End an import before it is completed, and delete its file.

    Refuses (`Forbidden`, `NotFound`, `ImportStateWrong`).
    """
    row = await reach(work, import_id)
    if row.state in m.ENDED:
        raise ImportStateWrong(path=("id",), state=row.state)
    await end(work, row, "CANCELLED")
    return row


async def _start(
    work: Work,
    import_id: UUID | None,
    rule: str | None,
    mapping: Mapping[str, str | None] | None,
    mapping_name: str | None,
    *,
    applies: bool,
    skips_refused: bool = False,
) -> m.Import:
    row = await reach(work, import_id)
    if row.state not in {"UPLOADED", "CHECKED"}:
        raise ImportStateWrong(path=("id",), state=row.state)
    target = demand_target(work, row.target)
    stated = _stated(row, await mapping_named(work, row.target, mapping_name) if mapping_name else None, mapping)
    found = demand_columns(row.sheets, target.name, await target.columns(work), stated)
    row.sheets = [one.told(sheet) for sheet, one in zip(row.sheets, found, strict=True)]
    rule = rule or row.rule
    if not applies or row.state == "UPLOADED" or (rule, stated) != (row.rule, row.mapping):
        # Rows that were staged otherwise are not what is asked for now.
        await target.discard(work, row.id)
        row.chunks_done = row.rows_done = 0
    row.rule, row.mapping, row.skips_refused = rule, stated, skips_refused
    row.state = "APPLYING" if applies else "CHECKING"
    row.claim, row.claimed_until = None, work.now()
    work.emit(events.ImportStarted(subject_id=row.id, target=row.target, applies=applies))
    after: dict[str, Any] = {"rule": row.rule, "skips_refused": skips_refused, "mapped": len(row.mapping)}
    action = "imports.import.apply" if applies else "imports.import.check"
    work.audit(AuditEntry(action=action, object_tag=TAG, object_id=row.id, after=after))
    await work.session.flush()
    return row


def _stated(
    row: m.Import, named: Mapping[str, Any] | None, mapping: Mapping[str, str | None] | None
) -> dict[str, str | None]:
    """The mapping that holds: of a named one only the headers that the file has."""
    if named is None and mapping is None:
        return dict(row.mapping)
    headers = {header for sheet in row.sheets for header in sheet["headers"]}
    return {header: column for header, column in (named or {}).items() if header in headers} | dict(mapping or {})

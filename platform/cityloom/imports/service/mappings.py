"""Mappings of headers that a city keeps under a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from cityloom.core.errors import InvalidInput, NotFound
from cityloom.core.events import AuditEntry
from cityloom.core.ids import new_id
from cityloom.imports import events
from cityloom.imports import models as m
from cityloom.imports.errors import ColumnUnknown, MappingNameUnknown
from cityloom.imports.permissions import MAP
from cityloom.imports.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from cityloom.core.work import Work

TAG = "impm"
_LONGEST_NAME, _MOST_HEADERS, _LONGEST_HEADER = 60, 200, 200


async def mapping_named(work: Work, target: str, name: str) -> dict[str, Any]:
    """The mapping of this name; refuses (`MappingNameUnknown`)."""
    found: dict[str, Any] | None = await work.session.scalar(
        select(m.ImportMapping.columns).where(m.ImportMapping.target == target, m.ImportMapping.name == name)
    )
    if found is None:
        raise MappingNameUnknown(path=("mappingName",), name=name[:_LONGEST_NAME])
    return found


async def save_mapping(work: Work, *, target: str, name: str, columns: Mapping[str, str | None]) -> m.ImportMapping:
    """State what headers mean under a name; one of that name is replaced.

    Refuses (`Forbidden`, `TargetUnknown`, `ColumnUnknown`, `InvalidInput`).
    """
    work.authorise(MAP)
    targets: Targets = work.services[Targets]
    known = {column.name for column in await targets.demand(target).columns(work)}
    for header, column in columns.items():
        if column is not None and column not in known:
            raise ColumnUnknown(path=("columns",), column=column[:80], known=", ".join(sorted(known)))
        if not 0 < len(header.strip()) <= _LONGEST_HEADER:
            raise InvalidInput("表头须为 1 至 200 个字符。", "A header has 1 to 200 characters.", path=("columns",))
    if not 0 < len(columns) <= _MOST_HEADERS:
        raise InvalidInput("请给出 1 至 200 个表头。", "Map 1 to 200 headers.", path=("columns",))
    name = name.strip()
    if not 0 < len(name) <= _LONGEST_NAME:
        raise InvalidInput("名称须为 1 至 60 个字符。", "A name has 1 to 60 characters.", path=("name",))
    row = await work.session.scalar(
        select(m.ImportMapping)
        .where(m.ImportMapping.target == target, m.ImportMapping.name == name)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        row = m.ImportMapping(id=new_id(), target=target, name=name)
        work.session.add(row)
    row.columns, row.changed_at = dict(columns), work.now()
    await work.session.flush()
    work.emit(events.MappingSaved(subject_id=row.id, target=target))
    after = {"target": target, "name": name, "columns": len(columns)}
    work.audit(AuditEntry(action=MAP, object_tag=TAG, object_id=row.id, after=after))
    return row


async def delete_mapping(work: Work, mapping_id: UUID | None) -> m.ImportMapping:
    """Delete a named mapping; refuses (`Forbidden`, `NotFound`)."""
    work.authorise(MAP)
    row = await work.session.scalar(select(m.ImportMapping).where(m.ImportMapping.id == mapping_id).with_for_update())
    if row is None:
        raise NotFound(path=("id",), thing="mapping", thing_zh="列对应关系")
    await work.session.delete(row)
    await work.session.flush()
    work.emit(events.MappingDeleted(subject_id=row.id, target=row.target))
    before = {"target": row.target, "name": row.name}
    work.audit(AuditEntry(action="imports.mapping.delete", object_tag=TAG, object_id=row.id, before=before))
    return row

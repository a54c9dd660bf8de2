"""The mutations of imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry
from strawberry.types.unset import UNSET

from cityloom.core.errors import InvalidInput
from cityloom.core.ids import decode_id, encode_id
from cityloom.core.work import Work
from cityloom.graph import bound as b
from cityloom.graph.given import word
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.imports import models as m
from cityloom.imports import service
from cityloom.imports.api import inputs as i
from cityloom.imports.api.shapes import Import, ImportMapping
from cityloom.imports.service.mappings import TAG as MAPPING_TAG
from cityloom.imports.service.uploads import TAG

if TYPE_CHECKING:
    from collections.abc import Sequence


@b.output_type(description="A mapping of headers that was deleted.")
class ImportMappingDeleted:
    """See `service.delete_mapping`."""

    id: b.ID = strawberry.field(description="The id that it had.")


def _columns(given: Sequence[i.ImportMappingColumnInput] | None, path: str) -> dict[str, str | None] | None:
    if given is None:
        return None
    found = {one.header: one.column for one in given}
    if len(found) < len(given):
        raise InvalidInput("每个表头只列一次。", "Name each header once.", path=(path,))
    return found


async def _check(work: Work, input: i.ImportCheckInput) -> m.Import:  # noqa: A002 - the argument's name in GraphQL
    return await service.check_import(
        work,
        decode_id(input.id, work.tenant_id, TAG, path=("id",)),
        rule=word(input.rule),
        mapping=_columns(input.mapping, "mapping"),
        mapping_name=input.mapping_name,
    )


async def _apply(work: Work, input: i.ImportApplyInput) -> m.Import:  # noqa: A002 - the argument's name in GraphQL
    return await service.apply_import(
        work,
        decode_id(input.id, work.tenant_id, TAG, path=("id",)),
        skips_refused=input.skips_refused,
        rule=None if input.rule in {None, UNSET} else word(input.rule),
        mapping=_columns(input.mapping, "mapping"),
        mapping_name=input.mapping_name,
    )


async def _cancel(work: Work, input: i.ImportCancelInput) -> m.Import:  # noqa: A002 - the argument's name in GraphQL
    return await service.cancel_import(work, decode_id(input.id, work.tenant_id, TAG, path=("id",)))


async def _save_mapping(work: Work, input: i.ImportMappingSaveInput) -> m.ImportMapping:  # noqa: A002 - the argument's name in GraphQL
    columns = _columns(input.columns, "columns") or {}
    return await service.save_mapping(work, target=input.target, name=input.name, columns=columns)


async def _delete_mapping(work: Work, input: i.ImportMappingDeleteInput) -> ImportMappingDeleted:  # noqa: A002 - the argument's name in GraphQL
    row = await service.delete_mapping(work, decode_id(input.id, work.tenant_id, MAPPING_TAG, path=("id",)))
    return ImportMappingDeleted(id=b.ID(encode_id(MAPPING_TAG, work.tenant_id, row.id)))


@mutation_root(module="imports")
class ImportsMutation:
    """Checking, taking over and ending imports; keeping mappings."""

    import_check: Import = mutation(
        _check,
        "Have all rows of an uploaded file checked without any change; a worker does it at once, see `import.done`."
        " The event `imports.import.checked.v1` tells when it is done.",
    )
    import_apply: Import = mutation(
        _apply,
        "Have the rows of a file taken over: all become visible at once, or none. Rows with errors stop it unless"
        " `skipsRefused` is sent; then it is CHECKED again. The event `imports.import.completed.v1` tells the end.",
    )
    import_cancel: Import = mutation(_cancel, "End an import before it is completed; its file is deleted.")
    import_mapping_save: ImportMapping = mutation(_save_mapping, "Keep what a city's own headers mean under a name.")
    import_mapping_delete: ImportMappingDeleted = mutation(_delete_mapping, "Delete a mapping of headers.")

"""The GraphQL inputs of imports."""

from __future__ import annotations

import strawberry
from strawberry.types.unset import UNSET

from cityloom.graph import bound as b
from cityloom.imports.api.words import ImportRule

_ID = "The import, which is the caller's own."
_MAPPING = (
    "What headers stand for that are not known by themselves, or are known wrongly; it goes before `mappingName`."
)
_MAPPING_NAME = "A mapping that the city keeps under this name; headers that the file has not are passed over."
_RULE = "What is done with rows whose thing is registered already."


@b.input_type(description="What a header stands for.")
class ImportMappingColumnInput:
    """See `targets.recognise`."""

    header: str = strawberry.field(description="The header as it stands in the file; blanks and case do not matter.")
    column: str | None = strawberry.field(
        description="A column of the target, see `importTargets`; null: it stands for nothing."
    )


@b.input_type(description="A check without any change (dry run).")
class ImportCheckInput:
    """See `service.check_import`."""

    id: b.ID = strawberry.field(description=_ID)
    rule: ImportRule = strawberry.field(default=ImportRule.SKIP, description=_RULE)
    mapping: list[ImportMappingColumnInput] | None = strawberry.field(default=None, description=_MAPPING)
    mapping_name: str | None = strawberry.field(default=None, description=_MAPPING_NAME)


@b.input_type(description="Rows to be taken over.")
class ImportApplyInput:
    """See `service.apply_import`."""

    id: b.ID = strawberry.field(description=_ID)
    skips_refused: bool = strawberry.field(
        default=False, description="Take the other rows over where some have errors; otherwise none is."
    )
    rule: ImportRule | None = strawberry.field(default=UNSET, description=f"{_RULE} Nothing: as it was checked.")
    mapping: list[ImportMappingColumnInput] | None = strawberry.field(default=None, description=_MAPPING)
    mapping_name: str | None = strawberry.field(default=None, description=_MAPPING_NAME)


@b.input_type(description="An import to end without any change.")
class ImportCancelInput:
    """See `service.cancel_import`."""

    id: b.ID = strawberry.field(description=_ID)


@b.input_type(description="A mapping of headers to keep under a name.")
class ImportMappingSaveInput:
    """See `service.save_mapping`."""

    target: str = strawberry.field(description="The target whose columns they stand for, see `importTargets`.")
    name: str = strawberry.field(description="Its name, 1 to 60 characters; one of that name is replaced.")
    columns: list[ImportMappingColumnInput] = strawberry.field(description="1 to 200 headers.")


@b.input_type(description="A mapping of headers to delete.")
class ImportMappingDeleteInput:
    """See `service.delete_mapping`."""

    id: b.ID = strawberry.field(description="The mapping.")

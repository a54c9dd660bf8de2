"""The enums of imports, stored as the texts of their values."""

from __future__ import annotations

from enum import Enum

import strawberry


@strawberry.enum(description="What an uploaded file is, by its content.")
class ImportFormat(Enum):
    """See `models.FORMATS`."""

    CSV = strawberry.enum_value("CSV", description="A text: UTF-8, UTF-16 or GB18030; comma, semicolon or tab.")
    XLSX = strawberry.enum_value("XLSX", description="An Excel workbook; each visible sheet is a table.")


@strawberry.enum(description="How far an import is.")
class ImportState(Enum):
    """See `models.STATES`."""

    UPLOADED = strawberry.enum_value("UPLOADED", description="The file was read and is kept sealed; nothing was asked.")
    CHECKING = strawberry.enum_value("CHECKING", description="A worker checks the rows, or will in a moment.")
    CHECKED = strawberry.enum_value(
        "CHECKED", description="All rows were checked and nothing was changed: see counts and findings, then apply."
    )
    APPLYING = strawberry.enum_value("APPLYING", description="A worker takes the rows over; none is visible yet.")
    COMPLETED = strawberry.enum_value("COMPLETED", description="All rows became visible at once; the file is deleted.")
    CANCELLED = strawberry.enum_value("CANCELLED", description="Ended without any change; the file is deleted.")
    FAILED = strawberry.enum_value("FAILED", description="It cannot be done, see `failure`; nothing was changed.")


@strawberry.enum(description="What is done with rows whose thing is registered already.")
class ImportRule(Enum):
    """See `models.RULES`."""

    SKIP = strawberry.enum_value("SKIP", description="What is registered stays as it is; differences are warned of.")
    UPDATE = strawberry.enum_value("UPDATE", description="What the file states replaces what is registered.")
    REFUSE = strawberry.enum_value("REFUSE", description="Each resident who is registered already is an error.")


@strawberry.enum(description="How much a finding matters.")
class ImportSeverity(Enum):
    """See `models.SEVERITIES`."""

    ERROR = strawberry.enum_value("ERROR", description="The row cannot be taken over.")
    WARNING = strawberry.enum_value("WARNING", description="The row can be taken over, or is skipped: look at it.")

"""Files in GraphQL. Bytes go by `POST /files` and by the links that a file answers."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import strawberry

from cityloom.access.api.shapes import Account
from cityloom.core.work import Work
from cityloom.files import models as m
from cityloom.files.service import issue_ticket, signed_links
from cityloom.files.visibility import seen_through
from cityloom.graph import bound as b
from cityloom.graph.mutations import mutation, mutation_root


@strawberry.enum(description="What a file is, by its content.")
class FileKind(Enum):
    """See `models.KINDS`."""

    IMAGE = strawberry.enum_value("IMAGE", description="A photo: JPEG, PNG or WebP.")
    VIDEO = strawberry.enum_value("VIDEO", description="A video: MP4, QuickTime or WebM.")


async def _links(rows: list[Any], services: dict[type, Any]) -> list[str]:
    return await signed_links(services, [(row.tenant_id, row.id) for row in rows])


async def _thumbnails(rows: list[Any], services: dict[type, Any]) -> list[str | None]:
    shown = [(row.tenant_id, row.id) for row in rows if row.has_thumbnail]
    links = iter(await signed_links(services, shown, "thumbnail"))
    return [next(links) if row.has_thumbnail else None for row in rows]


@b.bound(
    m.StoredFile,
    tag="file",
    module="files",
    read="files.file.read",
    scope=b.ScopeRule(rows=seen_through),
    orderings={"UPLOADED": (m.StoredFile.id,)},
    name="File",
)
class File(b.Node):
    """A photo or video that somebody uploaded by `POST /files`.

    A fresh upload is seen by its uploader alone; once something uses it, whoever sees that thing sees the file.
    """

    kind: FileKind = b.column(m.StoredFile.kind, "What it is.")
    media_type: str = b.column(m.StoredFile.media_type, "The media type that it is served as.")
    byte_size: b.BigInt = b.column(m.StoredFile.byte_size, "How many bytes it has, as it is kept.")
    sha256: str = b.column(m.StoredFile.sha256, "The SHA-256 of its bytes, as it is kept, in hexadecimal digits.")
    width: int | None = b.column(m.StoredFile.width, "Its width in pixels, upright; null for videos.")
    height: int | None = b.column(m.StoredFile.height, "Its height in pixels, upright; null for videos.")
    uploaded_at: datetime = b.column(m.StoredFile.uploaded_at, "When it was uploaded.")
    expires_at: datetime | None = b.column(
        m.StoredFile.expires_at, "When it is deleted if nothing uses it; null once something does."
    )
    uploader: Account | None = b.one(m.StoredFile.uploader_id, "Who uploaded it.")
    url: str = b.resolved(
        _links,
        needs=(m.StoredFile.tenant_id, m.StoredFile.id),
        description="A path under the platform's address that shows it to anybody, for ten to fifteen minutes.",
    )
    thumbnail_url: str | None = b.resolved(
        _thumbnails,
        needs=(m.StoredFile.tenant_id, m.StoredFile.id, m.StoredFile.has_thumbnail),
        description="The same for a small JPEG of at most 480 pixels a side; null for videos.",
    )


@b.output_type(description="A ticket for one upload without a credential of its own (一次性上传凭条).")
class FileTicket:
    """See `service.issue_ticket`."""

    token: str = strawberry.field(
        description="Send it as `Authorization: Bearer …` with `POST /files`. Shown only now, good for one file."
    )
    expires_at: datetime = strawberry.field(description="Until when it is good.")


async def _issue(work: Work) -> FileTicket:
    token, expires_at = await issue_ticket(work)
    return FileTicket(token=token, expires_at=expires_at)


@b.query(module="files")
class FilesQuery:
    """Files by id."""

    file: File | None = b.root_one(File, "One file by its id.")


@mutation_root(module="files")
class FilesMutation:
    """Tickets for uploads."""

    file_ticket_issue: FileTicket = mutation(
        _issue,
        "Get a one-time ticket with which a page of yours lets somebody without a credential upload one file;"
        " the file is yours to report with. Only where the city allows it.",
    )

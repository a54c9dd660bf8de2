"""How a slice above takes uploads for a thing of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.core.ids import encode_id
from cityloom.files import models as m
from cityloom.files.errors import FileGivenTwice, FileKindWrong, FileTaken, absent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from cityloom.core.work import Work


@dataclass(frozen=True, slots=True)
class Needed:
    """A file that somebody gave, and the kinds that will do; `path` leads to it in the input."""

    file_id: UUID | None
    kinds: tuple[str, ...] = m.KINDS
    path: tuple[str | int, ...] = ("files",)


async def take(work: Work, wanted: Sequence[Needed]) -> list[m.StoredFile]:
    """The files, in the order asked for, from now on in use: they do not expire, and nobody can take them again.

    Only the caller's own fresh uploads: another tenant's or another person's is as absent as one that never was.
    Refuses (`NotFound`, `FileTaken`, `FileGivenTwice`, `FileKindWrong`); then nothing is taken.
    """
    ids = sorted({one.file_id for one in wanted if one.file_id is not None})
    account = work.principal.account_id
    rows = await work.session.scalars(
        select(m.StoredFile)
        .where(m.StoredFile.id.in_(ids), m.StoredFile.uploader_id == account)
        .order_by(m.StoredFile.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    known = {row.id: row for row in rows}
    found: list[m.StoredFile] = []
    for one in wanted:
        file = known.get(one.file_id) if one.file_id is not None else None
        if file is None:
            raise absent(one.path)
        shown = encode_id("file", work.tenant_id, file.id)
        if file in found:
            raise FileGivenTwice(path=one.path, file=shown)
        if file.expires_at is None or file.expires_at <= work.now():
            raise FileTaken(path=one.path, file=shown)
        if file.kind not in one.kinds:
            raise FileKindWrong(path=one.path, file=shown, found=file.kind, needed=", ".join(one.kinds))
        found.append(file)
    for file in found:
        file.expires_at = None
    return found

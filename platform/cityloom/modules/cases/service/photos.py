"""Photos and videos of a case: what came with its report and its steps, and through which they are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, exists, or_
from sqlalchemy.orm import aliased

from cityloom.files.service import Needed, take
from cityloom.files.visibility import holds_files
from cityloom.modules.cases import models as m
from cityloom.modules.cases.errors import TooManyPhotos

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.graph.bound import Reach

MOST = 20
#: What is to be compared is a photo, not a video.
_PHOTOS_ONLY = frozenset({"BEFORE", "AFTER"})


async def attach(
    work: Work, case: m.Case, step: m.CaseStep, photos: Sequence[tuple[str, UUID | None]], *, path: str = "photos"
) -> None:
    """Let uploads of the caller, (purpose, file), belong to a step of a case; from now on they are seen with it.

    Refuses what `files.service.take` refuses, and `TooManyPhotos`.
    """
    if not photos:
        return
    if len(photos) > MOST:
        raise TooManyPhotos(path=(path,), limit=MOST)
    wanted = [
        Needed(file_id, ("IMAGE",) if purpose in _PHOTOS_ONLY else ("IMAGE", "VIDEO"), (path, at))
        for at, (purpose, file_id) in enumerate(photos)
    ]
    files = await take(work, wanted)
    for file, (purpose, _) in zip(files, photos, strict=True):
        work.add(m.CasePhoto(case_id=case.id, step_id=step.id, file_id=file.id, purpose=purpose, added_at=work.now()))


@holds_files
def _of_cases(file: Any, reach: Reach) -> ColumnElement[bool]:  # noqa: ANN401 - an alias
    photo, case = aliased(m.CasePhoto), aliased(m.Case)
    is_near = or_(reach.areas(case.area_path), reach.departments(case.department_id), reach.caller(case.reporter_id))
    return exists().where(photo.file_id == file.id, case.id == photo.case_id, is_near)

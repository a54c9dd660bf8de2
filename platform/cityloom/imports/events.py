"""What happens to imports. Counts and ids only: a million rows are one event, and none tells what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cityloom.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportUploaded(Event):
    """Somebody uploaded a file that can be imported."""

    type: ClassVar[str] = "imports.import.uploaded.v1"
    subject_tag: ClassVar[str] = "impt"
    zh: ClassVar[str] = "有人上传了待导入的文件。"

    target: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportStarted(Event):
    """A file is to be checked, or to be checked and applied; a worker does it from now on."""

    type: ClassVar[str] = "imports.import.started.v1"
    subject_tag: ClassVar[str] = "impt"
    zh: ClassVar[str] = "导入文件进入校验,或校验并写入;由后台进程执行。"

    target: str
    applies: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportChecked(Event):
    """All rows of a file were checked: so many would be new, changed, unchanged, skipped, refused. Nothing changed."""

    type: ClassVar[str] = "imports.import.checked.v1"
    subject_tag: ClassVar[str] = "impt"
    zh: ClassVar[str] = "文件全部行已校验:给出将新增、变更、不变、跳过、拒绝的行数。未作任何更改。"

    target: str
    rows_new: int
    rows_changed: int
    rows_unchanged: int
    rows_skipped: int
    rows_refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCompleted(Event):
    """A file was imported: what is new and changed by it became visible at once. There are no events per row."""

    type: ClassVar[str] = "imports.import.completed.v1"
    subject_tag: ClassVar[str] = "impt"
    zh: ClassVar[str] = "文件已导入:其新增与变更同时生效。不逐行产生事件。"

    target: str
    rows_new: int
    rows_changed: int
    rows_unchanged: int
    rows_skipped: int
    rows_refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportEnded(Event):
    """An import was cancelled, has failed, or was forgotten after its time; nothing of it was taken over."""

    type: ClassVar[str] = "imports.import.ended.v1"
    subject_tag: ClassVar[str] = "impt"
    zh: ClassVar[str] = "导入已取消、失败或逾期清除;未写入任何内容。"

    target: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSaved(Event):
    """What a city's headers mean was stated under a name, anew or for the first time."""

    type: ClassVar[str] = "imports.mapping.saved.v1"
    subject_tag: ClassVar[str] = "impm"
    zh: ClassVar[str] = "列对应关系已保存。"

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingDeleted(Event):
    """A named mapping of headers was deleted."""

    type: ClassVar[str] = "imports.mapping.deleted.v1"
    subject_tag: ClassVar[str] = "impm"
    zh: ClassVar[str] = "列对应关系已删除。"

    target: str


EVENTS: tuple[type[Event], ...] = (
    ImportUploaded,
    ImportStarted,
    ImportChecked,
    ImportCompleted,
    ImportEnded,
    MappingSaved,
    MappingDeleted,
)

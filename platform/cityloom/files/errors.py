"""What can be refused about files."""

from __future__ import annotations

from cityloom.core.errors import NotFound, Refusal, RefusalCode


def absent(path: tuple[str | int, ...] = ("id",)) -> NotFound:
    """There is no such file, or the caller may not know of it."""
    return NotFound(path=path, thing="file", thing_zh="文件")


class FileEmpty(Refusal):
    """The request holds no file: send its bytes as the body, or one part `file` of multipart/form-data."""

    zh = "请求中没有文件:请以文件内容为请求体,或使用 multipart/form-data 的 file 部分。"


class FormWrong(Refusal):
    """The multipart form cannot be read: send exactly one file in it."""

    zh = "无法读取 multipart 表单:请恰好发送一个文件。"


class FileTooLarge(Refusal):
    """The file is larger than the {limit} bytes that are allowed for {kind}."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "文件超过上限:{kind} 最大 {limit} 字节。"


class FileKindUnknown(Refusal):
    """The file's content is {found}; what is taken: {known}."""

    zh = "文件内容为 {found};可接受:{known}。"


class FileBroken(Refusal):
    """The file is damaged or not wholly a {kind}: {what}."""

    zh = "文件已损坏,或并非完整的 {kind}:{what}。"


class ImageTooManyPixels(Refusal):
    """The image has {found} pixels ({width} x {height}), more than the {limit} that are allowed: make it smaller."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "图片像素数 {found}({width} x {height})超过上限 {limit}:请缩小后再上传。"


class FileTaken(Refusal):
    """The file {file} is in use already: upload it again."""

    code = RefusalCode.INVALID_STATE
    zh = "文件 {file} 已被使用:请重新上传。"


class FileGivenTwice(Refusal):
    """The file {file} is named twice."""

    zh = "文件 {file} 重复给出。"


class FileKindWrong(Refusal):
    """The file {file} is {found}; what is needed here: {needed}."""

    zh = "文件 {file} 的类型为 {found};此处需要:{needed}。"


class TooManyFresh(Refusal):
    """You have {limit} uploads that nothing uses yet: use them, or wait until they expire."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "您有 {limit} 个尚未使用的上传文件:请先使用,或等待其过期。"


class TicketsNotGiven(Refusal):
    """The city takes no uploads without a credential of their own."""

    code = RefusalCode.INVALID_STATE
    zh = "本市不接受无凭证上传。"


class FilesUnavailable(Refusal):
    """Files cannot be kept or read at present; nothing was changed. Repeat in a few seconds."""

    code = RefusalCode.UNAVAILABLE
    zh = "文件存储暂时不可用;没有任何更改。请几秒后重试。"


class RangeWrong(Refusal):
    """The range asked for is not part of the file, which has {size} bytes."""

    zh = "请求的范围不在文件内:文件共 {size} 字节。"

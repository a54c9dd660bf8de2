"""Why the embedded PostgreSQL does not start, in words that say what to do."""

from __future__ import annotations

from cityloom.core.errors import Refusal, RefusalCode


class EmbeddedDatabaseMissing(Refusal):
    """There is no embedded PostgreSQL for this machine: set DATABASE_URL to a PostgreSQL 16 or newer."""

    code = RefusalCode.UNAVAILABLE
    zh = "本机没有可用的内嵌 PostgreSQL:请将 DATABASE_URL 设为 PostgreSQL 16 或更高版本的地址。"


class EmbeddedDatabaseOfOtherVersion(Refusal):
    """The data in {folder} was written by PostgreSQL {found}, this is {needed}: move the folder away or upgrade it."""

    code = RefusalCode.UNAVAILABLE
    zh = "{folder} 中的数据由 PostgreSQL {found} 写入,当前版本为 {needed}:请移走该目录,或升级其中的数据。"


class EmbeddedDatabaseOfOtherUser(Refusal):
    """The folder {folder} belongs to the user {owner}: start as that user, or choose another folder."""

    code = RefusalCode.UNAVAILABLE
    zh = "目录 {folder} 属于用户 {owner}:请以该用户启动,或另选目录。"


class EmbeddedDatabaseDiskFull(Refusal):
    """The disk of {folder} is full: {free_mb} MB are free, {needed_mb} MB are needed. Nothing was lost."""

    code = RefusalCode.UNAVAILABLE
    zh = "{folder} 所在磁盘已满:剩余 {free_mb} MB,需要 {needed_mb} MB。数据未丢失。"


class EmbeddedDatabaseFailed(Refusal):
    """The embedded PostgreSQL in {folder} did not start: {cause}"""  # noqa: D415 - the cause ends the sentence

    code = RefusalCode.UNAVAILABLE
    zh = "{folder} 中的内嵌 PostgreSQL 未能启动:{cause}"

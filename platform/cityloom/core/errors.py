"""Refusals: failures that a caller can expect and act on. Everything else is a bug and is masked at the edge."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, ClassVar

from cityloom.core.text import Locale


class RefusalCode(StrEnum):
    """What kind of refusal it is: the public list that clients switch on."""

    INVALID_INPUT = "INVALID_INPUT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    STALE = "STALE"
    STILL_IN_USE = "STILL_IN_USE"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_EXPENSIVE = "TOO_EXPENSIVE"
    TIMED_OUT = "TIMED_OUT"
    MODULE_DISABLED = "MODULE_DISABLED"
    TENANT_SUSPENDED = "TENANT_SUSPENDED"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    LAST_ADMINISTRATOR = "LAST_ADMINISTRATOR"
    ABOVE_OWN_RIGHTS = "ABOVE_OWN_RIGHTS"
    INVALID_PACK = "INVALID_PACK"
    INVALID_STATE = "INVALID_STATE"
    UNAVAILABLE = "UNAVAILABLE"


REFUSAL_CODE_DESCRIPTIONS: dict[RefusalCode, str] = {
    RefusalCode.INVALID_INPUT: "A value is not of the form needed; `path` names it, the message says how to mend it.",
    RefusalCode.UNAUTHENTICATED: "There is no credential, or it is not valid any more: sign in again.",
    RefusalCode.FORBIDDEN: "The caller's roles do not allow this; tell an administrator `details.decisionId`.",
    RefusalCode.NOT_FOUND: "There is no such thing, or the caller may not know of it.",
    RefusalCode.CONFLICT: "It contradicts what is stored, for example a code or number that is taken.",
    RefusalCode.STALE: "It was changed by somebody else since it was read: read again and repeat.",
    RefusalCode.STILL_IN_USE: "Other things depend on it; `details` counts them.",
    RefusalCode.LIMIT_EXCEEDED: "A limit of the tenant or of the platform is reached; `details` names the limit.",
    RefusalCode.RATE_LIMITED: "Too many or too costly requests; repeat after `details.retryAfterSeconds`.",
    RefusalCode.TOO_EXPENSIVE: "One operation would cost more than allowed: ask for smaller pages or fewer fields.",
    RefusalCode.TIMED_OUT: "It took longer than allowed and was stopped; nothing was changed.",
    RefusalCode.MODULE_DISABLED: "The city has not switched this module on.",
    RefusalCode.TENANT_SUSPENDED: "The city is suspended: it can be read but not changed.",
    RefusalCode.IDEMPOTENCY_KEY_REUSED: "The idempotency key was used before with another input.",
    RefusalCode.LAST_ADMINISTRATOR: "The change would leave the city without an administrator.",
    RefusalCode.ABOVE_OWN_RIGHTS: "Nobody can grant more than they may do themselves.",
    RefusalCode.INVALID_PACK: "A city's pack has errors; `details.problems` lists file, line and reason.",
    RefusalCode.INVALID_STATE: "It is not in a state in which this can be done.",
    RefusalCode.UNAVAILABLE: "A part of the platform cannot answer at present; nothing was changed, repeat later.",
}

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Refusal(Exception):
    """The request was refused.

    The first line of a subclass's docstring is its message in English, `zh` the same in Chinese; `{names}` in both are
    filled from the keyword arguments, which also become `details`.
    """

    code: ClassVar[RefusalCode] = RefusalCode.INVALID_INPUT
    zh: ClassVar[str] = "请求被拒绝。"

    def __init__(self, *, path: tuple[str | int, ...] = (), **details: Any) -> None:  # noqa: ANN401 - details are JSON values of any shape
        self.path = path
        self.details = details
        super().__init__(self.message("en"))

    @property
    def reason(self) -> str:
        """The exact refusal as a stable word, for example `LAST_ADMINISTRATOR_KEPT`."""
        return _WORD.sub("_", type(self).__name__).upper()

    def message(self, locale: Locale) -> str:
        """The message for a person, in their language."""
        template = self.zh if locale == "zh" else (type(self).__doc__ or "").strip().splitlines()[0]
        return template.format_map(self.details)


class Forbidden(Refusal):
    """You may not do this here: it needs the permission {permission}."""

    code = RefusalCode.FORBIDDEN
    zh = "您无权执行此操作:需要权限 {permission}。"
    #: Where it was to be done, for the record of the decision; not told, because the caller may not know the area.
    area_path: str | None = None


class Unauthenticated(Refusal):
    """A valid credential is needed: send the header `Authorization: Bearer …`."""

    code = RefusalCode.UNAUTHENTICATED
    zh = "需要有效的凭证:请发送请求头 Authorization: Bearer …。"


class NotFound(Refusal):
    """There is no {thing} with this id, or you may not see it."""

    code = RefusalCode.NOT_FOUND
    zh = "没有找到该{thing_zh},或您无权查看。"


class InvalidInput(Refusal):
    """{reason_en}"""  # noqa: D415 - the whole sentence comes from the caller

    code = RefusalCode.INVALID_INPUT
    zh = "{reason_zh}"

    def __init__(self, zh: str, en: str, *, path: tuple[str | int, ...] = (), **details: Any) -> None:  # noqa: ANN401 - JSON values
        self._zh, self._en = zh, en
        super().__init__(path=path, **details)

    def message(self, locale: Locale) -> str:
        """The sentence that the raiser gave, in the language asked for."""
        return self._zh if locale == "zh" else self._en

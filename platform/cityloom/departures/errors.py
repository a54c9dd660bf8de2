"""Refusals about departures."""

from __future__ import annotations

from cityloom.core.errors import Refusal, RefusalCode


class NameMistyped(Refusal):
    """{confirm!r} is not {slug!r}: type the short name of the city that leaves once more, letter by letter."""

    code = RefusalCode.INVALID_INPUT
    zh = "{confirm!r} 与 {slug!r} 不一致:请再次逐字输入要退出的城市的短名称。"


class NotLeaving(Refusal):
    """The city {slug!r} is not leaving."""

    code = RefusalCode.INVALID_STATE
    zh = "城市 {slug!r} 没有正在进行的退出。"


class BundleMissing(Refusal):
    """The bundle of {slug!r} is not written yet; the departure is at the step {step}."""

    code = RefusalCode.INVALID_STATE
    zh = "{slug!r} 的数据包尚未导出完成,退出流程当前处于步骤 {step}。"


class BundleDiffers(Refusal):
    """That is not the manifest of the bundle of {slug!r}: give the SHA-256 of `manifest.json` as it was handed over."""

    code = RefusalCode.STALE
    zh = "这不是 {slug!r} 数据包清单的摘要:请提供所移交的 manifest.json 的 SHA-256。"


class KeysDestroyed(Refusal):
    """The keys of {slug!r} are being destroyed, or are: it cannot be taken back any more."""

    code = RefusalCode.INVALID_STATE
    zh = "{slug!r} 的密钥正在或已经销毁,退出流程不能再撤回。"


class CityChanged(Refusal):
    """The city has changed since its bundle was written ({tables}): it is written, and is to be confirmed, anew."""

    code = RefusalCode.STALE
    zh = "数据包导出后该城市的数据发生了变化({tables}):将重新导出,并须再次确认。"


class RowsLeft(Refusal):
    """The database still has rows of the city ({tables}): they are deleted once more."""

    code = RefusalCode.STILL_IN_USE
    zh = "数据库中仍有该城市的数据({tables}):将再次删除。"

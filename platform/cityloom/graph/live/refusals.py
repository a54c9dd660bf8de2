"""Why a subscription is not begun, or ends."""

from __future__ import annotations

from cityloom.core.errors import Refusal, RefusalCode


class LiveOnly(Refusal):
    """A subscription needs a websocket (graphql-transport-ws) or `Accept: text/event-stream` (graphql-sse)."""

    code = RefusalCode.INVALID_INPUT
    zh = "订阅须使用 WebSocket(graphql-transport-ws)或 Accept: text/event-stream(graphql-sse)。"


class TooSlow(Refusal):
    """Messages were not fetched as fast as they came: subscribe again with `after: {cursor}`, nothing is lost."""

    code = RefusalCode.RATE_LIMITED
    zh = "消息读取过慢,订阅已中断:请以 after: {cursor} 重新订阅,不会遗漏。"


class TooManySubscriptions(Refusal):
    """There are {actual} subscriptions here already, at most {allowed} are kept: use one with several types."""

    code = RefusalCode.LIMIT_EXCEEDED
    zh = "此处已有 {actual} 个订阅,最多允许 {allowed} 个:请在一个订阅中包含多种类型。"


class GoingAway(Refusal):
    """This server is being stopped: subscribe again with the last cursor, another one answers."""

    code = RefusalCode.UNAVAILABLE
    zh = "本服务器正在停止:请以最后的游标重新订阅。"

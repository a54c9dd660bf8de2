"""What happens to endpoints and deliveries. No event carries a URL, a header or a body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cityloom.core.events import Event

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChanged(Event):
    """An endpoint was created, changed, paused, resumed or closed, or one of its keys made or retired."""

    type: ClassVar[str] = "webhooks.endpoint.changed.v1"
    subject_tag: ClassVar[str] = "whep"
    zh: ClassVar[str] = "推送端点已创建、变更、暂停、恢复或关闭,或其密钥已轮换。"

    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFailing(Event):
    """An endpoint has failed many times in a row and is tried one delivery at a time until it works again."""

    type: ClassVar[str] = "webhooks.endpoint.failing.v1"
    subject_tag: ClassVar[str] = "whep"
    zh: ClassVar[str] = "推送端点连续失败,已熔断:逐条试探,直至恢复。"

    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointGone(Event):
    """An endpoint answered 410 Gone and was paused; it goes on collecting until its owner resumes or closes it."""

    type: ClassVar[str] = "webhooks.endpoint.gone.v1"
    subject_tag: ClassVar[str] = "whep"
    zh: ClassVar[str] = "推送端点返回 410,已自动暂停;事件继续累积,待所有者恢复或关闭。"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesExhausted(Event):
    """Deliveries were not accepted within eight days: they are kept and can be replayed."""

    type: ClassVar[str] = "webhooks.endpoint.deliveries_exhausted.v1"
    subject_tag: ClassVar[str] = "whep"
    zh: ClassVar[str] = "部分推送八天内未被接收:已保留,可重放。"

    count: int
    first_sequence: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesReplayed(Event):
    """Somebody had deliveries sent once more."""

    type: ClassVar[str] = "webhooks.endpoint.deliveries_replayed.v1"
    subject_tag: ClassVar[str] = "whep"
    zh: ClassVar[str] = "推送已被重放。"

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyProven(Event):
    """An endpoint accepted a delivery that was signed by this key alone: older keys can be retired."""

    type: ClassVar[str] = "webhooks.endpoint.key_proven.v1"
    subject_tag: ClassVar[str] = "whep"
    zh: ClassVar[str] = "端点已接受仅由该密钥签名的推送:旧密钥可以停用。"
    nodes: ClassVar[dict[str, str]] = {"key_id": "whky"}

    key_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class BodiesErased(Event):
    """Somebody was erased of whom bodies told: those are gone, and those not accepted yet are not sent any more."""

    type: ClassVar[str] = "webhooks.endpoint.bodies_erased.v1"
    subject_tag: ClassVar[str] = "whep"
    zh: ClassVar[str] = "推送内容涉及的个人信息已清除:内容已删除,尚未送达的不再发送。"

    count: int


EVENTS = (
    EndpointChanged,
    EndpointFailing,
    EndpointGone,
    DeliveriesExhausted,
    DeliveriesReplayed,
    KeyProven,
    BodiesErased,
)

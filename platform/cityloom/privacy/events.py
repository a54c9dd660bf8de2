"""What happens in privacy. No event carries a protected value, nor a text that somebody wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cityloom.core.events import Event
from cityloom.tenancy.events import TENANT_TAG

PURPOSE, DISCLOSURE, CONSENT, HOLD, ERASURE, ROTATION = "purp", "dscl", "cnst", "hold", "ersr", "krot"


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeCreated(Event):
    """There is a new purpose in the register."""

    type: ClassVar[str] = "privacy.purpose.created.v1"
    subject_tag: ClassVar[str] = PURPOSE
    zh: ClassVar[str] = "登记了新的个人信息使用目的。"

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeChanged(Event):
    """A purpose of the register has changed, or is no longer in force."""

    type: ClassVar[str] = "privacy.purpose.changed.v1"
    subject_tag: ClassVar[str] = PURPOSE
    zh: ClassVar[str] = "个人信息使用目的已变更或停用。"

    code: str
    is_active: bool
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureMade(Event):
    """Protected data of a person were shown, or they were found by such; which fields, not what they hold."""

    type: ClassVar[str] = "privacy.disclosure.made.v1"
    subject_tag: ClassVar[str] = DISCLOSURE
    zh: ClassVar[str] = "有人查看了个人敏感信息,或据此查到某人;只说明哪些字段。"

    kind: str
    purpose: str | None
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeSearched(Event):
    """Somebody was told for a purpose which people have something protected; each has it in their record."""

    type: ClassVar[str] = "privacy.purpose.searched.v1"
    subject_tag: ClassVar[str] = PURPOSE
    zh: ClassVar[str] = "有人以该目的查询了哪些人具有某项敏感信息;每个人的查阅记录中均有记载。"

    purpose: str
    shown: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecorded(Event):
    """A person gave consent to a purpose, or withdrew it."""

    type: ClassVar[str] = "privacy.consent.recorded.v1"
    subject_tag: ClassVar[str] = CONSENT
    zh: ClassVar[str] = "个人对某一目的表示同意或撤回同意。"

    purpose: str
    is_given: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChanged(Event):
    """A legal hold was placed on a person's data, or lifted."""

    type: ClassVar[str] = "privacy.hold.changed.v1"
    subject_tag: ClassVar[str] = HOLD
    zh: ClassVar[str] = "对个人信息设置或解除了依法保留。"

    is_standing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectErased(Event):
    """A person's data were erased: whoever holds copies must erase them too."""

    type: ClassVar[str] = "privacy.subject.erased.v1"
    subject_tag: ClassVar[str] = ERASURE
    zh: ClassVar[str] = "个人信息已清除:持有副本者亦须清除。"

    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionCarriedOut(Event):
    """Rows were let go that had been kept as long as they may be."""

    type: ClassVar[str] = "privacy.retention.carried_out.v1"
    subject_tag: ClassVar[str] = TENANT_TAG
    zh: ClassVar[str] = "保存期限届满的信息已清除。"

    kind: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotationStarted(Event):
    """The city's keys are being rotated."""

    type: ClassVar[str] = "privacy.rotation.started.v1"
    subject_tag: ClassVar[str] = ROTATION
    zh: ClassVar[str] = "开始轮换本市密钥。"

    algorithm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotationFinished(Event):
    """Everything is sealed by the new keys, and the old ones are destroyed."""

    type: ClassVar[str] = "privacy.rotation.finished.v1"
    subject_tag: ClassVar[str] = ROTATION
    zh: ClassVar[str] = "密钥轮换完成,旧密钥已销毁。"

    resealed: int


EVENTS: tuple[type[Event], ...] = (
    PurposeCreated,
    PurposeChanged,
    DisclosureMade,
    PurposeSearched,
    ConsentRecorded,
    HoldChanged,
    SubjectErased,
    RetentionCarriedOut,
    KeyRotationStarted,
    KeyRotationFinished,
)

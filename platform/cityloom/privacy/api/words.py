"""The enums of privacy, stored as the texts of their values."""

from __future__ import annotations

from enum import Enum

import strawberry


@strawberry.enum(description="What the law allows a use of personal data for (个人信息保护法第十三条).")
class LegalBasis(Enum):
    """See `models.BASES`."""

    CONSENT = strawberry.enum_value(
        "CONSENT", description="The person's consent (个人同意), by the ledger of consents."
    )
    CONTRACT = strawberry.enum_value("CONTRACT", description="A contract with the person (订立、履行合同所必需).")
    LEGAL_DUTY = strawberry.enum_value("LEGAL_DUTY", description="A duty or function by law (履行法定职责或义务).")
    EMERGENCY = strawberry.enum_value(
        "EMERGENCY", description="Public health, or life, health and property in an emergency (紧急情况)."
    )
    PUBLIC_INTEREST = strawberry.enum_value("PUBLIC_INTEREST", description="News and supervision (新闻报道、舆论监督).")
    PUBLISHED = strawberry.enum_value("PUBLISHED", description="What the person or the law has published (已合法公开).")
    OTHER_LAW = strawberry.enum_value(
        "OTHER_LAW", description="Another law or regulation (法律、行政法规规定的其他情形)."
    )


@strawberry.enum(description="How protected data of a person were shown.")
class DisclosureKind(Enum):
    """See `models.DISCLOSURE_KINDS`."""

    UNMASK = strawberry.enum_value("UNMASK", description="Fields were shown in clear (`subjectUnmask`).")
    SEARCH = strawberry.enum_value(
        "SEARCH", description="Somebody searched for a whole number and found this person by it."
    )
    EXPORT = strawberry.enum_value("EXPORT", description="All that is stored of the person was exported.")


@strawberry.enum(description="Which cipher keys are for.")
class KeyAlgorithm(Enum):
    """See `core.crypto.Algorithm`."""

    AES_256_GCM = strawberry.enum_value("AES-256-GCM", description="AES-256-GCM, with HMAC-SHA256 for indexes.")
    SM4_GCM = strawberry.enum_value("SM4-GCM", description="SM4-GCM with HMAC-SM3 (国密).")

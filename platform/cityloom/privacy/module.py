"""How privacy is wired into the platform."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.privacy.api.mutations import PrivacyMutation
from cityloom.privacy.api.queries import PrivacyQuery
from cityloom.privacy.api.shapes import Consent, Disclosure, Erasure, KeyRotation, LegalHold, PrivacyPurpose
from cityloom.privacy.events import EVENTS
from cityloom.privacy.holdings import HOLDINGS, RETENTIONS
from cityloom.privacy.jobs import JOBS
from cityloom.privacy.pack import PrivacyPart
from cityloom.privacy.permissions import PERMISSIONS
from cityloom.privacy.settings import PrivacySettings

MODULE = Module(
    name="privacy",
    title=Text("个人信息保护", "Privacy"),
    description=Text(
        "使用目的登记、敏感信息查看与查阅记录、个人同意、依法保留、导出与清除、保存期限和密钥轮换。",
        "Purposes, unmasking and who looked, consents, legal holds, export and erasure, retention, rotation of keys.",
    ),
    is_core=True,
    settings=PrivacySettings,
    permissions=PERMISSIONS,
    tenant_api=GraphApi(
        queries=(PrivacyQuery,),
        mutations=(PrivacyMutation,),
        types=(PrivacyPurpose, Disclosure, Consent, LegalHold, Erasure, KeyRotation),
    ),
    pack_parts=(PrivacyPart(),),
    events=EVENTS,
    jobs=JOBS,
    holdings=HOLDINGS,
    retentions=RETENTIONS,
)

"""What may be allowed in privacy, and which shipped roles may."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

ADMINISTRATOR = ("city_administrator",)
STAFF = (*ADMINISTRATOR, "street_lead", "community_worker")
FIELD = (*STAFF, "grid_lead", "grid_worker")

READ_PURPOSES = "privacy.purpose.read"
CHANGE_PURPOSES = "privacy.purpose.change"
UNMASK = "privacy.subject.unmask"
EXPORT = "privacy.subject.export"
ERASE = "privacy.subject.erase"
READ_DISCLOSURES = "privacy.disclosure.read"
READ_CONSENTS = "privacy.consent.read"
RECORD_CONSENTS = "privacy.consent.record"
READ_HOLDS = "privacy.hold.read"
CHANGE_HOLDS = "privacy.hold.change"
READ_ERASURES = "privacy.erasure.read"
READ_ROTATIONS = "privacy.rotation.read"
START_ROTATIONS = "privacy.rotation.start"

PERMISSIONS = (
    Permission(
        READ_PURPOSES,
        Text("查看个人信息使用目的", "See the register of purposes"),
        (*FIELD, "analyst", "integrator", "resident", "auditor"),
    ),
    Permission(CHANGE_PURPOSES, Text("维护个人信息使用目的", "Change the register of purposes"), ADMINISTRATOR),
    Permission(UNMASK, Text("查看完整敏感信息", "See protected data whole, for a purpose"), STAFF),
    Permission(EXPORT, Text("导出个人全部信息", "Export all that is stored of a person"), (*ADMINISTRATOR, "resident")),
    Permission(ERASE, Text("清除个人信息", "Erase a person's data"), ADMINISTRATOR),
    Permission(
        READ_DISCLOSURES,
        Text("查看敏感信息查阅记录", "See who looked at protected data"),
        ("auditor", "resident"),
    ),
    Permission(READ_CONSENTS, Text("查看个人同意记录", "See consents"), (*FIELD, "auditor", "resident")),
    Permission(RECORD_CONSENTS, Text("登记个人同意与撤回", "Record consents and withdrawals"), (*FIELD, "resident")),
    Permission(READ_HOLDS, Text("查看依法保留", "See legal holds"), (*ADMINISTRATOR, "auditor")),
    Permission(CHANGE_HOLDS, Text("设置与解除依法保留", "Place and lift legal holds"), ADMINISTRATOR),
    Permission(READ_ERASURES, Text("查看清除记录", "See erasures"), (*ADMINISTRATOR, "auditor")),
    Permission(READ_ROTATIONS, Text("查看密钥轮换", "See rotations of keys"), (*ADMINISTRATOR, "auditor")),
    Permission(START_ROTATIONS, Text("轮换密钥", "Rotate keys"), ADMINISTRATOR),
)

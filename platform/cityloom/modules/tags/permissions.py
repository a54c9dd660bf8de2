"""What may be done with tags, and which shipped roles may."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

ADMINISTRATOR = ("city_administrator",)
STAFF = (*ADMINISTRATOR, "street_lead", "community_worker")
FIELD = (*STAFF, "grid_lead", "grid_worker")
READERS = (*FIELD, "analyst", "integrator")

READ, RESTRICTED, SENSITIVE = "tags.tag.read", "tags.restricted.read", "tags.sensitive.read"
ASSIGN, CHANGE, PUBLISH = "tags.tag.assign", "tags.tag.change", "tags.rule.publish"
#: What it takes to see tags of a sensitivity, beside `READ`; whoever does not have it meets no such tag anywhere.
GUARDED = {"RESTRICTED": RESTRICTED, "SENSITIVE": SENSITIVE}

PERMISSIONS = (
    Permission(READ, Text("查看标签", "See tags"), READERS),
    Permission(RESTRICTED, Text("查看受限标签", "See restricted tags"), FIELD),
    Permission(
        SENSITIVE, Text("查看敏感标签", "See sensitive tags"), (*ADMINISTRATOR, "street_lead", "community_worker")
    ),
    Permission(ASSIGN, Text("为居民打标签", "Assign and withdraw tags"), FIELD),
    Permission(CHANGE, Text("维护标签目录", "Keep the catalogue of tags"), ADMINISTRATOR),
    Permission(PUBLISH, Text("发布标签规则", "Publish rules of tags"), ADMINISTRATOR),
)

"""How tags are wired into the platform."""

from __future__ import annotations

from cityloom.core.module import GraphApi, Module
from cityloom.core.text import Text
from cityloom.modules.tags.api.mutations import TagMutation
from cityloom.modules.tags.api.queries import TagQuery
from cityloom.modules.tags.api.shapes import ResidentTag, ResidentTags, Tag, TagRule
from cityloom.modules.tags.events import EVENTS
from cityloom.modules.tags.holdings import HOLDINGS
from cityloom.modules.tags.jobs import JOBS
from cityloom.modules.tags.pack import TagPart
from cityloom.modules.tags.permissions import PERMISSIONS
from cityloom.modules.tags.service import end_with_consent
from cityloom.modules.tags.settings import TagSettings

MODULE = Module(
    name="tags",
    title=Text("标签", "Tags"),
    description=Text(
        "居民标签:目录、规则、赋予与撤回、按区域统计。",
        "Tags of residents: the catalogue, rules that assign them, who has them, counted by area.",
    ),
    needs=("areas", "registry"),
    settings=TagSettings,
    permissions=PERMISSIONS,
    tenant_api=GraphApi(
        queries=(TagQuery,),
        mutations=(TagMutation,),
        extensions=(ResidentTags,),
        types=(Tag, TagRule, ResidentTag),
    ),
    pack_parts=(TagPart(),),
    events=EVENTS,
    jobs=JOBS,
    holdings=HOLDINGS,
    consent_ends=(end_with_consent,),
)

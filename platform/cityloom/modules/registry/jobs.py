"""What the registry does again and again."""

from __future__ import annotations

from datetime import timedelta

from cityloom.core.module import Job
from cityloom.core.text import Text
from cityloom.modules.registry.service.custom import BATCH, has_unsealed, seal_restricted

JOBS = (
    Job(
        "registry.seal",
        Text("加密受限的自定义项目", "Seal answers to restricted fields"),
        timedelta(minutes=10),
        seal_restricted,
        BATCH,
        waiting=has_unsealed,
    ),
)

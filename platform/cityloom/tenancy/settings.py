"""What a tenant can state about itself as a whole."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cityloom.core.module import ModuleSettings


class TenancySettings(ModuleSettings):
    """`[modules.tenancy.settings]` of a pack."""

    cipher: Literal["AES_256_GCM", "SM4_GCM"] = Field(
        default="AES_256_GCM",
        description="What protected fields are sealed and indexed with: AES_256_GCM with HMAC-SHA256, or SM4_GCM with"
        " HMAC-SM3 where the national algorithms (国密) are demanded. It holds for keys that are made from then on:"
        " state it before the first resident. Changed later, it takes effect when the keys are next rotated: everything"
        " is sealed and indexed again by then, and stays readable meanwhile.",
    )

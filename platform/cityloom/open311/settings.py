"""What a city shows everybody: `[modules.open311.settings]` in its pack."""

from __future__ import annotations

from pydantic import Field

from cityloom.core.module import ModuleSettings


class Open311Settings(ModuleSettings):
    """What can be read without a key."""

    is_public: bool = Field(
        default=False,
        description="Whether anybody may list services and requests; by its code a request is shown in any case.",
        json_schema_extra={"public": True},
    )
    shows_texts: bool = Field(
        default=False,
        description="Whether descriptions and addresses as reporters wrote them are shown: they may name people.",
    )
    position_digits: int = Field(
        default=3, ge=0, le=6, description="Decimals of a shown position: 3 are about a hundred metres."
    )
    contact: str = Field(default="", max_length=500, description="Whom a developer may ask, as the discovery says.")

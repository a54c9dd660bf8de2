"""The platform's settings: one frozen object, read once from the environment and passed down."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Field name of each environment variable that is honoured.
VARIABLES = {
    "DATABASE_URL": "database_url",
    "HOST": "host",
    "PORT": "port",
    "CITYLOOM_ENV": "environment",
    "CITYLOOM_VAR": "var",
    "CITYLOOM_TENANTS": "tenants",
    "CITYLOOM_READ_POOL": "read_pool",
    "CITYLOOM_WRITE_POOL": "write_pool",
    "CITYLOOM_LOG_FORMAT": "log_format",
    "CITYLOOM_LOG_LEVEL": "log_level",
    "CITYLOOM_DEADLINE_SECONDS": "deadline_seconds",
    "CITYLOOM_PUBLIC_URL": "public_url",
    "CITYLOOM_FORWARDED_FOR": "trusts_forwarded_for",
    "CITYLOOM_FILES": "files",
    "CITYLOOM_AUDIT_CHECKPOINTS": "audit_checkpoints",
    "CITYLOOM_DEPARTURES": "departures",
    "CITYLOOM_WEBHOOK_NETWORKS": "webhook_networks",
    "CITYLOOM_WEBHOOK_TIMEOUT": "webhook_timeout_seconds",
}


class Settings(BaseModel):
    """Everything about a deployment that is not a tenant's own setting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Literal["development", "production"] = "development"
    database_url: str | None = Field(
        default=None, description="PostgreSQL 16+ as an administrator; embedded where unset"
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    public_url: str | None = None
    var: Path = Path("var")
    tenants: Path = Path("tenants")
    read_pool: int = Field(default=8, ge=1, le=200)
    write_pool: int = Field(default=8, ge=1, le=200)
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    deadline_seconds: float = Field(default=15.0, gt=0, le=300)
    trusts_forwarded_for: bool = False
    files: str | None = Field(
        default=None, description="Where uploads are kept: a folder or `s3://bucket/prefix`; below `var` where unset"
    )
    audit_checkpoints: str | None = Field(
        default=None,
        description="Where checkpoints of the audit log are kept: a folder or `s3://bucket/prefix` with object lock",
    )
    departures: Path | None = Field(
        default=None, description="The folder for the bundles of cities that leave; below `var` where unset"
    )
    webhook_timeout_seconds: float = Field(default=15.0, ge=0.5, le=60, description="The whole of one try")
    webhook_networks: str = Field(
        default="",
        description="Networks besides the public ones that webhooks may reach: `10.20.0.0/16, fd00:1::/64`",
    )

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for text in value.split(","):
            if text.strip():
                ip_network(text.strip())
        return value

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; a bad value raises `SettingsError`, which names the variable and what would be right."""
        given = {field: environment[name] for name, field in VARIABLES.items() if environment.get(name)}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            names = {field: name for name, field in VARIABLES.items()}
            lines = [f"{names[str(e['loc'][0])]}: {e['msg']} (given: {e['input']!r})" for e in error.errors()]
            raise SettingsError("; ".join(lines)) from None


class SettingsError(Exception):
    """An environment variable has a value that cannot be used."""

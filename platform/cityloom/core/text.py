"""Texts that users read, in the two languages of the platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Locale = Literal["zh", "en"]
DEFAULT_LOCALE: Locale = "zh"


@dataclass(frozen=True, slots=True)
class Text:
    """One text in Chinese and English."""

    zh: str
    en: str

    def __getitem__(self, locale: Locale) -> str:
        return self.zh if locale == "zh" else self.en


def negotiate(accept_language: str | None) -> Locale:
    """The supported locale that an Accept-Language header (RFC 9110 §12.5.4) prefers; Chinese where it says nothing."""
    best: tuple[float, Locale] | None = None
    for item in (accept_language or "").split(",")[:16]:
        tag, _, parameters = item.strip().partition(";")
        primary = tag.split("-", 1)[0].lower()
        if primary not in {"zh", "en"}:
            continue
        try:
            quality = float(parameters.strip().removeprefix("q=")) if parameters else 1.0
        except ValueError:
            continue
        if quality > 0 and (best is None or quality > best[0]):
            best = (quality, "zh" if primary == "zh" else "en")
    return best[1] if best else DEFAULT_LOCALE

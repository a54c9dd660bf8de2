"""Letters to a city's mailbox (RFC 5322): what is reported in one. No I/O.

Of who sent it nothing is kept here: a letter's sender is written by whoever sends it.
"""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

MOST_PARTS = 100
MOST_ATTACHMENTS = 10
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_REFERENCE = 200


@dataclass(frozen=True, slots=True)
class Letter:
    """Subject and text in one, what tells it from all other letters, and what was attached."""

    text: str
    reference: str
    attachments: tuple[bytes, ...]


class LetterBroken(ValueError):
    """It is no letter, or has more parts than anybody writes."""


def read_letter(content: bytes, *, most: int = 2_000) -> Letter:
    """The report in a letter; `most` bounds its text in characters. Raises `LetterBroken`."""
    try:
        message = BytesParser(policy=policy.default).parsebytes(content)
        is_endless = any(at >= MOST_PARTS for at, _ in enumerate(message.walk()))
        subject = " ".join(str(message.get("subject", "")).split())
        body = "" if is_endless else _text(message)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise LetterBroken from error
    text = _sound("\n".join(piece for piece in (subject, body) if piece))[:most].strip()
    if is_endless or not text or not isinstance(message, EmailMessage):
        raise LetterBroken
    stated = str(message.get("message-id", "")).strip()
    # A letter that is delivered twice has the same number; one without any is known by its bytes.
    is_sound = 0 < len(stated) <= _REFERENCE and stated.isprintable()
    reference = stated if is_sound else "sha256:" + hashlib.sha256(content).hexdigest()
    return Letter(text, reference, _attached(message))


def _sound(text: str) -> str:
    """Without control characters, and without bytes that were no text in the letter's own encoding."""
    return "".join(char for char in text.encode(errors="replace").decode() if char in "\n\t" or char >= " ")


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain", "html"))
    if body is None:
        return ""
    text = str(body.get_content())
    if body.get_content_type() == "text/html":
        text = html.unescape(_TAG.sub(" ", text))
    return "\n".join(line for line in (" ".join(line.split()) for line in text.splitlines()) if line)


def _attached(message: EmailMessage) -> tuple[bytes, ...]:
    found = [part.get_payload(decode=True) for part in message.iter_attachments()]
    return tuple(content for content in found if isinstance(content, bytes) and content)[:MOST_ATTACHMENTS]

"""Answers of GeoReport v2 in JSON and XML, and its errors."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import orjson
from starlette.responses import Response

#: What a list and one of its items are called in XML.
_NAMES = {
    "discovery": ("", "discovery"),
    "services": ("services", "service"),
    "service_definition": ("", "service_definition"),
    "requests": ("service_requests", "request"),
    "updates": ("service_request_updates", "request_update"),
    "errors": ("errors", "error"),
}
#: What the items of a list inside of an item are called.
_INSIDE = {"endpoints": "endpoint", "formats": "format", "attributes": "attribute", "values": "value"}
_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "access-control-allow-origin": "*",
    "vary": "Accept, Accept-Language, Authorization, X-API-Key",
}


class GeoReportError(Exception):
    """An error of the specification: an HTTP status, and a sentence for people."""

    def __init__(self, status: int, description: str) -> None:
        self.status, self.description = status, description
        super().__init__(description)


def answer(kind: str, found: Any, form: str, *, status: int = 200) -> Response:  # noqa: ANN401 - JSON
    """`found` as the specification writes a list or an object of this kind; `form` is `json` or `xml`."""
    if form == "json":
        return Response(orjson.dumps(found), status, _HEADERS, media_type="application/json")
    outer, inner = _NAMES[kind]
    if outer:
        root = Element(outer)
        for item in found:
            _fill(SubElement(root, inner), item)
    else:
        root = Element(inner)
        _fill(root, found)
    body = b'<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="utf-8")
    return Response(body, status, _HEADERS, media_type="text/xml; charset=utf-8")


def error(status: int, description: str, form: str) -> Response:
    """The error body of the specification."""
    return answer("errors", [{"code": status, "description": description}], form, status=status)


def _fill(element: Element, values: dict[str, Any]) -> None:
    for name, value in values.items():
        child = SubElement(element, name)
        if isinstance(value, list):
            for item in value:
                inside = SubElement(child, _INSIDE[name])
                if isinstance(item, dict):
                    _fill(inside, item)
                else:
                    inside.text = str(item)
        elif isinstance(value, bool):
            child.text = "true" if value else "false"
        elif value is not None:
            child.text = _plain(str(value))


def _plain(text: str) -> str:
    """Characters that XML 1.0 cannot hold are left out."""
    return "".join(char for char in text if char in "\t\n\r" or char >= " ")

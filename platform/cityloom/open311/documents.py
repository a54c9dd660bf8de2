"""The GraphQL operations behind each call, and what their answers are in the words of GeoReport v2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cityloom.core.text import Locale
    from cityloom.open311.settings import Open311Settings

MATTERS = """
query Open311Services($after: String, $where: MatterFilter) {
  matters(first: 100, after: $after, where: $where) {
    edges { node { id code nameZh nameEn parent { nameZh nameEn } } }
    pageInfo { hasNextPage endCursor }
  }
}"""
_PUBLIC = """
  trackingCode isOpen longitude latitude reportedAt changedAt dueAt description address
  stateDetail { nameZh nameEn } matter { code nameZh nameEn } department { name } area { name }
  mergedInto { trackingCode }
"""
_KEYED = "photos(first: 1) { edges { node { file { url } } } }"
CASES = """
query Open311Requests($first: Int!, $after: String, $where: CaseFilter) {
  cases(first: $first, after: $after, where: $where, orderBy: [{by: REPORTED, direction: DESC}]) {
    edges { node { %s } }
    pageInfo { hasNextPage endCursor }
  }
}"""
CASES_PUBLIC = CASES % _PUBLIC
CASES_KEYED = CASES % (_PUBLIC + _KEYED)
STEPS = """
query Open311Updates($where: CaseFilter) {
  cases(first: 1, where: $where) {
    edges { node { trackingCode isOpen steps(first: 100) { edges { node { number verb toState happenedAt } } }
      workflow { states { code nameZh nameEn isTerminal } } } }
  }
}"""
AREA = "query Open311Area($code: String!) { areaByCode(code: $code) { id } }"
REPORT = """
mutation Open311Report($input: CaseReportInput!) {
  caseReport(input: $input) {
    __typename
    ... on CaseTracking { trackingCode }
    ... on Refusal { code reason message path }
  }
}"""


def service(matter: dict[str, Any], locale: Locale) -> dict[str, Any]:
    """A matter that can be reported."""
    group = matter["parent"]
    return {
        "service_code": matter["code"],
        "service_name": _name(matter, locale),
        "description": _name(matter, "en" if locale == "zh" else "zh"),
        "metadata": False,
        "type": "realtime",
        "keywords": "",
        "group": _name(group, locale) if group else "",
    }


def request(case: dict[str, Any], locale: Locale, settings: Open311Settings, *, is_public: bool) -> dict[str, Any]:
    """A case; to everybody only what the city shows everybody."""
    shows_texts = settings.shows_texts or not is_public
    matter, state, kept = case["matter"], case["stateDetail"], case["mergedInto"]
    photos = case.get("photos", {"edges": []})["edges"]
    files = [edge["node"]["file"] for edge in photos if edge["node"]["file"]]
    area = case["area"]["name"] if case["area"] else None
    notes = [_name(state, locale)] if state else []
    if kept is not None:
        notes.append(f"= {kept['trackingCode']}")
    return {
        "service_request_id": case["trackingCode"],
        "status": "open" if case["isOpen"] else "closed",
        "status_notes": "; ".join(notes) or None,
        "service_name": _name(matter, locale) if matter else None,
        "service_code": matter["code"] if matter else None,
        "description": case["description"] if shows_texts else None,
        "agency_responsible": case["department"]["name"] if case["department"] else None,
        "service_notice": None,
        "requested_datetime": case["reportedAt"],
        "updated_datetime": case["changedAt"],
        "expected_datetime": case["dueAt"],
        "address": (case["address"] if shows_texts else None) or area,
        "address_id": None,
        "zipcode": None,
        "lat": _rounded(case["latitude"], settings, is_public=is_public),
        "long": _rounded(case["longitude"], settings, is_public=is_public),
        "media_url": files[0]["url"] if files else None,
    }


def updates(case: dict[str, Any], locale: Locale) -> list[dict[str, Any]]:
    """What happened to a case, step by step, without a word of what anybody wrote."""
    names = {state["code"]: state for state in case["workflow"]["states"]} if case["workflow"] else {}
    found = []
    for edge in case["steps"]["edges"]:
        step = edge["node"]
        state = names.get(step["toState"])
        found.append(
            {
                "update_id": f"{case['trackingCode']}-{step['number']}",
                "service_request_id": case["trackingCode"],
                "status": "closed" if state and state["isTerminal"] else "open",
                "updated_datetime": step["happenedAt"],
                "description": _name(state, locale) if state else step["toState"],
            }
        )
    return found


def _name(thing: dict[str, Any], locale: Locale) -> str:
    return str(thing["nameZh"] if locale == "zh" else thing["nameEn"])


def _rounded(value: float | None, settings: Open311Settings, *, is_public: bool) -> float | None:
    return round(value, settings.position_digits) if is_public and value is not None else value

"""GeoReport v2 over HTTP: the six methods in JSON and XML, its errors and limits, and what everybody may see."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from cityloom.testing.files import picture

if TYPE_CHECKING:
    import httpx

    from cityloom.testing.scenarios import Story

Cities = dict[str, Any]
GRID = "222401001001001"
FIELDS = {
    "service_request_id",
    "status",
    "status_notes",
    "service_name",
    "service_code",
    "description",
    "agency_responsible",
    "service_notice",
    "requested_datetime",
    "updated_datetime",
    "expected_datetime",
    "address",
    "address_id",
    "zipcode",
    "lat",
    "long",
    "media_url",
}


async def get(
    cities: Cities, place: str, *, city: str = "yanji", key: str | None = None, **params: Any
) -> httpx.Response:
    story: Story = cities["yanji"]
    if key is not None:
        params["api_key"] = key
    headers = {"accept-language": "en"}
    return await story.client.get(f"/open311/{city}/v2/{place}", params=params, headers=headers)


async def post(cities: Cities, *, form: str = "json", files: Any = None, **given: Any) -> httpx.Response:
    story: Story = cities["yanji"]
    given.setdefault("api_key", cities["yanji key"])
    usual = {"service_code": "E01002", "address_id": GRID, "description": "Rubbish of Mrs Kim, 13800001234"}
    body = {name: value for name, value in (usual | given).items() if value is not None}
    headers = {"accept-language": "en"}
    return await story.client.post(f"/open311/yanji/v2/requests.{form}", data=body, files=files, headers=headers)


async def made(cities: Cities, **given: Any) -> str:
    answer = await post(cities, **given)
    assert answer.status_code == 201, answer.text
    return str(answer.json()[0]["service_request_id"])


async def test_discovery_says_where_it_is(cities: Cities) -> None:
    found = (await get(cities, "discovery.json")).json()
    (endpoint,) = found["endpoints"]
    assert endpoint["url"] == "http://platform.test/open311/yanji/v2"
    assert endpoint["specification"] == "http://wiki.open311.org/GeoReport_v2"
    tree = ET.fromstring((await get(cities, "discovery.xml")).content)  # noqa: S314 - our own answer
    assert tree.tag == "discovery"
    assert [one.text for one in tree.iterfind("endpoints/endpoint/formats/format")] == ["application/json", "text/xml"]


async def test_services_are_the_matters_that_can_be_reported(cities: Cities) -> None:
    found = (await get(cities, "services.json")).json()
    assert len(found) >= 200
    assert set(found[0]) == {"service_code", "service_name", "description", "metadata", "type", "keywords", "group"}
    one = next(service for service in found if service["service_code"] == "E01002")
    assert (one["metadata"], one["type"]) == (False, "realtime")
    answer = await get(cities, "services.xml")
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    tree = ET.fromstring(answer.content)  # noqa: S314 - our own answer
    assert [node.findtext("service_code") for node in tree.iterfind("service")] == [s["service_code"] for s in found]
    definition = (await get(cities, "services/E01002.json")).json()
    assert definition == {"service_code": "E01002", "attributes": []}
    assert (await get(cities, "services/nonsense.json")).status_code == 404


async def test_a_request_is_a_case_of_the_city(cities: Cities) -> None:
    code = await made(cities, lat="42.9056123", long="129.5133456", address_string="No. 7, gate", phone="13800001234")
    keyed = (await get(cities, f"requests/{code}.json", key=cities["yanji key"])).json()
    assert len(keyed) == 1
    assert set(keyed[0]) == FIELDS
    assert (keyed[0]["status"], keyed[0]["service_code"], keyed[0]["address"]) == ("open", "E01002", "No. 7, gate")
    assert (keyed[0]["lat"], keyed[0]["long"]) == (42.9056123, 129.5133456)
    tree = ET.fromstring((await get(cities, f"requests/{code}.xml")).content)  # noqa: S314 - our own answer
    assert tree.tag == "service_requests"
    assert tree.findtext("request/service_request_id") == code
    token = (await get(cities, f"tokens/{code}.json")).json()
    assert token == [{"service_request_id": code, "token": code}]
    story: Story = cities["yanji"]
    query = "query ($c: String!) { cases(where: {trackingCode: {eq: $c}}) { edges { node { source area { code } } } } }"
    (edge,) = (await story.ask("admin", query, {"c": code}))["cases"]["edges"]
    assert edge["node"] == {"source": "SYSTEM", "area": {"code": GRID}}
    # Read out on the telephone, or typed in small letters.
    assert (await get(cities, f"requests/{code.lower()}.json")).json()[0]["service_request_id"] == code


async def test_everybody_sees_no_text_no_photo_and_no_exact_place(cities: Cities) -> None:
    files = {"media": ("p.jpg", picture(), "image/jpeg")}
    code = await made(cities, files=files, lat="42.9056123", long="129.5133456", address_string="Mrs Kim's gate")
    keyed = (await get(cities, f"requests/{code}.json", key=cities["yanji key"])).json()[0]
    assert keyed["media_url"].startswith("/files/links/")
    for place in (f"requests/{code}.json", "requests.json", f"requests/{code}.xml"):
        answer = await get(cities, place)
        for secret in ("Kim", "13800001234", "42.9056", "129.5133", "/files/"):
            assert secret not in answer.text, place
    public = (await get(cities, f"requests/{code}.json")).json()[0]
    assert (public["description"], public["media_url"]) == (None, None)
    assert (public["lat"], public["long"]) == (42.906, 129.513)
    assert public["address"] == keyed["address"] or public["address"]


async def test_what_happened_is_told_without_a_word_of_anybody(cities: Cities) -> None:
    code = await made(cities)
    story: Story = cities["yanji"]
    query = "query ($c: String!) { cases(where: {trackingCode: {eq: $c}}) { edges { node { id } } } }"
    case = (await story.ask("admin", query, {"c": code}))["cases"]["edges"][0]["node"]["id"]
    assert await story.step("community-01", "Dispatch", case, comment="to Li") == "whistled"
    found = (await get(cities, "servicerequestupdates.json", service_request_id=code)).json()
    assert [one["description"] for one in found] == ["Found", "Whistled"] or len(found) == 2
    assert "Li" not in str(found)
    assert (await get(cities, "servicerequestupdates.json")).status_code == 400


async def test_lists_are_narrowed_and_bounded(cities: Cities) -> None:
    story: Story = cities["yanji"]
    first = await made(cities, service_code="E03002")
    cities["clock"].advance(days=100)
    story.bearers.clear()
    second = await made(cities, service_code="E03002")

    async def ids(**params: Any) -> list[str]:
        answer = await get(cities, "requests.json", **params)
        assert answer.status_code == 200, answer.text
        return [one["service_request_id"] for one in answer.json()]

    # Ninety days where nothing is said, and never more.
    assert await ids(service_code="E03002") == [second]
    begin = cities["clock"].now() - timedelta(days=101)
    assert await ids(service_code="E03002", start_date=begin.isoformat()) == [first]
    assert await ids(service_code="E03002", end_date=(begin + timedelta(days=2)).isoformat()) == [first]
    assert await ids(service_code="E03002,E01002", status="open", page_size=1) == [second]
    assert await ids(service_code="E03002", status="closed") == []
    assert await ids(service_code="E03002", status="open,closed") == [second]
    # Named ones override everything else.
    assert set(await ids(service_request_id=f"{first},{second}", status="closed")) == {first, second}
    assert await ids(service_code="E03002", page=2) == []
    many = ",".join([first] * 101)
    for params in (
        {"status": "lost"},
        {"start_date": "yesterday"},
        {"page_size": 1001},
        {"page": 0},
        {"service_request_id": many},
    ):
        answer = await get(cities, "requests.json", **params)
        assert answer.status_code == 400, params
        assert [set(one) for one in answer.json()] == [{"code", "description"}]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"api_key": None}, 403),
        ({"api_key": "nonsense"}, 403),
        ({"service_code": None}, 400),
        ({"service_code": "nonsense"}, 404),
        ({"address_id": None}, 400),
        ({"address_id": "nonsense"}, 400),
        ({"lat": "north", "long": "1"}, 400),
        ({"lat": "91", "long": "1"}, 400),
        ({"phone": "12"}, 400),
        ({"jurisdiction_id": "elsewhere"}, 404),
    ],
)
async def test_a_wrong_request_is_refused_as_the_specification_says(
    cities: Cities, given: dict[str, Any], status: int
) -> None:
    for form in ("json", "xml"):
        answer = await post(cities, form=form, **given)
        assert answer.status_code == status, answer.text
        if form == "json":
            assert [one["code"] for one in answer.json()] == [status]
            assert answer.json()[0]["description"]
        else:
            tree = ET.fromstring(answer.content)  # noqa: S314 - our own answer
            assert tree.tag == "errors"
            assert tree.findtext("error/code") == str(status)


async def test_a_file_that_is_no_photo_is_refused_and_nothing_is_reported(cities: Cities) -> None:
    story: Story = cities["yanji"]
    count = "{ cases { totalCount } }"
    before = await story.ask("admin", count)
    answer = await post(cities, files={"media": ("p.jpg", b"<script>", "image/jpeg")})
    assert answer.status_code == 400
    assert await story.ask("admin", count) == before


async def test_a_city_that_shows_nothing_and_another_citys_key(cities: Cities) -> None:
    other = cities["yangxinghe key"]
    for place in ("services.json", "discovery.json", "requests.json"):
        assert (await get(cities, place, city="yangxinghe")).status_code == 404
        assert (await get(cities, place, city="yangxinghe", key=other)).status_code == 404
        assert (await get(cities, place, city="nowhere")).status_code == 404
        assert (await get(cities, place, key=other)).status_code == 403
    assert (await post(cities, api_key=other)).status_code == 403
    assert (await get(cities, "requests/0000000000ZZ.json")).status_code == 404
    assert (await get(cities, "nonsense.json")).status_code == 404

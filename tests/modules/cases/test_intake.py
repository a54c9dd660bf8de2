"""Reports of other systems: once however often they are sent, by codes; and letters to the mailbox."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.core.principal import PrincipalKind
from cityloom.modules.cases.letters import LetterBroken, read_letter
from cityloom.testing.cases import Office
from cityloom.testing.examples import examples
from cityloom.testing.files import uploaded
from cityloom.testing.front import anonymous
from cityloom.testing.probes import Probe, mutation

if TYPE_CHECKING:
    from cityloom.core.principal import Principal
    from cityloom.testing.areas import AreaTree
    from cityloom.testing.front import Front

INTAKE = mutation("caseIntake", "CaseTracking", "trackingCode case { id source }")


def letter(**changes: Any) -> bytes:
    message = EmailMessage()
    message["Subject"] = changes.get("subject", "路灯不亮")
    message["From"] = "Kim <kim@example.org>"
    if changes.get("number", True):
        message["Message-ID"] = "<1@example.org>"
    message.set_content(changes.get("text", "三单元门口的路灯 \n 坏了一周。"))
    if "html" in changes:
        message.add_alternative(changes["html"], subtype="html")
    for content in changes.get("attached", ()):
        message.add_attachment(content, maintype="image", subtype="jpeg", filename="a.jpg")
    return message.as_bytes()


@pytest.fixture
async def hotline(office: Office) -> Principal:
    """The account of another system in this city."""
    from dataclasses import replace

    made = await office.hire("hotline", "grid_worker", at="s1")
    office.who["hotline"] = replace(made, kind=PrincipalKind.API_CLIENT)
    return office.who["hotline"]


def told(number: str, **more: Any) -> dict[str, Any]:
    given = {"matterCode": "0101", "areaCode": "S1C1G1", "description": "rubbish", "externalReference": number}
    return {"input": given | {"source": "HOTLINE"} | more}


async def test_a_number_is_taken_once_and_answers_the_same(office: Office, front: Front, hotline: Principal) -> None:
    photo = await uploaded(front, hotline)
    probe = Probe(front, office.tree.tenant_id)
    first = await probe.done(hotline, INTAKE, told("12345-1", photos=[photo]))
    before = await front.footprint(office.tree.tenant_id)
    again = (await front.data(hotline, INTAKE, told("12345-1", description="something else")))["caseIntake"]
    assert again == first
    assert await front.footprint(office.tree.tenant_id) == before
    assert first["case"]["source"] == "HOTLINE"
    # The number is the source's own: another source may have the same one.
    other = (await front.data(hotline, INTAKE, told("12345-1", source="MEDIA")))["caseIntake"]
    assert other["trackingCode"] != first["trackingCode"]


async def test_of_many_at_once_one_is_made(office: Office, front: Front, hotline: Principal) -> None:
    answers = await asyncio.gather(*(front.data(hotline, INTAKE, told("12345-2")) for _ in range(5)))
    found = [answer["caseIntake"] for answer in answers]
    codes = {one["trackingCode"] for one in found if one["__typename"] == "CaseTracking"}
    assert len(codes) == 1
    assert {one["reason"] for one in found if one["__typename"] == "Refusal"} <= {"REPORTED_ALREADY"}
    cases = "{ cases { totalCount } }"
    assert (await front.data(office.tree.administrator, cases))["cases"]["totalCount"] == 1


async def test_four_callers_and_what_is_refused(
    office: Office, front: Front, hotline: Principal, birch: AreaTree
) -> None:
    probe = Probe(front, office.tree.tenant_id)
    assert (await probe.refused(anonymous(office.tree.tenant_id), INTAKE, told("1")))[0] == "FORBIDDEN"
    reader = await office.hire("reader", "community_worker", at="s1", permissions=("cases.case.read",))
    assert (await probe.refused(reader, INTAKE, told("1")))[0] == "FORBIDDEN"
    assert (await probe.refused(office.who["neighbour"], INTAKE, told("1")))[0] == "FORBIDDEN"
    assert (await probe.refused(birch.administrator, INTAKE, told("1")))[0] == "NOT_FOUND"
    for change, reason in (
        ({"matterCode": "none"}, "NOT_FOUND"),
        ({"areaCode": "none"}, "AREA_NOT_FOUND"),
        ({"areaCode": None}, "PLACE_MISSING"),
        ({"externalReference": ""}, "REFERENCE_MISSING"),
        ({"externalReference": "x" * 201}, "REFERENCE_MISSING"),
        ({"description": " "}, "TEXT_WRONG"),
    ):
        refused = await probe.refused(hotline, INTAKE, told("1", **change))
        assert refused[1] == reason, change
    # Another account's number is neither shown nor taken again.
    await probe.done(hotline, INTAKE, told("1"))
    assert (await probe.refused(office.who["grid"], INTAKE, told("1")))[1] == "REPORTED_ALREADY"


def test_a_letter_is_read() -> None:
    found = read_letter(letter(attached=[b"one", b"two"]))
    assert found.text == "路灯不亮\n三单元门口的路灯\n坏了一周。"
    assert found.reference == "<1@example.org>"
    assert found.attachments == (b"one", b"two")
    assert "kim" not in repr(found).lower()


def test_a_letter_in_html_alone_loses_its_tags_and_programs() -> None:
    message = EmailMessage()
    message["Subject"] = "灯"
    message.set_content("<p>坏&amp;了</p><script>alert(1)</script><style>p{}</style>", subtype="html")
    assert read_letter(message.as_bytes()).text == "灯\n坏&了"


def test_a_letter_without_a_number_is_known_by_its_bytes() -> None:
    one, two = read_letter(letter(number=False)), read_letter(letter(number=False, text="x"))
    assert one.reference.startswith("sha256:")
    assert one.reference != two.reference
    assert read_letter(letter(number=False)).reference == one.reference


@pytest.mark.parametrize("content", [b"", b"Subject: \r\n\r\n", b"\x00\x01\x02"])
def test_what_says_nothing_is_no_letter(content: bytes) -> None:
    with pytest.raises(LetterBroken):
        read_letter(content)


def test_more_parts_than_anybody_writes_are_refused() -> None:
    message = EmailMessage()
    message["Subject"] = "x"
    message.set_content("x")
    for _ in range(120):
        message.add_attachment(b"x", maintype="image", subtype="png")
    with pytest.raises(LetterBroken):
        read_letter(message.as_bytes())


@given(content=st.binary(max_size=400), head=st.sampled_from([b"", b"Subject: x\r\n\r\n", letter()[:200]]))
@examples(100)
def test_whatever_comes_is_read_or_refused(content: bytes, head: bytes) -> None:
    try:
        found = read_letter(head + content)
    except LetterBroken:
        return
    assert 0 < len(found.text) <= 2_000
    assert 0 < len(found.reference) <= 200
    assert "\x00" not in found.text

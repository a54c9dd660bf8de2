"""Row ids sort by time; global ids are bound to type and tenant."""

from __future__ import annotations

import os
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.core.ids import MalformedId, decode_id, encode_id, new_id


def test_ids_are_version_7_and_grow_with_time() -> None:
    made = [new_id(unix_ms) for unix_ms in range(1_700_000_000_000, 1_700_000_000_050)]
    assert made == sorted(made)
    assert {uuid.version for uuid in made} == {7}
    assert {uuid.variant for uuid in made} == {"specified in RFC 4122"}
    assert made[3].int >> 80 == 1_700_000_000_003


def test_a_forked_process_makes_other_ids() -> None:
    new_id()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_id(1_700_000_000_000).bytes)
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 16) != new_id(1_700_000_000_000).bytes
    os.close(read)
    os.close(write)


@given(tenant=st.uuids(), other=st.uuids(), row=st.uuids(), tag=st.sampled_from(["area", "bldg", "resd"]))
def test_a_global_id_leads_back_in_its_own_tenant_and_type_only(tenant: UUID, other: UUID, row: UUID, tag: str) -> None:
    text = encode_id(tag, tenant, row)
    assert decode_id(text, tenant) == row
    assert decode_id(text, tenant, tag) == row
    assert decode_id(text, tenant, "acct") is None
    if other != tenant:
        assert decode_id(text, other, tag) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "area_1_2",
        "AREA_1a2b3c4d_0198c0a0b1c27d3e8f90a1b2c3d4e5f6",
        "area_1a2b3c4d_0198c0a0b1c27d3e8f90a1b2c3d4e5f6\n",
        "area_1a2b3c4d_0198c0a0b1c27d3e8f90a1b2c3d4e5fg",
        "' OR 1=1 --",
        "网格",
    ],
)
def test_what_never_was_an_id_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(MalformedId) as refused:
        decode_id(text, UUID(int=1))
    assert "area_" in refused.value.message("zh")
    assert "area_" in refused.value.message("en")

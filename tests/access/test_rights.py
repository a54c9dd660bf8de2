"""Where permissions hold, how much of fields is seen, and what follows for the wall and the plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cityloom.access.catalogue import Catalogue
from cityloom.access.policy import GrantRule
from cityloom.access.rights import Held, includes, make_rights, union
from cityloom.access.snapshot import compile_snapshot
from cityloom.core.principal import EVERYWHERE, NOWHERE, FieldAccess, Scope, subtree

NOW = datetime(2026, 3, 2, tzinfo=UTC)
D1, D2 = UUID(int=1), UUID(int=2)
RULES = [
    GrantRule("worker", "registry.resident.read", "allow"),
    GrantRule("worker", "registry.resident.phone.masked", "allow"),
    GrantRule("doctor", "registry.resident.phone.full", "allow"),
    GrantRule("doctor", "registry.resident.read", "allow"),
    GrantRule("barred", "registry.resident.read", "deny"),
]

paths = st.lists(st.sampled_from(["1", "2", "2z"]), min_size=1, max_size=4).map(lambda p: ".".join(p) + ".")
scopes = st.builds(
    Scope,
    everywhere=st.sampled_from([False, False, False, True]),
    areas=st.lists(paths.map(subtree), max_size=4).map(tuple),
    departments=st.lists(st.sampled_from([D1, D2]), unique=True, max_size=2).map(tuple),
    own=st.booleans(),
)


def rights(catalogue: Catalogue, *held: Held, cap: tuple[str, ...] | None = None, at: datetime = NOW):  # type: ignore[no-untyped-def]  # noqa: ANN201
    snapshot = compile_snapshot(catalogue, RULES, departments={D1: (D1, D2), D2: (D2,)})
    return make_rights(snapshot, catalogue, held, version=1, at=at, cap=cap)


@given(st.lists(scopes, max_size=4), paths)
def test_a_union_reaches_what_one_of_its_parts_reaches(parts: list[Scope], path: str) -> None:
    whole = union(parts)
    assert whole.covers(path) == any(part.covers(path) for part in parts)
    assert all(includes(whole, part) for part in parts)
    ends = [bound for area in whole.areas for bound in area]
    assert ends == sorted(ends), "ranges are apart and in order"


@given(scopes, scopes, paths)
def test_what_includes_another_reaches_all_that_it_reaches(outer: Scope, inner: Scope, path: str) -> None:
    if includes(outer, inner) and inner.covers(path):
        assert outer.covers(path)


def test_nested_areas_become_one_and_the_wall_covers_all(catalogue: Catalogue) -> None:
    made = rights(
        catalogue, Held("worker", "AREA", "1.2.3."), Held("worker", "AREA", "1.2."), Held("worker", "AREA", "1.5.")
    )
    assert made.scope("registry.resident.read") == Scope(areas=(subtree("1.2."), subtree("1.5.")))
    assert made.wall == ("1.2.", "1.5/")
    assert rights(catalogue).wall == NOWHERE
    assert rights(catalogue, Held("worker", "OWN")).wall == EVERYWHERE


def test_a_department_reaches_those_below_it(catalogue: Catalogue) -> None:
    made = rights(catalogue, Held("worker", "DEPARTMENT", None, D1))
    assert made.scope("registry.resident.read") == Scope(departments=(D1, D2))


def test_a_denying_role_denies_whatever_others_allow(catalogue: Catalogue) -> None:
    made = rights(catalogue, Held("worker", "TENANT"), Held("barred", "AREA", "1.9."))
    assert made.scope("registry.resident.read") is None


def test_a_field_is_full_only_where_all_rows_that_are_read_may_be_seen_in_full(catalogue: Catalogue) -> None:
    everywhere = rights(catalogue, Held("worker", "AREA", "1.2."), Held("doctor", "TENANT"))
    elsewhere = rights(catalogue, Held("worker", "AREA", "1.2."), Held("doctor", "AREA", "1.3."))
    assert everywhere.field("registry.resident.phone") is FieldAccess.FULL
    assert elsewhere.field("registry.resident.phone") is FieldAccess.MASKED
    assert rights(catalogue, Held("worker", "OWN")).field("registry.resident.phone") is FieldAccess.MASKED
    assert rights(catalogue).field("registry.resident.phone") is FieldAccess.ABSENT


def test_a_membership_holds_in_its_time_only_and_says_when_to_look_again(catalogue: Catalogue) -> None:
    begins, ends = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    held = Held("worker", "TENANT", starts_at=begins, ends_at=ends)
    before, during, after = (rights(catalogue, held, at=at) for at in (NOW, begins, ends))
    assert [m.scope("registry.resident.read") for m in (before, during, after)] == [None, Scope(everywhere=True), None]
    assert [m.valid_until for m in (before, during, after)] == [begins, ends, None]


def test_a_client_is_capped(catalogue: Catalogue) -> None:
    made = rights(catalogue, Held("worker", "TENANT"), cap=("registry.resident.phone.*",))
    assert made.scope("registry.resident.read") is None
    assert made.scope("registry.resident.phone.masked") == Scope(everywhere=True)


def test_equal_shapes_have_equal_fingerprints(catalogue: Catalogue) -> None:
    one, other = (rights(catalogue, Held("worker", "AREA", path)) for path in ("1.2.", "1.3."))
    wide = rights(catalogue, Held("worker", "TENANT"))
    more = rights(catalogue, Held("worker", "AREA", "1.2."), Held("doctor", "AREA", "1.2."))
    assert one.fingerprint == other.fingerprint
    assert len({one.fingerprint, wide.fingerprint, more.fingerprint}) == 3
    together, apart = (
        rights(catalogue, Held("worker", "AREA", "1.2."), Held("doctor", "AREA", path)) for path in ("1.2.", "1.3.")
    )
    assert together.fingerprint != apart.fingerprint

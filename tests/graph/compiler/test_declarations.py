"""Wrong declarations are refused when the module is imported, with the field and what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from cityloom.graph import bound as b
from cityloom.testing.graph.sandbox import District, DistrictRow, HouseRow, PersonRow


def _bound(
    space: dict[str, Any],
    annotations: dict[str, Any],
    *,
    doc: str | None = "A thing.",
    node: bool = True,
    **options: Any,
) -> Any:
    made = type(
        "Thing",
        (b.Node,) if node else (),
        {**space, "__annotations__": annotations, "__doc__": doc, "__module__": __name__},
    )
    return b.bound(**{"model": PersonRow, "module": "paper", **({"tag": "thng"} if node else {}), **options})(made)


WRONG: dict[str, Any] = {
    "needs a docstring": lambda: _bound({}, {}, doc=None),
    "needs a description": lambda: b.column(PersonRow.name, " "),
    "tag of four lowercase letters": lambda: _bound({}, {}, tag="TAG"),
    "may be null in the database": lambda: _bound({"phone": b.column(PersonRow.phone, "x")}, {"phone": str}),
    "must be nullable: `": lambda: _bound({"name": b.column(PersonRow.name, "x", field="a.b.c")}, {"name": str}),
    "out of the caller's scope": lambda: _bound({"house": b.one(PersonRow.house_id, "x")}, {"house": District}),
    "order of the protected": lambda: _bound(
        {"phone": b.masked(PersonRow.phone_masked, field="a.b.c", description="x")},
        {"phone": str | None},
        orderings={"PHONE": PersonRow.phone_masked},
    ),
    "cannot be filtered on, that": lambda: b.column(PersonRow.phone, "x", filters=b.EXACT, field="a.b.c"),
    "protected elsewhere": lambda: _bound(
        {
            "phone": b.masked(PersonRow.phone_masked, field="a.b.c", description="x"),
            "raw": b.column(PersonRow.phone_masked, "x", filters=b.EXACT),
        },
        {"phone": str | None, "raw": str | None},
    ),
    "holds str, the field says int": lambda: _bound({"name": b.column(PersonRow.name, "x")}, {"name": int}),
    "annotate it b.BigInt": lambda: _bound(
        {"value": b.column(HouseRow.value_fen, "x")}, {"value": int}, model=HouseRow
    ),
    "is not a column of": lambda: _bound({"name": b.column(DistrictRow.name, "x")}, {"name": str}),
    "which is not a column of": lambda: _bound({}, {}, orderings={"NAME": DistrictRow.name}),
    "names are in CAPITALS": lambda: _bound({}, {}, orderings={"name": PersonRow.name}),
    "is no bound type": lambda: b.extend(int, module="x")(type("More", (), {"__annotations__": {}})),
    "what a caller may not see is null": lambda: b.query(module="x")(
        type("Q", (), {"__annotations__": {"one": District}, "one": b.root_one(District, "x"), "__module__": __name__})
    ),
    "`limit` must be from 1 to": lambda: _bound(
        {"many": b.many(PersonRow.house_id, "x", limit=0)}, {"many": list[District]}
    ),
    "a scope needs the permission": lambda: _bound({}, {}, scope=b.ScopeRule(area=PersonRow.area_path)),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_declarations_are_refused(message: str) -> None:
    with pytest.raises(b.DeclarationError) as refused:
        WRONG[message]()
    assert message in str(refused.value)

"""What somebody of a city does who imports: over HTTP as its user, with a worker that a test lets work."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import TYPE_CHECKING, Any

from cityloom.core.ids import decode_id
from cityloom.demo.papers import identity_number, phone_number
from cityloom.imports.running import run_import

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import httpx

    from cityloom.app import Platform
    from cityloom.testing.twins import Twin

GRID, NEAR = "999901001001001", "999901001002001"
HEADERS = (
    "网格编码", "楼栋编码", "楼栋名称", "单元", "房号", "房屋用途", "户号", "姓名", "身份证号", "手机号", "与户主关系",
)  # fmt: skip
SHOWN = """
query ($id: ID!) { import(id: $id) { state failure done total rowsNew rowsChanged rowsUnchanged rowsSkipped rowsRefused
  things { thing new changed } sheets { name rows headers { header column } }
  findings(first: 100) { nodes { sheet row column code severity messageZh messageEn } } } }
"""
_numbers = count(1)


@dataclass(frozen=True)
class Made:
    """Somebody who does not exist."""

    name: str
    identity: str
    phone: str
    born_on: date


def somebody(sex: str = "MALE") -> Made:
    """Somebody new."""
    number, born_on = next(_numbers), date(1980, 2, 29)
    return Made(f"王明{chr(0x4E00 + number)}", identity_number(number, born_on, sex), phone_number(number), born_on)


def text_of(headers: Sequence[str], rows: Sequence[Sequence[object]], delimiter: str = ",") -> str:
    """A CSV text."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([headers, *rows])
    return out.getvalue()


def wide(person: Made, *, at: str = "1", grid: str = GRID, relation: str = "户主") -> list[str]:
    """A row of the wide sheet: building, dwelling and household all called by `at`."""
    return [grid, f"B{at}", f"{at}号楼", "1", f"{at}01", "自住", f"H{at}", person.name, person.identity, person.phone,
            relation]  # fmt: skip


@dataclass
class Desk:
    """Somebody of a city who imports."""

    opened: Platform
    city: Twin
    role: str = "city_administrator"

    def of(self, role: str) -> Desk:
        """The same for somebody else."""
        return Desk(self.opened, self.city, role)

    async def send(self, content: bytes, target: str = "registry") -> httpx.Response:
        """Upload a file."""
        bearer = self.city.bearers.get(self.role, self.role)
        headers = {"authorization": f"Bearer {bearer}", "accept-language": "en"}
        return await self.city.client.post(f"/imports/{target}", content=content, headers=headers)

    async def upload(self, content: bytes) -> str:
        """The id of a file that is taken."""
        answer = await self.send(content)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    async def mutate(self, mutation: str, type_: str = "Import", **given: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
        """What a mutation answers."""
        title = mutation[0].upper() + mutation[1:]
        document = (
            f"mutation ($input: {title}Input!) {{ {mutation}(input: $input) {{ __typename ... on {type_} {{ id }} "
            "... on Refusal { code reason message path } } }"
        )
        answer = await self.city.ask(self.role, document, {"input": given})
        found: dict[str, Any] = answer[mutation]
        return found

    async def check(self, id_: str, **given: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
        """Check, and what came of it."""
        assert (await self.mutate("importCheck", id=id_, **given))["__typename"] == "Import"
        assert await self.work(id_)
        return await self.show(id_)

    async def apply(self, id_: str, **given: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
        """Apply, and what came of it."""
        assert (await self.mutate("importApply", id=id_, **given))["__typename"] == "Import"
        assert await self.work(id_)
        return await self.show(id_)

    async def work(self, id_: str, **given: Any) -> bool:  # noqa: ANN401 - see `run_import`
        """Let a worker do what is asked for."""
        return await run_import(self.opened.works, self.city.id, self.row_id(id_), **given)

    def row_id(self, id_: str) -> UUID:
        """The id of the row."""
        found = decode_id(id_, self.city.id, "impt")
        assert found is not None
        return found

    async def show(self, id_: str) -> dict[str, Any]:
        """All of an import."""
        found: dict[str, Any] = (await self.city.ask(self.role, SHOWN, {"id": id_}))["import"]
        return found

    async def counted(self) -> tuple[int, ...]:
        """How many buildings, dwellings, households and residents there are."""
        roots = ("buildings", "dwellings", "households", "residents")
        answer = await self.city.ask(
            self.role, f"{{ {' '.join(f'{root}(first: 1) {{ totalCount }}' for root in roots)} }}"
        )
        return tuple(answer[root]["totalCount"] for root in roots)

    async def residents(self, household: str) -> list[dict[str, Any]]:
        """Who lives in a household, as a reader sees them."""
        document = """query ($n: String!) { households(first: 1, where: {number: {eq: $n}}) { nodes { number
          dwelling { number unit use building { code name area { code } } }
          residents(first: 50) { nodes { name sex birthYear identityNumber phone relationship } } } } }"""
        nodes = (await self.city.ask(self.role, document, {"n": household}))["households"]["nodes"]
        return [one | {"dwelling": nodes[0]["dwelling"]} for one in nodes[0]["residents"]["nodes"]] if nodes else []


def codes(shown: dict[str, Any]) -> list[tuple[int, str | None, str]]:
    """What was found: row, column, code."""
    return [(one["row"], one["column"], one["code"]) for one in shown["findings"]["nodes"]]


def counts(shown: dict[str, Any]) -> tuple[int, ...]:
    """New, changed, unchanged, skipped, refused."""
    return tuple(shown[f"rows{name}"] for name in ("New", "Changed", "Unchanged", "Skipped", "Refused"))

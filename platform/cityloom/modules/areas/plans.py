"""What a change of the tree's shape will touch, told before it is made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cityloom.core.text import Text
from cityloom.modules.areas.errors import AreaPlanImpossible, AreaPlanStale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from uuid import UUID

    from cityloom.modules.areas import models as m

#: Code and name of an area, and the name of what it lies in.
Place = tuple[str, str, str | None]


@dataclass(frozen=True, slots=True)
class Shift:
    """Rows that lie directly in one area today, by table, and in which they will lie: code, name, and what it is in."""

    former: Place
    new: Place
    counts: dict[str, int]


@dataclass(slots=True)
class Plan:
    """What a change of the tree will touch, and what stands in its way."""

    kind: str
    fingerprint: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    shifts: list[Shift] = field(default_factory=list)
    problems: list[Text] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)

    def problem(self, zh: str, en: str) -> None:
        """Something that forbids the change."""
        self.problems.append(Text(zh, en))

    def note(self, zh: str, en: str) -> None:
        """Something to know before the change."""
        self.notes.append(Text(zh, en))

    def tell(
        self,
        residing: Mapping[str, dict[str, int]],
        touched: Iterable[m.Area],
        above: Mapping[UUID, m.Area],
        becomes: Callable[[m.Area], Place],
    ) -> None:
        """Say what lies where and goes where: `above` are the areas that hold those that are touched, by id."""
        for table in sorted({table for there in residing.values() for table in there}):
            self.counts[table] = sum(there.get(table, 0) for there in residing.values())
        by_id = {**above, **{area.id: area for area in touched}}
        for area in sorted(by_id.values(), key=lambda one: one.path):
            if area.path in residing:
                parent = by_id.get(area.parent_id) if area.parent_id else None
                former = (area.code, area.name, parent.name if parent else None)
                self.shifts.append(Shift(former, becomes(area), residing[area.path]))

    def seal(self, arguments: Iterable[object], touched: Iterable[m.Area]) -> None:
        """Set the fingerprint."""
        shape = [
            (str(a.id), a.version, a.path, a.kind, str(a.valid_until)) for a in sorted(touched, key=lambda a: a.path)
        ]
        text = json.dumps([self.kind, [str(a) for a in arguments], shape], ensure_ascii=False)
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()

    def demand(self, fingerprint: str) -> None:
        """Refuse (`AreaPlanStale`, `AreaPlanImpossible`) to apply anything but this plan."""
        if fingerprint != self.fingerprint:
            raise AreaPlanStale(path=("fingerprint",))
        if self.problems:
            raise AreaPlanImpossible(
                reasons_zh="".join(p.zh for p in self.problems), reasons_en=" ".join(p.en for p in self.problems)
            )

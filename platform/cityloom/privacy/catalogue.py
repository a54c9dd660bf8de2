"""What the slices of this installation declare of people: in `work.services[SubjectCatalogue]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cityloom.core.module import Module, Retention
    from cityloom.core.subjects import ConsentEnds, Copies, Holding
    from cityloom.core.work import Work


@dataclass(frozen=True, slots=True)
class SubjectCatalogue:
    """Holdings, copies and what ends with consents from low slices to high, and kinds of retention by name."""

    holdings: tuple[Holding, ...]
    copies: tuple[Copies, ...]
    consent_ends: tuple[ConsentEnds, ...]
    retentions: dict[str, Retention]

    @classmethod
    def of(cls, modules: Iterable[Module]) -> Self:
        """What these modules declare."""
        known = tuple(modules)
        return cls(
            tuple(holding for module in known for holding in module.holdings),
            tuple(one for module in known for one in module.copies),
            tuple(one for module in known for one in module.consent_ends),
            {one.name: one for module in known for one in module.retentions},
        )


def catalogue_of(work: Work) -> SubjectCatalogue:
    """The declarations of this installation."""
    found: SubjectCatalogue = work.services[SubjectCatalogue]
    return found

"""The root query fields of tags."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import aliased

from cityloom.graph import bound as b
from cityloom.modules.areas.api.shapes import area_above, area_at
from cityloom.modules.registry.api.queries import within
from cityloom.modules.tags import models as m
from cityloom.modules.tags.api.shapes import ResidentTag, Tag, TagRule

#: Down to which depth residents with tags can be counted by area; the deepest city that is known has grids at 4.
_DEPTHS = range(1, 6)


def _now(
    row: type[m.ResidentTag],
    area: Annotated[b.ID | None, b.argument("Only residents in this area, at any depth.", of="area")] = None,
    codes: Annotated[list[str] | None, b.argument("Only tags with these codes.")] = None,
) -> ColumnElement[bool]:
    """Who has a tag now."""
    found = within(row, area) & row.ended_at.is_(None)
    if codes is None:
        return found
    tag = aliased(m.Tag)
    return found & row.tag_id.in_(select(tag.id).where(tag.code == func.any(codes)))


@b.query(module="tags")
class TagQuery:
    """The catalogue of tags, its rules, and who has which tag, counted."""

    tag: Tag | None = b.root_one(Tag, "One tag by its id.")
    tags: b.Connection[Tag] = b.root_connection(Tag, "The city's catalogue of tags, as far as the caller may see it.")
    tag_rules: b.Connection[TagRule] = b.root_connection(TagRule, "The rules that decide who has a tag.")
    tag_stats: list[b.Group] = b.root_aggregate(
        ResidentTag,
        "Residents with tags, counted: each once for each tag that they have now. Of sensitive tags, small counts are"
        " not told, nor those that they could be worked out from; to who may not see residents, no small count is.",
        by={
            "TAG": b.dimension(m.ResidentTag.tag_id, "By tag.", tag="ctag"),
            "SOURCE": b.dimension(m.ResidentTag.source, "By who or what assigned it."),
            "AREA": b.dimension(
                m.ResidentTag.area_path,
                "By the area that they live in directly.",
                tag="area",
                shown=area_at,
                rolled=area_above,
            ),
            **{
                f"AREA_DEPTH_{depth}": b.dimension(
                    m.ResidentTag.area_path,
                    f"By the area of depth {depth} that they live in: see `Area.depth`. Null for who lives above it.",
                    tag="area",
                    shown=area_at,
                    depth=depth,
                    rolled=area_above,
                )
                for depth in _DEPTHS
            },
        },
        narrow=_now,
        limit=2_000,
    )

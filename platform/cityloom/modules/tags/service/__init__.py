"""What can be done with tags."""

from cityloom.modules.tags.service.assignments import (
    assign_tag,
    assign_tag_to_many,
    end_with_consent,
    withdraw_from_many,
    withdraw_tag,
)
from cityloom.modules.tags.service.catalogue import change_tag, create_tag
from cityloom.modules.tags.service.revealing import find_holders
from cityloom.modules.tags.service.reviews import apply_pending, end_expired, review_changes, review_everybody
from cityloom.modules.tags.service.rulebook import preview_rule, publish_rule, retire_rule

__all__ = [
    "apply_pending",
    "assign_tag",
    "assign_tag_to_many",
    "change_tag",
    "create_tag",
    "end_expired",
    "end_with_consent",
    "find_holders",
    "preview_rule",
    "publish_rule",
    "retire_rule",
    "review_changes",
    "review_everybody",
    "withdraw_from_many",
    "withdraw_tag",
]

"""Reaching a person: who may not know of somebody is told that there is nobody."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import select

from cityloom.core.ids import split_id
from cityloom.core.principal import PrincipalKind
from cityloom.core.subjects import Person, people
from cityloom.privacy.errors import TextUnfit, absent

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.principal import Scope
    from cityloom.core.work import Work

_UNFIT = re.compile(r"[\x00-\x1f\x7f]|\d{17}[\dXx]|(?<!\d)1[3-9]\d{9}(?!\d)")


def is_own(work: Work, person: Person) -> bool:
    """Whether the caller is this person, as a resident who has signed in."""
    principal = work.principal
    return (
        principal.kind is PrincipalKind.RESIDENT
        and principal.account_id is not None
        and person.account_id == principal.account_id
    )


def covers(work: Work, scope: Scope | None, person: Person) -> bool:
    """Whether a scope reaches a person: by their area, or as the caller themself."""
    if scope is None:
        return False
    return scope.covers(person.area_path) or (scope.own and person.account_id == work.principal.account_id is not None)


async def reach_person(
    work: Work, person_id: str, permission: str, *, is_changed: bool = False, path: tuple[str, ...] = ("id",)
) -> Person:
    """A person by their global id, for a caller who may do this to them.

    `is_changed` locks their row. Refuses (`NotFound`) who is absent or may not be seen, (`Forbidden`) who may be seen
    but not this.
    """
    tag, row_id = split_id(person_id, work.tenant_id, path=path)
    model = people().get(tag)
    found = None
    if model is not None and row_id is not None:
        query = select(model).where(model.id == row_id).execution_options(populate_existing=True)
        found = await work.session.scalar(query.with_for_update() if is_changed else query)
    if found is None or not covers(work, work.rights.scope(type(found).__person__.read), found):
        # Whoever may not do this at all is told so, whether or not the person exists.
        work.authorise(permission)
        raise absent("person", "个人", *path)
    scope = work.authorise(permission)
    if not covers(work, scope, found):
        work.authorise(permission, area_path=found.area_path)
        raise absent("person", "个人", *path)
    return found


async def lock_person(work: Work, tag: str, row_id: UUID) -> Person | None:
    """A person by tag and id, locked; for the platform itself."""
    model = people()[tag]
    query = select(model).where(model.id == row_id).with_for_update().execution_options(populate_existing=True)
    found: Person | None = await work.session.scalar(query)
    return found


def checked_words(value: str, name: str, limit: int) -> str:
    """A reason that somebody wrote; refuses (`TextUnfit`) what is empty, too long or holds numbers of people."""
    value = value.strip()
    if not 0 < len(value) <= limit or _UNFIT.search(value):
        raise TextUnfit(path=(name,), limit=limit)
    return value

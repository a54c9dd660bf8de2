"""Who may see a file below GraphQL: the same rule as that of the type `File`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select, true

from cityloom.core.database import within
from cityloom.core.errors import Unauthenticated
from cityloom.files import models as m
from cityloom.files.service.links import OPEN_STATES
from cityloom.files.visibility import seen_through
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.errors import TenantNotFound

if TYPE_CHECKING:
    from cityloom.core.principal import Scope
    from cityloom.core.work import Work

READ = "files.file.read"


@dataclass(frozen=True, slots=True)
class _Reach:
    """See `graph.bound.Reach`."""

    scope: Scope
    account_id: UUID | None

    def areas(self, path: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column
        return within(self.scope, path)

    def departments(self, department_id: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column
        if self.scope.everywhere:
            return true()
        return or_(false(), department_id.in_(self.scope.departments)) if self.scope.departments else false()

    def caller(self, account_id: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column
        return false() if self.account_id is None else account_id == self.account_id


async def visible(work: Work, file_id: UUID | None) -> m.StoredFile | None:
    """The file, where the caller uploaded it or sees something that holds it; None otherwise."""
    scope = work.rights.scope(READ)
    if scope is None:
        return None
    reach = _Reach(scope, work.principal.account_id)
    seen = true() if scope.everywhere else seen_through(m.StoredFile, reach)
    return await work.session.scalar(select(m.StoredFile).where(m.StoredFile.id == file_id, seen))


async def demand_open(services: dict[type, Any], tenant_id: UUID) -> None:
    """Refuse (`Unauthenticated`) a ticket that names a tenant that is not there, or not open."""
    directory: TenantDirectory | None = services.get(TenantDirectory)
    try:
        if directory is not None and (await directory.get(tenant_id)).state not in OPEN_STATES:
            raise Unauthenticated
    except TenantNotFound:
        raise Unauthenticated from None

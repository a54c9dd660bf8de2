"""The table of jobs: when each was run last in each city."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from cityloom.core.database import Base, TenantTable


class JobRun(TenantTable, Base):
    """The last run of one job in one city; holding its row is holding the job."""

    __tablename__ = "job_runs"
    __table_args__ = (UniqueConstraint("tenant_id", "name"), {"info": {"operator_reads": True}})

    name: Mapped[str]
    ran_at: Mapped[datetime]
    done: Mapped[int]

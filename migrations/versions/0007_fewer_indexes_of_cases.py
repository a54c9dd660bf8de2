"""Cases have half as many indexes to write with each step; rows that steps update have room on their pages.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

#: Indexes of `cases` that go, by name, with their columns after the tenant and whether only open cases are in them.
_GONE = {
    "ix_cases_tenant_id_light_id_area_path": ("light", "id", "area_path"),
    "ix_cases_tenant_id_state_id": ("state", "id"),
    "ix_cases_tenant_id_matter_id_id": ("matter_id", "id"),
    "ix_cases_tenant_id_source_id": ("source", "id"),
    "ix_cases_tenant_id_priority_id": ("priority", "id"),
    "ix_cases_longitude_all": ("longitude", "id"),
    "ix_cases_latitude_all": ("latitude", "id"),
    "ix_cases_level_all": ("level", "id"),
    "ix_cases_accepted_at_all": ("accepted_at", "id"),
    "ix_cases_resolved_at_all": ("resolved_at", "id"),
    "ix_cases_reopen_count_all": ("reopen_count", "id"),
    "ix_cases_satisfaction_all": ("satisfaction", "id"),
}
_GONE_OF_OPEN = {
    "ix_cases_tenant_id_workflow_id_state": ("workflow_id", "state"),
    "ix_cases_tenant_id_matter_id_longitude_latitude": ("matter_id", "longitude", "latitude"),
}
_NEW = (
    ("light", "state", "area_path"),
    ("source", "priority"),
    ("level", "reopen_count"),
    ("matter_id", "is_open", "longitude", "latitude"),
)
#: Columns that are null until a case has come so far.
_LATER = ("longitude", "latitude", "accepted_at", "resolved_at", "satisfaction")
_FILL = {"case_trackings": 70, "idempotency_records": 80}
_CLEARED = ("autovacuum_vacuum_scale_factor", "autovacuum_vacuum_insert_scale_factor")


def _name(columns: tuple[str, ...]) -> str:
    return op.f("_".join(("ix_cases_tenant_id", *columns)))


def upgrade() -> None:
    """Make the change."""
    for name in (*_GONE, *_GONE_OF_OPEN):
        op.drop_index(op.f(name), table_name="cases")
    for columns in _NEW:
        op.create_index(_name(columns), "cases", ["tenant_id", *columns])
    for column in _LATER:
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(_name((column,)), "cases", ["tenant_id", column], postgresql_where=where)
    for table, percent in _FILL.items():
        op.execute(f"ALTER TABLE {table} SET (fillfactor = {percent})")
    op.execute(f"ALTER TABLE cases SET ({', '.join(f'{name} = 0.01' for name in _CLEARED)})")


def downgrade() -> None:
    """Undo the change."""
    op.execute(f"ALTER TABLE cases RESET ({', '.join(_CLEARED)})")
    for table in _FILL:
        op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
    for columns in (*_NEW, *((column,) for column in _LATER)):
        op.drop_index(_name(columns), table_name="cases")
    for name, columns in _GONE.items():
        op.create_index(op.f(name), "cases", ["tenant_id", *columns])
    for name, columns in _GONE_OF_OPEN.items():
        op.create_index(op.f(name), "cases", ["tenant_id", *columns], postgresql_where=sa.text("is_open"))

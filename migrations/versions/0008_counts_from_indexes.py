"""Counts of residents and households read an index alone; residents of a dwelling are found without its households' rows.

Revision ID: 0008
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.drop_index(op.f("ix_residents_tenant_id_area_path_name"), table_name="residents")
    op.create_index(
        op.f("ix_residents_tenant_id_area_path_name"),
        "residents",
        ["tenant_id", "area_path", "name"],
        unique=False,
        postgresql_include=["sex", "relationship", "status"],
    )
    op.drop_index(op.f("ix_households_tenant_id_area_path_number"), table_name="households")
    op.create_index(
        op.f("ix_households_tenant_id_area_path_number"),
        "households",
        ["tenant_id", "area_path", "number"],
        unique=False,
        postgresql_include=["kind"],
    )
    op.create_index(
        op.f("ix_households_tenant_id_dwelling_id_id_area_path"),
        "households",
        ["tenant_id", "dwelling_id", "id", "area_path"],
        unique=False,
    )
    op.drop_index(op.f("ix_households_tenant_id_dwelling_id"), table_name="households")


def downgrade() -> None:
    """Take it back."""
    op.create_index(
        op.f("ix_households_tenant_id_dwelling_id"), "households", ["tenant_id", "dwelling_id"], unique=False
    )
    op.drop_index(op.f("ix_households_tenant_id_dwelling_id_id_area_path"), table_name="households")
    op.drop_index(op.f("ix_households_tenant_id_area_path_number"), table_name="households")
    op.create_index(
        op.f("ix_households_tenant_id_area_path_number"),
        "households",
        ["tenant_id", "area_path", "number"],
        unique=False,
    )
    op.drop_index(op.f("ix_residents_tenant_id_area_path_name"), table_name="residents")
    op.create_index(
        op.f("ix_residents_tenant_id_area_path_name"), "residents", ["tenant_id", "area_path", "name"], unique=False
    )

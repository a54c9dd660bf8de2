"""Staging tables of organisations and of answers to the cities' own fields; those of links are changed within a page.

Revision ID: 0011
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None


_LINKS = ("buildings", "dwellings", "households")


def upgrade() -> None:
    """Make the change."""
    for table in _LINKS:
        op.execute(f"ALTER TABLE registry_staged_{table} SET (fillfactor = 45)")
    op.create_table(
        "registry_staged_organisations",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("sheet", sa.Integer(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("credit_code", sa.Text(), nullable=True),
        sa.Column("area_code", sa.Text(), nullable=True),
        sa.Column("building_code", sa.Text(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("dwelling_number", sa.Text(), nullable=True),
        sa.Column("moved_in_on", sa.Date(), nullable=True),
        sa.Column("tokens", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("is_likely", sa.Boolean(), nullable=True),
        sa.Column("building_id", sa.Uuid(), nullable=True),
        sa.Column("dwelling_id", sa.Uuid(), nullable=True),
        sa.Column("place_id", sa.Uuid(), nullable=True),
        sa.Column("place_path", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_registry_staged_organisations")),
        sa.UniqueConstraint(
            "tenant_id",
            "import_id",
            "sheet",
            "row",
            name=op.f("uq_registry_staged_organisations_tenant_id_import_id_sheet_row"),
        ),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "registry_staged_answers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("sheet", sa.Integer(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("field_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("word", sa.Text(), nullable=True),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("is_contradicted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_registry_staged_answers")),
        sa.UniqueConstraint(
            "tenant_id",
            "import_id",
            "field_id",
            "key",
            name=op.f("uq_registry_staged_answers_tenant_id_import_id_field_id_key"),
        ),
        prefixes=["UNLOGGED"],
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("registry_staged_answers")
    op.drop_table("registry_staged_organisations")
    for table in _LINKS:
        op.execute(f"ALTER TABLE registry_staged_{table} RESET (fillfactor)")

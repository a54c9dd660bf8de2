"""Staging tables of vehicles and of sealed answers to the cities' own fields; imports know under which key they stage.

Rows that were staged before are staged again: what they were staged under is not known of any.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.add_column("imports", sa.Column("key_id", sa.Uuid(), nullable=True))
    op.add_column("registry_staged_answers", sa.Column("indexes", sa.LargeBinary(), nullable=True))
    op.create_table(
        "registry_staged_sealed_answers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("answer_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_index", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_registry_staged_sealed_answers")),
        sa.UniqueConstraint(
            "tenant_id",
            "import_id",
            "answer_id",
            "position",
            name="uq_registry_staged_sealed_answers_stated",
        ),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "registry_staged_vehicles",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("sheet", sa.Integer(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("plate", sa.LargeBinary(), nullable=False),
        sa.Column("plate_masked", sa.Text(), nullable=False),
        sa.Column("plate_index", sa.LargeBinary(), nullable=False),
        sa.Column("owner_index", sa.LargeBinary(), nullable=True),
        sa.Column("credit_code", sa.Text(), nullable=True),
        sa.Column("held_since", sa.Date(), nullable=True),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("holder_id", sa.Uuid(), nullable=True),
        sa.Column("place_id", sa.Uuid(), nullable=True),
        sa.Column("place_path", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_registry_staged_vehicles")),
        sa.UniqueConstraint(
            "tenant_id",
            "import_id",
            "sheet",
            "row",
            name=op.f("uq_registry_staged_vehicles_tenant_id_import_id_sheet_row"),
        ),
        prefixes=["UNLOGGED"],
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("registry_staged_vehicles")
    op.drop_table("registry_staged_sealed_answers")
    op.drop_column("registry_staged_answers", "indexes")
    op.drop_column("imports", "key_id")

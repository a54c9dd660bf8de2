"""What receivers answered is erased with the bodies that they answered; rows that files tell of are noted together.

Answers to bodies that were erased before stayed, because nobody could change them: they are taken back here. What was
noted of files row by row becomes one array for each file.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

#: The owner sees rows for as long as row-level security is not forced on it.
_CHANGED = ("webhook_deliveries", "webhook_attempts")
_ANSWERS = """
UPDATE webhook_attempts AS a SET answer = NULL FROM webhook_deliveries AS d
WHERE d.tenant_id = a.tenant_id AND d.id = a.delivery_id AND d.body_erased_at IS NOT NULL AND a.answer IS NOT NULL
"""
_TOGETHER = """
INSERT INTO export_contents (tenant_id, id, until_row, row_ids)
SELECT tenant_id, id, count(*), array_agg(row_id) FROM export_contents_before GROUP BY tenant_id, id
"""
_APART = """
INSERT INTO export_contents (tenant_id, id, row_id)
SELECT DISTINCT tenant_id, id, unnest(row_ids) FROM export_contents_before
"""


def _contents(*columns: sa.Column[object], key: str, carried_over: str) -> None:
    """Make the table of contents anew with these columns, of which one is in its key."""
    op.execute("ALTER TABLE export_contents NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE export_contents RENAME TO export_contents_before")
    op.drop_constraint(op.f("fk_export_contents_tenant_id_id"), "export_contents_before", type_="foreignkey")
    op.drop_constraint(op.f("pk_export_contents"), "export_contents_before", type_="primary")
    op.create_table(
        "export_contents",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["tenant_id", "id"],
            ["exports.tenant_id", "exports.id"],
            name=op.f("fk_export_contents_tenant_id_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", key, name=op.f("pk_export_contents")),
    )
    op.execute(carried_over)
    op.drop_table("export_contents_before")


def upgrade() -> None:
    """Make the change."""
    for table in _CHANGED:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(_ANSWERS)
    for table in _CHANGED:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    _contents(
        sa.Column("until_row", sa.Integer(), nullable=False),
        sa.Column("row_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        key="until_row",
        carried_over=_TOGETHER,
    )


def downgrade() -> None:
    """Take it back; answers that were erased cannot be."""
    _contents(sa.Column("row_id", sa.Uuid(), nullable=False), key="row_id", carried_over=_APART)
    op.create_index(
        op.f("ix_export_contents_tenant_id_row_id"), "export_contents", ["tenant_id", "row_id"], unique=False
    )

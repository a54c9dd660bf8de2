"""The code of its tag stands with each assignment: a planner that knows the value knows how many have the tag.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_KEY = "fk_resident_tags_tag"


def _refer(*carried: str) -> None:
    """Let assignments refer to their tag together with what they carry along of it."""
    op.create_unique_constraint(
        op.f(f"uq_tags_tenant_id_id_{'_'.join(carried)}"), "tags", ["tenant_id", "id", *carried]
    )
    op.create_foreign_key(
        _KEY,
        "resident_tags",
        "tags",
        ["tenant_id", "tag_id", *carried],
        ["tenant_id", "id", *carried],
        deferrable=True,
    )


def upgrade() -> None:
    """Make the change."""
    op.add_column("resident_tags", sa.Column("code", sa.Text(), nullable=True))
    for table in ("tags", "resident_tags"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    # Nothing that is tallied changes.
    op.execute("ALTER TABLE resident_tags DISABLE TRIGGER USER")
    op.execute(
        "UPDATE resident_tags SET code = tags.code FROM tags"
        " WHERE tags.tenant_id = resident_tags.tenant_id AND tags.id = resident_tags.tag_id"
    )
    op.execute("ALTER TABLE resident_tags ENABLE TRIGGER USER")
    for table in ("tags", "resident_tags"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.alter_column("resident_tags", "code", nullable=False)
    op.drop_constraint(_KEY, "resident_tags", type_="foreignkey")
    op.drop_constraint(op.f("uq_tags_tenant_id_id_sensitivity"), "tags", type_="unique")
    _refer("code", "sensitivity")
    op.create_index(
        "ix_resident_tags_by_code",
        "resident_tags",
        ["tenant_id", "code", "resident_id"],
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_include=["sensitivity", "area_path"],
    )
    # Cities differ in size and in the tags that they use: neither column says by itself how many of a city have a tag.
    op.execute("CREATE STATISTICS resident_tags_held (mcv) ON tenant_id, code, sensitivity FROM resident_tags")
    op.execute("ALTER STATISTICS resident_tags_held SET STATISTICS 1000")
    op.execute("ANALYZE resident_tags")


def downgrade() -> None:
    """Take it back."""
    op.execute("DROP STATISTICS resident_tags_held")
    op.drop_index("ix_resident_tags_by_code", table_name="resident_tags")
    op.drop_constraint(_KEY, "resident_tags", type_="foreignkey")
    op.drop_constraint(op.f("uq_tags_tenant_id_id_code_sensitivity"), "tags", type_="unique")
    _refer("sensitivity")
    op.drop_column("resident_tags", "code")

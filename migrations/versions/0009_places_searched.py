"""The tokens by which buildings are searched for, of those too that there are already; tags are counted in few pages.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

#: The same pairs as `modules.registry.names.place_tokens`.
_TOKENS = r"""
INSERT INTO building_tokens (tenant_id, id, token)
SELECT DISTINCT tenant_id, id, substr(text, n, 2)
FROM buildings
CROSS JOIN LATERAL (VALUES (name), (address)) AS given (said)
CROSS JOIN LATERAL (SELECT lower(regexp_replace(normalize(said, NFKC), '[\s·•・.-]', '', 'g')) AS text) AS normal
CROSS JOIN LATERAL generate_series(1, greatest(length(text) - 1, 1)) AS n
WHERE text <> ''
"""


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "building_tokens",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "id"],
            ["buildings.tenant_id", "buildings.id"],
            name=op.f("fk_building_tokens_tenant_id_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", "token", name=op.f("pk_building_tokens")),
    )
    op.create_index(
        op.f("ix_building_tokens_tenant_id_token_id"), "building_tokens", ["tenant_id", "token", "id"], unique=False
    )
    # The owner sees the buildings for as long as row-level security is not forced on it.
    op.execute("ALTER TABLE buildings NO FORCE ROW LEVEL SECURITY")
    op.execute(_TOKENS)
    op.execute("ALTER TABLE buildings FORCE ROW LEVEL SECURITY")
    op.drop_index("ix_resident_tags_by_area", table_name="resident_tags")
    op.create_index(
        "ix_resident_tags_by_area",
        "resident_tags",
        ["tenant_id", "area_path", "tag_id", "sensitivity"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_resident_tags_by_area", table_name="resident_tags")
    op.create_index(
        "ix_resident_tags_by_area",
        "resident_tags",
        ["tenant_id", "area_path", "tag_id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_include=["sensitivity"],
    )
    op.drop_index(op.f("ix_building_tokens_tenant_id_token_id"), table_name="building_tokens")
    op.drop_table("building_tokens")

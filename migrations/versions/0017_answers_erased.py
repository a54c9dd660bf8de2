"""What receivers answered is erased with the bodies that they answered.

Answers to bodies that were erased before stayed, because nobody could change them: they are taken back here.

Revision ID: 0017
Revises: 0014
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0014"
branch_labels = None
depends_on = None

#: The owner sees rows for as long as row-level security is not forced on it.
_CHANGED = ("webhook_deliveries", "webhook_attempts")
_ANSWERS = """
UPDATE webhook_attempts AS a SET answer = NULL FROM webhook_deliveries AS d
WHERE d.tenant_id = a.tenant_id AND d.id = a.delivery_id AND d.body_erased_at IS NOT NULL AND a.answer IS NOT NULL
"""


def upgrade() -> None:
    """Make the change."""
    for table in _CHANGED:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(_ANSWERS)
    for table in _CHANGED:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take it back; what was erased cannot be."""

"""Files with keys of their own, what is kept of rows that were read, sealed answers, tags on consent, one account a resident.

What becomes of rows that there are:

- Files of exports that are ready were sealed with the city's key, which a rotation destroys: their time ends now, and
  who needs one asks for it again. A file is never older than the city keeps files, a week where it says nothing else.
- Of snapshots of reports, and of bodies of webhooks with a selection, nobody noted of whom they tell: they are noted
  under the tenant's own id, which every erasure finds, so the next one takes them back.
- Answers to restricted fields stay as they are until `registry.seal` seals them, which begins within minutes.
- Hashes of changes that were made offline were made with a key that is rotated; they are dropped. A change of before is
  known again by its id, its account and its action.
- An account that is linked to several residents is linked to none afterwards: which of them it belongs to the database
  cannot know, and a wrong link shows somebody's record to another. They are linked again by `residentChange`.
- Tags that need consent have no purpose yet, and cannot be assigned before one is stated; who has them keeps them.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_STATES = ("PENDING", "QUEUED", "RUNNING", "READY", "REJECTED", "CANCELLED", "FAILED", "EXPIRED")
_ENDINGS = ("WITHDRAWN", "RULE", "EXPIRED", "LEFT", "REPLACED")
_CONTENTS = {
    "export_contents": "exports",
    "report_snapshot_contents": "report_snapshots",
    "webhook_delivery_contents": "webhook_deliveries",
}
#: The owner sees rows for as long as row-level security is not forced on it.
_CHANGED = ("exports", "report_snapshots", "webhook_deliveries", "residents", *_CONTENTS)

_READY = "UPDATE exports SET file_id = id, expires_at = now() WHERE state = 'READY'"
_SNAPSHOTS = (
    "INSERT INTO report_snapshot_contents (tenant_id, id, row_id) SELECT tenant_id, id, tenant_id FROM report_snapshots"
)
_BODIES = """
INSERT INTO webhook_delivery_contents (tenant_id, id, row_id)
SELECT tenant_id, id, tenant_id FROM webhook_deliveries WHERE position('"selection":'::bytea IN body) > 0
"""
_LINKED = """
UPDATE residents AS r SET account_id = NULL, version = r.version + 1
FROM (SELECT tenant_id, account_id FROM residents WHERE account_id IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1) AS twice
WHERE r.tenant_id = twice.tenant_id AND r.account_id = twice.account_id
"""


def _one_of(column: str, words: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(word) for word in words)})"


def _check(table: str, name: str, condition: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)


def _expiry(*states: str) -> None:
    op.drop_index(op.f("ix_exports_tenant_id_expires_at"), table_name="exports")
    op.create_index(
        op.f("ix_exports_tenant_id_expires_at"),
        "exports",
        ["tenant_id", "expires_at"],
        unique=False,
        postgresql_where=sa.text(_one_of("state", states)),
    )


def upgrade() -> None:
    """Make the change."""
    for table, kept in _CONTENTS.items():
        op.create_table(
            table,
            sa.Column("tenant_id", sa.Uuid(), nullable=False),
            sa.Column("id", sa.Uuid(), nullable=False),
            sa.Column("row_id", sa.Uuid(), nullable=False),
            sa.ForeignKeyConstraint(
                ["tenant_id", "id"],
                [f"{kept}.tenant_id", f"{kept}.id"],
                name=op.f(f"fk_{table}_tenant_id_id"),
                ondelete="CASCADE",
            ),
            sa.PrimaryKeyConstraint("tenant_id", "id", "row_id", name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_tenant_id_row_id"), table, ["tenant_id", "row_id"], unique=False)
    op.add_column("exports", sa.Column("file_id", sa.Uuid(), nullable=True))
    op.add_column("exports", sa.Column("file_key", sa.LargeBinary(), nullable=True))
    op.add_column("export_runs", sa.Column("claim_id", sa.Uuid(), nullable=True))
    _check("exports", "state_known", _one_of("state", (*_STATES, "WITHDRAWN")))
    _expiry("PENDING", "READY", "WITHDRAWN")
    op.add_column("report_snapshots", sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("report_snapshots", "content", existing_type=sa.LargeBinary(), nullable=True)
    op.create_check_constraint(
        op.f("ck_report_snapshots_withdrawn"), "report_snapshots", "(content IS NULL) = (withdrawn_at IS NOT NULL)"
    )
    op.add_column("webhook_deliveries", sa.Column("body_erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("custom_values", sa.Column("sealed", sa.LargeBinary(), nullable=True))
    op.add_column("custom_values", sa.Column("sealed_index", sa.LargeBinary(), nullable=True))
    _check("custom_values", "one_value", "num_nonnulls(word, number, day, sealed) = 1")
    op.create_check_constraint(
        op.f("ck_custom_values_sealed_whole"), "custom_values", "num_nulls(sealed, sealed_index) IN (0, 2)"
    )
    op.create_index(
        op.f("ix_custom_values_tenant_id_field_id_sealed_index_row_id"),
        "custom_values",
        ["tenant_id", "field_id", "sealed_index", "row_id"],
        unique=False,
    )
    op.drop_column("field_changes", "input_hash")
    op.add_column("field_changes", sa.Column("input_hash", sa.LargeBinary(), nullable=True))
    op.add_column("tags", sa.Column("purpose_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_tags_tenant_id_purpose_id"),
        "tags",
        "privacy_purposes",
        ["tenant_id", "purpose_id"],
        ["tenant_id", "id"],
    )
    op.create_index(op.f("ix_tags_tenant_id_purpose_id"), "tags", ["tenant_id", "purpose_id"], unique=False)
    _check("resident_tags", "ending_known", _one_of("ending", (*_ENDINGS, "CONSENT_WITHDRAWN")))
    for table in _CHANGED:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    for statement in (_READY, _SNAPSHOTS, _BODIES, _LINKED):
        op.execute(statement)
    for table in _CHANGED:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.drop_index(op.f("ix_residents_tenant_id_account_id"), table_name="residents")
    op.create_unique_constraint(op.f("uq_residents_tenant_id_account_id"), "residents", ["tenant_id", "account_id"])


def downgrade() -> None:
    """Take it back; what was sealed or withdrawn meanwhile cannot be, and goes."""
    changed = ("exports", "report_snapshots", "custom_values", "resident_tags", "field_changes")
    for table in changed:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute("UPDATE exports SET state = 'EXPIRED', expires_at = NULL WHERE state = 'WITHDRAWN'")
    op.execute("UPDATE exports SET expires_at = now() WHERE state = 'READY'")
    op.execute("DELETE FROM report_snapshots WHERE content IS NULL")
    op.execute("DELETE FROM custom_values WHERE sealed IS NOT NULL")
    op.execute("UPDATE resident_tags SET ending = 'WITHDRAWN' WHERE ending = 'CONSENT_WITHDRAWN'")
    op.execute("UPDATE field_changes SET input_hash = '' WHERE input_hash IS NULL")
    for table in changed:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.drop_constraint(op.f("uq_residents_tenant_id_account_id"), "residents", type_="unique")
    op.create_index(
        op.f("ix_residents_tenant_id_account_id"),
        "residents",
        ["tenant_id", "account_id"],
        unique=False,
        postgresql_where=sa.text("account_id IS NOT NULL"),
    )
    _check("resident_tags", "ending_known", _one_of("ending", _ENDINGS))
    op.drop_index(op.f("ix_tags_tenant_id_purpose_id"), table_name="tags")
    op.drop_constraint(op.f("fk_tags_tenant_id_purpose_id"), "tags", type_="foreignkey")
    op.drop_column("tags", "purpose_id")
    op.alter_column("field_changes", "input_hash", existing_type=sa.LargeBinary(), nullable=False)
    op.drop_index(op.f("ix_custom_values_tenant_id_field_id_sealed_index_row_id"), table_name="custom_values")
    op.drop_constraint(op.f("ck_custom_values_sealed_whole"), "custom_values", type_="check")
    op.drop_constraint(op.f("ck_custom_values_one_value"), "custom_values", type_="check")
    op.drop_column("custom_values", "sealed_index")
    op.drop_column("custom_values", "sealed")
    op.create_check_constraint(
        op.f("ck_custom_values_one_value"), "custom_values", "num_nonnulls(word, number, day) = 1"
    )
    op.drop_column("webhook_deliveries", "body_erased_at")
    op.drop_constraint(op.f("ck_report_snapshots_withdrawn"), "report_snapshots", type_="check")
    op.alter_column("report_snapshots", "content", existing_type=sa.LargeBinary(), nullable=False)
    op.drop_column("report_snapshots", "withdrawn_at")
    _expiry("PENDING", "READY")
    _check("exports", "state_known", _one_of("state", _STATES))
    op.drop_column("export_runs", "claim_id")
    op.drop_column("exports", "file_key")
    op.drop_column("exports", "file_id")
    for table in _CONTENTS:
        op.drop_table(table)

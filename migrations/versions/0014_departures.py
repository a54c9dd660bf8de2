"""Cities that leave: how far each is, and the parts of its bundle.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "tenant_departures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("former_state", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("manifest_hash", sa.Text(), nullable=True),
        sa.Column("confirmed_by", sa.Text(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("object_count", sa.BigInteger(), nullable=True),
        sa.Column("object_bytes", sa.BigInteger(), nullable=True),
        sa.Column("keys_destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rows_deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("files_deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("certificate", sa.Text(), nullable=True),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "step IN ('ASKED', 'REVOKED', 'SETTLED', 'EXPORTED', 'CONFIRMED', 'SHREDDING', 'SHREDDED', 'EMPTIED', "
            "'CLEARED', 'GONE', 'TAKEN_BACK')",
            name=op.f("ck_tenant_departures_step"),
        ),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (step NOT IN ('GONE', 'TAKEN_BACK'))", name=op.f("ck_tenant_departures_ended")
        ),
        sa.CheckConstraint(
            "(step = 'GONE') = (certificate IS NOT NULL)", name=op.f("ck_tenant_departures_certificate")
        ),
        sa.CheckConstraint("(certificate IS NULL) = (signature IS NULL)", name=op.f("ck_tenant_departures_signature")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_departures_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant_departures")),
    )
    op.create_index(
        "uq_tenant_departures_open",
        "tenant_departures",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(op.f("ix_tenant_departures_tenant_id_id"), "tenant_departures", ["tenant_id", "id"])
    op.create_table(
        "departure_parts",
        sa.Column("departure_id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("byte_size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["departure_id"],
            ["tenant_departures.id"],
            name=op.f("fk_departure_parts_departure_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("departure_id", "path", name=op.f("pk_departure_parts")),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("departure_parts")
    op.drop_index(op.f("ix_tenant_departures_tenant_id_id"), table_name="tenant_departures")
    op.drop_index(
        "uq_tenant_departures_open", table_name="tenant_departures", postgresql_where=sa.text("ended_at IS NULL")
    )
    op.drop_table("tenant_departures")

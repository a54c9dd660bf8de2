"""Tallies of tags and of closed cases, which triggers keep from now on, with what there is counted once.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

#: The measures of cases as they are now: `modules.cases.measures`.
_MEASURES = {
    "overdue": "CASE WHEN breached_at IS NOT NULL THEN 1 ELSE 0 END",
    "late": "CASE WHEN was_late THEN 1 ELSE 0 END",
    "reopened": "CASE WHEN reopen_count > 0 THEN 1 ELSE 0 END",
    "responded": "CASE WHEN response_seconds IS NOT NULL THEN 1 ELSE 0 END",
    "response_seconds": "coalesce(response_seconds, 0)",
    "closed": "CASE WHEN closure_seconds IS NOT NULL THEN 1 ELSE 0 END",
    "closure_seconds": "coalesce(closure_seconds, 0)",
    "rated": "CASE WHEN satisfaction IS NOT NULL THEN 1 ELSE 0 END",
    "satisfied": "CASE WHEN coalesce(satisfaction, 0) >= 4 THEN 1 ELSE 0 END",
    "satisfaction_points": "coalesce(satisfaction, 0)",
}
_TALLIES: dict[str, tuple[str, str, tuple[sa.Column[object], ...], dict[str, str]]] = {
    "resident_tag_tallies": (
        "resident_tags",
        "ended_at IS NULL",
        (
            sa.Column("tag_id", sa.Uuid(), nullable=False),
            sa.Column("sensitivity", sa.Text(), nullable=False),
            sa.Column("source", sa.Text(), nullable=False),
        ),
        {},
    ),
    "case_tallies": (
        "cases",
        "NOT is_open",
        (
            sa.Column("light", sa.Text(), nullable=False),
            sa.Column("state", sa.Text(), nullable=False),
            sa.Column("source", sa.Text(), nullable=False),
            sa.Column("priority", sa.Text(), nullable=False),
            sa.Column("level", sa.Integer(), nullable=False),
        ),
        {},
    ),
    "case_department_tallies": (
        "cases",
        "NOT is_open",
        (
            sa.Column("department_id", sa.Uuid(), nullable=True),
            sa.Column("light", sa.Text(), nullable=False),
            sa.Column("state", sa.Text(), nullable=False),
        ),
        _MEASURES,
    ),
}


def upgrade() -> None:
    """Make the change."""
    for name, (counted, rows, by, measures) in _TALLIES.items():
        op.create_table(
            name,
            sa.Column("tenant_id", sa.Uuid(), nullable=False),
            sa.Column("id", sa.Uuid(), nullable=False),
            sa.Column("tier", sa.Integer(), nullable=False),
            sa.Column("area_path", sa.Text(collation="C"), nullable=False),
            *by,
            sa.Column("count", sa.Integer(), nullable=False),
            *(sa.Column(measure, sa.BigInteger(), nullable=False) for measure in measures),
            sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f(f"pk_{name}")),
            postgresql_with={"fillfactor": "80"},
        )
        keys = ["area_path", *(column.name for column in by)]
        op.create_index(f"ix_{name}_tier", name, ["tenant_id", "tier", *keys])
        # Nobody writes from here until the triggers are there, at the end of this transaction.
        op.execute(f"LOCK TABLE {counted} IN SHARE ROW EXCLUSIVE MODE")
        # The owner sees the rows for as long as row-level security is not forced on it.
        op.execute(f"ALTER TABLE {counted} NO FORCE ROW LEVEL SECURITY")
        chosen = ", ".join(keys)
        op.execute(
            f"INSERT INTO {name} (tenant_id, id, tier, {', '.join([*keys, 'count', *measures])}) "  # noqa: S608 - names of this file
            f"SELECT tenant_id, gen_random_uuid(), -1, {chosen}, count(*)"
            f"{''.join(f', sum({text})' for text in measures.values())} FROM {counted} WHERE {rows} "
            f"GROUP BY tenant_id, {chosen}"
        )
        op.execute(f"ALTER TABLE {counted} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Take it back."""
    for name, (counted, _, _, _) in reversed(_TALLIES.items()):
        op.execute(f"DROP FUNCTION IF EXISTS keep_tallies_of_{counted}() CASCADE")
        op.drop_table(name)

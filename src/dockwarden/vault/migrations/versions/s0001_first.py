"""The first tables: head, keyring, buckets, records, versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    """Make them."""
    path = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")
    row = sa.Column("row", sa.LargeBinary, nullable=False)
    op.create_table("head", sa.Column("one", sa.Integer, sa.CheckConstraint("one = 1"), primary_key=True, autoincrement=False), row.copy())
    op.create_table("keyring", sa.Column("name", sa.String(64), primary_key=True), row.copy())
    op.create_table(
        "bucket",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
    )
    op.create_table("record", sa.Column("path", path, primary_key=True), row.copy())
    op.create_table(
        "version",
        sa.Column("path", path, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("term", sa.Integer, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )

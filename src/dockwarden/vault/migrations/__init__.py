"""The tables of a vault, step by step, for Alembic."""

"""Bring a vault's tables up to date: `python -m dockwarden.vault.migrate`, the database's address on standard input.

A process of its own, so that what only migrations need is never loaded beside the keys.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event


def migrate(url: str) -> None:
    """Run every migration that the database has not seen, all of them or none: a crash leaves no half-made tables."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1).replace("sqlite:///", "sqlite:////", 1))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
    """Python's driver begins none before it makes a table: each would stand alone."""
    connection.isolation_level = None


def main() -> None:
    """Migrate the database whose address is read."""
    try:
        migrate(sys.stdin.read().strip())
    except Exception as error:  # noqa: BLE001  a process's root: its kind is told, never the address, which may hold a password
        sys.stderr.write(f"{type(error).__name__}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()

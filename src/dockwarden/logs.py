"""What an operator reads: one JSON object a line on standard error. No secret and no body ever gets here."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

_HAS_RICH = "rich" in sys.modules
if not _HAS_RICH:  # structlog would load it for consoles: 5 MiB that a server never uses
    sys.modules["rich"] = None  # type: ignore[assignment]  # so that importing it fails, as where it is not installed
try:
    import structlog
finally:
    if not _HAS_RICH:
        del sys.modules["rich"]

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of one part of the house; `name` begins with `dockwarden`."""
    logger: Any = structlog.get_logger(name)
    return logger  # type: ignore[no-any-return]  # structlog's own annotation says no more


def configure_logs(level: str) -> None:
    """Log from `level` on."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )

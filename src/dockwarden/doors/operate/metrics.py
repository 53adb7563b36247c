"""The figures that are counted, each with its meaning."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """Every figure of one warden; nothing global, so that two in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter("dockwarden_calls", "Engine calls, by action and how they ended", ["action", "end"], registry=self.registry)
        self.seconds = Histogram(
            "dockwarden_call_seconds", "from a request's head to the end of its answer, streams apart", buckets=SECONDS, registry=self.registry
        )
        self.reloads = Counter("dockwarden_reloads", "policy and people reloads, by result", ["result"], registry=self.registry)
        self.observed = Counter("dockwarden_observed", "calls let through by `observe = true` alone", registry=self.registry)
        self.up = Gauge("dockwarden_engine_up", "1 while the Engine answers", registry=self.registry)
        self.ledger_ok = Gauge("dockwarden_ledger_writable", "1 while the ledger takes entries", registry=self.registry)
        self.tape_bytes = Gauge("dockwarden_tape_bytes", "bytes of this disk that tapes have", registry=self.registry)
        self.unstored = Gauge("dockwarden_tapes_unstored", "tapes of which something is not in the store yet", registry=self.registry)
        self.unstored_bytes = Gauge("dockwarden_tapes_unstored_bytes", "bytes of tapes that are not in the store yet", registry=self.registry)
        self.unstored_age = Gauge("dockwarden_tapes_unstored_age_seconds", "how old the oldest of them is", registry=self.registry)
        self._ends: dict[tuple[str, str], Counter] = {}

    def count(self, action: str, end: str, seconds: float) -> None:
        """Count one call; `end` is `done`, `refused`, `malformed` or `failed`."""
        child = self._ends.get((action, end))
        if child is None:
            child = self._ends[action, end] = self.calls.labels(action, end)
        child.inc()
        self.seconds.observe(seconds)

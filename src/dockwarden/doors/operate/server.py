"""`/healthz` and `/metrics`, served by a thread of their own so that a busy loop still answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from dockwarden.doors.operate.metrics import Metrics
from dockwarden.words.errors import BadConfig

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Health = Callable[[], Mapping[str, bool]]
"""Each part's name → whether it works now; called from the server's thread, so it must only read."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a scrape every few seconds is no news."""


class OperateServer:
    """The listener; `close` ends it."""

    def __init__(self, listen: str, metrics: Metrics, health: Health) -> None:
        """Listen on `listen` (HOST:PORT).

        Raises:
            BadConfig: the host is not loopback, or the port cannot be had.
        """
        host, _, port = listen.rpartition(":")
        where = "[operate] listen"
        if host.strip("[]") not in LOOPBACK or not port.isdecimal():
            raise BadConfig(where, f"{listen!r} is not on loopback", "write 127.0.0.1:PORT, or leave it empty")
        figures = make_wsgi_app(metrics.registry)

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            if environ["PATH_INFO"] == "/metrics":
                return figures(environ, start)  # type: ignore[no-any-return]  # the library types its app loosely
            return _healthz(environ, start, health)

        try:
            self._server: WSGIServer = make_server(host.strip("[]"), int(port), app, handler_class=_Quiet)
        except OSError as error:
            raise BadConfig(where, f"{listen} cannot be had ({error.strerror})", "choose another port") from None
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 5.0}, name="operate", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _healthz(environ: Mapping[str, Any], start: Callable[..., Any], health: Health) -> Iterable[bytes]:
    if environ["PATH_INFO"] != "/healthz":
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"there are /healthz and /metrics\n"]
    parts = dict(health())
    ready = all(parts.values())
    start("200 OK" if ready else "503 Service Unavailable", [("Content-Type", "application/json")])
    return [json.dumps({"ready": ready, "parts": parts}).encode() + b"\n"]

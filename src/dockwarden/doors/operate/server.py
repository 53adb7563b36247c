"""`/healthz` and `/metrics`, served by a thread of their own so that a busy loop still answers."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from dockwarden.doors.operate.metrics import Metrics
from dockwarden.settings import loopback
from dockwarden.words.errors import BadConfig

ASK_S, CLOSE_S = 5.0, 1.0

Health = Callable[[], Mapping[str, bool]]
"""Each part's name → whether it works now; called from the server's thread, so it must only read."""


class _Quiet(WSGIRequestHandler):
    timeout = ASK_S
    """A caller that says nothing must not keep the next one waiting for ever."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a scrape every few seconds is no news."""


class OperateServer:
    """The listener; `close` ends it."""

    def __init__(self, listen: str, metrics: Metrics, health: Health) -> None:
        """Listen on `listen` (HOST:PORT).

        Raises:
            BadConfig: the host is not loopback, or the port cannot be had.
        """
        self._host, port = loopback(listen)
        figures = make_wsgi_app(metrics.registry)

        def app(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            if environ["PATH_INFO"] == "/metrics":
                return figures(environ, start)  # type: ignore[no-any-return]  # the library types its app loosely
            return _healthz(environ, start, health)

        try:
            self._server: WSGIServer = make_server(self._host, port, app, handler_class=_Quiet)
        except OSError as error:
            raise BadConfig("[operate] listen", f"{listen} cannot be had ({error.strerror})", "choose another port") from None
        self.port = self._server.server_port
        self._is_closing = False
        self._thread = threading.Thread(target=self._serve, name="operate", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        """Answer one after the other, asleep in between; the library's own loop wakes up to see whether it must end."""
        while not self._is_closing:
            self._server.handle_request()

    def close(self) -> None:
        """Stop listening, at once: a connection of ours wakes the thread up."""
        self._is_closing = True
        with contextlib.suppress(OSError):
            socket.create_connection((self._host, self.port), CLOSE_S).close()  # left open, it would be waited for as a call
        self._thread.join(CLOSE_S)
        self._server.server_close()


def _healthz(environ: Mapping[str, Any], start: Callable[..., Any], health: Health) -> Iterable[bytes]:
    if environ["PATH_INFO"] != "/healthz":
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"there are /healthz and /metrics\n"]
    parts = dict(health())
    ready = all(parts.values())
    start("200 OK" if ready else "503 Service Unavailable", [("Content-Type", "application/json")])
    return [json.dumps({"ready": ready, "parts": parts}).encode() + b"\n"]

"""The command line's way to the process that serves: one call over `D/control.sock`."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from dockwarden.settings import Settings
from dockwarden.words.errors import BadConfig, Refused

TIMEOUT_S = 600.0


class Answered(Refused):
    """What the serving process refused, as it said it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status  # the answer's own


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("dockwarden", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@contextlib.contextmanager
def answering(settings: Settings, verb: str, body: Mapping[str, Any] | None = None) -> Iterator[http.client.HTTPResponse]:
    """The answer to `verb`, to be read as it comes. Raises: as `ask`."""
    connection = _Connection(settings.control_socket)
    try:
        _connect(connection, settings)
        with contextlib.suppress(BrokenPipeError):  # it may have answered already that this is too much
            connection.request("POST", f"/v1/{verb}", msgspec.json.encode(body or {}), {"content-type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            said = msgspec.json.decode(answer.read())
            raise Answered(answer.status, str(said.get("code")), str(said.get("message")))
        yield answer
    except (http.client.HTTPException, ConnectionResetError, TimeoutError, msgspec.DecodeError) as error:
        mend = "look at its log, and ask again"
        raise BadConfig(str(settings.control_socket), f"the answer was lost ({type(error).__name__})", mend) from None
    finally:
        connection.close()


def _connect(connection: _Connection, settings: Settings) -> None:
    try:
        connection.connect()
    except (FileNotFoundError, ConnectionRefusedError):
        mend = f"start it with: dockwarden serve --config {settings.file}"
        raise BadConfig(str(settings.control_socket), "no dockwarden serves this folder now", mend) from None
    except PermissionError:
        raise BadConfig(str(settings.control_socket), "cannot be reached by you", "ask an admin for read access to its folder") from None


def ask(settings: Settings, verb: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what the serving process answers to `verb` (`secret/put`).

    Raises:
        Answered: it refuses. BadConfig: nobody serves this folder, or the socket is not for you.
    """
    with answering(settings, verb, body) as answer:
        return dict(msgspec.json.decode(answer.read()))

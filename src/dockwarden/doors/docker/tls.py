"""TLS below a client connection, with half-close: a client that ends its input with close_notify still reads the output.

The loop's own TLS closes both ways on a close_notify, which truncates `docker exec -i` at the end of its input. This is the
same record layer (OpenSSL through `ssl.MemoryBIO`), with the two directions ended apart (RFC 8446 §6.1). A connection that
ends without close_notify is not taken for an end of input: it is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

HANDSHAKE_S = 10.0


class TlsSide(asyncio.Protocol, asyncio.Transport):
    """A protocol to the raw socket, a transport to the protocol above, which is told of a connection once it is proven."""

    def __init__(self, context: ssl.SSLContext, above: asyncio.BufferedProtocol) -> None:
        super().__init__()
        self._above = above
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._raw: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = False
        self._is_paused = False
        self._is_ended = False
        self._is_told = False
        self._has_ended = False

    # --- towards the socket ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected; its handshake must come soon."""
        self._raw = transport  # type: ignore[assignment]  # uvloop's transports are no subclass
        self._raw.set_write_buffer_limits(high=0)
        self._timer = self._loop.call_later(HANDSHAKE_S, self._raw.abort)

    def data_received(self, data: bytes) -> None:
        """Records, or parts of some."""
        self._in.write(data)
        if self._is_open or self._shake_hands():
            self._read()

    def eof_received(self) -> bool:
        """The client is gone: had it ended its input, it would have said so."""
        if not self._is_ended:
            self._raw.abort()
        return not self._raw.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        if self._timer is not None:
            self._timer.cancel()
        if self._is_open:
            self._above.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        if self._is_open:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        """The client takes more again."""
        if self._is_open:
            self._above.resume_writing()

    # --- towards the connection above ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, all of it."""
        if self._has_ended or self._raw.is_closing():
            return
        view = memoryview(data)
        try:
            while len(view):
                view = view[self._tls.write(view) :]
        except ssl.SSLError:
            self._raw.abort()
            return
        self._flush()

    def writelines(self, list_of_data: Any) -> None:
        """Send, one after the other."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Both directions end apart."""
        return True

    def write_eof(self) -> None:
        """Say that nothing more is sent; the client may still send."""
        if not self._has_ended:
            self._has_ended = True
            with contextlib.suppress(ssl.SSLError):  # it says that the client has not ended yet, which is just as meant
                self._tls.unwrap()
            self._flush()

    def close(self) -> None:
        """End both ways once all is sent."""
        if not self._raw.is_closing():
            self.write_eof()
            self._raw.close()

    def abort(self) -> None:
        """End now."""
        self._raw.abort()

    def is_closing(self) -> bool:
        """Whether it ends."""
        return self._raw.is_closing()

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._is_paused = True
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Read on; what was read from the socket already comes first."""
        if self._is_paused:
            self._is_paused = False
            self._raw.resume_reading()
            self._loop.call_soon(self._read)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When `pause_writing` is called."""
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Bytes that wait for the client."""
        return self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`ssl_object`, and what the socket knows."""
        return self._tls if name == "ssl_object" else self._raw.get_extra_info(name, default)

    # --- within ---

    def _shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError:  # the alert says why; who is not proven hears nothing else
            self._flush()
            self._raw.close()
            return False
        if self._timer is not None:
            self._timer.cancel()
        self._is_open = True
        self._flush()
        self._above.connection_made(self)
        return True

    def _read(self) -> None:
        """Hand up what is there, as many records at once as the buffer takes."""
        is_more = True
        while is_more and not (self._is_paused or self._is_ended or self._raw.is_closing()):
            size, is_more = self._fill(memoryview(self._above.get_buffer(-1)))
            if size:
                self._above.buffer_updated(size)
        self._flush()
        if self._is_ended and not self._is_told and not self._raw.is_closing():
            self._is_told = True
            if not self._above.eof_received():
                self.close()

    def _fill(self, view: memoryview) -> tuple[int, bool]:
        """Decrypt into `view`; return how many bytes, and whether there may be more."""
        size = 0
        try:
            while size < len(view):
                got = int(self._tls.read(len(view) - size, view[size:]))
                if not got:
                    self._is_ended = True
                    return size, False
                size += got
        except ssl.SSLWantReadError:
            return size, False
        except ssl.SSLZeroReturnError:
            self._is_ended = True
            return size, False
        except ssl.SSLError:
            self._raw.abort()
            return 0, False
        return size, True

    def _flush(self) -> None:
        data = self._out.read()
        if data and not self._raw.is_closing():
            self._raw.write(data)

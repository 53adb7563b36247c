"""One end of the socket pair between the house and a carrier: messages in order, sockets beside them, and nothing read while it is held."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable

from dockwarden.doors.ssh.crowd.messages import Garbled, Message, Pieces, packed

READ_BYTES, MOST_SOCKETS = 256 << 10, 16
AT_ONCE = 64
"""Messages that go in one call."""
MOST_UNSENT = 64 << 20
"""With so many bytes waiting, the other end takes nothing."""
BEHIND_BYTES = 1 << 20
"""With so many bytes waiting, who says much should wait until they have gone: they are lost if this process is killed."""


class Wire:
    """Make it inside the running loop. `heard` is called with each message's body, `lost` once, with the reason."""

    def __init__(self, sock: socket.socket, heard: Callable[[bytes], None], lost: Callable[[str], None], *, takes_sockets: bool) -> None:
        """`takes_sockets`: what the other end sends beside its messages is kept in `sockets`; else the kernel closes it."""
        self._sock, self._heard, self._lost, self._takes_sockets = sock, heard, lost, takes_sockets
        self.sockets: deque[socket.socket] = deque()
        self._loop = asyncio.get_running_loop()
        self._pieces = Pieces()
        self._out: deque[tuple[memoryview, socket.socket | None]] = deque()
        self._unsent = 0
        self.drained = asyncio.Event()
        """Set while nothing waits to be sent."""
        self._is_flushing = self._is_closed = False
        sock.setblocking(False)
        self._loop.add_reader(sock, self._readable)

    def hold(self) -> None:
        """Read nothing for now."""
        if not self._is_closed:
            self._loop.remove_reader(self._sock)

    def go_on(self) -> None:
        """Read again."""
        if not self._is_closed:
            self._loop.add_reader(self._sock, self._readable)

    def send(self, message: Message, sock: socket.socket | None = None) -> None:
        """Send it behind all others; `sock` goes with it, and is closed here. What is sent to nobody goes nowhere."""
        if self._is_closed:
            if sock is not None:
                sock.close()
            return
        data = memoryview(packed(message))
        self._out.append((data, sock))
        self._unsent += len(data)
        self.drained.clear()
        if self._unsent > MOST_UNSENT:
            self._end("it takes no answers")
        elif not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)  # what else is said in this turn goes with it

    @property
    def is_behind(self) -> bool:
        """Whether more waits to be sent than should."""
        return self._unsent > BEHIND_BYTES

    def hear_out(self) -> None:
        """Hear what the other end had sent before it was gone."""
        while not self._is_closed and self._readable():
            pass

    def close(self) -> None:
        """End it."""
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        for sock in (*self.sockets, *(sock for _, sock in self._out if sock is not None)):
            sock.close()
        self._out.clear()
        self.drained.set()

    def _end(self, why: str) -> None:
        if not self._is_closed:
            self.close()
            self._lost(why)

    def _readable(self) -> bool:
        """Hear what is there; whether that was anything."""
        try:
            data = self._received()
            if not data:
                self._end("it hung up")
            for body in self._pieces.feed(data):
                if self._is_closed:
                    break
                self._heard(body)
        except BlockingIOError:
            return False
        except (OSError, Garbled) as error:
            self._end(str(error))
        except Exception as error:  # noqa: BLE001  a callback's root: what came behind it would be lost, so nothing may go on
            self._end(f"{type(error).__name__} in what it said")
        return not self._is_closed

    def _received(self) -> bytes:
        if not self._takes_sockets:
            return self._sock.recv(READ_BYTES)
        data, numbers, _, _ = socket.recv_fds(self._sock, READ_BYTES, MOST_SOCKETS)
        self.sockets.extend(socket.socket(fileno=number) for number in numbers)
        return data

    def _flush(self) -> None:
        try:
            while self._out and not self._is_closed:
                self._sent(self._send_some())
        except BlockingIOError:
            self._loop.add_writer(self._sock, self._flush)
            return
        except OSError as error:
            self._end(error.strerror or "it hung up")
            return
        self._is_flushing = False
        self.drained.set()
        if not self._is_closed:
            self._loop.remove_writer(self._sock)

    def _send_some(self) -> int:
        """Send what goes in one call: a message with a socket alone, others together. Raises: BlockingIOError, OSError."""
        data, sock = self._out[0]
        if sock is not None:
            sent = socket.send_fds(self._sock, [data], [sock.fileno()])
            sock.close()
            self._out[0] = data, None  # the socket went with the first byte
            return sent
        some = list[memoryview]()
        for data, sock in self._out:
            if sock is not None or len(some) == AT_ONCE:
                break
            some.append(data)
        return self._sock.sendmsg(some)

    def _sent(self, size: int) -> None:
        self._unsent -= size
        while size:
            data, sock = self._out.popleft()
            if size < len(data):
                self._out.appendleft((data[size:], sock))
                return
            size -= len(data)

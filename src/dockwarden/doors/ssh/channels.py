"""What every channel of the library is to a joint: one of its two sides. What a kind of channel has besides, its own file says."""

from __future__ import annotations

import contextlib
from typing import Any

from dockwarden.doors.ssh.joint import Joint


class _OnChannel:
    """A side while its channel is there; before and after, what it is told does nothing."""

    _channel: Any = None

    def hold(self) -> None:
        """Take nothing from it for now."""
        if self._channel is not None:
            self._channel.pause_reading()

    def go_on(self) -> None:
        """Take it again."""
        if self._channel is not None:
            self._channel.resume_reading()

    def _write(self, data: bytes, datatype: int | None = None) -> None:
        if self._channel is not None:
            with contextlib.suppress(OSError):  # what comes after the end goes nowhere
                self._channel.write(data, datatype)

    def _write_eof(self) -> None:
        if self._channel is not None:
            self._channel.write_eof()


class NearChannel(_OnChannel):
    """The person's side: what is heard on the channel is told to `joint`."""

    joint: Joint

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Something is sent."""
        del datatype
        self.joint.sent(data)

    def eof_received(self) -> bool:
        """Nothing more is sent; what is shown may go on."""
        self.joint.sent_all()
        return True

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        self.joint.full()

    def resume_writing(self) -> None:
        """It takes more again."""
        self.joint.ready()

    def show_eof(self) -> None:
        """See `sides.Near`."""
        self._write_eof()


class FarChannel(_OnChannel):
    """The other end's side, on a host: what is heard on the channel is told to the joint."""

    def __init__(self, joint: Joint) -> None:
        self._joint = joint

    def write(self, data: bytes) -> None:
        """Send."""
        self._write(data)

    def write_eof(self) -> None:
        """Nothing more is sent."""
        self._write_eof()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Something is to be shown."""
        del datatype
        self._joint.shown(data)

    def eof_received(self) -> bool:
        """Nothing more is shown; input may go on."""
        self._joint.shown_all()
        return True

    def pause_writing(self) -> None:
        """It takes no more for now."""
        self._joint.far_full()

    def resume_writing(self) -> None:
        """It takes more again."""
        self._joint.far_ready()

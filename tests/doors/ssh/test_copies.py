"""What is to be kept of a file is recorded before it passes, and does not pass where it cannot be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dockwarden.doors.ssh.copies import Copying
from dockwarden.doors.ssh.files import codec
from dockwarden.doors.ssh.files import packets as sent
from dockwarden.doors.ssh.files.events import Allowed
from dockwarden.doors.ssh.files.operations import FileOp
from dockwarden.doors.ssh.files.packets import Code, Flag
from dockwarden.doors.ssh.files.relay import Relay
from dockwarden.doors.ssh.joint import Joint
from dockwarden.tape import files
from dockwarden.tape.frames import Kind
from doors.ssh.test_joint import Reel, Side, made, passes

NEW = Flag.WRITE | Flag.CREAT | Flag.TRUNC
PLAIN = sent.Attributes()


class Copy:
    """One file that is open for writing, and kept, through a joint whose tape is in memory."""

    def __init__(self) -> None:
        self.joint: Joint
        self.near: Side
        self.far: Side
        self.reel: Reel
        self.joint, self.near, self.far, self.reel, _ = made()
        self.told: list[dict[str, Any]] = []

        async def judge(op: FileOp) -> Allowed:
            del op
            return Allowed(1000)

        self.joint.joined(self.far, Copying(self.joint, Relay(), judge, lambda _, detail: self.told.append(detail)))

    async def open(self) -> bytes:
        self.joint.sent(bytes.fromhex("00000005 01 00000003"))
        self.joint.shown(codec.written_version(frozenset()))
        self.joint.sent(codec.written(sent.Open(1, b"/f", NEW, PLAIN)))
        await passes()
        self.joint.shown(codec.written(sent.Handle(1, b"up")))
        handle = self.near.told[-1][1][-8:]
        self.far.told.clear()
        return bytes(handle)

    @property
    def kept(self) -> list[files.Said]:
        return [files.read(data)[1] for kind, data in self.reel.frames if kind is Kind.FILE]


def test_a_piece_is_on_the_tape_before_it_passes() -> None:
    async def work() -> None:
        copy = Copy()
        handle = await copy.open()
        copy.joint.sent(codec.written(sent.Write(2, handle, 7, memoryview(b"abc"))))

        assert (True, 7, b"abc") == copy.kept[-1]
        assert b"".join(copy.far.told).endswith(b"abc")

    asyncio.run(work())


@pytest.mark.parametrize("is_strict", [True, False])
def test_a_piece_that_cannot_be_recorded_does_not_pass_and_nothing_after_it(*, is_strict: bool) -> None:
    """Also where the session itself might go on unrecorded (`record=alarm`)."""

    async def work() -> None:
        copy = Copy()
        copy.joint._is_strict = is_strict  # what a door says by `taped`
        handle = await copy.open()
        copy.reel.broken = "the disk is full"
        for number in (2, 3):
            copy.joint.sent(codec.written(sent.Write(number, handle, 0, memoryview(b"abc"))))
        await asyncio.sleep(0.01)

        assert ["closed"] == copy.far.told
        assert any(b"the disk is full" in data for _, data in copy.near.told if isinstance(data, bytes))
        assert ["write"] == [one["deed"] for one in copy.told]
        assert [None] == [one.get("status") for one in copy.told]

    asyncio.run(work())


def test_both_sides_are_held_while_the_tape_is_full() -> None:
    async def work() -> None:
        copy = Copy()
        handle = await copy.open()
        copy.reel.is_full = True
        copy.joint.sent(codec.written(sent.Write(2, handle, 0, memoryview(b"abc"))))

        assert (True, True) == (copy.near.is_held, copy.far.is_held)
        copy.reel.is_full = False
        copy.reel.durable.set()
        await passes()
        assert (False, False) == (copy.near.is_held, copy.far.is_held)

    asyncio.run(work())


def test_what_the_server_does_not_take_is_told_and_nothing_more_is_written() -> None:
    async def work() -> None:
        copy = Copy()
        handle = await copy.open()
        for number in (2, 3):
            copy.joint.sent(codec.written(sent.Write(number, handle, 0, memoryview(b"abc"))))
        copy.joint.shown(codec.written(sent.Status(2, Code.OK, b"")) + codec.written(sent.Status(3, Code.FAILURE, b"")))
        copy.far.told.clear()
        copy.joint.sent(codec.written(sent.Write(4, handle, 0, memoryview(b"abc"))))

        assert files.Untaken(1) == copy.kept[-1]
        assert [] == copy.far.told

    asyncio.run(work())

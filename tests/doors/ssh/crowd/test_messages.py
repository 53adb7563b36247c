"""What is cut into pieces comes out whole, and what is no message is found out."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.doors.ssh.crowd import messages as say
from dockwarden.doors.ssh.crowd.messages import LONGEST, Garbled, Pieces, packed, plain, refusal
from dockwarden.doors.ssh.files.operations import Deed
from dockwarden.doors.ssh.house import Beginning, Place
from dockwarden.doors.ssh.names import Wanted
from dockwarden.hosts.hosts import Host
from dockwarden.tape.frames import Kind
from dockwarden.words.errors import Forbidden, Hidden, Refused, Unavailable

from_carrier, from_house = msgspec.msgpack.Decoder(say.FromCarrier), msgspec.msgpack.Decoder(say.FromHouse)
PLACE = Place(Host(address="10.0.0.5:22", login="deploy", host_keys=("ssh-ed25519 AAAA",), secret="a/b", labels={"env": "test"}, name="web"), "deploy", True)
OF_CARRIERS: list[say.Message] = [
    say.Keys(1, 2, "10.0.0.9", Wanted("alice", "deploy", "web")), say.Keys(1, 2, "", None), say.Code(1, 2, "123456"), say.Docker(1, 2),
    say.Run(1, 2, 3, "ssh.exec", ("", 0)), say.Open(1, 3, Beginning("ls", False, True, 80, 24)), say.TapeFrame(3, 17, Kind.OUTPUT, b"\xff\0"),
    say.JudgeFile(1, 3, Deed.RENAME, b"/a\xff", b"/b"), say.ToldFile(3, Deed.READ, b"/a", b"", {"size": 3, "read": {"sha256": "x"}}),
    say.NotDone(3, "Forbidden", "ssh.login", "no"), say.Over(3, 1, 2, "0"), say.Ready(), say.Gone(),
]  # fmt: skip
OF_HOUSES: list[say.Message] = [
    say.Answer(1, plain(PLACE)), say.Socket(1), say.Refusal(1, "Hidden", "ssh.no_host", "none", ()), say.Client(), say.Stop(), say.End(3, "why"),
    say.Start("tcp://0.0.0.0:22", b"key", 60.0, ("/run/docker.sock",), 2, "info"),
]  # fmt: skip


@pytest.mark.parametrize("message", OF_CARRIERS, ids=lambda one: type(one).__name__)
def test_what_a_carrier_says_is_understood_by_a_house_alone(message: say.Message) -> None:
    (body,) = Pieces().feed(packed(message))
    assert message == from_carrier.decode(body)
    with pytest.raises(msgspec.ValidationError):
        from_house.decode(body)


@pytest.mark.parametrize("message", OF_HOUSES, ids=lambda one: type(one).__name__)
def test_what_a_house_says_is_understood_by_a_carrier_alone(message: say.Message) -> None:
    (body,) = Pieces().feed(packed(message))
    assert packed(message) == packed(from_house.decode(body))
    with pytest.raises(msgspec.ValidationError):
        from_carrier.decode(body)


def test_an_answer_has_what_was_answered() -> None:
    assert PLACE == msgspec.msgpack.decode(plain(PLACE), type=Place)


@given(st.lists(st.binary(max_size=400), max_size=8), st.lists(st.integers(1, 60), min_size=1, max_size=40))
def test_pieces_come_out_as_they_went_in_however_they_are_cut(bodies: list[bytes], cuts: list[int]) -> None:
    data, found, pieces = b"".join(len(body).to_bytes(4, "big") + body for body in bodies), list[bytes](), Pieces()
    while data:
        for cut in cuts:
            found += pieces.feed(data[:cut])
            data = data[cut:]
    assert bodies == found


@pytest.mark.fuzz
@given(st.binary(max_size=600))
def test_any_bytes_are_messages_or_garbled(data: bytes) -> None:
    try:
        bodies = Pieces().feed(data)
    except Garbled:
        return
    for body in bodies:
        try:
            from_carrier.decode(body)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            continue


def test_what_is_longer_than_any_message_is_garbled_at_both_ends() -> None:
    with pytest.raises(Garbled):
        Pieces().feed((LONGEST + 1).to_bytes(4, "big"))
    with pytest.raises(Garbled):
        packed(say.TapeFrame(1, 1, Kind.OUTPUT, bytes(LONGEST)))


@pytest.mark.parametrize("error", [Forbidden("a.b", "no", policies=("p",)), Hidden("a.c", "none"), Unavailable("a.d", "later")])
def test_an_error_is_the_same_on_the_other_side(error: Refused) -> None:
    made = refusal(type(error).__name__, error.code, error.message, error.policies)
    assert (type(error), error.status, error.code, error.message, error.policies) == (type(made), made.status, made.code, made.message, made.policies)


@pytest.mark.parametrize("kind", ["", "Refused", "BadConfig", "Exception", "object"])
def test_no_other_kind_of_error_is_made(kind: str) -> None:
    with pytest.raises(Garbled):
        refusal(kind, "a", "b")

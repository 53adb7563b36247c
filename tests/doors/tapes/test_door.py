"""What is asked is judged, written down and sent: whole, in part, or as it grows; and nothing is sent that one may not see."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random

import pytest

from dockwarden.tape import exported
from dockwarden.tape.frames import Kind
from doors.tapes.conftest import Door, policies

SPOKEN = ((Kind.OUTPUT, "hé".encode()), (Kind.ERROR, b"no\n"), (Kind.INPUT, b"ls\r"), (Kind.OUTPUT, b"\xff\n"), (Kind.EXIT, b"3"))
NOTHING = "20260101-000000-0123456789ab"


async def test_a_tape_that_has_ended_has_a_length_a_tag_and_parts(door: Door) -> None:
    id = await door.record(*SPOKEN)
    whole = await door.ask(f"/sessions/{id}/cast")
    lines = whole.body.splitlines()

    assert (200, "application/x-asciicast", "bytes") == (whole.status, whole.headers["content-type"], whole.headers["accept-ranges"])
    assert {"version": 3, "term": {"cols": 80, "rows": 24, "type": "xterm-256color"}} == {key: json.loads(lines[0])[key] for key in ("version", "term")}
    assert [["m", "recording"], ["o", "hé"], ["o", "no\n"], ["i", "ls\r"], ["o", "\ufffd\n"], ["x", "3"]] == [json.loads(line)[1:] for line in lines[1:]]
    for first, last in ((0, 0), (5, 99), (100, len(whole.body) - 1)):
        part = await door.ask(f"/sessions/{id}/cast", f"Range: bytes={first}-{last}", f"If-Range: {whole.headers['etag']}")
        assert (206, whole.body[first : last + 1]) == (part.status, part.body)
        assert f"bytes {first}-{last}/{len(whole.body)}" == part.headers["content-range"]
    beyond = await door.ask(f"/sessions/{id}/cast", f"Range: bytes={len(whole.body)}-")
    assert (416, f"bytes */{len(whole.body)}", b"") == (beyond.status, beyond.headers["content-range"], beyond.body)
    head = await door.ask(f"/sessions/{id}/cast", "Range: bytes=0-1", method="HEAD")
    assert (200, str(len(whole.body)), b"") == (head.status, head.headers["content-length"], head.body)
    known = await door.ask(f"/sessions/{id}/cast", f"If-None-Match: {whole.headers['etag']}")
    assert (304, b"") == (known.status, known.body)
    assert 5 == len({(await door.ask(f"/sessions/{id}/{of}")).headers["etag"] for of in ("cast", "cast?format=v2", "raw", "raw?stream=in", "raw?stream=err")})


async def test_streams_come_as_they_were(door: Door) -> None:
    id = await door.record(*SPOKEN)
    found = {stream: (await door.ask(f"/sessions/{id}/raw?stream={stream}")).body for stream in ("out", "err", "in", "both")}

    assert {"out": "hé".encode() + b"\xff\n", "err": b"no\n", "in": b"ls\r", "both": "hé".encode() + b"no\n\xff\n"} == found
    assert "application/octet-stream" == (await door.ask(f"/sessions/{id}/raw")).headers["content-type"]


async def test_one_that_grows_is_sent_up_to_the_present(door: Door) -> None:
    session = await door.begin()
    session.tape.add(Kind.OUTPUT, b"so far")
    await session.tape.settle()
    got = await door.ask(f"/sessions/{session.id}/cast", "Range: bytes=0-3")

    assert (200, "none", "chunked", None) == (got.status, *(got.headers.get(name) for name in ("accept-ranges", "transfer-encoding", "etag")))
    assert ["o", "so far"] == json.loads(got.body.splitlines()[-1])[1:]
    await door.over(session)
    assert 206 == (await door.ask(f"/sessions/{session.id}/cast", "Range: bytes=0-3")).status


async def test_who_may_what_and_the_ledger_has_it_first(door: Door) -> None:
    id = await door.record(*SPOKEN)
    asked = [(who, of, (await door.ask(f"/sessions/{id}/{of}", who=who)).status) for who in ("audra", "alice", "bob", "olga") for of in ("cast", "raw")]

    assert [200, 200, 403, 403, 404, 404, 403, 403] == [status for _, _, status in asked]
    said = await door.said(id)
    assert [("intent", "session.play", 0), ("outcome", "session.play", 200), ("intent", "session.export", 0), ("outcome", "session.export", 200)] == said[:4]
    assert {("refused", 403), ("refused", 404)} == {(kind, status) for kind, _, status in said[4:]}
    hidden, missing = await door.ask(f"/sessions/{id}/cast", who="bob"), await door.ask(f"/sessions/{NOTHING}/cast", who="bob")
    assert (404, hidden.body.replace(id.encode(), NOTHING.encode()), hidden.headers) == (missing.status, missing.body, missing.headers)
    assert [[id], [id], [], [id]] == [[row["id"] for row in json.loads((await door.ask("/sessions", who=who)).body)] for who in ("audra", "alice", "bob", "olga")]


@pytest.mark.parametrize("target", ["/sessions", f"/sessions/{NOTHING}/cast", f"/sessions/{NOTHING}/live", "/", "/sessions?x=1"])
async def test_every_answer_is_harmless_to_a_browser(door: Door, target: str) -> None:
    got = await door.ask(target)

    assert ("application/json", "no-store", "nosniff") == tuple(got.headers[name] for name in ("content-type", "cache-control", "x-content-type-options"))
    assert "default-src 'none'; frame-ancestors 'none'; sandbox" == got.headers["content-security-policy"]
    assert not [name for name in got.headers if name.startswith("access-control")]


async def test_tapes_are_only_read_and_by_no_other_site(door: Door) -> None:
    id = await door.record(*SPOKEN)
    posted = await door.ask(f"/sessions/{id}/cast", method="POST")
    assert (405, "get, head") == (posted.status, posted.headers["allow"])
    assert 400 == (await door.ask("/sessions", "Content-Length: 1", "", "x")).status
    for header in ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"):
        got = await door.ask(f"/sessions/{id}/cast", header)
        assert (403, "tapes.cross_site") == (got.status, json.loads(got.body)["code"])


async def test_any_part_of_a_long_tape_is_that_part_of_the_whole(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks are few and far between, and characters are cut by frames, segments, and marks."""
    monkeypatch.setattr(exported, "STRIDE_BYTES", 1 << 12)
    monkeypatch.setattr(exported, "MOST_MARKS", 16)
    chance = random.Random(7)
    text = "".join(chance.choices("aé€日\n\x1b😀", k=300_000)).encode()
    frames = [(chance.choice((Kind.OUTPUT, Kind.INPUT)), text[at : at + 1_001]) for at in range(0, len(text), 1_001)]
    session = await door.begin()
    for number, (kind, data) in enumerate(frames):
        session.tape.add(kind, data)
        if number % 7 == 0:
            await session.tape.settle()
    id = await door.over(session)
    for of in ("cast", "cast?format=v2", "raw?stream=out"):
        whole = (await door.ask(f"/sessions/{id}/{of}")).body
        spots = [0, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(20))]
        for first in spots:
            last = min(first + chance.randrange(50_000), len(whole) - 1)
            part = await door.ask(f"/sessions/{id}/{of}", f"Range: bytes={first}-{last}")
            assert (206, whole[first : last + 1]) == (part.status, part.body)


async def test_a_part_at_the_end_is_read_from_near_the_end(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "STRIDE_BYTES", 1 << 12)
    session = await door.begin()
    for _ in range(40):
        session.tape.add(Kind.OUTPUT, os.urandom(4096).hex().encode())
        await session.tape.settle()
    id = await door.over(session)
    size = int((await door.ask(f"/sessions/{id}/raw", method="HEAD")).headers["content-length"])
    read: list[int] = []
    right = exported.Reader.next
    monkeypatch.setattr(exported.Reader, "next", lambda reader: (read.append(1), right(reader))[1])

    assert 10 == len((await door.ask(f"/sessions/{id}/raw", f"Range: bytes={size - 10}-")).body)
    assert len(read) <= 4


async def test_a_tape_that_was_changed_is_not_shown_as_whole(door: Door) -> None:
    session = await door.begin()
    for _ in range(8):
        session.tape.add(Kind.OUTPUT, os.urandom(2048))
        await session.tape.settle()
    id = await door.over(session)
    size = len((await door.ask(f"/sessions/{id}/raw")).body)
    (reel,) = (door.studio.folder / "tapes" / id).glob("*.reel")
    data = bytearray(reel.read_bytes())
    data[-2500] ^= 1
    reel.write_bytes(data)

    unknown = await door.ask(f"/sessions/{id}/cast")
    assert (500, "session.unreadable") == (unknown.status, json.loads(unknown.body)["code"])
    with pytest.raises(asyncio.IncompleteReadError):  # its length is known from before, so the answer was begun: it is cut
        await door.ask(f"/sessions/{id}/raw")
    assert size == 8 * 2048
    assert [("refused", "session.play", 500), ("intent", "session.export", 0), ("outcome", "session.export", 200)] == (await door.said(id))[-3:]


async def test_a_policy_that_is_withdrawn_counts_at_once(door: Door) -> None:
    id = await door.record(*SPOKEN)
    door.rules.policies = policies('@id("no-more") forbid (principal, action == Action::"session.play", resource);')

    assert [403, 200] == [(await door.ask(f"/sessions/{id}/{of}")).status for of in ("cast", "raw")]


@pytest.mark.parametrize("form", ["cast", "raw"])
async def test_a_tape_is_sent_no_further_to_who_is_taken_out(door: Door, form: str) -> None:
    id = await door.record(*[(Kind.OUTPUT, os.urandom(1 << 16))] * 256)
    reader, writer = await door.connect("audra")
    writer.write(f"GET /sessions/{id}/{form} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
    begun = await reader.read(1 << 10)
    door.sessions.no_longer = lambda _ask: "gone"
    assert 1 == len(door.sessions.heed_people())
    length = int(begun.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    got = len(begun)
    with contextlib.suppress(ConnectionResetError):
        while piece := await reader.read(1 << 20):
            got += len(piece)
    writer.close()

    assert got < length

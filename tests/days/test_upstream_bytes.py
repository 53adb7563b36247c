"""Whatever bytes come to the door, the Engine gets canonical calls alone: every request that reached it reads as itself again."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockwarden.engine.call import Takes
from dockwarden.engine.read import read_call, read_head
from dockwarden.engine.write import write_call
from fixtures.recording_engine import RecordingEngine, recording
from fixtures.warden import Warden

CORPUS = Path(__file__).parents[1] / "corpus"
PIECES = [b"\r\n", b"\n", b"\x00", b" ", b"..", b"//", b"%2f", b"%00", b"?", b"#", b"&all=1", b":", b'"', b"{", b"}", b"HostConfig", b"Content-Length: 5\r\n",
          b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n", b"/v1.41", b"\xc5\xbf", b"\\u0000", b",", b"null", b"Expect: 100-continue\r\n"]


def requests() -> list[bytes]:
    """What the corpus asks, as bytes; archives are left out, since the recording Engine runs nothing."""
    found = []
    for file in sorted(CORPUS.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            if "call" in row:
                method, _, target = row["call"].partition(" ")
                body = json.dumps(row["body"]).encode() if "body" in row else b""
                typed = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
                found.append(f"{method} {target} HTTP/1.1\r\nHost: docker\r\n{typed}\r\n".encode("utf-8", "surrogatepass") + body)
    return found


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    raw = draw(st.sampled_from(REQUESTS))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.sampled_from(PIECES)) + raw[at + draw(st.integers(0, 4)) :]
    return raw


REQUESTS = requests()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[tuple[Warden, RecordingEngine]]:
    """A door before an Engine that only writes down; root is an admin, who may do everything."""
    with recording(tmp_path / "engine.sock", "1.41") as engine:
        warden = Warden(tmp_path / "dw", f"unix://{tmp_path / 'engine.sock'}")
        warden.init()
        warden.start()
        yield warden, engine
        assert 0 == warden.stop()


def said_to(warden: Warden, raw: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(warden.socket))
        sock.sendall(raw)
        sock.shutdown(socket.SHUT_WR)
        said = b""
        while piece := sock.recv(1 << 16):
            said += piece
        return said


def test_the_engine_gets_canonical_calls_alone(door: tuple[Warden, RecordingEngine]) -> None:
    warden, engine = door
    failures: list[bytes] = []

    @settings(deadline=None, max_examples=max(400, settings().max_examples), suppress_health_check=list(HealthCheck))
    @given(mutated())
    def run(raw: bytes) -> None:
        said = said_to(warden, raw)
        assert not said or said.startswith(b"HTTP/1.1 "), said
        if b"HTTP/1.1 500" in said or b"door.failed" in said:
            failures.append(raw)

    run()
    assert [] == failures
    assert len(engine.asked) > 50
    for method, target, body in engine.asked:
        assert (method, target, body) == canonical(method, target, body)
    assert "Traceback" not in (warden.dir / "serve.log").read_text()


def canonical(method: str, target: str, body: bytes) -> tuple[str, str, bytes]:
    """The request that a canonical one is again."""
    kind = [(b"content-type", b"application/json")] if body else []
    head = read_head(method, target.encode(), kind)
    if head.route.takes is Takes.TAR:
        return method, write_call(read_call(head, b"")).target, body
    request = write_call(read_call(head, body))
    return request.method, request.target, request.body

"""A witness, which checks for itself, signs what goes on from what it saw; what it says otherwise is told, and nothing waits for it."""

from __future__ import annotations

import base64
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dockwarden.ledger.checkpoint import ledger_key, read_signed
from dockwarden.ledger.keys import read_public_key
from dockwarden.ledger.note import COSIGNER, NoteKey, Signature, cosigned
from dockwarden.ledger.proof import read_proof
from dockwarden.ledger.prove import prove
from dockwarden.ledger.tree import read_published
from dockwarden.ledger.witness import Unwitnessed, Witness, WitnessPlace, catch_up, lag_of, read_place
from dockwarden.words.errors import BadConfig

from . import naive
from .writing import lines_of, published, verify, write


class WitnessServer(ThreadingHTTPServer):
    """A witness of its own: it has the leaves from elsewhere, so that it can check a proof by the naive way."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.key = Ed25519PrivateKey.generate()
        self.named = NoteKey("witness.example/w1", self.key.public_key().public_bytes_raw(), COSIGNER)
        self.log: NoteKey | None = None
        self.leaves: list[bytes] = []
        self.size, self.root = 0, b""
        self.asked: list[tuple[int, int]] = []
        self.answers: list[tuple[int, bytes]] = []
        """Said instead of the truth, each once."""

    def place(self) -> WitnessPlace:
        return read_place(f"http://127.0.0.1:{self.server_port}/prefix/", self.named.written())

    def judge(self, path: str, body: bytes) -> tuple[int, bytes]:
        assert path == "/prefix/add-checkpoint"
        head, _, note = body.partition(b"\n\n")
        first, *proof = head.decode().split("\n")
        old, signed = int(first.removeprefix("old ")), read_signed(note)
        size, root = signed.checkpoint.size, signed.checkpoint.root
        self.asked.append((old, size))
        if self.answers:
            return self.answers.pop(0)
        if self.log is None or signed.checkpoint.origin != self.log.name:
            return 404, b""
        if self.log.signed_at(signed.note) is None:
            return 403, b""
        if old > size:
            return 400, b""
        if old != self.size:
            return 409, b"%d\n" % self.size
        if old == size and root != self.root:
            return 409, b""
        if [base64.b64decode(line) for line in proof] != naive.proof(old, self.leaves[:size]) or root != naive.mth(self.leaves[:size]):
            return 422, b""
        self.size, self.root = size, root
        at = int(time.time())
        line = Signature(self.named.name, self.named.id, at.to_bytes(8, "big") + self.key.sign(cosigned(signed.note.text, at)))
        return 200, (Signature("stranger", b"1234", bytes(72)).line() + line.line()).encode()


class Handler(BaseHTTPRequestHandler):
    server: WitnessServer

    def do_POST(self) -> None:
        status, answer = self.server.judge(self.path, self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def witness() -> Iterator[WitnessServer]:
    server = WitnessServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def know(witness: WitnessServer, folder: Path) -> None:
    witness.log = ledger_key(read_public_key(folder / "signing.pub"))
    witness.leaves = lines_of(folder)


def test_a_checkpoint_is_cosigned_and_the_next_is_shown_to_go_on_from_it(folder: Path, witness: WitnessServer) -> None:
    for count in (30, 300, 5):
        write(folder, count)
        know(witness, folder)
        catch_up(folder / "tlog", witness.place())

    sizes = [size for _, size in witness.asked]
    assert list(zip([0, *sizes[:-1]], sizes, strict=True)) == witness.asked
    seen = read_published(folder / "tlog" / "witnessed")
    assert seen is not None
    assert published(folder).checkpoint == seen.checkpoint
    assert ["witness.example/w1"] == [line.name for line in seen.note.signatures[1:]]
    assert abs(time.time() - (witness.named.signed_at(seen.note) or 0)) < 60
    assert verify(folder).flaw is None
    assert (lag_of(folder, witness.place()).size, False) == (lag_of(folder, witness.place()).witnessed, lag_of(folder, witness.place()).is_late)


def test_a_proof_has_the_witnesses_signature(folder: Path, witness: WitnessServer) -> None:
    write(folder, 30)
    know(witness, folder)
    catch_up(folder / "tlog", witness.place())
    write(folder, 30)

    proof = read_proof(prove(folder, 7).written().encode())

    proof.check(ledger_key(read_public_key(folder / "signing.pub")))
    assert witness.named.signed_at(proof.signed.note)
    assert witness.named.signed_at(prove(folder, 40).signed.note) is None


def test_a_witness_that_saw_more_names_an_older_copy(folder: Path, tmp_path: Path, witness: WitnessServer) -> None:
    write(folder, 30)
    shutil.copytree(folder, tmp_path / "yesterday")
    write(folder, 30)
    know(witness, folder)
    catch_up(folder / "tlog", witness.place())

    with pytest.raises(Unwitnessed, match="an older copy was put") as caught:
        catch_up(tmp_path / "yesterday" / "tlog", witness.place())
    assert caught.value.is_alarm


def test_a_witness_of_another_history_signs_nothing(folder: Path, tmp_path: Path, witness: WitnessServer) -> None:
    write(folder, 30)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    write(folder, 30)
    write(other, 60, "mallory")
    know(witness, folder)
    catch_up(folder / "tlog", witness.place())

    with pytest.raises(Unwitnessed, match="two histories") as caught:
        catch_up(other / "tlog", witness.place())
    assert caught.value.is_alarm
    assert not (other / "tlog" / "witnessed").exists()


@pytest.mark.parametrize(
    ("status", "answer", "says"),
    [(200, b"", "signature lines"), (200, Signature("witness.example/w1", b"1234", bytes(72)).line().encode(), "not signed by its key"), (200, b"\xff" * 70_000, "signature lines"),
     (409, b"9" * 60_000, "two histories"), (500, b"", "500"), (302, b"", "302"), (404, b"", "does not know this ledger")],
)  # fmt: skip
def test_an_answer_that_is_no_cosignature_is_none(folder: Path, witness: WitnessServer, status: int, answer: bytes, says: str) -> None:
    write(folder, 10)
    know(witness, folder)
    witness.answers.append((status, answer))

    with pytest.raises((Unwitnessed, ValueError), match=says):
        catch_up(folder / "tlog", witness.place())
    assert not (folder / "tlog" / "witnessed").exists()


def test_a_witness_that_is_away_is_told_once_and_a_ledger_does_not_wait(folder: Path, witness: WitnessServer) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    heard = threading.Event()

    def tell(kind: str, detail: dict[str, Any]) -> None:
        told.append((kind, detail))
        heard.set()

    know(witness, folder)
    witness.answers.append((500, b""))
    asking = Witness(folder, witness.place(), tell)
    write(folder, 10)
    asking.start()

    assert heard.wait(20)
    asking.close()
    assert [("ledger.unwitnessed", {"because": "it answers 500"})] == told


def test_a_lag_shows_by_the_first_entry_that_waits(folder: Path, witness: WitnessServer, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, 10)
    know(witness, folder)
    catch_up(folder / "tlog", witness.place())
    write(folder, 10)
    assert not lag_of(folder, witness.place()).is_late

    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 1000)
    assert lag_of(folder, witness.place()).is_late
    assert "IT LAGS" in str(lag_of(folder, witness.place()))


A_LOGS = NoteKey("log", Ed25519PrivateKey.generate().public_key().public_bytes_raw()).written()


@pytest.mark.parametrize("key", ["", "nonsense", A_LOGS], ids=["nothing", "nonsense", "a log's"])
def test_a_key_that_is_no_witnesses_is_refused(key: str) -> None:
    with pytest.raises(BadConfig, match="witness_key"):
        read_place("https://witness.example", key)

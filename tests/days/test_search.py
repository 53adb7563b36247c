"""What was seen in a session is found again by who may see it, and by nobody else; the index holds none of it in clear."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from days.test_secrets import asked, cli
from days.test_sessions import Terminal, container
from fixtures.searching import in_files, in_process_lists
from fixtures.warden import ALICE, AUDITOR, BOB, OPS, Warden

pytestmark = pytest.mark.timeout(240)


def search(warden: Warden, *words: str) -> list[dict[str, Any]]:
    done = cli(warden, "session", "search", "--json", *words)
    assert 0 == done.returncode, done.stderr
    return list(json.loads(done.stdout.encode("latin-1")))


def found(warden: Warden, *words: str, seconds: float = 60) -> list[dict[str, Any]]:
    """What is found, once anything is: sessions come into the index soon after their end."""
    end = time.monotonic() + seconds
    while not (rows := search(warden, *words)):
        assert time.monotonic() < end, (warden.dir / "serve.log").read_text()[-2000:]
        time.sleep(0.2)
    return rows


@pytest.fixture(scope="module")
def worked(warden: Warden) -> Iterator[Warden]:
    """A warden in which alice wrote something in an editor, and bob ran one command."""
    with container(warden, "edited"):
        terminal = Terminal(warden, "exec", "-it", "edited", "sh")
        terminal.until(b"$ ")
        terminal.type(b"vi /tmp/note\r")
        terminal.until(b"\x1b[?1049h")
        terminal.until(b"- /tmp/note")
        terminal.type(b"i")
        terminal.until(b"I /tmp/note")
        terminal.type(b"wombat-in-the-editor")
        terminal.until(b"editor")
        terminal.shown = b""
        terminal.type(b"\x1b")
        terminal.until(b"- /tmp/note")
        terminal.type(b":q!\r")
        terminal.until(b"\x1b[?1049l")
        terminal.type(b"echo after-$((20 + 3))\r")
        terminal.until(b"after-23")
        terminal.type(b"exit 4\r")
        assert 4 == terminal.end()
    done = warden.docker("run", "-d", "--name", "bobs", "busybox", "sleep", "600", uid=BOB)
    assert 0 == done.returncode, done.stderr
    assert "quokka of bob\n" == warden.docker("exec", "bobs", "echo", "quokka of bob", uid=BOB).stdout
    found(warden, "quokka")
    yield warden
    warden.docker("rm", "-f", "bobs", uid=BOB)


def test_what_an_editor_showed_is_found_with_its_moment(worked: Warden) -> None:
    (row,) = found(worked, "wombat-in-the-editor")

    assert ("alice", "exec", "edited", "4") == (row["person"], row["kind"], row["target"], row["exit"])
    assert any("wombat-in-the-editor" in hit["text"] and hit["at_us"] > 0 for hit in row["hits"])
    assert [row["id"]] == [one["id"] for one in search(worked, "after-23", "--target", "edit", "--exit", "4", "--since", "1h")]
    assert [] == search(worked, "wombat-in-the-editor", "--exit", "5")


def test_commands_are_listed_and_those_from_the_screen_are_said_to_be_derived(worked: Warden, monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = found(worked, "wombat-in-the-editor", "--commands")
    (bobs,) = search(worked, "--command", "echo quokka", "--commands")

    assert ("sh", False) in [(one["text"], one["derived"]) for one in row["commands"]]
    assert {("vi /tmp/note", True), ("echo after-$((20 + 3))", True)} <= {(one["text"], one["derived"]) for one in row["commands"]}
    assert [("echo 'quokka of bob'", False)] == [(one["text"], one["derived"]) for one in bobs["commands"]]
    monkeypatch.setenv("COLUMNS", "200")
    table = cli(worked, "session", "search", "--command", "vi note").stdout
    assert "(derived): $ vi /tmp/note" in table


def test_who_finds_what(worked: Warden) -> None:
    def ids(uid: int, **body: Any) -> list[str]:
        reply = asked(worked, uid, "session/search", body)
        assert 200 == reply.status, reply
        return [row["id"] for row in reply.body["sessions"]]

    (alices,), (bobs,) = found(worked, "wombat"), found(worked, "quokka")
    assert [[], [], [], [bobs["id"]]] == [ids(uid, text="quokka") for uid in (ALICE, BOB, OPS, AUDITOR)]
    assert [[], [], [], [bobs["id"]]] == [ids(uid, command="echo", target="bobs") for uid in (ALICE, BOB, OPS, AUDITOR)]
    assert [[], [bobs["id"]], [bobs["id"]], [bobs["id"]]] == [ids(uid, person="bob", target="bobs") for uid in (ALICE, BOB, OPS, AUDITOR)]
    reply = asked(worked, ALICE, "session/search", {"target": "edited", "commands": True})
    assert [(alices["id"], "", [], [])] == [(row["id"], row["exit"], row["hits"], row["commands"]) for row in reply.body["sessions"]]
    assert 403 == asked(worked, AUDITOR, "session/reindex", {}).status


def test_policy_lets_a_person_search_in_their_own_and_no_further(worked: Warden) -> None:
    file = worked.dir / "policies" / "own-search.cedar"
    file.write_text(
        '@id("own-search-1")\npermit (principal, action in [Action::"session.search", Action::"session.play"], resource is Session)'
        '\nwhen { principal.name != "" && resource.owner == principal.name };\n'
    )
    try:
        end = time.monotonic() + 15
        while not (rows := asked(worked, ALICE, "session/search", {"text": "wombat"}).body["sessions"]):
            assert time.monotonic() < end
            time.sleep(0.2)
        assert ["alice"] == [row["person"] for row in rows]
        assert [] == asked(worked, ALICE, "session/search", {"text": "quokka"}).body["sessions"]
        assert False is asked(worked, ALICE, "session/search", {"text": "quokka"}).body["more"]
    finally:
        file.unlink()


def test_a_search_is_recorded_and_its_secrets_are_not(worked: Warden) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    search(worked, secret, "--target", "edited")
    about = [entry for entry in worked.entries() if "session.search" == entry.get("action")]

    assert {"intent", "read"} <= {entry["kind"] for entry in about}
    assert any({"target": "edited"}.items() <= entry["detail"].get("searched", {}).items() for entry in about)
    assert secret not in json.dumps(about)


def test_what_was_seen_is_in_no_file_and_no_process_s_arguments_in_clear(worked: Warden) -> None:
    found(worked, "wombat-in-the-editor")
    words = (b"wombat-in-the-editor", b"quokka of bob")
    state = worked.dir / "state"

    assert (state / "search.db").stat().st_size > 4096
    assert [] == list(in_files(state, words, skip=[state / "ledger"]))  # it has what was searched for, and what was run
    assert [] == list(in_process_lists(words))


def test_the_index_is_made_anew_and_what_is_gone_is_found_no_more(worked: Warden, tmp_path: Path) -> None:
    assert 0 == worked.docker("run", "--rm", "busybox", "echo", "numbat that goes").returncode
    (row,) = found(worked, "numbat")
    (worked.dir / "state" / "tapes" / row["id"]).rename(tmp_path / "gone")
    assert [] == search(worked, "numbat")
    done = cli(worked, "session", "reindex")

    assert (0, True) == (done.returncode, "tapes are in the index" in done.stdout), done.stderr
    assert ["bob"] == [one["person"] for one in search(worked, "quokka")]
    (tmp_path / "gone").rename(worked.dir / "state" / "tapes" / row["id"])


def test_words_that_cannot_be_searched_for_are_told_so(worked: Warden) -> None:
    done = cli(worked, "session", "search", "!!!")

    assert (1, True) == (done.returncode, "no letter or digit" in done.stderr), done.stderr
    for words in ('quokka" OR "wombat', "lines : quokka", "quokka NOT bob", "NEAR(quokka, 2)", "commands:x", "quokka' OR 1=1", "(quokka"):
        assert (["bob"] if "(quokka" == words else []) == [row["person"] for row in search(worked, words)], words


def test_the_process_that_reads_ends_by_itself(worked: Warden) -> None:
    def readers() -> str:
        return subprocess.run(["pgrep", "-P", str(worked.process.pid if worked.process else 0)], capture_output=True, text=True, check=False).stdout

    end = time.monotonic() + 60
    while readers():
        assert time.monotonic() < end
        time.sleep(0.5)

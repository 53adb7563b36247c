"""A lock that one process holds: never stale, never doubled, and it says who has it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockwarden.ledger.hold import STOPPING, hold, holder
from dockwarden.words.errors import BadConfig

HOLDS = """
import sys, time
from pathlib import Path
from dockwarden.ledger.hold import hold
held = hold(Path(sys.argv[1]), "mend")
if sys.argv[2]:
    held.say(sys.argv[2])
print("held", flush=True)
time.sleep(float(sys.argv[3]))
"""


def other(file: Path, doing: str = "", seconds: float = 60) -> subprocess.Popen[str]:
    """Another process that holds `file`."""
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(file), doing, str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "held\n" == process.stdout.readline()
    return process


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "serve.lock"


@pytest.fixture
def held(file: Path) -> Iterator[subprocess.Popen[str]]:
    process = other(file)
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_refused_and_told_the_pid_and_what_to_do(file: Path, held: subprocess.Popen[str]) -> None:
    with pytest.raises(BadConfig, match=rf"process {held.pid} has it open already \(serving\); stop it first"):
        hold(file, "stop it first")

    assert (held.pid, "serving") == holder(file)


def test_one_process_may_not_hold_it_twice_either(file: Path) -> None:
    first = hold(file, "mend")
    with pytest.raises(BadConfig, match="has it open already"):
        hold(file, "mend")
    first.release()
    first.release()

    hold(file, "mend").release()


def test_a_process_that_was_killed_holds_nothing(file: Path, held: subprocess.Popen[str]) -> None:
    held.send_signal(signal.SIGKILL)
    held.wait()

    hold(file, "mend").release()


def test_a_holder_that_is_stopping_is_waited_for_and_that_is_said_once(file: Path) -> None:
    process = other(file, STOPPING, 0.6)
    said: list[str] = []

    hold(file, "mend", patience_s=20, said=said.append).release()

    assert [f"waiting for process {process.pid}, which is stopping (at most 20 s)"] == said
    process.wait()


@pytest.mark.alone
def test_a_holder_that_does_not_stop_in_time_is_named(file: Path) -> None:
    process = other(file, STOPPING)
    try:
        begun = time.monotonic()
        with pytest.raises(BadConfig, match=f"process {process.pid} has it open already"):
            hold(file, "mend", patience_s=0.5)
        assert 0.4 < time.monotonic() - begun < 5
    finally:
        process.kill()
        process.wait()


def test_a_lock_file_that_was_removed_lets_no_second_one_in_beside_the_first_that_looks_locked(file: Path) -> None:
    """Who opened the file before it was removed must not take its lock for the one on the new file of that name."""
    first = hold(file, "mend")
    file.unlink()
    second = hold(file, "mend")

    with pytest.raises(BadConfig, match="has it open already"):
        hold(file, "mend")
    first.release()
    second.release()


def test_of_many_at_once_one_gets_it(file: Path) -> None:
    got: list[object] = []

    def one() -> None:
        with contextlib.suppress(BadConfig):
            got.append(hold(file, "mend"))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == len(got)


def test_a_link_in_its_place_is_not_followed(file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious")
    file.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(BadConfig, match="cannot be opened"):
        hold(file, "mend")
    assert "precious" == (tmp_path / "elsewhere").read_text()


def test_a_folder_that_is_not_there_says_init(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="run dockwarden init"):
        hold(tmp_path / "none" / "lock", "mend")

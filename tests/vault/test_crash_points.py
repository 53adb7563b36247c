"""Killed at any moment, a vault is as it was before the step or after it, and every acknowledged version is there.

The lives of `lives.py` are ended by SIGKILL right before one of their calls that change a file, at some hundred of these in `make test` and
at each of them in `make crash`. What the kernel was given is on the disk then: that a machine without power keeps what it flushed is not
tried here.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .lives import LIVES

MOMENTS = int(os.environ.get("DOCKWARDEN_CRASHES", "50"))
"""Of each life; 0 is all."""
FEWEST = 300
WORKERS = 2
SOME_KINDS, EVERY_KIND = {"write", "pwrite", "fdatasync"}, {"write", "pwrite", "fdatasync", "rename", "unlink", "open", "ftruncate"}
SOME_FILES, EVERY_FILE = (".ledger", "vault.db-wal"), (".ledger", "vault.db-wal", "unseal.key.new", "backup.db", "run/secrets/dw0451")
"""What a sample surely meets, threads being what they are, and what all moments do."""
CRASHED = [name for name in LIVES if name != "careless"]
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of system calls are those of x86-64"),
]


@pytest.fixture(scope="module")
def told() -> list[dict[str, Any]]:
    """What was seen at each moment, in a mount namespace that ends with the processes which look."""
    root = Path(tempfile.mkdtemp(prefix="dwcrash", dir="/dev/shm"))
    words = ["unshare", "--mount", sys.executable, str(Path(__file__).with_name("lives.py")), str(root), str(MOMENTS)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    workers = [
        subprocess.Popen([*words, str(share), str(WORKERS)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for share in range(WORKERS)
    ]
    said = [worker.communicate() for worker in workers]
    shutil.rmtree(root)
    assert [0] * WORKERS == [worker.returncode for worker in workers], [stderr for _, stderr in said]
    return [json.loads(line) for stdout, _ in said for line in stdout.splitlines()]


@pytest.mark.parametrize("life", CRASHED)
def test_a_life_that_is_ended_anywhere_leaves_one_of_the_allowed_states(told: list[dict[str, Any]], life: str) -> None:
    moments = [one for one in told if one["life"] == life]

    assert [] == [(one["at"], one["call"], one["acknowledged"], one["wrong"]) for one in moments if one["wrong"]]


def test_there_are_enough_moments_and_of_every_kind(told: list[dict[str, Any]]) -> None:
    ended = [one for one in told if one["call"] and one["life"] in CRASHED]
    kinds = Counter(one["call"].split()[0] for one in ended)
    files = " ".join(one["call"] for one in ended)

    assert len(ended) >= FEWEST, kinds
    assert (SOME_KINDS if MOMENTS else EVERY_KIND) <= set(kinds)
    assert [] == [file for file in (SOME_FILES if MOMENTS else EVERY_FILE) if file not in files]


def test_a_step_in_the_wrong_order_is_found(told: list[dict[str, Any]]) -> None:
    """The control: a re-key that replaces the key file first loses the vault, and this says so."""
    assert any(one["wrong"] for one in told if one["life"] == "careless")

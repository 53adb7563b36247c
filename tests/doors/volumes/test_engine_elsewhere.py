"""An Engine in a mount namespace of its own: it gets our mounts where they propagate to it, and no container gets an empty folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockwarden.doors.volumes.canary import prove_mounts
from dockwarden.doors.volumes.seal import Sealer
from dockwarden.upstream.engine import EngineLink
from dockwarden.words.errors import Unavailable
from fixtures.plugin_engine import plugins_beside_an_engine
from fixtures.volume_process import KEY


def put_engines_in_a_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, propagation: str) -> None:
    """Let the command `dockerd` start in a new mount namespace."""
    command = tmp_path / "dockerd"
    command.write_text(f'#!/bin/sh\nexec unshare -m --propagation {propagation} /usr/sbin/dockerd "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


async def test_where_our_mounts_propagate_they_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_engines_in_a_namespace(tmp_path, monkeypatch, "slave")
    with plugins_beside_an_engine("nss") as plugins:
        plugins.folder("here")
        mount = plugins.mount(plugins.options("here", "ro"))

        said = plugins.engine.say("run", "--rm", "--network", "none", "--mount", mount, "busybox", "sh", "-c", "cat /mnt/f; grep /mnt /proc/mounts")

        assert said.startswith("hello from here")
        assert {"ro", "nosuid", "nodev"} <= set(said.split()[-3].split(","))
        link = EngineLink(plugins.engine.address)
        await prove_mounts(link.call, plugins.plugin, Sealer(KEY).seal, ("test", "canary"))
        link.close()


async def test_where_they_do_not_the_start_fails_in_our_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_engines_in_a_namespace(tmp_path, monkeypatch, "private")
    with plugins_beside_an_engine("nsp") as plugins:
        plugins.folder("here")
        mount = plugins.mount(plugins.options("here"))

        said = plugins.engine.say("run", "--rm", "--network", "none", "--mount", mount, "busybox", "ls", "/mnt", fails=True)

        assert "dockwarden: the Engine does not see what was mounted for it" in said
        assert [] == plugins.mounted()
        link = EngineLink(plugins.engine.address)
        with pytest.raises(Unavailable, match="the Engine does not see what was mounted for it"):
            await prove_mounts(link.call, plugins.plugin, Sealer(KEY).seal, ("test", "canary"))
        link.close()

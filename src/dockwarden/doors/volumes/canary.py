"""Kind `canary`: a folder with one word in it, to prove that what we mount really arrives in a container.

`prove_mounts` asks the Engine for a container with such a volume, never starts it, and reads the word out of it: seal, plugin socket,
mount, propagation and the Engine's own view are proven in one go, also for an Engine in another mount namespace.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import tarfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from dockwarden.doors.volumes.kinds import KIND, Options, Source
from dockwarden.doors.volumes.places import NAME
from dockwarden.doors.volumes.seal import SEAL
from dockwarden.engine.call import Request
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.words.errors import Malformed, Unavailable

CANARY = "canary"
WORD = "dockwarden.word"
WORD_FORM = re.compile(r"[0-9a-f]{32}", re.ASCII)
FILE = "word"
TARGET = "/canary"
EMPTY_TAR = bytes(10_240)

Asked = Callable[[Request], Awaitable[WholeAnswer]]
"""Sends one call of our own to the Engine and returns its whole answer."""


class Canary:
    """Makes the folders; each is gone once nobody uses its volume."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made when it is first needed."""
        self._folder = folder

    def check(self, options: Options) -> None:
        """Refuse anything but one word of ours."""
        if WORD_FORM.fullmatch(options.get(WORD, "")) is None:
            raise Malformed("volume.options", f"the option {WORD} is missing or of another form")

    def open(self, name: str, options: Options) -> Source:
        """A folder with the word in it, for reading."""
        self.check(options)
        if NAME.fullmatch(name) is None:
            raise Malformed("volume.name", "the volume has a name that the Engine would not give")
        spot = self._folder / name
        spot.mkdir(mode=0o700, parents=True, exist_ok=True)
        (spot / FILE).write_text(options[WORD], "ascii")
        return Source(os.open(spot, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC), is_read_only=True)

    def forget(self, name: str) -> None:
        """Remove the folder."""
        with contextlib.suppress(OSError):
            (self._folder / name / FILE).unlink()
            (self._folder / name).rmdir()


async def prove_mounts(ask: Asked, plugin: str, seal: Callable[[Mapping[str, str]], str], label: tuple[str, str]) -> None:
    """Return if a container of this Engine gets what we mount.

    Leaves nothing behind. `label` marks the image and the container, so that one left by a crash is known as ours.
    Raises:
        Unavailable: `volume.unproven`; the message says what the Engine answered, or that it saw an empty folder.
    """
    word = secrets.token_hex(16)
    options = {KIND: CANARY, WORD: word}
    image = await _make_image(ask)
    try:
        container = await _make_container(ask, image, plugin, {**options, SEAL: seal(options)}, label)
        try:
            seen = await _read_word(ask, container)
        finally:
            await ask(Request("DELETE", f"/containers/{container}?force=1&v=1", (), b""))
    finally:
        await ask(Request("DELETE", f"/images/{image}?force=1", (), b""))
    if seen != word:
        raise _unproven("a container sees an empty folder where we mounted one; let the run folder's mount propagate to the Engine")


async def _make_image(ask: Asked) -> str:
    """An image without a file and without a name."""
    headers = (("content-type", "application/x-tar"),)
    answer = await ask(Request("POST", "/images/create?fromSrc=-&message=dockwarden+canary", headers, EMPTY_TAR))
    lines = answer.body.splitlines() if answer.status == 200 else []
    said: dict[str, Any] = msgspec.json.decode(lines[-1]) if lines else {}
    status = said.get("status")
    if not isinstance(status, str):
        raise _unproven(f"the Engine made no image to try it with (answer {answer.status})")
    return status


async def _make_container(ask: Asked, image: str, plugin: str, options: Options, label: tuple[str, str]) -> str:
    volume = {"NoCopy": True, "DriverConfig": {"Name": plugin, "Options": options}}
    mount = {"Type": "volume", "Target": TARGET, "VolumeOptions": volume}
    body = {
        "Image": image, "Entrypoint": ["/-"], "Cmd": [], "User": "65534:65534", "NetworkDisabled": True, "Labels": dict([label]),
        "HostConfig": {"NetworkMode": "none", "LogConfig": {"Type": "none"}, "Mounts": [mount]},
    }  # fmt: skip
    headers = (("content-type", "application/json"),)
    answer = await ask(Request("POST", "/containers/create", headers, msgspec.json.encode(body)))
    if answer.status != 201:
        raise _unproven(_said(answer))
    return str(msgspec.json.decode(answer.body)["Id"])


async def _read_word(ask: Asked, container: str) -> str:
    answer = await ask(Request("GET", f"/containers/{container}/archive?path={TARGET}/{FILE}", (), b""))
    if answer.status == 404:
        return ""
    if answer.status != 200:
        raise _unproven(_said(answer))
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
        member = archive.next()
        content = archive.extractfile(member) if member is not None and member.isreg() else None
        return content.read(64).decode("ascii", "replace") if content else ""


def _said(answer: WholeAnswer) -> str:
    try:
        message = str(msgspec.json.decode(answer.body)["message"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        message = f"answer {answer.status}"
    return f"the Engine says: {message}"


def _unproven(why: str) -> Unavailable:
    return Unavailable("volume.unproven", f"mounts below bind roots do not work with this Engine: {why}")

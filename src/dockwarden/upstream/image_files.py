"""The accounts an image knows: its `/etc/passwd` and `/etc/group`, read once for each image id.

They are read from a container that is made for it and never started, since a container's own files can be replaced by its
owner between any look and the start. What an image id names never changes, so an answer may be kept for good.
"""

from __future__ import annotations

import asyncio
import io
import posixpath
import tarfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from dockwarden.engine.call import Request
from dockwarden.upstream.answers import WholeAnswer
from dockwarden.words.errors import Unavailable

KEPT_IMAGES = 512
FILE_BYTES = 1 << 20
LINK_HOPS = 5

Asked = Callable[[Request], Awaitable[WholeAnswer]]
"""Sends one call of our own to the Engine and returns its whole answer."""


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """The two texts, empty where the image has no such file."""

    passwd: str
    group: str


class ImageAccounts:
    """Reads `ImageFiles` by image id; asks the Engine once an image, however many calls wait for the answer."""

    def __init__(self, ask: Asked, label: tuple[str, str]) -> None:
        """`label` marks the container that is made for a look, so that one left behind by a crash is known as ours."""
        self._ask, self._label = ask, label
        self._kept: OrderedDict[str, ImageFiles] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[ImageFiles]] = {}

    async def of(self, image_id: str) -> ImageFiles:
        """Return the texts of `image_id` (`sha256:…`).

        Raises:
            Unavailable: `engine.image_unreadable`; the Engine would not make the container or show a file.
        """
        kept = self._kept.get(image_id)
        if kept is not None:
            self._kept.move_to_end(image_id)
            return kept
        task = self._under_way.get(image_id)
        if task is None:
            task = self._under_way[image_id] = asyncio.ensure_future(self._look(image_id))
            task.add_done_callback(lambda _: self._under_way.pop(image_id, None))
        files = await asyncio.shield(task)
        self._kept[image_id] = files
        while len(self._kept) > KEPT_IMAGES:
            self._kept.popitem(last=False)
        return files

    async def _look(self, image_id: str) -> ImageFiles:
        container = await self._make(image_id)
        try:
            return ImageFiles(await self._text(container, "/etc/passwd"), await self._text(container, "/etc/group"))
        finally:
            await self._ask(Request("DELETE", f"/containers/{container}?force=1&v=1", (), b""))

    async def _make(self, image_id: str) -> str:
        body = {
            "Image": image_id, "Entrypoint": ["/-"], "Cmd": [], "User": "65534:65534", "NetworkDisabled": True, "Labels": dict([self._label]),
            "HostConfig": {"NetworkMode": "none", "LogConfig": {"Type": "none"}},
        }
        answer = await self._ask(
            Request("POST", "/containers/create", (("content-type", "application/json"),), msgspec.json.encode(body))
        )
        if answer.status != 201:
            raise Unavailable("engine.image_unreadable", f"the users of image {image_id} cannot be looked up: the Engine answered {answer.status}")
        return str(msgspec.json.decode(answer.body)["Id"])

    async def _text(self, container: str, path: str) -> str:
        """One file's text; links are followed inside the image, and what is no small plain file counts as absent."""
        for _ in range(LINK_HOPS):
            answer = await self._ask(Request("GET", f"/containers/{container}/archive?path={quote(path, safe='')}", (), b""))
            if answer.status == 404:
                return ""
            if answer.status != 200:
                raise Unavailable("engine.image_unreadable", f"{path} of the image cannot be read: the Engine answered {answer.status}")
            with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
                member = archive.next()
                if member is not None and member.issym():
                    path = posixpath.normpath(posixpath.join(posixpath.dirname(path), member.linkname))
                    continue
                if member is None or not member.isreg() or member.size > FILE_BYTES:
                    return ""
                content = archive.extractfile(member)
                return content.read().decode("utf-8", "replace") if content else ""
        return ""

"""The stream of events: one JSON object after another, each about one thing, shown or dropped whole."""

from __future__ import annotations

from typing import Any

import msgspec

from dockwarden.engine.veil.found import mask_found
from dockwarden.engine.veil.veil import IMAGE_LABEL, View
from dockwarden.words.ask import Kind

KINDS = {"container": Kind.CONTAINER, "image": Kind.IMAGE, "network": Kind.NETWORK, "volume": Kind.VOLUME, "service": Kind.SERVICE,
         "node": Kind.NODE, "secret": Kind.SECRET, "config": Kind.CONFIG, "plugin": Kind.PLUGIN}
LONGEST_EVENT = 1 << 20
SEPARATORS = b"\n\r\x1e\t "


class EventVeil:
    """Takes the stream in pieces of any size, gives back the events that may be seen, each on a line."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        """Return what may be shown of the events that are whole by now.

        Raises:
            ValueError: the stream cannot be read; nothing more of it may be shown.
        """
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > LONGEST_EVENT:
            raise ValueError("an event without end")
        return b"".join(self._shown(line) for line in lines)

    def _shown(self, line: bytes) -> bytes:
        line = line.strip(SEPARATORS)
        if not line:
            return b""
        try:
            said = msgspec.json.decode(line)
            if not self._sees(said):
                return b""
            kind = KINDS.get(said.get("Type") or "")
            if kind is not None and not self._view.sees_secrets(kind, said["Actor"]["ID"]):
                mask_found(said)
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            raise ValueError("an event that cannot be read") from None
        return msgspec.json.encode(said) + b"\n"

    def _sees(self, said: dict[str, Any]) -> bool:
        kind = KINDS.get(said.get("Type") or "")
        if kind is None:
            return self._view.sees_host
        actor = said["Actor"]
        attributes = actor.get("Attributes") or {}
        name = attributes.get("name", "")
        if attributes.get(IMAGE_LABEL) and kind is Kind.CONTAINER:
            attributes["image"] = attributes[IMAGE_LABEL]
            if "from" in said:
                said["from"] = attributes[IMAGE_LABEL]
        if kind is Kind.IMAGE:
            tags = tuple(text for text in (name, actor["ID"]) if text and not text.startswith("sha256:"))
            return self._view.sees(kind, actor["ID"], name, attributes, tags)
        if not self._view.sees(kind, actor["ID"], name, attributes, ()):
            return False
        other = attributes.get("container", "")
        if other and kind in {Kind.NETWORK, Kind.VOLUME}:
            return self._view.sees(Kind.CONTAINER, other, "", {}, ())
        return True

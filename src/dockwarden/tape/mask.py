"""Known secrets taken out of a stream, also where a piece of it ends in the middle of one."""

from __future__ import annotations

from collections.abc import Iterable

from dockwarden.words.secret import Secret

MARK = b"[masked]"
SHORTEST = 4
"""Shorter values are not looked for: half of every text would be masked."""


class Needles:
    """The values that are looked for in the streams of one session, held no longer than that lasts."""

    def __init__(self, values: Iterable[bytes] = ()) -> None:
        self.values: list[bytes] = []
        self.learn(values)

    def learn(self, values: Iterable[bytes]) -> None:
        """Look for `values`, too, which are ours from now on. Their lines are looked for as well: a terminal shows each with an end of its own."""
        for value in values:
            parts = {id(part): part for part in (value, value.strip(), *value.splitlines()) if len(part) >= SHORTEST}
            for part in parts.values():
                if part not in self.values:
                    self.values.append(part)
                elif not any(part is known for known in self.values):
                    Secret(part).wipe()
        self.values.sort(key=len, reverse=True)

    def wipe(self) -> None:
        """Look for nothing any more."""
        for value in self.values:
            Secret(value).wipe()
        self.values = []


class Masker:
    """Masks one stream. What may be the beginning of a value is held back until it is known not to be."""

    def __init__(self, needles: Needles) -> None:
        self._needles = needles
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what can be kept of all that came up to now. `data` stays as it is: whoever made it may wipe it."""
        values = self._needles.values
        if not values:
            return data
        text = self._held + data
        for value in values:
            if value in text:
                before, text = text, text.replace(value, MARK)
                if before is not data:
                    Secret(before).wipe()
        cut = min((self._begins(text, value) for value in values), default=len(text))
        whole = memoryview(text)  # INVARIANT: what is kept shares nothing with `data`, which may be wiped: a slice may be the thing itself
        self._held = bytes(whole[cut:])
        return bytes(whole[:cut])

    def finish(self) -> bytes:
        """Return what was held back: the stream ends here."""
        held, self._held = self._held, b""
        return MARK if len(held) >= SHORTEST else held

    @staticmethod
    def _begins(text: bytes, value: bytes) -> int:
        """Where in the end of `text` a beginning of `value` stands; its length if none does."""
        at = text.find(value[:1], max(len(text) - len(value) + 1, 0))
        while at >= 0:
            if value.startswith(text[at:]):
                return at
            at = text.find(value[:1], at + 1)
        return len(text)

"""How a tape begins: what it is of, and its key for each of those who may open it. Readable without a key; bound to every segment by its hash."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from datetime import UTC, datetime

import msgspec
import pyrage  # type: ignore[import-untyped]  # it comes without types

from dockwarden.tape.faults import BadSegment
from dockwarden.words.errors import BadConfig

FORMAT = 1
ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{12}", re.ASCII)
KEY_BYTES = 32
_LINK = b"dockwarden tape opening v1\n"


class Opening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a tape is of.

    `at` is microseconds since 1970. `kind` is `exec`, `attach`, `shell`, … `target` says where. `columns` and `rows` are 0 without a terminal.
    `detail` has what the kind needs more: texts, no secret. `wrapped` is the tape's key as an age file for `recipients`, in base64.
    """

    format: int = FORMAT
    id: str
    at: int
    person: str
    kind: str
    target: str
    call: str = ""
    columns: int = 0
    rows: int = 0
    detail: dict[str, str] = {}
    recipients: tuple[str, ...] = ()
    wrapped: str = ""

    @property
    def is_terminal(self) -> bool:
        """Whether there is a terminal to show it in."""
        return self.columns > 0

    def stored(self) -> bytes:
        """The bytes in the file."""
        return msgspec.json.encode(self) + b"\n"


def hash_of(stored: bytes) -> bytes:
    """The hash that the first segment follows."""
    return hashlib.sha256(_LINK + stored).digest()


def read_opening(stored: bytes) -> Opening:
    """Return what `stored` says.

    Raises:
        BadSegment: it is no opening of this format.
    """
    try:
        opening = msgspec.json.decode(stored, type=Opening)
    except msgspec.MsgspecError:
        raise BadSegment("the opening cannot be read") from None
    if opening.format != FORMAT or ID.fullmatch(opening.id) is None:
        raise BadSegment("the opening is of another format")
    return opening


def new_id(at_us: int) -> str:
    """An id that sorts by time, of a tape that is opened at `at_us`."""
    return f"{datetime.fromtimestamp(at_us // 1_000_000, UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(6)}"


def new_key() -> bytes:
    """A key for one tape."""
    return secrets.token_bytes(KEY_BYTES)


def wrap(key: bytes, recipients: tuple[str, ...]) -> str:
    """Return `key` for whoever holds the identity of one of `recipients` (age X25519).

    Raises:
        BadConfig: one is no recipient.
    """
    return base64.b64encode(pyrage.encrypt(key, [read_recipient(text) for text in recipients])).decode()


def read_recipient(text: str) -> pyrage.x25519.Recipient:
    """Return who a tape's key is wrapped for.

    Raises:
        BadConfig: it is none.
    """
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise BadConfig("tapes.recipients", f"{text[:80]!r} is no age recipient", "write what age-keygen calls the public key: age1…") from None


def unwrap(opening: Opening, identity: str) -> bytes:
    """Return the tape's key.

    Raises:
        BadSegment: `identity` is nobody's that this tape was made for.
    """
    try:
        key = pyrage.decrypt(base64.b64decode(opening.wrapped, validate=True), [pyrage.x25519.Identity.from_str(identity.strip())])
    except (ValueError, pyrage.IdentityError, pyrage.DecryptError):
        raise BadSegment("this key opens another tape, not this one") from None
    if len(key) != KEY_BYTES:
        raise BadSegment("the opening holds no key")
    return bytes(key)

"""The store: a bucket that speaks S3, in which every tape is a folder as on the disk, of objects that are written once.

    PREFIX/ID/opening.json
    PREFIX/ID/00000001.reel      whole segments from that one on; the next object begins with the next
    PREFIX/ID/holds.json         as on the disk, whenever it changes; deleted.json where the tape was, and its reels are gone

A copy of the prefix is a folder of tapes, which `session verify --tapes` checks offline. The only file that knows obstore.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from dockwarden.words.secret import Secret

TIMEOUT_S, CONNECT_S, RETRIES = 20, 5, 1
"""Short: who stops dockwarden waits for the call under way."""

T = TypeVar("T")


class StoreTrouble(Exception):
    """The store did not do it: the text says why. It names no secret."""


class Absent(StoreTrouble):
    """There is no such object."""


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who we are at the store, as the secret has it in JSON."""

    access_key_id: str
    secret_access_key: str
    token: str = ""

    def __repr__(self) -> str:
        return "Credentials(...)"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the store is. `url` is `s3://BUCKET/PREFIX`; `endpoint` is empty for Amazon's own."""

    url: str
    endpoint: str = ""
    region: str = ""
    ca: Path | None = None


class Store(Protocol):
    """Objects by name; a name is `ID/FILE`. Every call waits: it is a thread's."""

    def put(self, name: str, data: bytes) -> None:
        """Let `data` be the object. Raises: StoreTrouble."""

    def get(self, name: str) -> bytes:
        """The object. Raises: Absent; StoreTrouble."""

    def delete(self, name: str) -> None:
        """Let there be no such object. Raises: StoreTrouble."""


def read_credentials(secret: Secret) -> Credentials:
    """Return what `secret` says.

    Raises:
        StoreTrouble: it is of another form.
    """
    try:
        return msgspec.json.decode(secret.reveal(), type=Credentials)
    except msgspec.MsgspecError:
        form = '{"access_key_id": "…", "secret_access_key": "…"}'
        raise StoreTrouble(f"the store's credentials are of another form; write {form}, with token beside them where there is one") from None


class S3Store:
    """One bucket. Credentials are asked for at first, and again whenever the store refused. Thread-safe."""

    def __init__(self, place: Place, credentials: Callable[[], Secret]) -> None:
        """`credentials` raises StoreTrouble where it has none now."""
        self._place, self._credentials = place, credentials
        self._open: Any = None

    def put(self, name: str, data: bytes) -> None:
        """See `Store`."""
        import obstore  # only those who have a store pay for it

        self._do(lambda store: obstore.put(store, name, data, use_multipart=False))

    def get(self, name: str) -> bytes:
        """See `Store`."""
        import obstore

        return self._do(lambda store: bytes(obstore.get(store, name).bytes()))

    def delete(self, name: str) -> None:
        """See `Store`."""
        import obstore

        with contextlib.suppress(Absent):
            self._do(lambda store: obstore.delete(store, name))

    def _do(self, deed: Callable[[Any], T]) -> T:
        from obstore import exceptions

        opened = self._open
        if opened is None:
            opened = self._open = _open(self._place, read_credentials(self._credentials()))
        try:
            return deed(opened)
        except (FileNotFoundError, exceptions.NotFoundError):
            raise Absent("there is no such object, or no such bucket") from None
        except exceptions.BaseError as error:
            self._open = None  # the credentials may be others by now
            raise StoreTrouble(_in_words(error)) from None


def _open(place: Place, credentials: Credentials) -> Any:
    from obstore import exceptions
    from obstore.store import S3Store as Bucket

    parts = urlsplit(place.url)
    options: Any = {"allow_http": place.endpoint.startswith("http:"), "timeout": timedelta(seconds=TIMEOUT_S)}
    options["connect_timeout"] = timedelta(seconds=CONNECT_S)
    if place.ca is not None:
        options["root_certificate"] = place.ca.read_bytes()
    config: Any = {"region": place.region or "us-east-1", "skip_signature": False} | ({"endpoint": place.endpoint} if place.endpoint else {})
    given: Any = {"access_key_id": credentials.access_key_id, "secret_access_key": credentials.secret_access_key, "expires_at": None}
    given |= {"token": credentials.token} if credentials.token else {}
    retries: Any = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=TIMEOUT_S)}
    try:
        return Bucket(
            parts.netloc, prefix=parts.path.strip("/") or None, config=config, client_options=options, retry_config=retries,
            credential_provider=lambda: given,
        )  # fmt: skip
    except (exceptions.BaseError, ValueError, OSError) as error:
        raise StoreTrouble(_in_words(error)) from None


def _in_words(error: Exception) -> str:
    """The first line of what the library says, without the server's answer (it may repeat whose key it was) and its own fields after that."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].partition("<")[0][:300]

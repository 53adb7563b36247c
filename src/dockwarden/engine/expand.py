"""Compressed uploads, expanded piece by piece; found by their first bytes, as the Engine finds them."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import Protocol

from dockwarden.words.errors import Forbidden, Malformed

PEEK = 10
PIECE = 256 << 10
XZ_MEMORY = 96 << 20
GZIP, BZIP2, XZ = b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0"
ZSTD, ZSTD_SKIPPABLE = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"


class _Decoder(Protocol):
    """What one compressed stream is read with."""

    @property
    def is_ended(self) -> bool: ...

    def expand(self, data: bytes) -> Iterator[bytes]: ...

    @property
    def rest(self) -> bytes: ...


class Expander:
    """Expands a gzip, bzip2 or xz stream, or several one after another; passes anything else.

    Raises (both methods):
        Malformed: `tar.compression`; the stream is broken or cut.
        Forbidden: `tar.compression`; it is zstd, which is not read here.
    """

    def __init__(self) -> None:
        self._peeked: bytes | None = b""
        self._magic = b""
        self._decoder: _Decoder | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what `chunk` expands to, in pieces of at most `PIECE` bytes where it was compressed."""
        if self._peeked is not None:
            self._peeked += chunk
            if len(self._peeked) < PEEK:
                return
            chunk, self._peeked = self._peeked, None
            self._magic = _detect(chunk)
        yield from self._expand(chunk)

    def end(self) -> Iterator[bytes]:
        """Yield what was kept back to be looked at."""
        if self._peeked:
            chunk, self._peeked = self._peeked, None
            self._magic = _detect(chunk)
            yield from self._expand(chunk)
        if self._decoder is not None:
            raise _broken()

    def _expand(self, chunk: bytes) -> Iterator[bytes]:
        if not self._magic:
            yield chunk
            return
        while chunk:
            if self._decoder is None:
                self._decoder = _Gzip() if self._magic == GZIP else _Blocks(self._magic)
            try:
                yield from self._decoder.expand(chunk)
            except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError):
                raise _broken() from None
            if not self._decoder.is_ended:
                return
            chunk, self._decoder = self._decoder.rest, None


def is_compressed(start: bytes) -> bool:
    """Whether the Engine would take a stream that begins with `start` for a compressed one, and so read something else than stands there."""
    return _is_zstd(start) or start.startswith((GZIP, BZIP2, XZ))


def _is_zstd(start: bytes) -> bool:
    return start.startswith(ZSTD) or (start[1:4] == ZSTD_SKIPPABLE and start[0] & 0xF0 == 0x50)


def _broken() -> Malformed:
    return Malformed("tar.compression", "the compressed archive cannot be expanded; send it whole, as gzip or uncompressed")


def _detect(start: bytes) -> bytes:
    if _is_zstd(start):
        raise Forbidden("tar.compression", "archives compressed with zstd are not read here; send gzip, bzip2, xz or uncompressed")
    return next((magic for magic in (GZIP, BZIP2, XZ) if start.startswith(magic)), b"")


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def is_ended(self) -> bool:
        return self._inner.eof

    @property
    def rest(self) -> bytes:
        return self._inner.unused_data

    def expand(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._inner.decompress(data, PIECE)
            if piece:
                yield piece
            data = self._inner.unconsumed_tail
            if self._inner.eof or (not data and len(piece) < PIECE):
                return


class _Blocks:
    """bzip2 and xz, whose decoders keep their own input."""

    def __init__(self, magic: bytes) -> None:
        self._inner = bz2.BZ2Decompressor() if magic == BZIP2 else lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    @property
    def is_ended(self) -> bool:
        return self._inner.eof

    @property
    def rest(self) -> bytes:
        return self._inner.unused_data

    def expand(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._inner.decompress(data, PIECE)
            data = b""
            if piece:
                yield piece
            if self._inner.eof or (self._inner.needs_input and not piece):
                return

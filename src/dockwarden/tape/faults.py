"""What can be wrong with a tape."""

from __future__ import annotations


class BadSegment(Exception):
    """A segment is not what was written: the text says how. It names no content."""


class BadIndex(Exception):
    """The search index is not what was written: the text says how. It names no content."""

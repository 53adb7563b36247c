"""What was found: a kind and why, in words of ours alone, and where."""

from __future__ import annotations

from dataclasses import dataclass, replace

LOOKED_AT = 65_536
"""Characters of a value or a text that are looked at; what comes after is not. Whoever veils a longer text withholds the rest (`masked` does)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret was found.

    INVARIANT: neither field is made from the name or the value that was looked at: both come from tables in this package, so that a
    finding may be logged, shown and put into a policy's context as it is.
    """

    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class Span:
    """A secret stands in a text from `start` up to, not including, `end`."""

    start: int
    end: int
    finding: Finding

    def moved(self, by: int) -> Span:
        """Return the same span in a text that begins `by` characters earlier."""
        return replace(self, start=self.start + by, end=self.end + by)


def union(spans: list[Span], length: int) -> tuple[Span, ...]:
    """Return `spans` in order, none touching another's characters, all inside `length`; what overlaps becomes one, under the first's finding.

    Where two begin together, the one that was put in first names it: rules of structure come before rules of names.
    """
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        end = min(span.end, length)
        if span.start >= end:
            continue
        if found and span.start < found[-1].end:
            if end > found[-1].end:
                found[-1] = replace(found[-1], end=end)
        else:
            found.append(Span(span.start, end, span.finding))
    return tuple(found)

"""What can go wrong on the way to the Engine, in words that say whether the call was sent."""

from __future__ import annotations

from dockwarden.words.errors import Unavailable, Withheld


def never_sent(reason: str) -> Unavailable:
    """The Engine was not reached."""
    return Unavailable("engine.unreachable", f"the Engine cannot be reached ({reason}); the call was never sent")


def answer_lost() -> Unavailable:
    """The connection ended before a byte of the answer came."""
    return Unavailable("engine.answer_lost", "the call was sent, but the Engine's answer was lost; look at what it did before trying again")


def answer_cut() -> Unavailable:
    """The connection ended within the answer."""
    return Unavailable("engine.answer_cut", "the call was sent, but the Engine's answer ended before its time; look at what it did")


def unreadable(what: str) -> Withheld:
    """The answer is not HTTP as we know it; it is not shown."""
    return Withheld("engine.unreadable_answer", f"the Engine's answer cannot be read ({what}), so it is withheld")


def redirected(status: int) -> Withheld:
    """Following a redirect would do a call that nobody judged."""
    return Withheld("engine.redirected", f"the Engine answered with a redirect (status {status}), which is never followed")


def unasked_upgrade() -> Withheld:
    """The Engine changed protocols although nobody asked it to."""
    return Withheld("engine.unexpected_upgrade", "the Engine changed protocols unasked, so its answer is withheld")


def too_large(limit: int) -> Withheld:
    """A whole answer is larger than what is read at once."""
    message = f"the Engine's answer is larger than {limit} bytes, so it cannot be judged as a whole; ask for less"
    return Withheld("engine.answer_too_large", message)

"""What can go wrong, sorted by what the caller should do about it.

Every error here becomes an HTTP answer at a door and an entry in the ledger. `code` is stable and documented; the text
never carries a secret; the data are fields.
"""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """Whose move it is."""

    CALLER = "caller"
    UPSTREAM = "upstream"
    OPERATOR = "operator"
    OURS = "ours"


class Refused(Exception):
    """The root: the call is not done. Every subclass fixes `status` and `fault`; `code` and `message` are fields."""

    status = 403
    fault = Fault.CALLER

    def __init__(self, code: str, message: str, *, policies: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.policies = policies


class Malformed(Refused):
    """Send it differently: no honest client writes this. The connection is closed after the answer."""

    status = 400


class TooLarge(Refused):
    """Send less."""

    status = 413


class Forbidden(Refused):
    """Ask for something else, or ask somebody: the message says what."""

    status = 403


class Hidden(Refused):
    """The Engine's own 404: `message` is what the Engine says of a thing that is not there, `headers` what it says it with."""

    status = 404

    def __init__(self, code: str, message: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(code, message)
        self.headers = headers


class Missing(Refused):
    """Name something else: what the body of a call names is not there, or not the caller's to know of.

    Not a 404, which clients take for a missing image, and pull.
    """

    status = 400


class Busy(Refused):
    """Try again later: a limit of this caller is reached."""

    status = 429


class Unavailable(Refused):
    """A part of ours, or the Engine, cannot serve now; nothing was done, or the message says what was."""

    status = 503
    fault = Fault.UPSTREAM


class Withheld(Refused):
    """The Engine answered something that cannot be judged, so it is not shown."""

    status = 502
    fault = Fault.UPSTREAM


class Broken(Refused):
    """A failure of ours refuses."""

    status = 500
    fault = Fault.OURS


class BadConfig(Exception):
    """The operator must mend a file: `where` names it and the place in it, `what` is wrong, `mend` is what to do."""

    fault = Fault.OPERATOR

    def __init__(self, where: str, what: str, mend: str) -> None:
        super().__init__(f"{where}: {what}; {mend}")
        self.where, self.what, self.mend = where, what, mend

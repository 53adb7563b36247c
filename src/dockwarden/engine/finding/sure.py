"""Whether a value is a secret, by its name, in text that people read: what is on a screen is code and sentences as often as settings. Pure."""

from __future__ import annotations

import re

from dockwarden.engine.finding.assigned import is_secret
from dockwarden.engine.finding.honest import is_plain
from dockwarden.engine.finding.names import PASSWORD, NameSays

EXECUTED = re.compile(r"\$[({A-Za-z_]|`")
"""What a shell would put in its place, or run: what somebody does is never hidden."""
CODE = re.compile(
    r"(?:[A-Za-z_]\w{0,63}(?:\.|->|::|\?\.))+[A-Za-z_]\w{0,63}[^\w]{0,4}|"
    r"[A-Za-z_]{3,64}(?:(?:\.|->|::)[A-Za-z_]\w{0,63})*[(\[].*|"
    r"(?:str|string|String|bytes|int|bool|any|object|None|nil|null|undefined|lambda|self|this|new|await|not|char|void|Secret|const)\b\W{0,4}",
    re.DOTALL,
)
"""An attribute, a call, an index, a type, a word of a language."""
WORD = re.compile(r"[A-Za-z][A-Za-z_/-]*[.,:!?]?")


def is_sure(value: str, said: NameSays, name: str, *, is_quoted: bool, is_tight: bool) -> bool:
    """Whether `value`, given to a name, is a secret for sure.

    `is_tight`: it stands right after `=`, as in a file of settings; with a space before it, it may be code or a sentence. Of these, a word is
    kept unless the name says that it is a password.
    """
    if not is_secret(value, said) or EXECUTED.search(value) or not any(letter.isalnum() for letter in value):
        return False
    if is_quoted:
        return True
    if CODE.fullmatch(value) or _is_of_its_name(value, name):
        return False
    if said.finding is PASSWORD or (is_tight and name.isupper()):
        return True
    return not (WORD.fullmatch(value) or (not is_tight and is_plain(value)))


def _is_of_its_name(value: str, name: str) -> bool:
    """`self.password = password`, `--password=PASSWORD`: what an argument is called, not what it is. `password=password` is somebody's choice."""
    if value.isupper() and value.isalpha():
        return name.upper().endswith(value)
    return value == name.rsplit(".", 1)[-1] and ("." in name or value not in {"password", "passwd"})

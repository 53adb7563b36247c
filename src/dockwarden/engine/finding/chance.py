"""Whether a token looks made by chance, by the mix of its characters rather than by words: the last rule, and the most careful one."""

from __future__ import annotations

import math
import re

from dockwarden.engine.finding.honest import ROOT_FOLDER

TOKEN = re.compile(r"[A-Za-z0-9+/_.~-]{20,512}={0,2}")
"""One unbroken token of enough length."""
HEX = re.compile(r"(?:0x)?(?:[0-9a-f]+|[0-9A-F]+)")
FINGERPRINT = re.compile(r"[0-9A-F]{40}")
"""Of a PGP key, as images name the keys that signed what they unpack."""
UUID = re.compile(r"(?i)[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
PUBLIC_TOKEN = re.compile(
    r"(?i:sha-?(?:1|224|256|384|512)|md5)[-:_]|(?:[0-9a-fA-F]{2}:){7}|h1:|"
    r"AAAA[BCEI]3NzaC|AAAAE2VjZHNh|AAAAC3|ssh-|ecdsa-|age1|R[0-9a-zA-Z+/]{2}[A-Za-z0-9+/]{53}$|Qm[1-9A-HJ-NP-Za-km-z]{44}$|"
    r"(?:pk|price|prod|cus|acct|evt|sub|pi|seti|cs|in|ch)_|pk\.|6L[a-zA-Z0-9_-]{38}$|(?:AC|MG|PN|SM|CA|US|VA|ZS)[0-9a-f]{32}$|UA-|G-|GTM-|pub[-_.]|phc_|"
    r"projects/|ami-|arn:|iVBORw0KGgo|/9j/4|R0lGOD|H4sI|UEsDB|JVBERi0|PHN2Zy|d09GM|AAABAA"
)
"""How formats begin that look made by chance and are meant to be seen: digests, public keys, sites' keys, ids, images and archives in base64."""
PART = r"(?:[a-z]{2,16}|[A-Z]{2,16}|[A-Z][a-z]{1,15}|[A-Za-z]{2,12}[0-9]{1,4}|[0-9]{1,4})"
ALGORITHM = re.compile(rf"{PART}(?:[-_.:/+]{PART}){{1,12}}")
"""Words and small numbers with something between: how algorithms, plugins and profiles are called."""
RUN = re.compile(r"[a-z]{8,}|[A-Z]{9,}|[0-9]{10,}")
CLASS = re.compile(r"[a-z]+|[A-Z]+|[0-9]+|[^A-Za-z0-9]+")
WORDY = re.compile(r"[A-Z]?[a-z]{3,}")


def entropy(text: str) -> float:
    """Return Shannon's bits a character; 0 for an empty text."""
    size = len(text)
    return -sum(count / size * math.log2(count / size) for count in (text.count(letter) for letter in set(text))) if size else 0.0


def is_random(token: str) -> bool:
    """Whether one token of 20 characters or more looks made by chance without help from its name.

    It must mix lower case, upper case and digits (so no digest, UUID, pod's name or ULID does), change between them as often as chance does
    and words do not, and hold no long run of one.
    """
    if not TOKEN.fullmatch(token) or PUBLIC_TOKEN.match(token):
        return False
    if ROOT_FOLDER.match(token):
        return False
    core = UUID.sub("", token.rstrip("="))
    if len(core) < 20 or not _is_mixed(core) or entropy(core) < 3.6:
        return False
    changes = len(CLASS.findall(core)) - 1
    if changes / (len(core) - 1) < 0.38 or (len(core) < 80 and RUN.search(core)):
        return False
    return _words(core) <= 0.45


def is_hinted_random(value: str) -> bool:
    """Whether a value looks made by chance where its name speaks of a key or a secret."""
    if not 8 <= len(value) <= 4096 or any(letter.isspace() for letter in value):
        return False
    if PUBLIC_TOKEN.match(value) or ALGORITHM.fullmatch(value, 0, 256) or FINGERPRINT.fullmatch(value):
        return False
    core = value.rstrip("=")
    if HEX.fullmatch(core) or UUID.fullmatch(core):
        return len(core) >= 16 and entropy(core) >= 2.5
    digits = sum(letter.isdigit() for letter in core)
    if not digits and not (_is_mixed(core, 2) and entropy(core) >= 3.3 and _words(core) <= 0.5):
        return False
    if digits == len(core):
        return False
    changes = len(CLASS.findall(core)) - 1
    return entropy(core) >= 2.7 and changes / len(core) >= 0.24 and _words(core) <= 0.6


def _is_mixed(text: str, least: int = 3) -> bool:
    classes = (text.lower() != text) + (text.upper() != text) + any("0" <= letter <= "9" for letter in text)
    return classes >= least


def _words(text: str) -> float:
    """The share of a token that stands in what may be words: three lower-case letters or more in a row."""
    return sum(len(word) for word in WORDY.findall(text) if len(word) > 3) / len(text) if text else 0.0

"""What values say that are no secrets, whatever their names: settings, paths, references to a secret kept elsewhere, holes of a template.

`changeme`, `secret`, `password` and `example` are none of these: a server that is given one lets in whoever types it, and they are the first
that anybody types. A hole (`<your-token>`, `your-api-key-here`, `xxxx`, `****`) is what a server was never meant to be given.
"""

from __future__ import annotations

import re

MARK = "dockwarden:masked"
"""What stands where a value was hidden (engine/veil/mask.py)."""
SETTINGS = frozenset({
    "", "true", "false", "yes", "no", "on", "off", "none", "null", "nil", "undefined", "0", "1", "enabled", "disabled", "enable", "disable", "auto",
    "n/a", "stdin", "required", "optional", "unset", "never", "always", "empty", "t", "f", "y", "n", "-1",
})
REFERENCE = re.compile(
    r"(?i:dockwarden:(?://|masked)|op://|vault:|bao:|ref\+|secretref:|secret://|sm://|ssm://|awssm://|gcpsm://|keyvault://|azurekeyvault://|azkv://|doppler://|"
    r"infisical://|keyring:|file:|arn:[a-z-]{2,16}:(?:secretsmanager|ssm|kms):|@microsoft\.keyvault\(|!vault\b|enc\[|sops:|projects/[\w-]{1,64}/secrets/|"
    r"aws-secret:|gcp-secret:|k8s:|env:|env\.|secrets\.)"
)
"""How a value begins that says where a secret is kept."""
VARIABLE = re.compile(
    r"\$\{[^}]{1,256}\}|\$\([^)]{1,256}\)|\$[A-Z_][A-Z0-9_]{0,127}|\{\{.{0,256}?\}\}|\$\{\{.{0,256}?\}\}|%[A-Z_][A-Z0-9_]{0,127}%|%\([a-z_]{1,64}\)s|#\{[^}]{1,128}\}",
    re.DOTALL,
)
"""A variable of a shell, of compose, of a template, of a CI system."""
HOLE = re.compile(
    r"(?i:<[^<>]{0,256}>|"
    r"\[(?:your|insert|redacted|secret|hidden|masked|filtered|enter)[^\]]{0,128}\]|"
    r"\(?(?:redacted|masked|hidden|filtered|omitted|withheld|placeholder|todo|tbd|fixme)\)?|"
    r"(?:(?:my|insert|enter|put|paste|add|replace|the)[-_ ](?:with[-_ ])?)?"
    r"your(?:[-_ ]|(?=api|access|secret|password|token|key|client|auth|user|db))[a-z0-9_ -]{0,64}|"
    r"(?:insert|enter|put|paste|add|replace)[-_ ]?(?:me|this|it|[a-z0-9_ -]{0,48}(?:password|token|key|secret|value|credential)s?)|"
    r"[a-z0-9_-]{1,64}[-_](?:goes[-_])?here|\.{2,16}|…|[*•.\-_#?]{1,256}|x{3,}[-_x]{0,256})"
)
PATH = re.compile(r"(?:~|\.{1,2}|[A-Za-z]:|\$\{?[A-Z_]{1,64}\}?)?(?:[/\\][\w.@+ ~-]{0,255}){1,64}")
FILE_NAME = re.compile(
    r"[\w-]{1,128}(?:\.[\w-]{1,64}){0,4}\."
    r"(?:txt|pem|key|crt|cer|json|ya?ml|env|conf|cfg|ini|toml|xml|properties|p12|pfx|jks|pass|password|secret|token|keytab|ppk|pub)"
)
ROOT_FOLDER = re.compile(
    r"/(?:app|bin|boot|build|cache|certs|code|conf|config|data|dev|etc|home|keys|lib|media|mnt|opt|proc|root|run|sbin|secrets|src|srv|ssl|sys|tls|tmp|usr|var|vault|workspace)/"
)
"""Where a path begins on the systems that images are made of; base64 hardly does."""
LONG_MIXED = re.compile(r"(?=[^/\\]*[a-z])(?=[^/\\]*[A-Z])(?=[^/\\]*[0-9])[^/\\]{12,}")
PLAIN_WORDS = re.compile(r"[A-Za-z]{1,20}(?:[-_./ ][A-Za-z]{1,20}){0,2}[0-9]{0,2}")
HOST_NAME = re.compile(r"(?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,16}(?::[0-9]{1,5})?")
NUMBER = re.compile(r"[+-]?[0-9]{1,6}(?:\.[0-9]{1,6})?(?:ms|s|m|h|d|w|y|k|kb|mb|gb|%)?")
URL = re.compile(r"[a-z][a-z0-9+.-]{1,30}://[^\s]+")
CLASS_NAME = re.compile(r"[a-z][a-z0-9_]{0,64}(?:\.[a-z][a-z0-9_]{0,64}){1,16}\.[A-Z][A-Za-z0-9_$]{0,128}")
LONGEST = 1024
"""No setting, path or hole is longer; what is longer is none of them."""


def is_reference(value: str) -> bool:
    """Whether the value only says where a secret is, or is filled in later, or was hidden by us."""
    if value[:1] in "$%{#" and VARIABLE.fullmatch(value, 0, LONGEST):
        return True
    return bool(REFERENCE.match(value)) or MARK in value[:LONGEST]


def is_hole(value: str) -> bool:
    """Whether the value is a hole of a template."""
    return len(value) <= LONGEST and bool(HOLE.fullmatch(value))


def is_path(value: str) -> bool:
    """Whether the value is a path or a file's name, and none of its parts looks made by chance."""
    if len(value) > LONGEST:
        return False
    return bool(FILE_NAME.fullmatch(value) or (PATH.fullmatch(value) and _is_wordy_path(value)))


def is_plain(value: str) -> bool:
    """Whether the value is a word or two or three, or a host's name."""
    return (len(value) <= 24 and bool(PLAIN_WORDS.fullmatch(value))) or (len(value) <= 253 and bool(HOST_NAME.fullmatch(value)))


def is_number(value: str) -> bool:
    """Whether the value is a number as settings are: a port, a time, a size."""
    return len(value) <= 12 and bool(NUMBER.fullmatch(value))


def is_honest(value: str, *, is_number_honest: bool) -> bool:
    """Whether a value is no secret although its name says so."""
    if len(value) > LONGEST:
        return is_reference(value)
    low = value.strip().lower()
    if low in SETTINGS or is_reference(value) or is_hole(value):
        return True
    if is_number_honest and is_number(low):
        return True
    if value[:1] in "/~.\\$" or value[1:2] == ":" or "." in value:
        # A password may begin with a slash: it is a path only below a folder that is known to be one.
        is_likely_path = is_number_honest or value[:1] != "/" or bool(ROOT_FOLDER.match(value))
        return (is_likely_path and is_path(value)) or (is_number_honest and bool(CLASS_NAME.fullmatch(value))) or is_url(value)
    return is_url(value)


def is_url(value: str) -> bool:
    """Whether the value is a URL; a password in it is found by its structure."""
    return "://" in value and bool(URL.fullmatch(value))


def _is_wordy_path(value: str) -> bool:
    if LONG_MIXED.search(value) and not ROOT_FOLDER.match(value):
        return False
    parts = [part for part in re.split(r"[/\\]", value) if part]
    return bool(parts) or value in {"/", ".", "..", "~"}

"""What a name says of its value: surely a secret, likely, perhaps, surely not, or nothing. Pure tables and one function."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from dockwarden.engine.finding.finding import Finding


class Strength(IntEnum):
    """How much a name says."""

    QUIET = 0
    """It names what is public, an id or a setting about a secret: only documented formats are looked for."""
    NOTHING = 1
    HINT = 2
    """A value that looks made by chance, or `user:password`, is a secret."""
    LIKELY = 3
    """A value is a secret unless it is a plain word or two."""
    SURE = 4
    """A value is a secret unless it is a setting, a path or a reference."""


@dataclass(frozen=True, slots=True)
class NameSays:
    """What a name says, and the finding that its value would be. `is_number_honest`: digits alone are a setting, not a secret."""

    strength: Strength
    finding: Finding
    is_number_honest: bool = True
    is_file: bool = False


LONGEST_NAME = 256
PASSWORD = Finding("password", "its name says that it is a password")
TOKEN = Finding("token", "its name says that it is a token")
SECRET = Finding("secret", "its name says that it is a secret")
API_KEY = Finding("api-key", "its name says that it is an API key")
ACCESS_KEY = Finding("access-key", "its name says that it is an access key")
PRIVATE_KEY = Finding("private-key", "its name says that it is a private key")
SECRET_KEY = Finding("secret-key", "its name says that it is a key that signs or encrypts")
KEY = Finding("key", "its name speaks of a key and its value looks made by chance")
CREDENTIALS = Finding("credentials", "its name says that it holds credentials")
SALT = Finding("salt", "its name says that it is a salt or a pepper")
COOKIE = Finding("cookie", "its name says that it is a shared cookie")
HINTED = Finding("secret", "its name speaks of a secret and its value looks made by chance")
FINDINGS = (PASSWORD, TOKEN, SECRET, API_KEY, ACCESS_KEY, PRIVATE_KEY, SECRET_KEY, KEY, CREDENTIALS, SALT, COOKIE, HINTED)

SIGNS = (
    "pass", "secret", "token", "key", "auth", "pw", "cred", "salt", "pepper", "cookie", "psk", "kennwort", "contrasena", "senha", "seed", "mnemonic",
    "jwt", "bearer", "otp", "license", "webhook",
)
"""Every name that says something contains one of these."""
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

PASSWORDS = frozenset({
    "password", "passwd", "passphrase", "passcode", "pass", "pwd", "pw", "passw", "passwort", "kennwort", "contrasena", "senha", "psk",
})
PASSWORD_ENDS = (
    "password", "passwd", "passphrase", "passwort", "kennwort", "dbpass", "userpass", "rootpass", "adminpass", "keypass", "storepass",
    "requirepass", "pwd", "bindpw", "rootpw", "dbpw", "userpw", "adminpw",
)
SALTS = frozenset({"salt", "pepper", "mnemonic"})
PERHAPS = frozenset({
    "key", "keys", "auth", "cookie", "seed", "jwt", "bearer", "otp", "license", "webhook", "tokens", "secrets", "passwords", "credential", "creds",
    "credentials",
})
KEY_SURE = {"api": API_KEY, "secret": SECRET_KEY, "private": PRIVATE_KEY, "priv": PRIVATE_KEY, "access": ACCESS_KEY}
KEY_LIKELY = frozenset({
    "account", "admin", "aes", "app", "application", "auth", "cipher", "consumer", "cookie", "crypt", "crypto", "decryption", "deploy", "encrypt",
    "encryption", "fernet", "hmac", "integration", "jwt", "license", "master", "preshared", "root", "seal", "security", "service", "session",
    "shared", "sign", "signing", "ssh", "storage", "token", "unseal", "webhook",
})
KEY_ENDS = {
    "apikey": API_KEY, "secretkey": SECRET_KEY, "privatekey": PRIVATE_KEY, "accesskey": ACCESS_KEY, "authkey": SECRET_KEY, "masterkey": SECRET_KEY,
}
PUBLIC = frozenset({
    "public", "pub", "pubkey", "publishable", "gpg", "pgp", "primary", "partition", "sort", "foreign", "cache", "site", "routing", "object", "row",
    "idempotency", "dedup", "group", "index", "event", "hot", "map", "message", "lookup", "translation", "feature", "config", "bucket", "state",
    "header", "label", "annotation", "node", "taint", "anon", "anonymous", "shard", "sharding", "known", "authorized", "trusted", "lock",
})
"""Words before KEY that make it no secret."""
NO_TOKENS = frozenset({"public", "anon", "anonymous", "pad", "eos", "bos", "stop", "end", "special"})
"""Words before TOKEN that make it no secret: what is public, and the tokens of language models."""
OBJECTS = frozenset({"pull", "tls", "k8s", "kube", "kubernetes", "existing", "ingress"})
"""Words before SECRET that make it the name of an object of a cluster."""
NEUTRAL = frozenset({
    "base", "prod", "production", "dev", "development", "staging", "stage", "test", "testing", "qa", "uat", "live", "old", "new", "current",
    "previous", "next", "primary", "secondary", "main", "default", "admin", "root", "db", "value", "plain", "plaintext", "raw", "b64", "base64",
    "encoded", "ro", "rw", "read", "write", "readonly", "master", "replica", "backup", "string", "text", "local", "internal", "external", "sandbox",
})
"""Words after a secret's that change nothing."""
ABOUT = frozenset({
    "age", "alg", "algo", "algorithm", "arn", "fingerprint", "thumbprint", "attempts", "audience", "authentication", "backend", "bits", "bucket",
    "bytes", "change", "charset", "chars", "check", "class", "client", "cmd", "command", "complexity", "config", "cost", "count", "curve", "days",
    "dir", "directory", "disabled", "duration", "enabled", "enable", "encoder", "endpoint", "engine", "env", "exchange", "expiration", "expire",
    "expires", "expiry", "field", "file", "filename", "files", "flow", "folder", "format", "grace", "grant", "hash", "hasher", "hashing", "header",
    "helper", "hint", "history", "host", "hours", "id", "ids", "interval", "issuer", "iterations", "key_id", "kind", "label", "leeway", "len",
    "length", "level", "lifespan", "lifetime", "limit", "location", "login", "manager", "mask", "max", "method", "min", "minutes", "mode", "mount",
    "name", "names", "namespace", "param", "parameter", "path", "pattern", "policy", "port", "prefix", "prompt", "property", "provider", "realm",
    "ref", "reference", "refresh", "regex", "region", "required", "requirements", "reset", "retries", "retry", "role", "roles", "rotate",
    "rotation", "rounds", "rule", "rules", "scheme", "scope", "scopes", "seconds", "server", "service", "size", "source", "sources", "store",
    "strategy", "strength", "strict", "subject", "suffix", "template", "threshold", "timeout", "tool", "transport", "ttl", "type", "types", "uri",
    "url", "urls", "usage", "user", "username", "users", "validation", "validator", "validity", "var", "variable", "version", "visibility",
    "volume", "warning", "window", "agent", "sock", "socket", "audiences", "domain", "samesite", "httponly", "secure", "request", "exchanger",
    "budget", "bucketing", "dn", "attribute", "claim", "claims",
})
"""Words after a secret's that make it a setting about the secret."""
IDS = frozenset({
    "id", "ids", "uuid", "guid", "sha", "sha1", "sha256", "hash", "digest", "digests", "checksum", "checksums", "commit", "revision", "rev",
    "version", "versions", "fingerprint", "fingerprints", "thumbprint", "etag", "public", "pub", "pubkey", "cert", "certificate", "certs", "ca",
    "csr", "address", "addr", "wallet", "integrity", "site", "publishable", "trace", "traceparent", "tracestate", "span", "build", "buildid", "cid",
    "image", "ref", "price", "sum", "sums", "signature", "sig", "tag", "tags", "hostname", "host", "path", "pathid", "slug", "arn", "name", "url",
    "uri", "anon", "cursor", "etags", "content", "layer", "manifest", "kid", "thumbprints", "contract", "txid", "peer",
})
"""Words of names whose values look made by chance and are public."""
WHOLE_ENDS = {
    "rediscli_auth": (Strength.SURE, PASSWORD), "erlang_cookie": (Strength.SURE, COOKIE), "requirepass": (Strength.SURE, PASSWORD),
    "docker_auth_config": (Strength.HINT, CREDENTIALS), "authorization": (Strength.HINT, CREDENTIALS),
}
"""Ends of names that are known as they are, whatever their words say."""
NO_FINDING = NameSays(Strength.NOTHING, HINTED)
SILENT = NameSays(Strength.QUIET, HINTED)


def is_secretish(text: str) -> bool:
    """Whether a name may say something; quick, for most do not."""
    low = text.lower()
    for sign in SIGNS:  # noqa: SIM110  a loop costs half of what a generator does, and every name comes by
        if sign in low:
            return True
    return False


def says(name: str) -> NameSays:
    """Return what `name` says of its value. Total, and the work is bounded: of a longer name only the end is read."""
    name = name[-LONGEST_NAME:]
    if not is_secretish(name):
        return NO_FINDING
    low = name.lower()
    for end, (strength, finding) in WHOLE_ENDS.items():
        if low.endswith(end):
            return NameSays(strength, finding, is_number_honest=False)
    return _says([word.lower() for word in WORDS.findall(name)])


def is_of_public(name: str) -> bool:
    """Whether a name is of what looks made by chance and is public: an id, a digest, a certificate, an address."""
    words = (word.lower() for word in WORDS.findall(name[-LONGEST_NAME:]))
    return any(word in IDS or (len(word) > 4 and word.endswith("id")) for word in words)


def _says(words: list[str]) -> NameSays:
    """Read the words from the end: what is about a secret ends it, what is neutral is passed over, what is unknown leaves a hint."""
    unknown = 0
    about = is_file = False
    for at in range(len(words) - 1, -1, -1):
        word = words[at]
        says = _word(words, at)
        if says is not None:
            if about:
                return NameSays(Strength.QUIET, says.finding, is_file=is_file)
            return NameSays(Strength.HINT, HINTED) if unknown and says.strength > Strength.HINT else says
        if word in ABOUT or word.removesuffix("s") in ABOUT:
            is_file = word == "file" and not about and not unknown
            about = True
        elif word not in NEUTRAL and not word.isdigit():
            unknown += 1
    return NO_FINDING


def _word(words: list[str], at: int) -> NameSays | None:
    """What one word says, after those before it; None for a word that is not of secrets."""
    word, before = words[at], words[:at]
    if word in PASSWORDS or word.endswith(PASSWORD_ENDS):
        return None if word == "oldpwd" or (len(words) == 1 and word in {"pwd", "pw"}) else NameSays(Strength.SURE, PASSWORD, is_number_honest=False)
    if word in {"key", "keys"}:
        return _key(before)
    if word.endswith("secret"):
        return NameSays(Strength.HINT if before and before[-1] in OBJECTS else Strength.SURE, SECRET, is_number_honest=False)
    if word.endswith("token"):
        return SILENT if NO_TOKENS & set(before) else NameSays(Strength.SURE, TOKEN)
    for end, finding in KEY_ENDS.items():
        if word.endswith(end):
            return SILENT if "public" in before else NameSays(Strength.SURE, finding)
    if word in SALTS:
        return NameSays(Strength.LIKELY, SALT)
    if word in PERHAPS:
        return NameSays(Strength.HINT, CREDENTIALS if word.startswith("cred") or word == "auth" else HINTED)
    return None


def _key(before: list[str]) -> NameSays:
    qualifier = before[-1] if before else ""
    if qualifier in PUBLIC or "public" in before or "publishable" in before:
        return SILENT
    if qualifier in KEY_SURE:
        return NameSays(Strength.SURE, KEY_SURE[qualifier])
    if qualifier in KEY_LIKELY:
        return NameSays(Strength.LIKELY, SECRET_KEY)
    return NameSays(Strength.HINT, KEY)

"""What a Dockerfile of a classic build reaches for: images, addresses, frontends, powers.

Read as the Engine's classic builder reads it: escape directive, continued lines, comments, ARG before FROM with defaults and build
arguments. What cannot be told for sure is said to be unclear, which is a fact of its own. Source: moby's `dockerfile/parser` and
`dockerfile/shell`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_HEREDOC = re.compile(r"<<-?\s*['\"]?[A-Za-z_]")
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = re.compile(rf"""\$(?:(?P<plain>{_NAME})|\{{(?P<name>{_NAME})(?::(?P<how>[-+])(?P<word>[^${{}}'"\\]*))?\}})""")
_ADDRESS = re.compile(r"[a-z]+://|git@|github\.com/", re.IGNORECASE)
_STAGE = re.compile(r"[a-z][a-z0-9_.-]*", re.IGNORECASE | re.ASCII)
INSTRUCTIONS = frozenset({
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "RUN", "SHELL",
    "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})
SCRATCH = "scratch"
LONGEST_DOCKERFILE = 256 << 10
"""Bytes of a Dockerfile that is read; a longer one is refused."""


@dataclass(slots=True)
class Wants:
    """What a Dockerfile reaches for, each in the order it is written.

    `images` are references as the Engine will look them up, stages and `scratch` taken out. `escapes` are facts of
    `escapes.CATALOGUE`. `labels` are the keys that LABEL sets.
    """

    images: list[str] = field(default_factory=list)
    escapes: set[str] = field(default_factory=set)
    labels: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Reader:
    arguments: Mapping[str, str]
    wants: Wants = field(default_factory=Wants)
    globals: dict[str, str] = field(default_factory=dict)
    stages: list[str] = field(default_factory=list)


def read_dockerfile(text: str, arguments: Mapping[str, str]) -> Wants:
    """Return what `text` reaches for when it is built with `arguments`. Total."""
    reader = _Reader(arguments)
    for line in instructions(text, reader.wants):
        _instruction(reader, line)
    if not reader.stages:
        reader.wants.escapes.add("build-unclear:no FROM")
    return reader.wants


def read_triggers(lines: Iterable[str]) -> Wants:
    """Return what ONBUILD triggers, or `changes` of a commit or import, reach for. Total."""
    reader = _Reader({}, stages=[SCRATCH])
    for line in lines:
        _instruction(reader, line.strip())
    return reader.wants


def instructions(text: str, wants: Wants) -> Iterator[str]:
    """Yield the instructions, each on one line; directives of the head go into `wants`."""
    escape, at_head, gathered = "\\", True, ""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n")):
        line = line.removesuffix("\r")
        if at_head:
            found = _DIRECTIVE.fullmatch(line.strip())
            name = found[1].lower() if found else ""
            if found and name == "escape":
                escape = found[2]
                if escape not in {"\\", "`"}:
                    wants.escapes.add("build-unclear:escape")
                    escape = "\\"
            elif found and name == "syntax":
                wants.escapes.add(f"build-frontend:{found[2]}")
            elif not (number == 0 and line.startswith("#!")) and name != "check":
                at_head = False
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if re.search(rf"{re.escape(escape)}{{2}}[ \t]*$", line):
            wants.escapes.add("build-unclear:line ends in two escapes")
        continued = re.fullmatch(rf"(.*){re.escape(escape)}[ \t]*", line)
        gathered += continued[1] if continued else line
        if not continued:
            yield gathered.strip()
            gathered = ""
    if gathered.strip():
        yield gathered.strip()


def _instruction(reader: _Reader, line: str) -> None:
    word, _, rest = line.replace("\t", " ").partition(" ")
    name, rest = word.upper(), rest.strip()
    wants = reader.wants
    if name not in INSTRUCTIONS:
        wants.escapes.add(f"build-unclear:{word[:40]}")
        return
    if name in {"RUN", "COPY", "ADD"} and _HEREDOC.search(rest):
        wants.escapes.add("build-unclear:heredoc")
    if name == "ARG" and not reader.stages:
        _global_argument(reader, rest)
    elif name == "FROM":
        _from(reader, rest)
    elif name == "ONBUILD":
        _instruction(reader, rest)
    elif name in {"COPY", "ADD"}:
        _copy(reader, name, rest)
    elif name == "RUN":
        for flag in _flags(rest)[0]:
            wants.escapes.add(f"build-run:{flag}")
    elif name == "LABEL":
        wants.labels += _label_keys(rest, wants)


def _flags(rest: str) -> tuple[list[str], str]:
    """The leading `--flag=value` words, and what follows them."""
    flags = []
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        flags.append(flag)
        rest = rest.lstrip()
        if flag == "--":
            break
    return flags, rest


def _global_argument(reader: _Reader, rest: str) -> None:
    for word in rest.split():
        name, equals, default = word.partition("=")
        if name in reader.arguments:
            reader.globals[name] = reader.arguments[name]
        elif equals:
            value = _substitute(default, reader.globals)
            if value is None:
                reader.wants.escapes.add(f"build-unclear:ARG {name}")
            else:
                reader.globals[name] = value


def _substitute(text: str, values: Mapping[str, str]) -> str | None:
    """`text` with its variables replaced, without quotes around the whole; `None` where the Engine might read it otherwise."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if any(char in text for char in "'\"\\`"):
        return None

    def value(match: re.Match[str]) -> str:
        found = values.get(match["plain"] or match["name"], "")
        if match["how"] == "-":
            return found or match["word"]
        if match["how"] == "+":
            return match["word"] if found else ""
        return found

    left = _VARIABLE.sub("", text)
    return None if "$" in left else _VARIABLE.sub(value, text)


def _from(reader: _Reader, rest: str) -> None:
    wants = reader.wants
    flags, rest = _flags(rest)
    for flag in flags:
        if not flag.startswith("--platform="):
            wants.escapes.add(f"build-unclear:FROM {flag}")
    words = rest.split()
    if not words or len(words) not in {1, 3} or (len(words) == 3 and (words[1].upper() != "AS" or not _STAGE.fullmatch(words[2]))):
        wants.escapes.add("build-unclear:FROM")
        reader.stages.append("")
        return
    image = _substitute(words[0], reader.globals)
    if not image:
        wants.escapes.add(f"build-unclear:FROM {words[0]}")
    else:
        _use_image(reader, image)
    reader.stages.append(words[2].lower() if len(words) == 3 else "")


def _use_image(reader: _Reader, image: str) -> None:
    if image != SCRATCH and image.lower() not in reader.stages and image not in reader.wants.images:
        reader.wants.images.append(image)


def _copy(reader: _Reader, name: str, rest: str) -> None:
    flags, rest = _flags(rest)
    for flag in flags:
        key, _, value = flag.partition("=")
        if key == "--from":
            _copy_from(reader, value)
        elif key not in {"--chown", "--chmod", "--link", "--parents", "--exclude", "--checksum", "--keep-git-dir", "--unpack"}:
            reader.wants.escapes.add(f"build-unclear:{name} {flag}")
    if name == "ADD":
        for source in _words(rest)[:-1]:
            if _ADDRESS.match(source):
                reader.wants.escapes.add(f"build-add:{source}")
            elif "$" in source and not source.startswith(("./", "/")):
                reader.wants.escapes.add(f"build-unclear:ADD {source}")


def _copy_from(reader: _Reader, value: str) -> None:
    if "$" in value or not value:
        reader.wants.escapes.add("build-unclear:COPY --from")
    elif not (value.isdecimal() and int(value) < len(reader.stages)):
        _use_image(reader, value)


def _words(rest: str) -> list[str]:
    if rest.startswith("["):
        try:
            words = json.loads(rest)
        except ValueError:
            return rest.split()
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return words
    return rest.split()


def _label_keys(rest: str, wants: Wants) -> list[str]:
    """The keys of a LABEL instruction; a variable in one makes it unclear."""
    bare = re.sub(r"\\.|\"(?:[^\"\\]|\\.)*\"|'[^']*'", lambda match: match[0].replace(" ", "\0").replace("=", "\1"), rest)
    keys = [word.partition("=")[0] for word in bare.split()] if "=" in bare else bare.split()[:1]
    keys = [re.sub(r"[\"'\\]", "", key.replace("\0", " ").replace("\1", "=")) for key in keys]
    if any("$" in key for key in keys):
        wants.escapes.add("build-unclear:LABEL")
    return keys

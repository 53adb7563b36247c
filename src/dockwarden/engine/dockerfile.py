r"""What a Dockerfile of a classic build reaches for: images, addresses, frontends, powers.

Read as the Engine's classic builder reads it: escape directive, continued lines, comments, ARG before FROM with defaults and build
arguments. What cannot be told for sure is said to be unclear, which is a fact of its own: Engines differ in what they call white space,
and their lexer takes quotes and escapes away after the words were split. The work is linear in the text, and the text is bounded.
Source: buildkit's `dockerfile/parser`, `instructions` and `shell`, moby's `builder/dockerfile`, 20.10 to 28.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dockwarden.engine.mounts import clean
from dockwarden.words.errors import TooLarge

SPACES = " \t"
ODD = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\ufffd\ud800-\udfff]"
)
"""What one of Go, its regular expressions, its byte-wise loops and we could take for white space or for nothing, and what is no UTF-8."""
_DOUBTFUL = re.compile(r"""[$'"\\`]""")
_HEREDOC = re.compile(r"<<-?[ \t]*['\"]?[A-Za-z_]|(?:^|[ \t])[0-9]*<<-?[^< \t]")
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = rf"""\$(?:(?P<plain>{_NAME})|\{{(?P<name>{_NAME})(?::(?P<how>[-+])(?P<word>[^${{}}'"\\`]*))?\}})"""
_BARE = re.compile(rf"""(?P<text>[^$'"\\`]+)|'(?P<single>[^']*)'|(?P<quote>")|{_VARIABLE}""")
_QUOTED = re.compile(rf"""(?P<text>[^$"\\`]+)|(?P<single>(?!))|(?P<quote>")|{_VARIABLE}""")
_ASSIGNED = re.compile(_NAME)
_TOKEN = re.compile(r"""(?P<space>[ \t]+)|'[^']*'|"[^"]*"|[^ \t'"]+""")
_WORD = re.compile(r"[^ \t]+[ \t]*")
_LABEL_PART = re.compile(r"""\\.|"(?:[^"\\]|\\.)*"|'[^']*'""")
_PLAIN_FLAG = re.compile(r"""--[a-z-]+=[!#-&(-\[\]-_a-~]+""")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[a-z0-9_.-]+@[a-z0-9_.-]+:|git@|github\.com/", re.IGNORECASE | re.ASCII)
_ADDRESS_STARTS = ("http://", "https://", "git://", "ssh://", "ftp://", "git@", "github.com/")
_STAGE = re.compile(r"[a-z][a-z0-9_.-]*", re.IGNORECASE | re.ASCII)
_INDEX = re.compile(r"[0-9]{1,9}", re.ASCII)
INSTRUCTIONS = frozenset({
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "RUN", "SHELL",
    "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})
FLAGGED = frozenset({"ADD", "COPY", "FROM", "HEALTHCHECK", "RUN"})
"""The instructions that have flags; with any other the Engine makes an error of one, or drops `--`."""
COPY_FLAGS = frozenset({"--chown", "--chmod", "--link", "--parents", "--exclude", "--checksum", "--keep-git-dir", "--unpack"})
NO_TRIGGERS = frozenset({"ONBUILD", "FROM", "MAINTAINER"})
KERNEL_FOLDERS = frozenset({"proc", "dev", "sys"})
"""Folders below which a working folder can be a handle on the host's: `/dev/fd` is a link to `/proc/self/fd` (CVE-2024-21626)."""
SCRATCH = "scratch"
LONGEST_DOCKERFILE = 256 << 10
"""Bytes of a Dockerfile that is read; a longer one is refused."""
LINES_LIMIT = 20_000
STAGES_LIMIT = 256
IMAGES_LIMIT = 256
ESCAPES_LIMIT = 512
LONGEST_VALUE = 512
"""Characters of what variables may make of a word, or of a working folder; a longer one is unclear."""


@dataclass(slots=True)
class Wants:
    """What a Dockerfile reaches for, each in the order it is written.

    `images` are references as the Engine will look them up, each once, stages and `scratch` taken out. `escapes` are facts of
    `escapes.CATALOGUE`. `labels` are the keys that LABEL sets. `values` are what ENV and ARG
    set in so many words, as name and value: nothing is expanded, and what has escapes is one value.
    """

    images: list[str] = field(default_factory=list)
    escapes: set[str] = field(default_factory=set)
    labels: list[str] = field(default_factory=list)
    values: list[tuple[str, str]] = field(default_factory=list)

    def doubt(self, what: str) -> None:
        """Say that something is unclear."""
        self.escapes.add(f"build-unclear:{what}")


Values = dict[str, str | None]
"""Variables as far as they are known: one that is `None` or not here may be anything."""


@dataclass(slots=True)
class _Reader:
    """`globals` are what FROM sees. `env` is the stage's own ENV. `named` are the stages that are done, each with the ENV it leaves,
    which is not known after ONBUILD: a stage built on it begins with those lines."""

    arguments: Mapping[str, str]
    wants: Wants = field(default_factory=Wants)
    escape: str = "\\"
    globals: Values = field(default_factory=dict)
    env: Values = field(default_factory=dict)
    workdir: str = "/"
    stages: int = 0
    stage: str = ""
    has_triggers: bool = False
    named: dict[str, Values] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


def read_dockerfile(text: str, arguments: Mapping[str, str]) -> Wants:
    """Return what `text` reaches for when it is built with `arguments`.

    Raises:
        TooLarge: `build.too_large`; nothing else, whatever the text.
    """
    reader = _Reader(arguments)
    lines, reader.escape = split(text, reader.wants)
    for line in lines:
        _instruction(reader, line)
    if not reader.stages:
        reader.wants.doubt("no FROM")
    return reader.wants


def read_triggers(lines: Iterable[str]) -> Wants:
    """Return what ONBUILD triggers reach for; each is read by the Engine as a Dockerfile of one instruction.

    Raises:
        TooLarge: `build.too_large`.
    """
    reader = _Reader({}, stages=1)
    for text in lines:
        found, reader.escape = split(text, reader.wants)
        if len(found) != 1 or "\n" in text:
            reader.wants.doubt("a trigger of more than one line")
        for line in found:
            _trigger(reader, line)
    return reader.wants


def read_changes(changes: Iterable[str]) -> tuple[Wants, list[str]]:
    """Return what the `changes` of a commit or an import reach for, and their instructions; the Engine reads them as one text.

    Raises:
        TooLarge: `build.too_large`.
    """
    reader = _Reader({}, stages=1)
    found, reader.escape = split("\n".join(changes), reader.wants)
    for line in found:
        word, rest = _word(line)
        _trigger(reader, rest if word.upper() == "ONBUILD" else line)
    return reader.wants, found


def split(text: str, wants: Wants) -> tuple[list[str], str]:
    """Return the instructions, each on one line, and the escape character; doubts and directives go into `wants`.

    Raises:
        TooLarge: `build.too_large`.
    """
    if len(text) > LONGEST_DOCKERFILE or text.count("\n") >= LINES_LIMIT:
        raise _too_large(f"is longer than {LONGEST_DOCKERFILE} bytes or {LINES_LIMIT} lines")
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    escape = _directives(lines, wants)
    found: list[str] = []
    gathered: list[str] = []
    for line in lines:
        ended = line.rstrip(SPACES)
        if not ended or ended.lstrip(SPACES).startswith("#"):
            continue
        if ODD.search(line):
            wants.doubt("a control character or white space other than blanks")
        if ended.endswith(escape * 2):
            wants.doubt("line ends in two escapes")
        is_continued = ended.endswith(escape)
        gathered.append(ended[:-1] if is_continued else ended)
        if not is_continued:
            found.append("".join(gathered).strip(SPACES))
            gathered = []
    last = "".join(gathered).strip(SPACES)
    return ([*found, last] if last else found), escape


def _directives(lines: Iterable[str], wants: Wants) -> str:
    """The escape character that the head sets. Engines differ in whether `#!` and `# check=` end the head, so no escape is sure after them."""
    escape, is_sure, seen = "\\", True, set[str]()
    for number, line in enumerate(lines):
        name, value = _directive(line)
        if name in seen:
            wants.doubt(f"{name} twice")
        seen.add(name or "#")
        if name == "escape":
            if value not in {"\\", "`"} or not is_sure:
                wants.doubt("escape")
            else:
                escape = value
        elif name == "syntax":
            wants.escapes.add(f"build-frontend:{value}")
        elif name == "check" or (number == 0 and line.startswith("#!")):
            is_sure = False
        else:
            if line.lstrip(SPACES).startswith("#") and ODD.search(line) and re.search("escape|syntax", line, re.IGNORECASE):
                wants.doubt("escape")
            break
    return escape


def _directive(line: str) -> tuple[str, str]:
    """Name and value of a directive, two empty ones for any other line."""
    text = line.strip(SPACES)
    name, _, value = text[1:].partition("=")
    name, value = name.strip(SPACES).lower(), value.lstrip(SPACES)
    is_one = text.startswith("#") and value and name.isascii() and name.isalnum() and name[0].isalpha()
    return (name, value) if is_one else ("", "")


def _word(line: str) -> tuple[str, str]:
    """The first word, and what follows it."""
    found = _WORD.match(line)
    return (found[0].rstrip(SPACES), line[found.end() :]) if found else ("", "")


def _instruction(reader: _Reader, line: str) -> None:
    word, rest = _word(line)
    reader.wants.values += _set_values(word, rest)
    match word.upper():
        case "ONBUILD":
            _trigger(reader, rest)
            reader.has_triggers = True
        case "FROM":
            _from(reader, rest)
        case "ARG" if not reader.stages and not rest.startswith("--"):
            _global_argument(reader, rest)
        case "ENV" if not rest.startswith("--"):
            _env(reader, rest)
        case _:
            _judge(reader, line, reader.env)
    _bound(reader)


def _trigger(reader: _Reader, line: str) -> None:
    """What is judged here runs in another build, on an environment that nobody knows."""
    if _word(line)[0].upper() in NO_TRIGGERS:
        reader.wants.doubt("ONBUILD that the Engine does not take")
    else:
        workdir, reader.workdir = reader.workdir, "/"
        reader.wants.values += _set_values(*_word(line))
        _judge(reader, line, {})
        reader.workdir = workdir
    _bound(reader)


def _judge(reader: _Reader, line: str, env: Values) -> None:
    """Judge one instruction that reads no images by FROM and sets no variables."""
    word, rest = _word(line)
    name, wants = word.upper(), reader.wants
    if name not in INSTRUCTIONS or not word.isascii():
        wants.doubt(word[:40])
        return
    if name not in FLAGGED and rest.startswith("--"):
        wants.doubt(f"{name} with flags")
    if name in {"RUN", "COPY", "ADD"} and _HEREDOC.search(rest):
        wants.doubt("heredoc")
    if name in {"COPY", "ADD"}:
        _copy(reader, name, rest)
    elif name == "RUN":
        for flag in _flags(rest)[0]:
            wants.escapes.add(f"build-run:{flag}")
            if not _PLAIN_FLAG.fullmatch(flag):
                wants.doubt(f"RUN {flag}")
    elif name == "LABEL":
        wants.labels += _label_keys(reader, rest)
    elif name == "WORKDIR":
        _workdir(reader, rest, env)


def _bound(reader: _Reader) -> None:
    if reader.stages > STAGES_LIMIT or len(reader.wants.images) > IMAGES_LIMIT or len(reader.wants.escapes) > ESCAPES_LIMIT:
        raise _too_large(f"has more than {STAGES_LIMIT} stages, {IMAGES_LIMIT} images or {ESCAPES_LIMIT} doubtful places")


def _too_large(what: str) -> TooLarge:
    return TooLarge("build.too_large", f"the Dockerfile {what}; split the build into several")


def _flags(rest: str) -> tuple[list[str], str]:
    """The leading `--flag=value` words, and what follows them."""
    flags, at = [], 0
    while rest.startswith("--", at) and (found := _WORD.match(rest, at)):
        flags.append(found[0].rstrip(SPACES))
        at = found.end()
        if flags[-1] == "--":
            break
    return flags, rest[at:]


def _global_argument(reader: _Reader, rest: str) -> None:
    """ARG before FROM. The Engine expands names, too, and a second ARG of a name takes the first one's default away."""
    words = _words_of(rest)
    if words is None:
        reader.wants.doubt("ARG with escapes")
    for word in words or ():
        name, equals, default = word.partition("=")
        if not _ASSIGNED.fullmatch(name) or name in reader.globals:
            reader.wants.doubt(f"ARG {name}")
        value = reader.arguments.get(name, _expand(default, reader.globals) if equals else "")
        if value is None:
            reader.wants.doubt(f"ARG {name}")
        reader.globals[name] = value


def _env(reader: _Reader, rest: str) -> None:
    """Note what ENV sets; its values see what was set before this line. What cannot be told takes all that is known away."""
    words = _words_of(rest)
    if not words:
        reader.env = {}
        return
    if "=" not in words[0]:
        name, value = _word(rest)
        words = [f"{name}={value}"]
    made: Values = {}
    for word in words:
        name, _, value = word.partition("=")
        made[name] = _expand(value, reader.env)
    reader.env.update(made)
    if not all(map(_ASSIGNED.fullmatch, made)):
        reader.env = {}


def _set_values(word: str, rest: str) -> list[tuple[str, str]]:
    """What an ENV or an ARG sets, for who looks for secrets in it; nothing is judged by it that must be exact."""
    if word.upper() not in {"ENV", "ARG"}:
        return []
    words = _words_of(rest) or [rest]
    if "=" not in words[0]:
        words = ["=".join(part.strip(SPACES) for part in _word(rest))]
    pairs = (word.partition("=")[::2] for word in words)
    return [(name, value.strip(SPACES).strip("\"'")) for name, value in pairs if value]


def _words_of(rest: str) -> list[str] | None:
    """The words of `rest`, quotes kept and honoured; `None` with an escape or an open quote."""
    words: list[list[str]] = []
    at, is_new = 0, True
    if "\\" in rest or "`" in rest:
        return None
    while at < len(rest):
        found = _TOKEN.match(rest, at)
        if found is None:
            return None
        at = found.end()
        if found["space"]:
            is_new = True
        elif is_new:
            words.append([found[0]])
            is_new = False
        else:
            words[-1].append(found[0])
    return ["".join(word) for word in words]


def _expand(text: str, values: Mapping[str, str | None]) -> str | None:
    """`text` with its variables replaced and its quotes taken away; `None` where the Engine might read it otherwise."""
    if "$" in text and not text.isascii():
        return None  # letters of any script belong to a name
    made, size, at, form = [], 0, 0, _BARE
    while at < len(text):
        found = form.match(text, at)
        if found is None:
            return None
        at = found.end()
        if found["quote"]:
            form = _BARE if form is _QUOTED else _QUOTED
            continue
        piece = found["text"] or found["single"] or ""
        if found["plain"] or found["name"]:
            value = values.get(found["plain"] or found["name"])
            if value is None:
                return None
            piece = {"-": value or found["word"], "+": found["word"] if value else ""}.get(found["how"], value)
        made.append(piece)
        size += len(piece)
        if size > LONGEST_VALUE:
            return None
    return None if form is _QUOTED else "".join(made)


def _from(reader: _Reader, rest: str) -> None:
    """A stage is named only for those after it: the Engine looks its own name up as an image."""
    wants = reader.wants
    if reader.stage:
        reader.named[reader.stage] = {} if reader.has_triggers else reader.env
    reader.stages, reader.stage, reader.env, reader.workdir, reader.has_triggers = reader.stages + 1, "", {}, "/", False
    flags, rest = _flags(rest)
    for flag in flags:
        if not flag.startswith("--platform=") or not _PLAIN_FLAG.fullmatch(flag):
            wants.doubt(f"FROM {flag}")
    words = rest.split()
    is_named = len(words) == 3 and words[1].upper() == "AS" and bool(_STAGE.fullmatch(words[2]))
    if not rest.isascii() or not (is_named or len(words) == 1):
        wants.doubt("FROM")
        return
    image = _expand(words[0], reader.globals)
    if not image:
        wants.doubt(f"FROM {words[0]}")
    else:
        _use_image(reader, image)
        reader.env = dict(reader.named.get(image.lower(), {}))
    reader.stage = words[2].lower() if is_named else ""


def _use_image(reader: _Reader, image: str) -> None:
    if image != SCRATCH and image.lower() not in reader.named and image not in reader.used:
        reader.used.add(image)
        reader.wants.images.append(image)


def _copy(reader: _Reader, name: str, rest: str) -> None:
    flags, rest = _flags(rest)
    for flag in flags:
        key, _, value = flag.partition("=")
        if key == "--from" and name == "COPY":
            _copy_from(reader, value)
        elif key not in COPY_FLAGS or not _PLAIN_FLAG.fullmatch(flag):
            reader.wants.doubt(f"{name} {flag}")
    for source in _words(rest)[:-1] if name == "ADD" else ():
        _add(reader.wants, source)


def _copy_from(reader: _Reader, value: str) -> None:
    if not _PLAIN_FLAG.fullmatch(f"--from={value}") or "$" in value:
        reader.wants.doubt("COPY --from")
    elif not (_INDEX.fullmatch(value) and int(value) < reader.stages):
        _use_image(reader, value)


def _add(wants: Wants, source: str) -> None:
    """Judge one source of ADD: the Engine takes quotes, escapes and variables out of it, and then looks whether it is an address."""
    doubtful = _DOUBTFUL.search(source)
    if _ADDRESS.match(source):
        wants.escapes.add(f"build-add:{source}")
    elif ODD.search(source):
        wants.doubt("ADD of odd characters")
    elif doubtful and any(start.startswith(source[: doubtful.start()].lower()) for start in _ADDRESS_STARTS):
        wants.doubt(f"ADD {source}")


def _words(rest: str) -> list[str]:
    """The words of COPY and ADD: a JSON list of texts, or split at blanks, whatever the quotes."""
    if rest.startswith("["):
        try:
            words = json.loads(rest)
        except (ValueError, RecursionError):
            return rest.split()
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return [word.encode("utf-8", "replace").decode() for word in words]
    return rest.split()


def _workdir(reader: _Reader, rest: str, env: Values) -> None:
    """Judge WORKDIR: relative ones join, and a step on the way counts, since the kernel follows what text would cut out."""
    path = _expand(rest, env)
    if path is None:
        reader.wants.doubt(f"WORKDIR {rest}")
        return
    path = path if path.startswith("/") else f"{reader.workdir}/{path}"
    if any(step in KERNEL_FOLDERS for step in _first_steps(path)):
        reader.wants.escapes.add(f"working-dir:{path}")
    reader.workdir = clean(path)
    if len(reader.workdir) > LONGEST_VALUE:
        reader.wants.doubt("WORKDIR too long")
        reader.workdir = "/"


def _first_steps(path: str) -> Iterator[str]:
    """The name of every folder of the root that the way passes."""
    depth = 0
    for part in path.split("/"):
        if part == "..":
            depth = max(depth - 1, 0)
        elif part not in {"", "."}:
            depth += 1
            if depth == 1:
                yield part


def _label_keys(reader: _Reader, rest: str) -> list[str]:
    """The keys of a LABEL instruction; a variable in one, or an escape that splits words for one reader alone, makes it unclear."""
    if "`" in rest or ("\\" in rest and reader.escape != "\\"):
        reader.wants.doubt("LABEL with escapes")
    bare = _LABEL_PART.sub(lambda match: match[0].replace(" ", "\0").replace("\t", "\0").replace("=", "\1"), rest)
    keys = [word.partition("=")[0] for word in bare.split()] if "=" in bare else bare.split()[:1]
    keys = [re.sub(r"[\"'\\`]", "", key.replace("\0", " ").replace("\1", "=")) for key in keys]
    if any("$" in key for key in keys):
        reader.wants.doubt("LABEL")
    return keys

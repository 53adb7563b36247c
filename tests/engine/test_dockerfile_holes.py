"""What an attack found in how Dockerfiles were read, one row a hole; what the Engine does in each is in tests/days/test_dockerfile_as_read.py."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine import dockerfile
from dockwarden.engine.dockerfile import LONGEST_DOCKERFILE, ODD, Wants, read_changes, read_dockerfile, read_triggers
from dockwarden.words.errors import TooLarge

ODD_SPACES = [chr(code) for code in range(sys.maxunicode) if chr(code).isspace() and chr(code) not in " \t\n\r"]
CONTROLS = [chr(code) for code in range(256) if unicodedata.category(chr(code)) == "Cc" and chr(code) not in "\t\n\r"]


def escapes(text: str, **arguments: str) -> set[str]:
    return read_dockerfile(text, arguments).escapes


def doubts(text: str, **arguments: str) -> bool:
    return any(fact.startswith("build-unclear:") for fact in escapes(text, **arguments))


@pytest.mark.parametrize("char", sorted({*ODD_SPACES, *CONTROLS, "\r", "\ufeff", "\ufffd"}), ids=lambda char: f"U+{ord(char):04X}")
def test_white_space_that_two_readers_could_differ_about_is_unclear_everywhere_but_in_comments(char: str) -> None:
    assert doubts(f"FROM a\nADD{char}http://x /y")
    assert doubts(f"FROM a\n{char}ADD x /y")
    assert doubts(f"FROM a\nRUN x{char}y")
    assert doubts(f"FROM a\nRUN x \\{char}{char}\nADD y /z")
    assert any(fact.startswith("build-unclear:") for fact in read_triggers([f"ADD{char}x /y"]).escapes)
    assert any(fact.startswith("build-unclear:") for fact in read_changes([f"ENV A=b{char}c"])[0].escapes)
    assert set() == escapes(f"FROM a\n# x{char}y\nRUN a \\\n# z{char}\n b")


def test_every_character_that_python_takes_for_white_space_is_known_to_be_odd() -> None:
    assert [] == [char for char in ODD_SPACES if not ODD.fullmatch(char)]


@pytest.mark.parametrize(
    "source",
    [
        '"http"://x/y', "'h'ttp://x", "h\\ttp://x", "h`ttp://x", "${X}ttp://x", "$X", '"$X"', "http:/\"/\"x", "http\\://x", "gi\"t@x:y\"", "\\http://x",
        "ht${X}", "$X.tar.gz", "HT${X}",
    ],
)
def test_a_source_of_add_that_the_lexer_could_make_an_address_of_is_unclear(source: str) -> None:
    assert f"build-unclear:ADD {source}" in escapes(f"FROM a\nADD {source} /z")
    assert f"build-unclear:ADD {source}" in escapes(f"FROM a\nADD x {source} /z")
    assert f"build-unclear:ADD {source}" in escapes(f"FROM a\nONBUILD ADD {source} /z")
    assert f"build-unclear:ADD {source}" in read_triggers([f"ADD {source} /z"]).escapes


@pytest.mark.parametrize(
    "source",
    [
        "http://x", "https://x", "HTTP://x", "hTTpS://x", "git://x/y", "ssh://git@x/y", "ftp://x", "git@x:y", "me@example.org:a/b.git",
        "github.com/a/b", "GitHub.com/a/b", "git+ssh://x", "http://$X/y",
    ],
)
def test_a_source_of_add_that_is_an_address_is_told(source: str) -> None:
    assert {f"build-add:{source}"} == escapes(f"FROM a\nADD {source} /z")
    assert {f"build-add:{source}"} == escapes(f'FROM a\nADD ["{source}", "/z"]')


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ('ADD ["\\u0068ttp://x", "/y"]', "build-add:http://x"),
        ('ADD ["h\\\\ttp://x", "/y"]', "build-unclear:ADD h\\ttp://x"),
        ('ADD ["$X", "/y"]', "build-unclear:ADD $X"),
        ('ADD ["\\u000bhttp://x", "/y"]', "build-unclear:ADD of odd characters"),
        ("ADD -- http://x /y", "build-add:http://x"),
        ("ADD --from=b x /y", "build-unclear:ADD --from=b"),
        ("ADD \\\n# c\n\n  # d\n\n http://x \\\n /z \\", "build-add:http://x"),
        ("ADD\thttp://x\t/y", "build-add:http://x"),
        ('COPY --from="bob/app" / /', "build-unclear:COPY --from"),
        ("COPY --from=bob\\/app / /", "build-unclear:COPY --from"),
        ("COPY --from / /", "build-unclear:COPY --from"),
        ('COPY --fr"om"=bob/app / /', 'build-unclear:COPY --fr"om"=bob/app'),
        ('COPY --chown="a --from=bob/app" / /', 'build-unclear:COPY --chown="a'),
        ("COPY --chown=\u00e0--from=bob/app / /", "build-unclear:COPY --chown=\u00e0--from=bob/app"),
        ("COPY --link / /", "build-unclear:COPY --link"),
        ('RUN --mo"unt"=type=x y', 'build-run:--mo"unt"=type=x'),
        ('RUN --network="host" y', 'build-unclear:RUN --network="host"'),
        ("WORKDIR -- /proc", "build-unclear:WORKDIR with flags"),
        ("LABEL -- a=b", "build-unclear:LABEL with flags"),
        ("ENV -- A=b", "build-unclear:ENV with flags"),
        ("WOR\u212aDIR /proc", "build-unclear:WOR\u212aDIR"),
        ("RUN cat <<1\nx\n1", "build-unclear:heredoc"),
        ("COPY 3<<- \u00e9 /x", "build-unclear:heredoc"),
        ("LABEL d`w.owner=x", "build-unclear:LABEL with escapes"),
    ],
)
def test_what_the_engine_reads_another_way_than_it_looks_is_told(line: str, fact: str) -> None:
    assert fact in escapes(f"FROM a\n{line}")


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("#!x\n# escape=`\nFROM a\nRUN x `\nADD http://x /y", "build-add:http://x"),
        ("# check=x\n# escape=`\nFROM a\nRUN x `\nADD http://x /y", "build-unclear:escape"),
        ("# escape=`\n# escape=\\\nFROM a", "build-unclear:escape twice"),
        ("# syntax=a\n# Syntax=b\nFROM a", "build-unclear:syntax twice"),
        ("#\u00a0escape=`\nFROM a", "build-unclear:escape"),
        ("# escape=`\u00a0\nFROM a", "build-unclear:escape"),
        ("#\x0bsyntax=x\nFROM a", "build-unclear:escape"),
        ("\ufeff# escape=`\nFROM a\nRUN x `\nADD http://x /y", ""),
        (" \t# escape=`\nFROM a\nRUN x `\nADD http://x /y", ""),
        ("# a comment\n# escape=`\nFROM a\nRUN x `\nADD http://x /y", "build-add:http://x"),
        ("\n# escape=`\nFROM a\nRUN x `\nADD http://x /y", "build-add:http://x"),
        ("# unknown=x\n# escape=`\nFROM a\nRUN x `\nADD http://x /y", "build-add:http://x"),
        ("FROM a\n# escape=`\nRUN x `\nADD http://x /y", "build-add:http://x"),
        ("# escape=`\nFROM a\nLABEL a=\\ dockwarden.owner=x", "build-unclear:LABEL with escapes"),
    ],
)
def test_directives_count_where_the_engine_takes_them_and_are_unclear_where_engines_differ(text: str, fact: str) -> None:
    assert ({fact} if fact else set()) <= escapes(text)
    assert fact or set() == escapes(text)


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("FROM scratch AS bobapp\nCOPY --from=bobapp / /", ["bobapp"]),
        ("FROM scratch AS Bobapp\nCOPY --from=BOBAPP / /", ["BOBAPP"]),
        ("FROM a AS b\nFROM b AS b2\nCOPY --from=b / /\nCOPY --from=0 / /", ["a"]),
        ("FROM scratch\nCOPY --from=\u0663 / /", []),
        ("FROM scratch\nCOPY --from=" + "0" * 5000 + " / /", ["0" * 5000]),
    ],
)
def test_a_stage_has_its_name_only_once_it_is_done(text: str, images: list[str]) -> None:
    assert images == read_dockerfile(text, {}).images


@pytest.mark.parametrize(
    "text",
    [
        "ARG V=busybox\nARG V\nFROM ${V:-bob/app}", 'ARG V=busybox\nARG "V"=bob/app\nFROM $V', "ARG V=busybox\nARG V\\=bob/app\nFROM $V",
        "FROM busybox$http_proxy", "ARG X=$http_proxy\nFROM busybox$X", "ARG V=a\nFROM a$V\u00e9", "FROM a'", "ARG V=" + "x" * 600 + "\nFROM $V",
    ],
)
def test_a_base_that_depends_on_what_is_not_declared_once_and_plainly_is_unclear(text: str) -> None:
    assert doubts(text, http_proxy="-bob/app")


def test_arguments_that_double_do_not_grow_without_end() -> None:
    text = "ARG A0=xxxxxxxx\n" + "".join(f"ARG A{at + 1}=$A{at}$A{at}\n" for at in range(200)) + "FROM $A200"

    assert "build-unclear:FROM $A200" in escapes(text)


@pytest.mark.parametrize(
    ("lines", "fact"),
    [
        ("WORKDIR /proc/self/fd/8", "working-dir:/proc/self/fd/8"),
        ("WORKDIR /proc\nWORKDIR self/fd/8", "working-dir:/proc/self/fd/8"),
        ("WORKDIR /app\nWORKDIR ../proc/1", "working-dir:/app/../proc/1"),
        ("WORKDIR /proc/self/fd/8/../../../../x", "working-dir:/proc/self/fd/8/../../../../x"),
        ("WORKDIR ../../../proc", "working-dir://../../../proc"),
        ("WORKDIR /dev/fd/8", "working-dir:/dev/fd/8"),
        ("WORKDIR //sys/./kernel", "working-dir://sys/./kernel"),
        ('WORKDIR "/pr"oc', "working-dir:/proc"),
        ("WORKDIR /pr\\oc", "build-unclear:WORKDIR /pr\\oc"),
        ("ENV D=/proc\nWORKDIR $D/self", "working-dir:/proc/self"),
        ("ENV D /proc\nWORKDIR ${D}", "working-dir:/proc"),
        ("ENV A=/x D='/proc'\nWORKDIR $D", "working-dir:/proc"),
        ("ENV A=/proc\nENV A=/app B=$A\nWORKDIR $B", "working-dir:/proc"),
        ("ENV A=/proc\nENV X=a\\ A=/app\nWORKDIR $A", "build-unclear:WORKDIR $A"),
        ("ENV A=/app\nENV \"A\"=/proc\nWORKDIR $A", "build-unclear:WORKDIR $A"),
        ("ARG D=/app\nWORKDIR $D", "build-unclear:WORKDIR $D"),
        ("WORKDIR /home/$WHO", "build-unclear:WORKDIR /home/$WHO"),
        ("ONBUILD WORKDIR /proc/self", "working-dir:/proc/self"),
        ("ENV D=/app\nONBUILD WORKDIR $D", "build-unclear:WORKDIR $D"),
        ("onbuild\tworkdir\t/proc", "working-dir:/proc"),
    ],
)
def test_a_working_folder_that_holds_a_handle_of_the_host_is_told(lines: str, fact: str) -> None:
    assert fact in escapes(f"FROM a\n{lines}")


def test_a_stage_takes_over_what_the_stage_it_builds_on_has_set_unless_that_has_triggers() -> None:
    assert "working-dir:/proc" in escapes("FROM a AS b\nENV D=/proc\nFROM b\nWORKDIR $D")
    assert set() == escapes("FROM a AS b\nENV D=/app\nFROM b\nWORKDIR $D")
    assert "build-unclear:WORKDIR $D" in escapes("FROM a AS b\nENV D=/app\nFROM c\nWORKDIR $D")
    assert "build-unclear:WORKDIR $D" in escapes("FROM a AS b\nENV D=/app\nONBUILD ENV D=/proc\nENV E=f\nFROM b\nWORKDIR $D")


def test_triggers_and_changes_are_judged_like_lines() -> None:
    assert {"working-dir:/proc"} == read_triggers(["WORKDIR /proc"]).escapes
    assert {"working-dir:/proc/1"} == read_changes(["WORKDIR\t/proc/1"])[0].escapes
    assert {"working-dir:/proc/1"} == read_changes(["ONBUILD WORKDIR /proc/1"])[0].escapes
    assert "build-unclear:a trigger of more than one line" in read_triggers(["RUN x\nADD x /y"]).escapes
    assert "build-unclear:a trigger of more than one line" in read_triggers([""]).escapes


def test_changes_are_one_text_so_that_the_escape_of_the_first_counts_in_the_others() -> None:
    wants, lines = read_changes(["# escape=`", "LABEL a=\\ dockwarden.owner=x", "USER `", "a"])

    assert ["LABEL a=\\ dockwarden.owner=x", "USER a"] == lines
    assert "build-unclear:LABEL with escapes" in wants.escapes


@pytest.mark.parametrize("line", ["ONBUILD ADD x /y", "FROM b", "MAINTAINER me", "onbuild\tfrom b", "ONBUILD " * 3000 + "RUN x"])
def test_a_trigger_that_the_engine_does_not_take_is_unclear_however_deep(line: str) -> None:
    assert {"build-unclear:ONBUILD that the Engine does not take"} == escapes(f"FROM a\nONBUILD {line}")
    assert {"build-unclear:ONBUILD that the Engine does not take"} == read_triggers([line]).escapes


def test_an_argument_in_a_trigger_is_no_argument_of_this_build() -> None:
    assert "build-unclear:FROM $V" in escapes("ONBUILD ARG V=busybox\nFROM $V")


@pytest.mark.parametrize(
    "text",
    [
        "FROM a AS build\nWORKDIR /src\nCOPY . .\nRUN make && x=$((1+2))\nFROM b\nCOPY --from=build --chown=$UID:$GID /src/x /x",
        "FROM a\nENV APP_HOME=/app\nWORKDIR $APP_HOME\nWORKDIR sub\nADD ./x /y\nADD ./$X /y\nADD /$X /y\nADD app-$VERSION.tar.gz /y",
        "FROM a\nADD dist/x-$V.jar /y\nADD [\"a b\", \"/c\"]\nWORKDIR /process\nWORKDIR /home/dev\nWORKDIR ./proc.d",
        "FROM a\nENV A=1 B='x y' C=\"z $A\"\nENV D e f\nONBUILD RUN x\nONBUILD COPY . /app",
        "# \u00a9 M\u00fcller \u2014 a comment with\u00a0blanks\nFROM a\nLABEL author='M\u00fcller \u2014 \u65e5\u672c'\nRUN echo \u00e9",
        "# syntax-free head\nFROM --platform=$BUILDPLATFORM a\nHEALTHCHECK --interval=5s CMD x\nCMD [\"a\", \"--b\"]\nENTRYPOINT x --y",
    ],
)
def test_ordinary_dockerfiles_are_no_escape(text: str) -> None:
    assert set() == escapes(text)


@pytest.mark.parametrize(
    "text",
    [
        "x" * (LONGEST_DOCKERFILE + 1), "\n" * dockerfile.LINES_LIMIT, "FROM a\n" * (dockerfile.STAGES_LIMIT + 1),
        "FROM a\n" + "".join(f"COPY --from=i{at} / /\n" for at in range(dockerfile.IMAGES_LIMIT + 1)),
        "FROM a\nADD " + "".join(f"http://x/{at} " for at in range(dockerfile.ESCAPES_LIMIT + 1)) + "/y",
    ],
    ids=["bytes", "lines", "stages", "images", "escapes"],
)
def test_more_than_any_dockerfile_has_is_too_large(text: str) -> None:
    with pytest.raises(TooLarge) as refused:
        read_dockerfile(text, {})

    assert "build.too_large" == refused.value.code


WORST: dict[str, Callable[[int], str]] = {
    "a directive of blanks": lambda size: "# a =" + " " * size + "x\nFROM a",
    "directives": lambda size: "# check = x\n" * (size // 15) + "FROM a",
    "flags": lambda size: "FROM a\nRUN " + "--a " * (size // 4),
    "copy flags": lambda size: "FROM a\nCOPY " + "--chown=a " * (size // 10) + "a b",
    "escapes": lambda size: "FROM a\nRUN " + "\\ " * (size // 2) + "x",
    "two escapes": lambda size: "FROM a\nRUN " + "\\" * size,
    "blanks": lambda size: "FROM a\nRUN x" + " " * size + "\\",
    "continued lines": lambda size: "FROM a\nRUN " + "x \\\n" * (size // 16),
    "stages": lambda size: "".join(f"FROM a{at % 9} AS s{at}\n" for at in range(size // 1100)),
    "onbuilds": lambda size: "FROM a\n" + "ONBUILD " * (size // 8),
    "onbuild lines": lambda size: "FROM a\n" + "ENV A=b\nONBUILD RUN x\n" * (size // 32),
    "variables": lambda size: "FROM a\nENV A=" + "x" * 500 + "\nENV " + "A=$A " * (size // 6),
    "names": lambda size: "FROM a\n" + "".join(f"ENV A{at}=\n" for at in range(size // 16)),
    "working folders": lambda size: "FROM a\n" + "WORKDIR ab/cd\n" * (size // 16),
    "parents": lambda size: "FROM a\nWORKDIR " + "../" * (size // 3),
    "brackets": lambda size: "FROM a\nADD " + "[" * size,
    "numbers": lambda size: "FROM a\nADD [" + "9" * size + "]",
    "quotes": lambda size: "FROM a\nLABEL " + "'\"" * (size // 2) + "'",
    "quoted escapes": lambda size: 'FROM a\nLABEL "' + '\\"' * (size // 2),
    "open quotes": lambda size: "FROM a\nENV " + "a=' " * (size // 4) + "'",
    "labels": lambda size: "FROM a\nLABEL " + "a=b " * (size // 4),
    "heredocs": lambda size: "FROM a\nRUN " + "<< " * (size // 6) + "<" * (size // 2),
    "digits": lambda size: "FROM a\nRUN " + "1" * size,
    "addresses": lambda size: "FROM a\nADD " + "a" * size + "@" + "b" * 9 + " /y",
    "words": lambda size: "FROM a\nADD " + "a " * (size // 2) + "/y",
}


def steps(text: str) -> int:
    """How many functions, Python's and C's, are called to read `text`."""
    count = 0

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(seen)
    try:
        read_dockerfile(text, {})
    except TooLarge:
        pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", list(WORST.values()), ids=list(WORST))
def test_the_work_is_linear_in_the_worst_of_texts(make: Callable[[int], str]) -> None:
    size = LONGEST_DOCKERFILE - 1200
    whole, half = make(size), make(size // 2)

    assert LONGEST_DOCKERFILE >= len(whole)
    assert steps(whole) <= 2.1 * steps(half) + 200


LINES = st.sampled_from([
    "FROM a AS b", "FROM b", "ARG X=$X", "ENV A=/proc", "WORKDIR $A", "COPY --from=b a c", "COPY --from=", "ADD [", 'ADD ["http://x", "/y"]', "ADD h\\",
    "ttp://x /y", "LABEL a='b c' d=e", "LABEL '", "\\", "RUN x \\", "RUN x `", "ONBUILD", "ONBUILD ONBUILD x", "ONBUILD WORKDIR /proc", "", "  ", "# c",
    "RUN <<EOF", "USER a", "ENV", "WORKDIR", "ADD", "COPY", "FROM", "ONBUILD FROM", "RUN --a", "COPY --", "COPY --from=" + "9" * 9, "VOLUME", "--", "\xa0",
])


@given(st.text(max_size=300) | st.lists(LINES, max_size=30).map("\n".join), st.dictionaries(st.sampled_from("AXb"), st.text(max_size=9)))
def test_any_text_is_read_or_too_large(text: str, arguments: dict[str, str]) -> None:
    assert isinstance(read_dockerfile(text, arguments), Wants)
    assert isinstance(read_triggers([text, text]), Wants)
    assert isinstance(read_changes([text, text])[0], Wants)


@given(st.sampled_from(["FROM a", "# escape=`\nFROM a", "# syntax=x\nFROM $A"]), st.lists(LINES, max_size=20), st.data())
def test_comments_and_returns_change_nothing(head: str, lines: list[str], data: st.DataObject) -> None:
    wants = read_dockerfile("\n".join([head, *lines]), {"X": "y"})
    commented = list(lines)
    for _ in range(data.draw(st.integers(1, 4))):
        commented.insert(data.draw(st.integers(0, len(commented))), data.draw(st.sampled_from(["# c \\", "  #\u00a0ADD http://x /y", "#", "\t# `"])))

    assert wants == read_dockerfile("\n".join([head, *commented]), {"X": "y"})
    assert wants == read_dockerfile("\r\n".join([*head.split("\n"), *lines]), {"X": "y"})
    assert wants == read_dockerfile("\ufeff" + "\n".join([head, *lines]), {"X": "y"})

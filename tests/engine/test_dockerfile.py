"""What a Dockerfile reaches for is told before the build runs, or it is said to be unclear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine.dockerfile import read_dockerfile, read_triggers


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("FROM busybox", ["busybox"]),
        ("from busybox as a\nFROM a\nCOPY --from=a /x /y", ["busybox"]),
        ("FROM scratch\nCOPY --from=bob/app / /", ["bob/app"]),
        ("FROM busybox\nFROM node\nCOPY --from=0 /a /b", ["busybox", "node"]),
        ("ARG V=1\nFROM node:$V", ["node:1"]),
        ("ARG V=1\nFROM node:${V}-slim", ["node:1-slim"]),
        ("ARG V\nFROM node:${V:-20}", ["node:20"]),
        ("ARG A=x\nARG B=${A}y\nFROM $B", ["xy"]),
        ("FROM --platform=linux/amd64 busybox", ["busybox"]),
        ("ARG V=1\nFROM node:${V:+2}", ["node:2"]),
        ("# a comment\n\nFROM \\\n  # inside\n  busybox", ["busybox"]),
        ("FROM busybox\nRUN echo hi \\\n && echo ho", ["busybox"]),
        ("# escape=`\nFROM `\nbusybox", ["busybox"]),
        ("\ufeffFROM busybox\r\nRUN a\r\n", ["busybox"]),
        ("FROM busybox\nONBUILD COPY --from=bob/app / /", ["busybox", "bob/app"]),
        ('ARG V="1"\nFROM node:$V', ["node:1"]),
        ("ARG T='some text' V='1'\nFROM node:$V", ["node:1"]),
        ("FROM a AS Build\nFROM b\nCOPY --from=build /x /x", ["a", "b"]),
    ],
)
def test_images_are_named_as_the_engine_will_look_them_up(text: str, images: list[str]) -> None:
    wants = read_dockerfile(text, {})

    assert images == wants.images
    assert set() == wants.escapes


def test_a_build_argument_replaces_a_default_only_where_it_is_declared() -> None:
    assert ["evil"] == read_dockerfile("ARG B=busybox\nFROM $B", {"B": "evil"}).images
    assert [] == read_dockerfile("FROM $B", {"B": "evil"}).images


@pytest.mark.parametrize(
    ("text", "escape"),
    [
        ("FROM busybox\nADD https://x/y /z", "build-add:https://x/y"),
        ('FROM busybox\nADD ["http://x/y", "/z"]', "build-add:http://x/y"),
        ("FROM busybox\nADD git@github.com:a/b.git /z", "build-add:git@github.com:a/b.git"),
        ("FROM busybox\nADD $URL /z", "build-unclear:ADD $URL"),
        ("# syntax=docker/dockerfile:1\nFROM busybox", "build-frontend:docker/dockerfile:1"),
        ("#Syntax = x/y\nFROM busybox", "build-frontend:x/y"),
        ("FROM busybox\nRUN --mount=type=secret,id=x cat", "build-run:--mount=type=secret,id=x"),
        ("FROM busybox\nRUN --security=insecure x", "build-run:--security=insecure"),
        ("FROM busybox\nRUN --network=host x", "build-run:--network=host"),
        ("FROM busybox\nRUN <<EOF\nx\nEOF", "build-unclear:heredoc"),
        ("FROM $NOSUCH", "build-unclear:FROM $NOSUCH"),
        ("ARG V=a\nFROM ${V#a}", "build-unclear:FROM ${V#a}"),
        ("FROM a b", "build-unclear:FROM"),
        ("", "build-unclear:no FROM"),
        ("FROM a\nCOPY --from=$X / /", "build-unclear:COPY --from"),
        ("FROM a\nINCLUDE x", "build-unclear:INCLUDE"),
        ("FROM a\nRUN x \\\\\ny", "build-unclear:line ends in two escapes"),
        ("FROM a\nONBUILD ADD http://x /y", "build-add:http://x"),
        ("FROM a\nLABEL $X=1", "build-unclear:LABEL"),
        ("# escape=x\nFROM a", "build-unclear:escape"),
    ],
)
def test_what_reaches_out_or_cannot_be_told_is_an_escape(text: str, escape: str) -> None:
    assert escape in read_dockerfile(text, {}).escapes


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nADD ./x /y",
        "FROM a\nADD x.tar.gz /y",
        "FROM a\nCOPY --chown=app:app . /app",
        "FROM a\nRUN echo $HOME <in >out",
        "FROM a\nLABEL a=b c='d e'",
        'FROM a\nUSER $X\nWORKDIR /x\nEXPOSE 80\nVOLUME /d\nCMD ["a"]\nHEALTHCHECK CMD x\nSHELL ["a"]\nSTOPSIGNAL 9',
        "FROM a\nMAINTAINER me\nENV A=$B\nENTRYPOINT x\nARG Z",
    ],
)
def test_honest_instructions_are_no_escape(text: str) -> None:
    assert set() == read_dockerfile(text, {}).escapes


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("LABEL a=b", ["a"]),
        ('LABEL "dockwarden.owner"="bob" x=y', ["dockwarden.owner", "x"]),
        ("LABEL a b c", ["a"]),
        ("LABEL a='b=c d=e' f=g", ["a", "f"]),
        ("LABEL dock\\warden.owner=x", ["dockwarden.owner"]),
    ],
)
def test_label_keys_are_read_through_their_quotes(line: str, keys: list[str]) -> None:
    assert keys == read_dockerfile(f"FROM a\n{line}", {}).labels


def test_triggers_are_read_as_instructions_of_their_own() -> None:
    wants = read_triggers(["COPY --from=bob/app / /", "ADD http://x /y"])

    assert ["bob/app"] == wants.images
    assert {"build-add:http://x"} == wants.escapes


@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(["FROM a", "ARG X=$X", "COPY --from=", "ADD [", "# escape=`", "LABEL '", "\\", "ONBUILD", "ONBUILD ONBUILD x"])
    ).map("\n".join)
)
def test_any_text_is_told_or_unclear(text: str) -> None:
    wants = read_dockerfile(text, {})

    assert wants.images or wants.escapes or "scratch" in text.lower()

"""The Engine's sentences, without the ids and names in them that may not be seen."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockwarden.engine.veil.words import HIDDEN, ID, masked_answer, masked_words, with_warnings

MINE, OTHER, THIRD = "a1" * 32, "b2" * 32, "c3" * 32


def mine(id: str) -> bool:
    return MINE.startswith(id)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f'Conflict. The container name "/x" is already in use by container "{OTHER}". You have to remove (or rename)',
         f'Conflict. The container name "/x" is already in use by container "{HIDDEN}". You have to remove (or rename)'),
        (f"conflict: unable to delete {MINE[:12]} (cannot be forced) - image is being used by running container {OTHER[:12]}",
         f"conflict: unable to delete {MINE[:12]} (cannot be forced) - image is being used by running container {HIDDEN}"),
        (f"remove v: volume is in use - [{OTHER}, {THIRD}]", f"remove v: volume is in use - [{HIDDEN}]"),
        (f"remove v: volume is in use - [{OTHER}, {MINE}]", f"remove v: volume is in use - [{HIDDEN}, {MINE}]"),
        (f'error while removing network: network n has active endpoints (name:"web" id:"{OTHER[:12]}", name:"db" id:"{THIRD[:12]}")',
         f"error while removing network: network n has active endpoints ({HIDDEN})"),
        (f'network n has active endpoints (name:"mine" id:"{MINE[:12]}")', f'network n has active endpoints (name:"mine" id:"{MINE[:12]}")'),
        (f"cannot create network {MINE} (br-{MINE[:12]}): conflicts with network {OTHER} (br-{OTHER[:12]}): networks have overlapping IPv4",
         f"cannot create network {MINE} (br-{MINE[:12]}): conflicts with network {HIDDEN} (br-{HIDDEN}): networks have overlapping IPv4"),
        (f"No such image: sha256:{OTHER}", f"No such image: sha256:{HIDDEN}"),
        ("Bind for 0.0.0.0:8080 failed: port is already allocated", "Bind for 0.0.0.0:8080 failed: port is already allocated"),
    ],
)
def test_ids_of_others_go(said: str, shown: str) -> None:
    assert shown == masked_words(said, mine)


def test_who_sees_all_reads_the_engine_s_bytes() -> None:
    body = b'{"message":"volume is in use - [%s]"}\n' % OTHER.encode()

    assert body == masked_answer(body, lambda _id: True)


def test_messages_and_warnings_are_masked_and_the_made_id_is_not() -> None:
    body = json.dumps({"Id": OTHER, "Warning": f"Network with name x (id : {OTHER}) already exists", "Warnings": [f"see {OTHER}"]}).encode()

    shown = json.loads(masked_answer(body, mine))
    assert {"Id": OTHER, "Warning": f"Network with name x (id : {HIDDEN}) already exists", "Warnings": [f"see {HIDDEN}"]} == shown


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"{}", b'{"message":7}', b'{"message":""}'])
def test_an_answer_of_another_form_passes(body: bytes) -> None:
    assert body == masked_answer(body, mine)


def test_plain_text_is_masked(  # what a hijacked call is refused with
) -> None:
    assert f"No such container: {HIDDEN}\n".encode() == masked_answer(f"No such container: {OTHER}\n".encode(), mine)


@given(st.lists(st.sampled_from([OTHER, OTHER[:12], THIRD, MINE, "word", ", ", '"', 'name:"x" id:"', "[", "]", " ", "br-", "sha256:"])))
def test_no_id_of_another_s_is_left(parts: list[str]) -> None:
    assert all(mine(id) for id in ID.findall(masked_words("".join(parts), mine)))


@pytest.mark.parametrize(("body", "shown"), [
    (b'{"Id":"x","Warnings":null}', {"Id": "x", "Warnings": ["dockwarden: less"]}),
    (b'{"Id":"x","Warnings":["w"]}', {"Id": "x", "Warnings": ["w", "dockwarden: less"]}),
    (b'{"Warnings":[]}', {"Warnings": ["dockwarden: less"]}),
    (b"[]", []),
])
def test_warnings_are_added_to_the_engine_s(body: bytes, shown: object) -> None:
    assert shown == json.loads(with_warnings(body, ["less"]))
    assert b"not json" == with_warnings(b"not json", ["less"])

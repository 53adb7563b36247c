from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pytest

import dockwarden.doors.lock.lock as lock_module
from dockwarden.doors.lock.lock import Lock
from dockwarden.doors.lock.tickets import Tickets, digest_of
from dockwarden.doors.plugin.socket import EngineProcess, PluginCall
from dockwarden.words.ask import Verdict, Why
from dockwarden.words.errors import Forbidden, Refused

PERMIT = Verdict.permit(("p",))


class Judge:
    """Answers what it was told to, and remembers what it was asked."""

    def __init__(self, answer: Verdict | Refused | BaseException | None = PERMIT) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, Mapping[str, str], bytes | None]] = []

    async def __call__(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Verdict | Refused:
        self.asked.append((method, target, headers, body))
        if isinstance(self.answer, BaseException) and not isinstance(self.answer, Refused):
            raise self.answer
        return self.answer  # type: ignore[return-value]  # one row of the tests is a judge that forgets to answer


def document(method: str = "GET", uri: str = "/_ping", headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    shown: dict[str, Any] = {"RequestMethod": method, "RequestUri": uri, "RequestHeaders": dict(headers or {})}
    if body:
        shown["RequestBody"] = b64encode(body).decode()
    return json.dumps(shown).encode()


async def ask(lock: Lock, asked: bytes) -> dict[str, Any]:
    answer: Any = await lock.request(PluginCall(asked, EngineProcess("engine", pid=1)))
    return dict(answer)


def tickets() -> Tickets:
    return Tickets(lambda: 0.0, lambda size: b"\x01" * size)


async def test_a_raw_call_is_judged_with_what_is_known_of_it() -> None:
    judge = Judge()

    answer = await ask(Lock(tickets(), judge), document("POST", "/v1.41/containers/create", {"Content-Length": "2"}, b"{}"))

    assert {"Allow": True} == answer
    assert [("POST", "/v1.41/containers/create", {"Content-Length": "2"}, b"{}")] == judge.asked


async def test_a_ticketed_call_is_not_judged_again() -> None:
    judge, out = Judge(Forbidden("x", "never asked")), tickets()
    ticket = out.issue("GET", "/_ping", digest_of(b""))
    lock = Lock(out, judge)

    assert {"Allow": True} == await ask(lock, document(headers={"X-Dockwarden-Ticket": ticket}))
    again = await ask(lock, document(headers={"X-Dockwarden-Ticket": ticket}))
    assert again["Allow"] is False
    assert "ticket that is not good" in again["Msg"]
    assert [] == judge.asked


async def test_a_bad_ticket_does_not_fall_back_to_the_raw_sockets_policy() -> None:
    judge = Judge()

    assert (await ask(Lock(tickets(), judge), document(headers={"x-dockwarden-ticket": ""})))["Allow"] is False
    assert [] == judge.asked


@pytest.mark.parametrize(
    ("judged", "words"),
    [
        (Forbidden("policy.forbidden", "container.create is refused"), "dockwarden: container.create is refused"),
        (Verdict.refuse(Why.NO_POLICY), "dockwarden: the policy does not permit this call"),
        (None, "dockwarden: an internal failure"),
        (ZeroDivisionError("a secret"), "dockwarden: an internal failure"),
    ],
)
async def test_every_other_answer_of_the_judge_refuses(judged: Verdict | Refused | BaseException | None, words: str) -> None:
    answer = await ask(Lock(tickets(), Judge(judged)), document())

    assert answer["Allow"] is False
    assert answer["Msg"].startswith(words)
    assert "secret" not in answer["Msg"]


async def test_a_judge_that_raises_a_refusal_refuses_in_its_words() -> None:
    async def judge(*_: object) -> Verdict | Refused:
        raise Forbidden("x", "because")

    assert {"Allow": False, "Msg": "dockwarden: because", "Err": "dockwarden: because"} == await ask(Lock(tickets(), judge), document())


async def test_a_judge_that_takes_too_long_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "JUDGE_S", 0.01)

    async def judge(*_: object) -> Verdict | Refused:
        await asyncio.sleep(60)
        return PERMIT

    assert "in time" in (await ask(Lock(tickets(), judge), document()))["Msg"]


@pytest.mark.parametrize("asked", [b"", b"null", b"[]", b"{", b'{"RequestBody":"%%%"}', b'{"RequestHeaders":{"A":1}}', b"\xff"])
async def test_a_question_that_cannot_be_read_refuses(asked: bytes) -> None:
    assert (await ask(Lock(tickets(), Judge()), asked))["Allow"] is False

"""The gateway before two vLLM servers: bytes pass unchanged to one that applies the adapter, and a lost one costs no answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import document, lines
from fake_vllm import FakeVllm
from fleets import answered_by
from gated import SETTINGS, History
from gateways import Served, make_key, serving
from tiny_base import Trained, click_examples

[PAGE] = click_examples(1, seed=9)
BODY: dict[str, Any] = {"model": "action", "messages": list(PAGE.messages), "max_tokens": 8, "temperature": 0}
Servers = tuple[FakeVllm, FakeVllm]


@pytest.fixture
def served(tmp_path: Path, tiny_base: Path, trained: Trained, servers: Servers) -> Iterator[tuple[Served, str]]:
    """A gateway of a log whose lora-v1 is live, and a key of a program's."""
    for server in servers:
        server.base = str(tiny_base)
    history = History(tmp_path / "events.db")
    where = {"model.backend": "vllm", "model.endpoint": ",".join(server.url for server in servers)}
    history.set(**SETTINGS, **{"model.base": str(tiny_base), "gate.enabled": False}, **where)
    history.offer(trained.done.adapter)
    history.work()
    history.decide("promote")
    history.parts.close()
    history.ledger.close()
    for server in servers:
        server.asked.clear()
    program = make_key(tmp_path / "events.db", "infer")
    with serving(tmp_path / "events.db") as served:
        yield served, program


def text_of(answer: tuple[int, Any, Any]) -> str:
    status, _, body = answer
    assert status == 200, body
    said: str = body["choices"][0]["message"]["content"]
    return said


def test_requests_pass_unchanged_to_servers_that_were_proven_and_a_lost_one_costs_no_answer(
    served: tuple[Served, str],
    servers: Servers,
    tiny_base: Path,
) -> None:
    (gateway, program), (first, second) = served, servers
    name = document("adapters", db=gateway.path)[0]["weights"].removeprefix("sha256:")
    for _ in range(4):
        assert text_of(gateway.ask("/chat/completions", {**BODY, "top_p": 0.5, "unknown": [1]})) == "DONE"
    assert min(answered_by(servers, name)) > 0
    asked = [body for server in servers for path, body in server.asked if "logprobs" not in body]
    assert all(body == {**BODY, "model": name, "top_p": 0.5, "unknown": [1]} for body in asked), asked
    assert len(lines(gateway.path, "--event", "AdapterServed")) == 2, "the proofs before the gateway began still hold"
    text_of(gateway.ask("/chat/completions", {**BODY, "model": "base"}))
    assert sum(answered_by(servers, str(tiny_base))) == 1

    first.die()
    for _ in range(4):
        assert text_of(gateway.ask("/chat/completions", BODY)) == "DONE"
    second.restart()  # it has forgotten the adapter
    frames = gateway.ask_text("/chat/completions", {**BODY, "stream": True})[2].split("\n\n")
    parts = [json.loads(it.removeprefix("data: ")) for it in frames if it.startswith("data: {")]
    assert "".join(it["choices"][0]["delta"].get("content", "") for it in parts) == "DONE"
    assert len(lines(gateway.path, "--event", "AdapterServed")) == 3

    second.die()
    status, _, body = gateway.ask("/chat/completions", BODY, key=program)
    assert (status, body["error"]["message"]) == (502, "no endpoint answers"), "no address is told to a client"
    status, _, body = gateway.ask("/chat/completions", BODY)
    assert status == 502 and first.url in body["error"]["message"] and second.url in body["error"]["message"]
    failed = [run for run in document("runs", db=gateway.path) if run["status"] == "failed"]
    assert {run["reason"] for run in failed} == {"environment"}, "which counts for no arm"

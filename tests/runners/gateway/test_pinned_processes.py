"""Processes that are each pinned to an adapter by LORA_VERSION, with a proxy before them that draws the arm."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from chat_server import ChatServer
from command_line import document, lines, output
from gateways import Served, serving

from grokputer.domain.errors import UnknownAdapter
from grokputer.runners.gateway.gateway import DRAWN, Gateway
from grokputer.runners.gateway.service.server import listening
from grokputer.runners.improvement.repeated_decisions import decide_again
from grokputer.runners.store.log import Log
from grokputer.runners.store.states import load_state
from story import Story


@pytest.fixture
def endpoint() -> Iterator[ChatServer]:
    with ChatServer("ok", ["tiny", "lora-v1", "lora-v2"]) as endpoint:
        yield endpoint


@pytest.fixture
def path(tmp_path: Path, endpoint: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log in which lora-v1 is live and lora-v2 its canary."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    story = Story(tmp_path / "events.db")
    for _ in range(2):
        story.run()
        story.run()
        story.prove(story.train(story.ask()))
        if not document("adapters", db=story.path)[1:]:
            output("rollouts", "promote", "lora-v1", "--reason", "good", db=story.path)
    for key, value in {"model.backend": "openai", "model.endpoint": endpoint.url, "model.base": "tiny"}.items():
        story.set(key, value)
    story.ledger.close()
    return story.path


def ask(gateway: Served, *, model: str = "action", session: str = "", drawn: str = "") -> tuple[str, str]:
    """The arm and the adapter of one request."""
    body = {"model": model, "messages": [{"role": "user", "content": "Say hello"}]}
    headers = {"x-session-id": session, DRAWN: drawn}
    status, found, _ = gateway.ask("/chat/completions", body, headers={name: it for name, it in headers.items() if it})
    assert status == 200
    return found["x-grokputer-arm"], found["x-grokputer-adapter"]


def newest(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = lines(path, "--event", "TaskStarted")[-1]["data"]
    return data


@pytest.mark.parametrize(
    ("version", "arm", "is_in_rollout"),
    [("lora-v1", "stable", True), ("lora-v2", "canary", True), ("base", "pinned", False)],
)
def test_a_run_counts_for_the_arm_whose_adapter_its_process_has(
    path: Path, monkeypatch: pytest.MonkeyPatch, version: str, arm: str, is_in_rollout: bool
) -> None:
    monkeypatch.setenv("LORA_VERSION", version)
    with serving(path) as gateway:
        assert {ask(gateway) for _ in range(12)} == {(arm, version)}
    started = newest(path)
    assert (started["rollout"] is not None, started["policy"]["drawn_by"]) == (is_in_rollout, "nginx")


def test_the_runs_of_both_arms_are_the_evidence_about_the_canary(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, runs in (("lora-v1", 5), ("lora-v2", 3), ("base", 4)):
        monkeypatch.setenv("LORA_VERSION", version)
        with serving(path) as gateway:
            for _ in range(runs):
                ask(gateway)
    log = Log.open(path)
    state = load_state(log)
    log.close()
    [rollout] = state.undecided
    counted = {arm: len(list(state.health.outcomes(rollout, arm))) for arm in ("stable", "canary")}
    assert counted == {"stable": 5, "canary": 3}


def test_a_run_that_another_arm_s_process_had_to_take_counts_for_neither(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORA_VERSION", "lora-v1")
    with serving(path) as gateway:
        assert ask(gateway, drawn="stable") == ("stable", "lora-v1")
        assert ask(gateway, drawn="canary") == ("pinned", "lora-v1")
        assert newest(path)["rollout"] is None


def test_a_session_that_has_the_other_arm_counts_for_neither_from_then_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORA_VERSION", "lora-v2")
    with serving(path) as gateway:
        assert ask(gateway, session="s1") == ("canary", "lora-v2")
    monkeypatch.setenv("LORA_VERSION", "lora-v1")
    with serving(path) as gateway:
        assert ask(gateway, session="s1") == ("pinned", "lora-v1")
        assert ask(gateway, session="s2") == ("stable", "lora-v1")


def test_after_the_promotion_the_process_of_the_canary_is_the_stable_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output("rollouts", "promote", "lora-v2", "--reason", "good", db=path)
    arms = {}
    for version in ("lora-v1", "lora-v2"):
        monkeypatch.setenv("LORA_VERSION", version)
        with serving(path) as gateway:
            arms[version] = ask(gateway)[0]
    assert arms == {"lora-v1": "pinned", "lora-v2": "stable"}


def test_a_named_adapter_and_another_role_are_as_without_a_pin(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_VERSION", "lora-v2")
    with serving(path) as gateway:
        assert ask(gateway, model="lora-v1") == ("pinned", "lora-v1")
        assert "drawn_by" not in newest(path)["policy"]
        assert ask(gateway, model="ocr") == ("stable", "base")
        assert "drawn_by" not in newest(path)["policy"]
        assert ask(gateway, model="tiny") == ("canary", "lora-v2")


def test_without_a_pin_the_gateway_draws_and_believes_no_header(path: Path) -> None:
    with serving(path) as gateway:
        arms = Counter(ask(gateway, drawn="canary") for _ in range(20))
    assert set(arms) <= {("stable", "lora-v1"), ("canary", "lora-v2")} and arms["stable", "lora-v1"] > 5
    assert "drawn_by" not in newest(path)["policy"]


def test_the_log_says_who_drew_and_no_draw_is_made_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_VERSION", "lora-v2")
    with serving(path) as gateway:
        for _ in range(8):
            ask(gateway)
    run = lines(path, "--event", "TaskStarted")[-1]["id"]
    assert "nginx sent it to a process that is pinned to lora-v2" in output("why", run, db=path)
    log = Log.open(path)
    arms = [it for it in decide_again(log) if it.kind == "arm"]
    log.close()
    assert arms == []


def test_a_process_that_is_pinned_to_an_unknown_adapter_does_not_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORA_VERSION", "lora-v9")
    with pytest.raises(UnknownAdapter, match="LORA_VERSION cannot be followed: adapter lora-v9"), serving(path):
        pass


def test_prometheus_and_probes_may_name_the_gateway_by_its_address_in_figures(path: Path) -> None:
    async def statuses() -> list[int]:
        found = []
        async with listening(Gateway(path), "127.0.0.3", 0, grace_s=1) as port, aiohttp.ClientSession() as client:
            for host in (f"127.0.0.3:{port}", "127.0.0.3", f"127.0.0.4:{port}", "evil.example.org"):
                async with client.get(f"http://127.0.0.3:{port}/health/live", headers={"host": host}) as reply:
                    found.append(reply.status)
        return found

    assert asyncio.run(statuses()) == [200, 200, 403, 403]

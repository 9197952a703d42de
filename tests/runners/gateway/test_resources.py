"""Models, runs and feedback over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from chat_server import ChatServer
from full_disk import full_disk
from gateways import Served, serving

from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.settings import change_setting
from story import Story

MakeLog = Callable[[str], Path]


def ask_model(gateway: Served, model: str = "action", **headers: str) -> tuple[int, Any, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": "Capital of France?"}]}
    return gateway.ask("/chat/completions", body, headers=headers)


def test_roles_are_routed_and_adapters_and_the_base_are_pinned(tmp_path: Path) -> None:
    with ChatServer("ok", ["tiny", "lora-v1"]) as endpoint:
        story = Story(tmp_path / "events.db")
        story.promote()
        story.ledger.close()
        ledger = Ledger.open(story.path)
        for key, value in {"model.backend": "openai", "model.endpoint": endpoint.url, "model.base": "tiny"}.items():
            change_setting(ledger, key, value, actor="ada")
        ledger.close()
        with serving(story.path) as gateway:
            found = {model: ask_model(gateway, model)[1] for model in ("action", "lora-v1", "base", "tiny")}
            *_, listed = gateway.ask("/models")
            *_, one = gateway.ask("/models/lora-v1")
    assert endpoint.models == ["lora-v1", "lora-v1", "tiny", "lora-v1"]
    arms = {model: (headers["x-grokputer-arm"], headers["x-grokputer-adapter"]) for model, headers in found.items()}
    assert arms == {
        "action": ("stable", "lora-v1"),
        "lora-v1": ("pinned", "lora-v1"),
        "base": ("pinned", "base"),
        "tiny": ("stable", "lora-v1"),
    }
    kinds = {model["id"]: (model["kind"], model.get("parent")) for model in listed["data"]}
    assert kinds["action"] == ("role", "lora-v1") and kinds["base"] == ("base", None)
    assert (one["kind"], one["parent"], one["role"]) == ("adapter", "base", "action")


def test_an_adapter_that_the_endpoint_does_not_list_is_not_asked_for(tmp_path: Path) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        story = Story(tmp_path / "events.db")
        story.promote()
        for key, value in {"model.backend": "openai", "model.endpoint": endpoint.url, "model.base": "tiny"}.items():
            change_setting(story.ledger, key, value, actor="ada")
        story.ledger.close()
        with serving(story.path) as gateway:
            status, headers, said = ask_model(gateway)
    assert status == 502 and "does not serve the adapter lora-v1" in said["error"]["message"]
    assert not endpoint.asked and headers["x-grokputer-adapter"] == "lora-v1"


def test_a_log_that_cannot_be_written_refuses_requests_says_so_and_serves_again_afterwards(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            health = replace(gateway, url=gateway.url.removesuffix("/v1"))
            with full_disk(path):
                status, headers, said = ask_model(gateway)
                ready = health.ask("/health/ready", key=None)
            again = ask_model(gateway)[0]
            ready_again = health.ask("/health/ready", key=None)[0]
    assert (status, headers["retry-after"], said["error"]["code"]) == (503, "1", "not_recorded")
    assert ready[0] == 503 and ready[2]["problem"] == said["error"]["message"]
    assert (again, ready_again) == (200, 200) and len(endpoint.asked) == 1

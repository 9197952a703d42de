"""Models, runs and feedback over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from command_line import document, lines
from full_disk import full_disk
from gateways import Served, serving

from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
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


def test_feedback_rates_and_corrects_a_run_in_the_name_of_the_keys_holder_once(log_before: MakeLog) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run = ask_model(gateway)[1]["x-grokputer-run"]
            given = {
                "run": f"chatcmpl-{run}",
                "stars": 2,
                "issues": ["imprecise"],
                "comment": "no",
                "correction": "Paris",
            }
            first = gateway.ask("/feedback", given)
            again = gateway.ask("/feedback", given)
            *_, shown = gateway.ask(f"/runs/{run}")
    assert (first[0], again[0]) == (201, 200) and first[2]["position"] == again[2]["position"]
    [rated] = lines(path, "--event", "TaskRated")
    assert (rated["actor"], rated["data"]["stars"]) == ("ada", 2)
    assert Log.open(path).get_content(rated["data"]["comment"]) == "no"
    assert len(lines(path, "--event", "TaskCorrected")) == 1
    assert (shown["answer"], shown["stars"], shown["is_corrected"], shown["has_ended"]) == ("Lyon", [2], True, True)
    assert shown["messages"] == [{"role": "user", "content": "Capital of France?"}]


def test_a_session_is_rated_as_a_whole(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            for _ in range(3):
                ask_model(gateway, **{"x-session-id": "s1"})
            status, _, said = gateway.ask("/feedback", {"session": "s1", "stars": 4})
            again, *_ = gateway.ask("/feedback", {"session": "s1", "stars": 4})
    assert (status, len(said["runs"]), again) == (201, 3, 200)
    assert [run["stars"] for run in document("runs", db=path)] == [4, 4, 4]


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"stars": 5}, 400, "either run or session"),
        ({"run": "RUN"}, 400, "give stars"),
        ({"run": "RUN", "stars": 6}, 400, "from 1 to 5"),
        ({"run": "RUN", "stars": "good"}, 400, "from 1 to 5"),
        ({"run": "RUN", "stars": 2, "step": 9}, 409, "no step 9"),
        ({"run": "RUN", "score": 1}, 400, "'score' is no field"),
        ({"run": "RUN", "stars": 5, "comment": "\ud800"}, 400, "Unicode"),
        ({"run": "RUN", "correction": "  "}, 400, "must not be empty"),
        ({"run": "RUN", "issues": "slow", "stars": 1}, 400, "no list"),
        ({"run": "0" * 32, "stars": 5}, 404, "no run"),
        ({"run": "nonsense", "stars": 5}, 404, "no run"),
        ({"session": "never", "stars": 5}, 404, "never"),
        ({"session": "s1", "stars": 5, "comment": "x"}, 400, "stars alone"),
    ],
)
def test_feedback_in_the_wrong_form_says_what_is_wrong(
    log_before: MakeLog, given: dict[str, Any], status: int, words: str
) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run = ask_model(gateway)[1]["x-grokputer-run"]
            found, _, said = gateway.ask("/feedback", {k: run if v == "RUN" else v for k, v in given.items()})
    assert (found, words in said["error"]["message"]) == (status, True), said
    assert not lines(path, "--event", "TaskRated")


def test_feedback_that_says_more_than_before_is_recorded_too(log_before: MakeLog) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run = ask_model(gateway)[1]["x-grokputer-run"]
            given: list[dict[str, Any]] = [
                {"run": run, "stars": 2},
                {"run": run, "stars": 2, "comment": "that is another city"},
                {"run": run, "stars": "2", "comment": "that is another city"},
                {"run": run, "stars": 2, "issues": ["imprecise"]},
            ]
            found = [gateway.ask("/feedback", it)[0] for it in given]
    assert found == [201, 201, 200, 201]
    assert len(lines(path, "--event", "TaskRated")) == 3


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

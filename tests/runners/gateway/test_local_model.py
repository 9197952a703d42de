"""The gateway before a model of its own process: whole and streamed answers, and settings that change while it runs."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import document
from gateways import Served, serving
from tiny_base import quiet_libraries

from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.settings import change_setting

BODY: dict[str, Any] = {"model": "action", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    with quiet_libraries():
        yield


def choose(path: Path, base: Path) -> None:
    ledger = Ledger.open(path)
    change_setting(ledger, "model.base", str(base), actor="ada")
    ledger.close()


def stream(gateway: Served) -> list[dict[str, Any]]:
    """The events of a streamed answer."""
    body = json.dumps({**BODY, "stream": True, "stream_options": {"include_usage": True}}).encode()
    headers = {"authorization": f"Bearer {gateway.key}"}
    with urllib.request.urlopen(urllib.request.Request(f"{gateway.url}/chat/completions", body, headers)) as response:
        frames = response.read().decode().split("\n\n")
    assert frames[-2:] == ["data: [DONE]", ""]
    return [json.loads(frame.removeprefix("data: ")) for frame in frames[:-2]]


def test_a_streamed_answer_is_the_whole_one_and_a_change_of_the_base_is_followed(
    tiny_base: Path, tmp_path: Path
) -> None:
    path, other = tmp_path / "events.db", tmp_path / "other-base"
    shutil.copytree(tiny_base, other)
    Ledger.create(path).close()
    choose(path, tiny_base)
    told: list[str] = []
    with serving(path, say=told.append) as gateway:
        assert told[0] == f"loading the model {tiny_base}; requests are answered after that"
        status, _, whole = gateway.ask("/chat/completions", BODY)
        events = stream(gateway)
        choose(path, other)
        deadline = time.monotonic() + 30
        while str(other) not in document("runs", db=path)[0]["base"]:
            assert time.monotonic() < deadline
            assert gateway.ask("/chat/completions", BODY)[0] == 200
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events if event["choices"])
    assert status == 200 and text == whole["choices"][0]["message"]["content"] != ""
    assert events[-1]["usage"] == whole["usage"] and events[-2]["choices"][0]["finish_reason"] == "stop"
    assert {run["status"] for run in document("runs", db=path)} == {"answered"}

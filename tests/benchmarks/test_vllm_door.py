"""The door before a real vLLM server: what passes through is as it was, and is written down."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from pathlib import Path
from urllib.error import URLError

import openai
import pytest
from fake_vllm import FakeVllm

from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.local import LocalModel
from grokputer.benchmarks.killed import checks
from grokputer.benchmarks.killed.fleet import free_ports
from grokputer.benchmarks.killed.parts import wait_until
from grokputer.benchmarks.killed.real_vllm import Door

ASKED = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4, "temperature": 0}


def answers(port: int) -> bool:
    """Whether the server behind the door is healthy."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, URLError):
        return False


@pytest.mark.parametrize("streams", [False, True])
def test_requests_pass_through_the_door_and_are_written_down_with_the_start_of_the_server(
    tiny_base: Path, tmp_path: Path, streams: bool
) -> None:
    model = LocalModel(Base(str(tiny_base), quantization="none"))
    log, [port] = tmp_path / "asked.jsonl", free_ports(1)
    with FakeVllm(model, Path()) as server:
        door = Door(server.url.removesuffix("/v1"), log)
        threading.Thread(target=asyncio.run, args=(door.serve(port),), daemon=True).start()
        wait_until(lambda: answers(port), "the door is open", 30)
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)
        got = client.chat.completions.create(**ASKED, stream=streams)  # type: ignore[call-overload]
        own = model.complete(ASKED["messages"], max_tokens=4)  # type: ignore[arg-type]
        said = (
            "".join(it.choices[0].delta.content or "" for it in got if it.choices)
            if streams
            else got.choices[0].message.content
        )
        assert said == own.text
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(**{**ASKED, "model": "unknown"})  # type: ignore[call-overload]
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert [(line["model"], line["status"], line["is_proof"]) for line in lines] == [
            ("tiny", 200, False),
            ("unknown", 404, False),
        ]
        assert {float(line["boot"]) for line in lines} == {1.79e9 + server.boots}
        assert {model for _, model in checks.first_answers(log)} == {"tiny"}
        server.die()
        with pytest.raises(openai.APIConnectionError):
            client.chat.completions.create(**ASKED)  # type: ignore[call-overload]

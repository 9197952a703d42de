"""The page of clients: its programs run as they stand, against a real gateway."""

from __future__ import annotations

import asyncio
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from chat_server import ChatServer
from command_line import lines
from documents import blocks
from gateways import Served, serving
from places import ROOT

from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.use_cases.settings import change_setting

PAGE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty log."""
    monkeypatch.setenv("OPENAI_API_KEY", "upstream-key")
    Ledger.create(tmp_path / "events.db").close()
    return tmp_path / "events.db"


def use(path: Path, endpoint: ChatServer) -> Path:
    """The log, whose runs go to the endpoint."""
    ledger = Ledger.open(path)
    for key, value in {"model.backend": "openai", "model.endpoint": endpoint.url, "model.base": "tiny"}.items():
        change_setting(ledger, key, value, actor="ada")
    ledger.close()
    return path


def environment(gateway: Served) -> dict[str, str]:
    address = gateway.url.removesuffix("/v1")
    return {
        **os.environ,
        "GROKPUTER_URL": address,
        "GROKPUTER_KEY": gateway.key,
        "OPENAI_BASE_URL": gateway.url,
        "OPENAI_API_KEY": gateway.key,
    }


def ran(command: list[str], gateway: Served, cwd: Path | None = None) -> str:
    done = subprocess.run(command, env=environment(gateway), capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_programs_for_python_run_in_their_order(path: Path) -> None:
    programs = [program for program in blocks(PAGE, "python") if "langchain" not in program]
    with ChatServer("Paris", ["tiny"], streams=True) as endpoint, serving(use(path, endpoint)) as gateway:
        printed = ran([sys.executable, "-W", "error", "-c", "\n".join(programs)], gateway)
    assert "[2] ['action'" in printed and "404 there is no model 'gpt-9'" in printed
    assert [rated["data"]["stars"] for rated in lines(path, "--event", "TaskRated")] == [2, 5, 5, 5]
    assert len(lines(path, "--event", "TaskCorrected")) == 1


def test_the_commands_with_curl_ask_rate_and_correct(path: Path, tmp_path: Path) -> None:
    [_, commands] = blocks(PAGE, "sh")
    with ChatServer("Paris", ["tiny"], streams=True) as endpoint, serving(use(path, endpoint)) as gateway:
        printed = ran(["bash", "-euc", commands], gateway, tmp_path)
    assert '"content": "Paris"' in printed and '"stars": [2]' in printed and printed.endswith("data: [DONE]\n\n")
    assert [rated["data"]["stars"] for rated in lines(path, "--event", "TaskRated")] == [2]
    assert len(lines(path, "--event", "TaskCorrected")) == 1


def test_the_thumbs_of_open_webui_become_stars_once(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    plugin = runpy.run_path(str(ROOT / "deploy" / "openwebui" / "grokputer_thumbs.py"))
    with ChatServer("Paris", ["tiny"], streams=True) as endpoint, serving(use(path, endpoint)) as gateway:
        asked = {"model": "action", "messages": [{"role": "user", "content": "hello"}]}
        run = gateway.ask("/chat/completions", asked)[1]["x-grokputer-run"]
        thumb = {"id": "t1", "updated_at": 1, "meta": {"message_id": "m1"}, "data": {"rating": 1}}
        down = {**thumb, "updated_at": 2, "data": {"rating": -1, "reason": "too long", "comment": "one word"}}
        foreign = {**thumb, "id": "t2", "meta": {"message_id": "m2"}}
        for _ in range(2):  # the second filter is that after a restart
            filter = plugin["Filter"]()
            filter.valves = filter.Valves(url=gateway.url, key=gateway.key)
            filter.stream({"id": f"chatcmpl-{run}", "choices": []}, {"message_id": "m1"})
            for thumbs in ([thumb, foreign], [thumb, foreign], [down, {**thumb, "id": "t3", "data": {}}]):
                asyncio.run(filter.send_thumbs(thumbs))
    rated = [line["data"] for line in lines(path, "--event", "TaskRated")]
    assert [rating["stars"] for rating in rated] == [5, 1]
    assert Log.open(path).get_content(rated[1]["comment"]) == "too long: one word"


def test_a_thumb_waits_while_the_gateway_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    filter = runpy.run_path(str(ROOT / "deploy" / "openwebui" / "grokputer_thumbs.py"))["Filter"]()
    filter.valves = filter.Valves(url="http://127.0.0.1:1/v1", key="gp_x")
    filter.stream({"id": f"chatcmpl-{'0' * 32}"}, {"message_id": "m1"})
    thumb = {"id": "t1", "meta": {"message_id": "m1"}, "data": {"rating": "1"}}
    asyncio.run(filter.send_thumbs([thumb]))
    assert [feedback["stars"] for feedback in filter.runs.to_send([thumb])] == [5]

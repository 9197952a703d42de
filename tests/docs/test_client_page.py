"""The page of clients: its programs run as they stand, against a real gateway."""

from __future__ import annotations

import os
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

"""The first key of a log: made and shown once the gateway serves, so that no start that fails hides it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from command_line import call
from gateways import serve_command, started

from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.use_cases.access_keys import BEGINNING, list_keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log without a key."""
    Ledger.create(tmp_path / "events.db")
    return tmp_path / "events.db"


def test_a_start_that_fails_makes_no_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = call("serve", "--no-api", "--no-worker", "--port", port, db=path)
    assert refused.exit_code == 1 and f"cannot listen on 127.0.0.1:{port}" in refused.output
    monkeypatch.setenv("LORA_VERSION", "lora-v9")
    pinned = call("serve", "--no-worker", "--port", 0, db=path)
    assert pinned.exit_code == 1 and "LORA_VERSION cannot be followed" in pinned.output
    assert BEGINNING not in refused.output + pinned.output
    assert list_keys(Log.open(path)) == []


def test_the_first_start_that_serves_shows_one_key_and_the_next_none(path: Path) -> None:
    first, second = (started([*serve_command(path), "--no-api"]) for _ in range(2))
    assert [line[:3] for line in first] == [BEGINNING, "pag"]
    assert [line[:3] for line in second] == ["pag"]
    assert len(list_keys(Log.open(path))) == 1

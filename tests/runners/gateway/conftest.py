"""A log whose model is an endpoint of the test's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.settings import change_setting


@pytest.fixture
def log_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes a log whose runs go to the endpoint at this URL."""
    monkeypatch.setenv("OPENAI_API_KEY", "upstream-key")

    def make(url: str) -> Path:
        path = tmp_path / "events.db"
        ledger = Ledger.create(path)
        for key, value in {"model.backend": "openai", "model.endpoint": url, "model.base": "tiny"}.items():
            change_setting(ledger, key, value, actor="ada")
        ledger.close()
        return path

    return make

"""A log whose model is an endpoint of the test's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fleets import servers, tiny_model  # noqa: F401
from gateways import make_log_before


@pytest.fixture
def log_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes a log whose runs go to the endpoint at this URL."""
    monkeypatch.setenv("OPENAI_API_KEY", "upstream-key")
    return lambda url: make_log_before(tmp_path / "events.db", url)

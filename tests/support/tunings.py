"""A log whose trainings a fake endpoint carries out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from gated import SETTINGS, History
from tuning_server import TuningServer

from grokputer.domain.aggregates.training import TrainingJob
from grokputer.runners.use_cases.trainings import request_training

KEY = "sk-secret-of-the-test"
"""What the server's API key is set to."""


def tuned_history(path: Path, server: TuningServer, runs: int = 24, **more: Any) -> History:
    """A log of runs that failed and were corrected, whose model the server serves and tunes."""
    history = History(path)
    there = {"model.backend": "openai", "model.endpoint": server.url, "model.base": server.base}
    launch = {"training.launcher": "openai", "training.data_may_leave": True, "training.poll_s": 0.1, "gate.runs": 6}
    history.set(**{**SETTINGS, **there, **launch, **more})
    history.feedback("miniwob", range(runs))
    return history


@pytest.fixture(autouse=True)
def endpoint_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a log of runs that failed and were corrected, without a gate."""
    with TuningServer() as server:
        folder = tmp_path_factory.mktemp("tuning")
        history = tuned_history(folder / "events.db", server, 12, **{"gate.enabled": False})
        history.parts.close()
        history.ledger.close()
    return history.ledger.path.parent


@pytest.fixture
def server() -> Iterator[TuningServer]:
    with TuningServer(course=("running", "succeeded")) as server:
        yield server


@pytest.fixture
def history(written: Path, server: TuningServer, tmp_path: Path) -> Iterator[History]:
    history = copy_of(written, tmp_path / "log", server)
    yield history
    history.parts.close()


def copy_of(written: Path, to: Path, server: TuningServer) -> History:
    """The log, with this server as the endpoint of its model."""
    shutil.copytree(written, to)
    history = History(to / "events.db")
    history.set(**{"model.endpoint": server.url})
    return history


def request(history: History) -> UUID:
    """A person asks for a training; its id."""
    requested = request_training(history.ledger, "action", reason="many corrections", actor="ada")
    return requested.training


def train(history: History) -> TrainingJob:
    """A person asks for a training, and the worker does what it finds to do."""
    training = request(history)
    history.work()
    return history.ledger.get(TrainingJob, training)


def topics(history: History) -> list[str]:
    """The topics of the log's events about trainings and adapters, in order."""
    beginnings = ("Training", "Dataset", "Tuning", "Adapter", "Attempt", "HeldOut", "Rollout", "SentDataset")
    return [it.event.TOPIC for it in history.ledger.read(1, None) if it.event.TOPIC.startswith(beginnings)]

"""A log whose trainings a fake endpoint carries out."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

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

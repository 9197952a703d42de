"""The ports: what a part does that brings only what it must, and how work reaches a part that was chosen elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from grokputer.adapters.registry.local import WeightStore
from grokputer.adapters.serving.remote import RemoteModel
from grokputer.adapters.training.job import TrainingJobSpec, TrainingResult
from grokputer.adapters.training.process import train
from grokputer.domain.errors import ModelError, NotServed, TrainingError
from grokputer.domain.page.messages import Completion, Message, Request
from grokputer.domain.ports import LaunchedTraining, Model, Progress, TrainingLauncher
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.wiring.services import Services
from story import Story

RESULT = TrainingResult(
    Path("adapter"), "sha256:aa", "sha256:dd", "sha256:00", 1.0, 1, 1, 0, 1, 1, 0.5, "cluster", {}
)  # fmt: skip


class Echo(Model):
    """A model that brings what it must: it answers one request, with its last message, and none that is empty."""

    def complete(self, messages: Sequence[Message], **_: Any) -> Completion:
        if not messages[-1]["content"]:
            raise ModelError("nothing was asked")
        return Completion(messages[-1]["content"], 1, 1, 1)


def asking(*contents: str) -> list[Request]:
    return [Request([{"role": "user", "content": content}]) for content in contents]


def test_many_requests_are_answered_in_order_with_the_error_of_one_in_its_place() -> None:
    one, two, three = Echo().complete_many(asking("a", "", "c"))
    assert isinstance(one, Completion) and isinstance(three, Completion)
    assert (one.text, str(two), three.text) == ("a", "nothing was asked", "c")


def test_an_adapter_waits_where_the_model_serves_none_and_is_not_rejected(tmp_path: Path) -> None:
    story, said = Story(tmp_path / "events.db"), list[str]()
    story.run()
    story.train(story.ask())
    with Services(story.ledger, process_new_events(story.ledger)) as parts:
        parts._model, parts._base_label = Echo(), "echo"
        parts._model_settings = parts.state.policy.model
        worker = Worker(story.ledger, parts, Reporter(said.append))
        while worker.step():
            pass
        worker.step()
        assert parts.state.registry.adapters["lora-v1"].status == "registered"
    assert [line for line in said if "waits" in line] == [
        "lora-v1 waits: lora-v1 is not available: echo serves no adapters; set model.backend to local"
    ]


def test_an_endpoint_loads_nothing_from_here_and_cannot_be_proven(tmp_path: Path) -> None:
    server = RemoteModel("http://127.0.0.1:9/v1", "grok", retries=0)
    assert (server.adapters.can_load, server.scoring) == (False, None)
    with pytest.raises(ModelError, match="loads no weights of this machine; load lora-v1 there"):
        server.load("lora-v1", tmp_path)
    with pytest.raises(NotServed, match="does not expose its logits"):
        server.prove("lora-v1", tmp_path)
    server.close()


class Cluster(TrainingLauncher[TrainingJobSpec, TrainingResult]):
    """Trainings that run elsewhere: it remembers what was started and stopped."""

    def __init__(self, *told: Progress | str) -> None:
        self.told = told
        self.events: list[str] = []

    def start(self, job: TrainingJobSpec) -> Job:
        self.events.append(f"started {job.directory.name}")
        return Job(self)


class Job(LaunchedTraining[TrainingResult]):
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def progress(self) -> Iterator[Progress | str]:
        yield from self.cluster.told

    def result(self) -> TrainingResult:
        return RESULT

    def stop(self) -> None:
        self.cluster.events.append("stopped")


def test_a_training_runs_where_the_launcher_says(tmp_path: Path) -> None:
    step = Progress(1, 2, 0.5, 0.5, 8.0, 1.0)
    cluster, steps, notes = Cluster(step, "a node was lost"), list[Progress](), list[str]()
    spec = TrainingJobSpec(tmp_path / "job", tmp_path / "dataset.jsonl")
    assert train(spec, steps.append, say=notes.append, launcher=cluster) == RESULT
    assert (steps, notes, cluster.events) == ([step], ["a node was lost"], ["started job", "stopped"])


def test_a_training_is_stopped_where_its_progress_cannot_be_recorded(tmp_path: Path) -> None:
    def fail(progress: Progress) -> None:
        raise TrainingError("the disk is full")

    cluster = Cluster(Progress(1, 2, 0.5, 0.5, 8.0, 1.0))
    with pytest.raises(TrainingError, match="the disk is full"):
        train(TrainingJobSpec(tmp_path / "job", tmp_path / "dataset.jsonl"), fail, launcher=cluster)
    assert cluster.events == ["started job", "stopped"]


def test_a_registry_lists_what_it_has_and_nothing_that_is_unfinished(tmp_path: Path) -> None:
    store = WeightStore(tmp_path / "weights")
    assert store.hashes() == []
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(folder.name.encode())
    hashes = [store.put(folder).hash for folder in folders]
    (store.root / ".incoming-1").mkdir()
    (store.root / ("ab" * 32)).mkdir()
    assert store.hashes() == sorted(hashes)
    assert [store.has(hash) for hash in (*hashes, "sha256:" + "ab" * 32, "no hash")] == [True, True, False, False]

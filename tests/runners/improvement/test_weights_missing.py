"""Weights that runs need and that are not in their folder: reading commands show them, the worker alerts once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import document, lines, output
from receivers import SECRET, Receiver

from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.events import TrainingRequested
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.decisions import decide_again
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.worker import Reporter, Worker
from grokputer.runners.lessons.gather import collect_examples
from grokputer.runners.store.log import adapters_folder
from grokputer.runners.wiring.services import Services
from story import Story, complete_training

MADE_UP = ("HeldOutJudged", "DatasetBuilt")


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    """lora-v1 is live and lora-v2 a canary."""
    monkeypatch.setenv("GROKPUTER_WEBHOOK_SECRET", SECRET)
    story = Story(tmp_path / "events.db")
    for _ in range(2):
        story.run()
        story.run()
        story.prove(story.train(story.ask()))
        if not document("adapters", db=story.path)[1:]:
            output("rollouts", "promote", "lora-v1", "--reason", "good", db=story.path)
    return story


def folder(story: Story, adapter: str) -> Path:
    digest: str = process_new_events(story.ledger).registry.adapters[adapter].weights.removeprefix("sha256:")
    return adapters_folder(story.path) / "weights" / digest


def work(story: Story, said: list[str] | None = None) -> None:
    said = [] if said is None else said
    with Services(story.ledger, process_new_events(story.ledger)) as parts:
        worker = Worker(story.ledger, parts, Reporter(said.append))
        while worker.step():
            pass


def kinds(story: Story) -> list[tuple[str, str]]:
    return [(it["data"]["kind"], it["data"]["adapter"]) for it in lines(story.path, "--event", "AlertRaised")]


def test_examples_are_collected_without_retries_and_a_line_names_the_missing_weights(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.rate(story.run(succeeds=False), 1)
    lines_said: list[str] = []
    with Services(story.ledger, process_new_events(story.ledger)) as services:
        training = complete_training(story.ledger, services, f"sha256:{'0' * 64}")
        services.state = process_new_events(story.ledger)
        requested = story.ledger.get(TrainingJob, training).requested
        assert requested is not None
        with_parent = TrainingRequested(**{**vars(requested), "parent": "lora-v1"})
        collect_examples(story.ledger, services, with_parent, services.state.policy, lines_said.append)
    [line] = lines_said
    assert line.startswith("failed runs of miniwob are not tried again: weights sha256:000")
    assert "restore them from a backup" in line


@pytest.mark.parametrize(("adapter", "serves"), [("lora-v1", "live"), ("lora-v2", "canary")])
def test_reading_commands_say_which_weights_are_missing(story: Story, adapter: str, serves: str) -> None:
    assert document("status", db=story.path)["weights_missing"] == {}
    shutil.rmtree(folder(story, adapter))
    assert document("status", db=story.path)["weights_missing"] == {adapter: serves}
    assert f"WEIGHTS MISSING: those of {adapter}, which is {serves}, are not in " in output("status", db=story.path)
    missing = {it["adapter"]: it["weights_missing"] for it in document("adapters", db=story.path)}
    assert missing == {name: name == adapter for name in ("lora-v1", "lora-v2")}
    assert output("adapters", db=story.path).count("MISSING") == 1


@pytest.mark.parametrize("what", ["the folder", "one file", "the list of files", "all folders"])
def test_missing_folders_files_and_lists_of_weights_are_noticed(story: Story, what: str) -> None:
    own = folder(story, "lora-v1")
    match what:
        case "the folder":
            shutil.rmtree(own)
        case "one file":
            (own / "adapter_config.json").unlink()
        case "the list of files":
            (own / "SHA256SUMS").unlink()
        case "all folders":
            shutil.rmtree(own.parent)
    assert document("status", db=story.path)["weights_missing"]["lora-v1"] == "live"


def test_the_worker_alerts_once_and_says_when_they_are_back(story: Story, tmp_path: Path) -> None:
    said: list[str] = []
    with Receiver() as receiver:
        story.set("alert.webhook", receiver.url)
        work(story)
        assert kinds(story) == []
        own, aside = folder(story, "lora-v1"), tmp_path / "aside"
        own.rename(aside)
        work(story, said)
        work(story, said)
        assert kinds(story) == [("weights missing", "lora-v1")]
        assert any(
            "weights missing: the weights of lora-v1, which is live, are not in their folder" in it for it in said
        )
        [alert] = document("status", db=story.path)["alerts"]
        assert (alert["kind"], alert["severity"]) == ("weights missing", "critical")
        aside.rename(own)
        work(story, said)
        assert document("status", db=story.path)["alerts"] == []
        assert any("the weights of lora-v1 are in their folder again" in it for it in said)
        own.rename(aside)
        work(story)
        assert kinds(story) == [("weights missing", "lora-v1")] * 2, "another time"
    types = [it.document["type"] for it in receiver.requests]
    assert types == ["alert.weights_missing", "alert.resolved", "alert.weights_missing"]
    assert replay(story.ledger).is_equal
    assert [it for it in decide_again(story.ledger) if it.difference and it.kind not in MADE_UP] == []


def test_the_alert_is_over_when_no_run_goes_to_the_adapter_any_more(story: Story) -> None:
    shutil.rmtree(folder(story, "lora-v2"))
    work(story)
    output("rollouts", "abort", "lora-v2", "--reason", "its weights are gone", db=story.path)
    work(story)
    assert [it["kind"] for it in document("status", db=story.path)["alerts"]] == ["rolled back"]
    assert kinds(story) == [("weights missing", "lora-v2"), ("rolled back", "lora-v2")]

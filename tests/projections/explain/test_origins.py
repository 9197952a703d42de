"""From an example or a run to the adapters that were trained on it, and back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from command_line import document, output, refused

from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.events import DatasetBuilt
from grokputer.projections.explain.provenance import read_datasets, trace_back, trace_forward
from grokputer.runners.improvement.process_manager import process_new_events
from story import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def example(run: UUID, step: int, hash: str, source: str = "correction") -> dict[str, Any]:
    return {
        "source": source,
        "run": run.hex,
        "step": step,
        "instance": f"miniwob/click-link#{run.hex[:3]}",
        "hash": hash,
    }


def teach(story: Story, examples: list[dict[str, Any]], held_out: list[dict[str, Any]] | None = None) -> str:
    """A training on these examples that ends with an adapter; what the adapter is named."""
    training = story.ask()
    manifest = {"examples": examples, "held_out": held_out or []}
    key, at = story.ledger.put(json.dumps(manifest)), story.ledger.position

    def finish(job: TrainingJob) -> None:
        context = story.ledger.context("grokputer", f"{job.id}/{job.version}")
        job.build_dataset(
            context, dataset="sha256:dd", manifest=key, examples=len(examples), by_source={}, runs=1, up_to=at
        )
        job.start(context)
        job.complete(
            context, weights="sha256:" + training.hex, base_hash="sha256:00", config_hash="sha256:11", dataset="sha256:dd",
            steps=8, tokens=400, examples=9, left_out=0, reasons={}, final_loss=0.2, duration_s=1.0, peak_memory_bytes=10**9,
            device="cpu", versions={},
        )  # fmt: skip

    story.ledger.write(TrainingJob, training, finish)
    state = process_new_events(story.ledger)
    return list(state.registry.adapters)[-1]


def end_cycle(story: Story, adapter: str) -> None:
    """The adapter goes live, so that another training may be asked for."""
    state = process_new_events(story.ledger)
    story.assess(story.prove(UUID(state.registry.adapters[adapter].id)), "promote")


def test_a_run_leads_to_every_adapter_that_was_trained_on_it_and_to_no_other(story: Story) -> None:
    used, other = story.run(), story.run()
    first = teach(story, [example(used, 0, "sha256:aa01"), example(used, 2, "sha256:aa02")])
    end_cycle(story, first)
    teach(story, [example(other, 0, "sha256:bb01")])
    [node] = trace_forward(read_datasets(story.ledger), lambda row: row["run"] == used.hex)
    assert node.data["adapter"] == "lora-v1"
    assert node.text == (
        f"lora-v1 was trained on 2 examples of miniwob/click-link#{used.hex[:3]}, steps 1 and 3 (correction)"
    )
    assert story.ledger.at(node.position).event.TOPIC == "DatasetBuilt"


def test_an_adapter_that_went_on_from_anothers_weights_was_trained_on_its_examples_too(story: Story) -> None:
    story.set("training.init_from", "parent")
    run, other = story.run(), story.run()
    first = teach(story, [example(run, 0, "sha256:aa01")])
    end_cycle(story, first)
    teach(story, [example(other, 0, "sha256:bb01")])
    datasets = read_datasets(story.ledger)
    [node] = trace_forward(datasets, lambda row: row["run"] == run.hex)
    assert [child.text for child in node.children] == ["lora-v2 went on from the weights of lora-v1"]
    back = trace_back(story.ledger, datasets, "lora-v2")
    assert [it.text for it in back] == [
        "correction: 1 example from 1 run",
        "went on from the weights of lora-v1, and so from its examples",
    ]
    assert back[1].children[0].children[0].data["run"] == run.hex


def test_an_adapter_trained_from_the_base_inherits_nothing(story: Story) -> None:
    run, other = story.run(), story.run()
    first = teach(story, [example(run, 0, "sha256:aa01")])
    end_cycle(story, first)
    teach(story, [example(other, 0, "sha256:bb01")])
    [node] = trace_forward(read_datasets(story.ledger), lambda row: row["run"] == run.hex)
    assert node.children == []


def test_held_out_examples_were_never_shown_in_training(story: Story) -> None:
    run, kept = story.run(), story.run()
    teach(
        story,
        [example(run, 0, "sha256:aa01")],
        [{"instance": "miniwob/click-link#9", "run": kept.hex, "outcome": "failed"}],
    )
    [node] = trace_forward(read_datasets(story.ledger), lambda row: row["run"] == kept.hex)
    assert (node.kind, node.data["outcome"]) == ("HeldOut", "failed")
    assert node.text.startswith("lora-v1 was never shown it: held out")


def test_an_adapter_leads_back_to_its_examples_by_source_and_run_in_the_order_of_the_log(story: Story) -> None:
    early, late = story.run(), story.run()
    teach(
        story,
        [example(late, 0, "sha256:aa01"), example(early, 1, "sha256:aa02"), example(early, 0, "sha256:aa03", "replay")],
    )
    correction, replay = trace_back(story.ledger, read_datasets(story.ledger), "lora-v1")
    assert [child.data["run"] for child in correction.children] == [early.hex, late.hex]
    assert correction.text == "correction: 2 examples from 2 runs"
    assert replay.children[0].data["examples"][0]["hash"] == "sha256:aa03"
    assert story.ledger.at(correction.children[0].position).event.originator_id == early


def test_examples_from_outside_have_no_run(story: Story) -> None:
    row = {"source": "public", "run": "", "step": 0, "instance": "public#12", "hash": "sha256:cc"}
    teach(story, [row])
    [public] = trace_back(story.ledger, read_datasets(story.ledger), "lora-v1")
    assert public.text == "public: 1 example"
    assert public.children[0].text == "from outside: 1 example of public#12"


def test_a_manifest_that_was_erased_is_said_to_be(story: Story) -> None:
    teach(story, [example(story.run(), 0, "sha256:aa01")])
    [built] = (it.event for it in story.ledger.read(1, None, ("DatasetBuilt",)))
    assert isinstance(built, DatasetBuilt)
    with closing(sqlite3.connect(story.path)) as connection:
        connection.execute("DELETE FROM content WHERE key = ?", (built.manifest,))
        connection.commit()
    datasets = read_datasets(story.ledger)
    assert trace_back(story.ledger, datasets, "lora-v1")[0].text == "what it was trained on was erased"
    assert trace_forward(datasets, lambda row: True)[0].kind == "Erased"


def test_the_command_takes_a_run_a_hash_an_instance_and_an_adapter(story: Story) -> None:
    run = story.run()
    teach(story, [example(run, 0, "sha256:aa01")])
    db, said = story.path, f"lora-v1 was trained on 1 example of miniwob/click-link#{run.hex[:3]}, step 1 (correction)"
    for name in (run.hex[:10], "sha256:aa0", f"miniwob/click-link#{run.hex[:3]}"):
        assert said in output("lineage", name, db=db)
    assert document("lineage", "sha256:aa01", db=db)["example"] == "sha256:aa01"
    [source] = document("lineage", "lora-v1", db=db)["tree"]
    assert source["children"][0]["data"]["run"] == run.hex
    unused = story.run()
    assert output("lineage", unused.hex, db=db) == f"run {unused.hex[:8]}: no training has used it\n"


def test_a_name_that_leads_nowhere_or_to_several_is_refused(story: Story) -> None:
    run = story.run()
    teach(story, [example(run, 0, "sha256:aa01"), example(run, 1, "sha256:aa02")])
    assert "see 'grokputer adapters' or 'runs'" in refused("lineage", "nothing", db=story.path)
    assert "example aa01, example aa02; give more of it" in refused("lineage", "sha256:aa", db=story.path)

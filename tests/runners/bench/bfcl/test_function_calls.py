"""The benchmark of function calls, played for real with a tiny base, and its report from the log alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from bfcl_package import needs_bfcl
from command_line import call
from tiny_base import build_base

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.events import TaskCorrected, TaskStarted, TrainingCompleted
from grokputer.projections.bench import Label
from grokputer.runners.bench.bfcl.loop import adapters_by_cycle, log_of, run_bfcl
from grokputer.runners.bench.bfcl.plan import Arguments
from grokputer.runners.bench.bfcl.report import error_rows, report, stage_rows
from grokputer.runners.bench.loop import Display
from grokputer.runners.environments.bfcl.split import split_entries
from grokputer.runners.store.log import Log

pytestmark = needs_bfcl

T = TypeVar("T")

SETTINGS = {
    "run.max_tokens": 8, "training.epochs": 1, "training.min_examples": 1, "training.batch": 2,
    "training.accumulation": 1, "training.max_length": 8192, "training.held_out_share": 0.0, "gate.runs": 1,
}  # fmt: skip


class Interrupted(Exception):
    """Stands for a kill: nothing is done any more."""


class Impatient(Display):
    """Is interrupted when it has been shown so many runs."""

    def __init__(self, runs: int) -> None:
        self.left = runs

    def track(self, items: Iterable[T], total: int, title: str) -> Iterable[T]:
        for item in items:
            yield item
            self.left -= 1
            if not self.left:
                raise Interrupted


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with room for the prompts, of which each character is a token."""
    folder = build_base(tmp_path_factory.mktemp("wide") / "base")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 32_768}))
    return folder


def arguments(base: Path, **others: Any) -> Arguments:
    settings = [f"{key}={value}" for key, value in {"model.base": base, **SETTINGS}.items()]
    return Arguments(**{"corrections": (3, 5), "tested": 3, "shots": 1, "settings": settings, **others})


@pytest.fixture(scope="module")
def played(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a benchmark that was killed twice and continued: amid the measurements, and amid the corrections."""
    out = tmp_path_factory.mktemp("bench") / "bfcl"
    for runs in (4, 8):
        with pytest.raises(Interrupted):
            run_bfcl(out, arguments(base), Impatient(runs))
    run_bfcl(out, arguments(base), Display())
    return out


def test_there_are_exactly_as_many_corrections_as_planned_although_it_was_killed(played: Path) -> None:
    log = Log.open(log_of(played))
    corrected = [stored.event for stored in log.read(1, None, (TaskCorrected.TOPIC,))]
    assert len(corrected) == len({event.originator_id for event in corrected}) == 5
    started = [stored.event for stored in log.read(1, None, (TaskStarted.TOPIC,))]
    labels = Counter(
        (label.cycle, label.purpose, label.detail if label.purpose == "measure" else "")
        for event in started
        if isinstance(event, TaskStarted) and (label := Label.read(event.session)) is not None
    )
    assert labels == {
        (0, "measure", "0-shot"): 3, (0, "measure", "1-shot"): 3,
        (1, "feedback", ""): 3, (1, "measure", "0-shot"): 3,
        (2, "feedback", ""): 2, (2, "measure", "0-shot"): 3,
    }  # fmt: skip
    assert [name for name in adapters_by_cycle(log) if name] == ["lora-v1", "lora-v2"]


def test_a_finished_benchmark_records_nothing_more(played: Path, base: Path) -> None:
    position = Log.open(log_of(played)).position
    run_bfcl(played, arguments(base), Display())
    assert Log.open(log_of(played)).position == position


def test_no_training_sees_a_function_that_is_tested(played: Path) -> None:
    log = Log.open(log_of(played))
    tested = {name for entry in split_entries(1).test for name in entry.names}
    prompts = Counter[str]()
    for stored in log.read(1, None, (TrainingCompleted.TOPIC,)):
        job = log.get(TrainingJob, stored.event.originator_id)
        assert job.dataset is not None
        for row in json.loads(log.get_content(job.dataset.manifest) or "")["examples"]:
            run = log.get(TaskRun, UUID(row["run"]))
            assert run.started is not None and run.started.task.split("-")[1] == "train"
            prompts[log.get_content(run.steps[0].prompt) or ""] += 1
    assert len(prompts) == 5
    assert not [name for name in tested for prompt in prompts if f'\\"name\\": \\"{name}\\"' in prompt]


def test_the_examples_of_a_prompt_are_right_calls_of_functions_that_may_be_trained_on(played: Path) -> None:
    log = Log.open(log_of(played))
    trained = {entry.prompt: entry.answer for entry in split_entries(1).train}
    seen = 0
    for stored in log.read(1, None, (TaskStarted.TOPIC,)):
        label, run = Label.read(stored.event.session), log.get(TaskRun, stored.event.originator_id)  # type: ignore[attr-defined]
        assert label is not None
        if label.purpose == "measure":
            *before, question = json.loads(log.get_content(run.steps[0].prompt) or "")
            assert [turn["role"] for turn in before] == ["user", "assistant"] * int(label.detail[0])
            assert question["content"] not in trained
            for asked, answered in zip(before[::2], before[1::2], strict=True):
                assert trained[asked["content"]] == answered["content"]
                seen += 1
    assert seen == 3


def test_the_report_is_made_from_the_log_and_loads_no_torch(played: Path) -> None:
    figures = report(log_of(played))
    assert [stage.name for stage in figures.stages] == ["base", "base, 1 example", "3 corrections", "5 corrections"]
    assert [stage.total.runs for stage in figures.stages] == [3, 3, 3, 3]
    assert [stage.examples for stage in figures.stages] == [0, 0, 3, 5]
    assert all(stage.outcome in ("promoted", "rejected") for stage in figures.stages[2:])
    assert [row[1:4] for row in stage_rows(figures)] == [
        ("0/2, 0% (0-66 %)", "0/1, 0% (0-79 %)", "0/3, 0% (0-56 %)")
    ] * 4
    assert all(sum(map(int, row[1:])) == 3 for row in error_rows(figures))
    program = (
        "import sys; from grokputer.cli import app; "
        f"app(['bench', 'bfcl', '--out', {str(played)!r}, '--from-log', '--json'], standalone_mode=False); "
        "assert 'torch' not in sys.modules"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    document = json.loads(shown.stdout)
    assert document == json.loads((played / "bfcl.json").read_text())
    assert document["stages"][2]["multiple"]["interval"] == [0, 0.7935]
    assert "| 3 corrections | 0/2, 0% (0-66 %) |" in (played / "bfcl.md").read_text()


def test_the_losses_on_a_text_are_measured_once_and_kept(played: Path, tmp_path: Path) -> None:
    text = tmp_path / "general.jsonl"
    text.write_text(
        '"The committee met on Tuesday."\n{"text": "Several members asked about the <|im_end|> library."}\n'
    )
    shown = call("bench", "bfcl", "--out", played, "--resume", "--also", text, "--json")
    assert shown.exit_code == 0, shown.stderr
    losses = json.loads(shown.stdout)["text"]
    assert [(loss["adapter"], loss["weights"]) for loss in losses] == [
        (None, "16 bit"), ("lora-v1", "16 bit"), ("lora-v2", "16 bit"), (None, "NF4"),
    ]  # fmt: skip
    assert {loss["text"] for loss in losses} == {"general.jsonl"}
    assert len({loss["mean"] for loss in losses}) == 4
    kept = (played / "text.json").read_bytes()
    again = call("bench", "bfcl", "--out", played, "--from-log", "--json")
    assert json.loads(again.stdout)["text"] == losses
    assert (played / "text.json").read_bytes() == kept


def test_other_arguments_and_another_benchmarks_folder_are_one_line(played: Path, base: Path, tmp_path: Path) -> None:
    def refusal(*words: object) -> str:
        result = call("bench", "bfcl", *words)
        assert result.exit_code == 1
        [line] = result.stderr.splitlines()
        return line

    assert "was started with" in refusal("--out", played, "--seed", "2")
    (tmp_path / "plan.json").write_text('{"feedback": ["corrections"], "seeds": 3}')
    assert "is the folder of another benchmark" in refusal("--out", tmp_path, "--resume")
    (tmp_path / "plan.json").write_text("{")
    assert "cannot be read" in refusal("--out", tmp_path, "--resume")

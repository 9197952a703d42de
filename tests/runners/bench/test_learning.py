"""The figures of the learning benchmark, from logs made by hand and from the loop itself, played for real."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import pytest
from command_line import call

from grokputer.domain.ab.intervals import wilson
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.ports import Attempt, Script
from grokputer.domain.rules.routing import Route
from grokputer.projections.bench import Label
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.bench.bench import Arguments
from grokputer.runners.bench.loop import Display, cycles_closed, play
from grokputer.runners.bench.plan import Plan
from grokputer.runners.bench.report import read_learning, report, show_count
from grokputer.runners.feedback.reviewer import review
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.wiring.services import Services
from story import Story

T = TypeVar("T")


def refusal(*words: object) -> str:
    result = call(*words)
    assert result.exit_code == 1
    return result.stderr


def measure(story: Story, plan: str, seed: int, cycle: int, unseen: str, old: str) -> None:
    """Runs of two tasks, ``1`` a success, ``0`` a failure, ``-`` one that lost its browser."""
    for group, task, outcomes in (("unseen", "click-color", unseen), ("old", "click-link", old)):
        for outcome in outcomes:
            session = str(Label(plan, seed, cycle, "measure", group))
            reason = "environment" if outcome == "-" else "wrong"
            story.run(task=task, succeeds=outcome == "1", reason=reason, session=session)


def made_log(folder: Path, plan: str, seed: int) -> Path:
    """Two cycles: one with a promotion, one whose adapter is rejected."""
    (folder / f"{plan}-{seed}").mkdir(parents=True)
    story = Story(folder / f"{plan}-{seed}" / "events.db")
    measure(story, plan, seed, 0, "0010", "1111")
    for number in range(3):
        run = story.run(succeeds=number == 0, session=str(Label(plan, seed, 1, "feedback", str(number))))
        story.rate(run, 5 if number == 0 else 1)
        if number:
            story.correct(run)
    rollout = story.prove(story.train(story.ask()))
    story.rate(story.run(session=str(Label(plan, seed, 1, "canary", "1"))), 5)
    story.assess(rollout, "promote")
    measure(story, plan, seed, 1, "1-0111", "1110" if seed == 1 else "1111")
    story.rate(story.run(session=str(Label(plan, seed, 2, "feedback", "1"))), 5)
    story.prove(story.train(story.ask()), matches=False)
    measure(story, plan, seed, 2, "11", "11")  # not to its end
    story.ledger.close()
    return story.path


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``bench learn`` leaves it: two seeds of one kind of feedback, one of another."""
    folder = tmp_path_factory.mktemp("bench")
    for plan, seed in (("corrections", 1), ("corrections", 2), ("ratings", 1)):
        made_log(folder, plan, seed)
    return folder


def test_each_cycle_counts_what_was_rated_corrected_and_trained_in_it(logs: Path) -> None:
    learning = read_learning(Log.open(logs / "corrections-1" / "events.db"))
    assert (learning.plan, learning.seed) == ("corrections", 1)
    before, first, _ = learning.cycles
    assert [len(it.rated) for it in learning.cycles] == [0, 4, 1]
    assert [it.corrected("human") for it in learning.cycles] == [0, 2, 0]
    assert [it.training_s for it in learning.cycles] == [0, 12.5, 12.5]
    assert [it.outcome for it in learning.cycles] == ["", "promoted", "rejected"]
    assert (before.group("unseen").good, before.group("unseen").runs) == (1, 4)
    assert (first.group("unseen").good, first.group("unseen").runs) == (4, 5)  # the lost run says nothing


def test_the_report_means_over_seeds_and_leaves_out_what_is_not_measured_to_its_end(logs: Path) -> None:
    found = report(sorted(logs.glob("*/events.db")))
    assert [(point.feedback, point.cycle, tuple(point.seeds)) for point in found.points] == [
        ("corrections", 0, (1, 2)), ("corrections", 1, (1, 2)), ("ratings", 0, (1,)), ("ratings", 1, (1,)),
    ]  # fmt: skip
    point = found.points[1]
    assert (point.unseen, point.old) == ([0.8, 0.8], [0.75, 1.0])
    assert (point.rated, point.corrected, point.training_s) == ([4, 4], [2, 2], [12.5, 12.5])
    task = next(row for row in found.tasks if row.group == "old")
    assert (task.task, task.cycle, show_count(task.after)) == ("click-link", 1, "7/8 (53-98 %)")


def test_the_interval_of_a_share_equals_wilsons_interval_worked_by_hand() -> None:
    # Worked by hand: 8 of 10, (0.8 + 0.19208) / 1.38416 -+ 1.96 * sqrt(0.016 + 0.009604) / 1.38416.
    assert [round(bound, 4) for bound in wilson(8, 10)] == [0.4902, 0.9433]
    assert wilson(0, 0) == (0, 1)


def test_a_report_is_written_from_the_logs_alone_and_loads_no_torch(logs: Path) -> None:
    program = (
        "import sys; from grokputer.cli import app; "
        f"app(['bench', 'learn', '--from-log', {str(logs)!r}], standalone_mode=False); "
        "assert 'torch' not in sys.modules and 'eventsourcing' not in sys.modules"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/")
    assert "80.0 % (80.0-80.0)" in shown.stdout
    assert "C corrections, R ratings; lower case: old tasks" in shown.stdout
    assert json.loads((logs / "learning.json").read_text())["points"][1]["rated"] == [4, 4]
    assert "| ratings | 1 | 80.0 % |" in (logs / "learning.md").read_text()
    assert (logs / "learning.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_without_logs_is_one_line(tmp_path: Path) -> None:
    assert "no log of a benchmark" in refusal("bench", "learn", "--from-log", tmp_path)


def _measured_pages(plan: Plan, cycle: int) -> list[tuple[str, int]]:
    return [(planned.task, planned.seed) for _, part in plan.measurements(cycle) for planned in part]


def test_every_kind_of_feedback_is_measured_on_the_same_pages_which_are_new_each_cycle() -> None:
    arguments = Arguments()
    plans = [arguments.plan(feedback, 1) for feedback in ("corrections", "ratings", "preferences")]
    pages = [_measured_pages(plan, 2) for plan in plans]
    assert pages[0] == pages[1] == pages[2] != _measured_pages(plans[0], 1)
    rated = [it for plan in plans for cycle in (1, 2, 3, 4) for purpose in ("feedback", "canary")
             for it in plan.rated(cycle, purpose)]  # fmt: skip
    assert len(rated) == 3 * 4 * 150
    assert not {it.seed for it in rated} & {seed for page in pages for _, seed in page}
    assert Counter(it.task in plans[0].old_tasks for it in plans[0].rated(1, "feedback")) == {False: 96, True: 24}


def test_arguments_that_cannot_be_are_one_line(tmp_path: Path) -> None:
    def refused(*words: str) -> str:
        return refusal("bench", "learn", "--out", tmp_path / "bench", *words)

    assert "there are corrections, ratings, preferences" in refused("--feedback", "praise")
    assert "there is no task 'click-buton'" in refused("--tasks", "click-buton")
    assert "cannot be both a task to learn and an old one" in refused("--tasks", "click-link")
    assert "give at least 50" in refused("--episodes", "40")
    assert "give key=value" in refused("--set", "training.retries")
    assert "give one as module:object" in refused("--reviewer", "mine")
    assert "has no method 'rate'" in refused("--reviewer", "pathlib:Path")
    assert "no benchmark was started" in refused("--resume")
    assert not (tmp_path / "bench").exists()


class Interrupted(Exception):
    """Stands for a kill: nothing is done any more."""


class Impatient(Display):
    """Is interrupted when it has been shown so many runs."""

    def __init__(self, runs: int) -> None:
        self.runs = runs

    def track(self, items: Iterable[T], total: int, title: str) -> Iterable[T]:
        for item in items:
            yield item
            self.runs -= 1
            if not self.runs:
                raise Interrupted


@pytest.mark.slow
def test_the_loop_goes_on_where_it_was_killed_and_doubles_nothing(tmp_path: Path, tiny_base: Path) -> None:
    values = {
        "model.base": str(tiny_base), "run.max_steps": 2, "run.max_tokens": 16, "rating.minimum": 100,
        "training.retries": 0, "training.epochs": 1, "training.min_examples": 1, "training.held_out_share": 0.0,
        "training.batch": 8, "training.accumulation": 1,
    }  # fmt: skip
    plan = Plan(
        tasks=("enter-text",), old_tasks=("click-test-2",), feedback=5, canary=0, measured=2, measured_old=2,
        settings={key: (value, "small") for key, value in values.items()},
    )  # fmt: skip
    ledger = Ledger.create(tmp_path / "events.db")
    for runs in (3, 6):
        with pytest.raises(Interrupted):
            play(ledger, plan, "bench", Impatient(runs))
    play(ledger, plan, "bench", Display())
    learning = read_learning(ledger)
    done = Counter(recorded.event.TOPIC for recorded in ledger.read())
    assert done["TaskStarted"] - done["TaskRated"] >= 8
    assert [len(it.rated) for it in learning.cycles] == [0, 5]
    assert [it.group("unseen").runs for it in learning.cycles] == [2, 2]
    # No breach: the loop asked for the training itself, and promoted by plan what it had no canary for.
    [opened] = [recorded.event for recorded in ledger.read(1, None, ("CycleOpened",))]
    assert opened.actor == "bench"
    [closed] = cycles_closed(ledger)
    assert closed.outcome in ("promoted", "rejected")
    position = ledger.position
    play(ledger, plan, "bench", Display())
    assert ledger.position == position


class Lenient:
    """A reviewer of one's own: everything is fair, and one task is corrected by a script."""

    def rate(self, attempt: Attempt) -> int:
        assert attempt.actions
        return 3

    def correct(self, task: str, seed: int) -> Script | None:
        return (lambda page, history: "CLICKbutton:ONE[1]") if task == "click-test-2" else None


def test_a_reviewer_of_ones_own_rates_and_corrects_and_is_believed_only_where_it_succeeds(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "events.db")
    with Services(ledger, process_new_events(ledger)) as parts:
        runner = TaskRunner(ledger, parts.model, parts.prepare, parts.base_label, "ada")
        environment = parts.environment("miniwob")
        base = Route("pinned", None, None)
        runs = [
            runner.run(Task("miniwob", task, 1), environment, parts.state, pinned=base)
            for task in ("click-test-2", "click-shape")  # the latter has no demonstration
        ]
        reviewed = [review(ledger, run, environment, reviewer=Lenient()) for run in runs]
    assert [[rating.stars for rating in run.ratings] for run in reviewed] == [[3], [3]]
    assert [len(ledger.get(TaskRun, run.id).corrections) for run in reviewed] == [1, 0]


@pytest.mark.slow
def test_loops_are_played_beside_each_other_and_reported_together(tmp_path: Path, tiny_base: Path) -> None:
    values = {
        "model.base": tiny_base, "run.max_steps": 1, "run.max_tokens": 8, "training.retries": 0, "training.epochs": 1,
        "training.min_examples": 1, "training.batch": 8, "training.accumulation": 1,
    }  # fmt: skip
    settings = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    out = tmp_path / "bench"
    told = subprocess.run(
        [Path(sys.executable).with_name("grokputer"), "bench", "learn", "--out", str(out), "--jobs", "2", "--json",
         "--feedback", "corrections,preferences", "--seeds", "1", "--cycles", "1", "--episodes", "20", "--measure", "1",
         "--no-canary", "--tasks", "enter-text", "--old-tasks", "click-test-2", *settings],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    measured = [(it["feedback"], it["cycle"]) for it in json.loads(told.stdout)["points"]]
    assert measured == [("corrections", 0), ("corrections", 1), ("preferences", 0), ("preferences", 1)]
    assert {"corrections-1 is finished", "preferences-1 is finished"} <= {
        line.strip() for line in told.stderr.splitlines()
    }

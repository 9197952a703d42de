"""Turns: who answers which step of a run in the browser, whom the reviewer finds at fault, and what corrections teach."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from command_line import document, output, refused

from grokputer.adapters.data.dataset import TOPICS, build_dataset
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.errors import DamagedWeights, ModelError
from grokputer.domain.events import TaskFailed, TaskSucceeded
from grokputer.domain.page.messages import Completion, Message
from grokputer.domain.page.tools import Tool
from grokputer.domain.ports import NO_MEDIA, Model
from grokputer.domain.rules.routing import Route
from grokputer.domain.settings.recipe import Recipe
from grokputer.runners.agent.batch import RunSpec, run_batch
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.archive.replay import replay
from grokputer.runners.environments.miniwob.demonstrations import demonstrate
from grokputer.runners.environments.miniwob.environment import MiniWob
from grokputer.runners.feedback.corrections import correct_by_demonstration, correct_by_hand
from grokputer.runners.feedback.reviewer import first_difference, review
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.trainings import run_training
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.wiring.services import Services
from story import Story, change

TASK, SEED = "enter-text", 3
NONSENSE = "CLOCK"


@pytest.fixture(scope="module")
def computer() -> Iterator[MiniWob]:
    with MiniWob() as computer:
        yield computer


@pytest.fixture(scope="module")
def right(computer: MiniWob) -> list[str]:
    """The actions that do the task: type, then press."""
    page, decide = computer.reset(TASK, SEED), demonstrate(TASK)
    actions: list[str] = []
    while not page.is_done:
        actions.append(decide(page, actions))
        page = computer.act(actions[-1])
    return actions


class Spoken(Model):
    """A model that answers what it was told to, in order, and remembers with which adapter and heat it was asked."""

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers = iter(answers)
        self.asked: list[tuple[str | None, float]] = []

    def complete(
        self,
        messages: Sequence[Message],
        *,
        adapter: str | None = None,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
        tools: Sequence[Tool] = (),
        media: Mapping[str, str] = NO_MEDIA,
    ) -> Completion:
        self.asked.append((adapter, temperature))
        return Completion(next(self.answers), 1, 1, 1)


class Cold(Spoken):
    """An endpoint that answers at no temperature but 0."""

    def complete(self, messages: Sequence[Message], *, temperature: float = 0.0, **others: Any) -> Completion:
        if temperature > 0:
            self.asked.append((others["adapter"], temperature))
            raise ModelError("temperature is not supported")
        return super().complete(messages, temperature=temperature, **others)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A log of runs that may say the same again and again."""
    ledger = Ledger.create(tmp_path / "events.db")
    change(ledger, "run.max_resamples", 0)
    return ledger


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A log in which role recovery has an adapter of its own, and role action has none."""
    story = Story(tmp_path / "events.db")
    story.set("run.max_resamples", 0)
    story.run()
    story.run()
    story.assess(story.prove(story.train(story.ask(role="recovery"))), "promote")
    return story


def runner(ledger: Ledger, model: Spoken) -> TaskRunner:
    return TaskRunner(ledger, model, lambda name: None, "told", "ada")


def play(ledger: Ledger, computer: MiniWob, answers: Sequence[str], pinned: Route | None = None) -> TaskRun:
    """The run of the task with these answers."""
    task, model = Task("miniwob", TASK, SEED), Spoken(answers)
    return runner(ledger, model).run(task, computer, process_new_events(ledger), pinned=pinned)


# --- who answers -----------------------------------------------------------------------------------------------------


def test_without_an_adapter_of_its_own_recovery_is_answered_just_as_the_run(
    ledger: Ledger, computer: MiniWob, right: list[str]
) -> None:
    change(ledger, "action.run.temperature", 0.5)
    model = Spoken([NONSENSE, *right])
    run = runner(ledger, model).run(Task("miniwob", TASK, SEED), computer, process_new_events(ledger))
    assert isinstance(run.ended, TaskSucceeded)
    assert [step.role for step in run.steps] == ["action", "recovery", "action"]
    assert model.asked == [(None, 0.5)] * 3
    assert [assignment["role"] for assignment in run.ended.assignments] == ["action", "recovery"]


def test_recovery_answers_its_turns_with_its_own_adapter_and_settings(
    story: Story, computer: MiniWob, right: list[str]
) -> None:
    change(story.ledger, "recovery.run.temperature", 0.5)
    model = Spoken([NONSENSE, *right])
    run = runner(story.ledger, model).run(Task("miniwob", TASK, SEED), computer, process_new_events(story.ledger))
    assert model.asked == [(None, 0.0), ("lora-v1", 0.5), (None, 0.0)]
    assert run.started is not None
    assert run.started.policy["recovery.run.temperature"] == 0.5
    assert run.started.others == ({"role": "recovery", "arm": "stable", "adapter": "lora-v1", "rollout": None},)


def test_a_run_that_never_got_stuck_counts_for_its_own_role_alone(
    story: Story, computer: MiniWob, right: list[str]
) -> None:
    run = play(story.ledger, computer, right)
    assert run.started is not None and run.ended is not None
    assert [assignment["role"] for assignment in run.started.assignments] == ["action", "recovery"]
    assert [assignment["role"] for assignment in run.ended.assignments] == ["action"]


def test_many_runs_at_a_time_take_the_same_turns(story: Story, computer: MiniWob, right: list[str]) -> None:
    model = Spoken([NONSENSE, *right])
    wanted = RunSpec(Task("miniwob", TASK, SEED), derive_id("batch"))
    [run] = run_batch(runner(story.ledger, model), [wanted], computer, process_new_events(story.ledger))
    assert [step.role for step in run.steps] == ["action", "recovery", "action"]
    assert [adapter for adapter, _ in model.asked] == [None, "lora-v1", None]


def test_weights_that_are_lost_at_recoverys_turn_are_recoverys_fault(
    story: Story, computer: MiniWob, right: list[str]
) -> None:
    def prepare(name: str) -> None:
        raise DamagedWeights(f"weights of {name} have changed")

    lost = TaskRunner(story.ledger, Spoken([NONSENSE, *right]), prepare, "told", "ada")
    run = lost.run(Task("miniwob", TASK, SEED), computer, process_new_events(story.ledger))
    assert isinstance(run.ended, TaskFailed)
    assert (run.ended.reason, run.ended.fault, run.ended.steps) == ("error", "recovery", 1)
    assert [assignment["role"] for assignment in run.ended.assignments] == ["action", "recovery"]


def test_a_run_may_be_pinned_for_recovery_alone(story: Story, computer: MiniWob, right: list[str]) -> None:
    run = play(story.ledger, computer, [NONSENSE, *right], Route("pinned", "lora-v1", None, "recovery"))
    assert run.started is not None
    assert [(assignment["arm"], assignment["adapter"]) for assignment in run.started.assignments] == [
        ("pinned", None),
        ("pinned", "lora-v1"),
    ]


# --- what would only be repeated -------------------------------------------------------------------------------------


def play_both_ways(ledger: Ledger, computer: MiniWob, answers: Sequence[str]) -> Iterator[tuple[TaskRun, Spoken]]:
    """The run with these answers: on its own, and as one of a batch."""
    task = Task("miniwob", TASK, SEED)
    alone, together = Spoken(answers), Spoken(answers)
    yield runner(ledger, alone).run(task, computer, process_new_events(ledger)), alone
    [run] = run_batch(
        runner(ledger, together), [RunSpec(task, derive_id("batch"))], computer, process_new_events(ledger)
    )
    yield run, together


def test_instead_of_doing_the_same_again_on_the_same_page_another_answer_is_drawn(
    ledger: Ledger, computer: MiniWob, right: list[str]
) -> None:
    change(ledger, "run.max_resamples", 2)
    for run, model in play_both_ways(ledger, computer, [NONSENSE, NONSENSE, NONSENSE, *right]):
        assert [ledger.get_content(step.answer) for step in run.steps] == [NONSENSE, *right]
        assert [round(heat, 1) for _, heat in model.asked] == [0, 0, 0.8, 0.9, 0]
        assert [step.completion_tokens for step in run.steps] == [1, 3, 1], "what was drawn is counted"
        assert isinstance(run.ended, TaskSucceeded)


def test_when_the_draws_are_used_up_the_run_repeats_itself(ledger: Ledger, computer: MiniWob, right: list[str]) -> None:
    change(ledger, "run.max_resamples", 1)
    for run, _ in play_both_ways(ledger, computer, [NONSENSE, NONSENSE, NONSENSE, *right]):
        assert [ledger.get_content(step.answer) for step in run.steps] == [NONSENSE, NONSENSE, *right]


def test_what_was_answered_stands_where_no_other_answer_can_be_had(
    ledger: Ledger, computer: MiniWob, right: list[str]
) -> None:
    change(ledger, "run.max_resamples", 3)
    model = Cold([NONSENSE, NONSENSE, *right])
    run = runner(ledger, model).run(Task("miniwob", TASK, SEED), computer, process_new_events(ledger))
    assert [ledger.get_content(step.answer) for step in run.steps] == [NONSENSE, NONSENSE, *right]
    assert isinstance(run.ended, TaskSucceeded)
    assert [heat > 0 for _, heat in model.asked] == [False, False, True, False, False], "it is not asked again"


def test_the_same_answer_on_a_page_that_has_changed_is_no_repetition(
    ledger: Ledger, computer: MiniWob, right: list[str]
) -> None:
    change(ledger, "run.max_resamples", 2)
    other = right[0] + "x"
    for run, model in play_both_ways(ledger, computer, [right[0], other, right[0], right[1]]):
        assert len(model.asked) == len(run.steps) == 4
        assert isinstance(run.ended, TaskSucceeded)


# --- whom the reviewer finds at fault --------------------------------------------------------------------------------


def test_the_step_that_went_wrong_is_the_first_that_means_something_else() -> None:
    right = ["TYPEinput.text[1]Bob", "CLICKbutton:Ok[2]"]
    assert first_difference(["TYPEinput[1]Bob", "CLICKbutton:No[3]"], right) == 2
    assert first_difference([NONSENSE], right) == 1
    assert first_difference([*right, "DONE"], right) == 3
    assert first_difference(right, right) is None
    assert first_difference([None, "DONE"], right) is None


def test_the_reviewer_puts_the_role_of_that_step_at_fault_and_teaches_each_role_its_own(
    ledger: Ledger, computer: MiniWob, right: list[str]
) -> None:
    change(ledger, "run.max_steps", 3)
    run = review(ledger, play(ledger, computer, [right[0], NONSENSE, NONSENSE]), computer)
    rating = run.ratings[-1]
    assert (rating.stars, rating.step, rating.fault) == (1, 2, "action")
    lessons = json.loads(str(ledger.get_content(run.corrections[-1].correction)))
    assert [(it["completion"], it["role"]) for it in lessons] == [
        (right[0], "action"), (right[1], "action"), (right[1], "recovery"),
    ]  # fmt: skip
    assert "error: " in lessons[2]["messages"][-1]["content"]
    assert "error: " not in lessons[1]["messages"][-1]["content"]


def test_a_step_that_cannot_be_carried_out_is_corrected_by_what_was_done_there_instead(
    ledger: Ledger, computer: MiniWob, right: list[str]
) -> None:
    change(ledger, "run.max_steps", 3)
    run = play(ledger, computer, [NONSENSE] * 3)
    corrected = correct_by_hand(ledger, run, computer, [NONSENSE, *right], "ada").corrections[-1]
    lessons = json.loads(str(ledger.get_content(corrected.correction)))
    assert [(it["completion"], it["role"], it.get("is_instead", False)) for it in lessons] == [
        (right[0], "action", True), (right[0], "recovery", False), (right[1], "action", False),
    ]  # fmt: skip
    assert corrected.steps == 2
    assert f'"{NONSENSE}"' not in output("show", run.id.hex, "--json", db=ledger.path).split('"correction"')[1]


def test_a_reviewer_who_only_rates_names_no_step(ledger: Ledger, computer: MiniWob) -> None:
    change(ledger, "run.max_steps", 3)
    rated = review(ledger, play(ledger, computer, [NONSENSE] * 3), computer, corrects=False)
    assert (rated.ratings[-1].fault, rated.corrections) == (None, [])


def test_a_correction_may_go_on_from_a_step_of_the_run(ledger: Ledger, computer: MiniWob, right: list[str]) -> None:
    change(ledger, "run.max_steps", 2)
    run = play(ledger, computer, [NONSENSE, NONSENSE])
    corrected = correct_by_hand(ledger, run, computer, right, "ada", first=2)
    lessons = json.loads(str(ledger.get_content(corrected.corrections[-1].correction)))
    assert [it["role"] for it in lessons] == ["recovery", "action"]
    assert f"did: {NONSENSE}" in lessons[0]["messages"][-1]["content"]
    shown = correct_by_demonstration(ledger, run, computer, "ada", first=2)
    assert shown is not None
    assert shown.corrections[-1].steps == 2


# --- the whole of it -------------------------------------------------------------------------------------------------


def fail_in_recovery(ledger: Ledger, computer: MiniWob, right: list[str]) -> None:
    """Three corrected runs whose second step, by recovery, is rated one star: a training of recovery is asked for."""
    change(ledger, "training.preset", "seed")
    change(ledger, "training.min_examples", 1)
    change(ledger, "training.retries", 0)
    change(ledger, "rating.rule", "threshold")
    change(ledger, "rating.minimum", 3)
    change(ledger, "run.max_steps", 2)
    for _ in range(3):
        stuck = play(ledger, computer, [NONSENSE, NONSENSE])
        correct_by_hand(ledger, stuck, computer, right, "ada", first=2)
        output("rate", stuck.id.hex, 1, "--step", 2, db=ledger.path)


def test_recovery_that_fails_breaches_its_own_window_alone_and_learns_with_its_own_recipe(
    ledger: Ledger, computer: MiniWob, right: list[str]
) -> None:
    fail_in_recovery(ledger, computer, right)
    state = process_new_events(ledger)
    assert [stars for _, stars in state.window("recovery").ratings] == [1, 1, 1]
    assert state.window("action").ratings == ()
    [breached] = ledger.read(1, None, ("RatingThresholdBreached",))
    assert vars(breached.event)["role"] == "recovery"
    [asked] = ledger.read(1, None, ("TrainingRequested",))
    requested = ledger.get(TrainingJob, asked.event.originator_id).requested
    assert requested is not None
    assert (requested.role, requested.recipe["r"]) == ("recovery", 12)
    assert state.rollouts.cycle("action") is None
    events = [recorded.event for recorded in ledger.read(1, None, TOPICS)]
    taught = {
        role: build_dataset(events, ledger.get_content, role, 4, Recipe(replay_share=0.0))
        for role in ("action", "recovery")
    }
    assert {example.completion for example in taught["recovery"].examples} == {right[0]}
    assert {example.completion for example in taught["action"].examples} == {right[1]}
    assert {example.role for example in taught["recovery"].examples} == {"recovery"}


@pytest.mark.slow
def test_recovery_is_trained_on_its_own_and_the_log_says_why(
    ledger: Ledger, computer: MiniWob, right: list[str], tiny_base: Path
) -> None:
    change(ledger, "model.base", str(tiny_base))
    fail_in_recovery(ledger, computer, right)
    [asked] = ledger.read(1, None, ("TrainingRequested",))
    with Services(ledger, process_new_events(ledger)) as parts:
        run_training(ledger, parts, asked.event.originator_id, lambda progress: None, print)
        [(name, adapter)] = process_new_events(ledger).registry.adapters.items()
        config = json.loads((parts.store.path(adapter.weights) / "adapter_config.json").read_text())
    assert (name, adapter.role, config["r"]) == ("lora-v1", "recovery", 12)
    why = output("why", name, "--ratings", db=ledger.path)
    assert "3 ratings, mean 1.00" in why
    assert "in role recovery" in why
    assert why.count("recovery at fault, step 2") == 3
    assert replay(ledger).is_equal


def test_a_rating_says_for_which_role_it_counts_and_ratings_without_a_role_are_listed(
    ledger: Ledger, computer: MiniWob, right: list[str]
) -> None:
    change(ledger, "run.max_steps", 2)
    run = play(ledger, computer, [NONSENSE, NONSENSE]).id.hex
    assert "attributed to no role" in output("rate", run, 1, db=ledger.path)
    [listed] = document("runs", "--unattributed", db=ledger.path)
    assert (listed["roles"], listed["fault"]) == ("action, recovery", None)
    roles = {role["role"]: role["window"] for role in document("status", db=ledger.path)["roles"]}
    assert (roles["action"]["unattributed"], roles["recovery"]["unattributed"], roles["ocr"]["unattributed"]) == (
        1,
        1,
        0,
    )
    assert "no step 3" in refused("rate", run, 1, "--step", 3, db=ledger.path)
    assert "ocr made no step" in refused("rate", run, 1, "--role", "ocr", db=ledger.path)
    assert "recovery at fault, step 2" in output("rate", run, 1, "--step", 2, db=ledger.path)
    assert document("runs", "--unattributed", db=ledger.path) == []
    shown = output("show", run, db=ledger.path)
    assert "step 2 by recovery" in shown
    assert "role recovery, arm stable, on the adapter of action" in shown
    assert "recovery at fault, step 2" in shown

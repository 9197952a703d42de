"""Each use case as a function: what it records, what it returns, and that everything that follows has followed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from asking import endpoint
from chat_server import ChatServer, completion
from logged_sessions import write_lines

from grokputer.adapters.data.imports.public_set import read_public
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import GrokputerError, Hint, NotFound, NotPossible, UnknownAdapter, UnknownTask
from grokputer.domain.settings.setting import BadSetting
from grokputer.runners.archive.erasure import Target
from grokputer.runners.sessions.imports import read_sessions
from grokputer.runners.sessions.program_runs import ProgramRun, ProgramStep
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.store.tables import are_tables_current
from grokputer.runners.use_cases import (
    corrections,
    erasures,
    ratings,
    rollouts,
    runs,
    sessions,
    settings,
    trainings,
)
from grokputer.runners.use_cases.intake import example_sets
from grokputer.runners.use_cases.intake.recordings import RunRecorder
from grokputer.runners.wiring.services import Services
from story import Story

BY = {"reason": "looked at by hand", "actor": "ada"}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def topics(story: Story, after: int) -> list[str]:
    """The events after the position; the SQL tables have followed to the end."""
    assert are_tables_current(story.ledger)
    return [it.event.TOPIC for it in story.ledger.read(after + 1)]


def ask(ledger: Ledger) -> UUID:
    """A run of another program, in words."""
    run = ProgramRun("support", "Where is order 7?", [ProgramStep("Where is order 7?", "I do not know.")], adapter=None)
    [recorded] = RunRecorder(ledger, "shop").record([run])
    return recorded.run


# --- runs ------------------------------------------------------------------------------------------------------------


def test_a_rating_is_recorded_with_its_position_and_its_fault(story: Story) -> None:
    run, before = story.run(succeeds=False), story.ledger.position
    rated = ratings.rate(story.ledger, run, "2", actor="bob", issues=["imprecise"], comment="no", step=1)
    assert (rated.run, rated.stars, rated.step, rated.fault) == (run, 2, 1, "action")
    assert rated.position == before + 1
    assert topics(story, before) == ["TaskRated"]


def test_the_tenth_low_rating_leads_to_a_breach_and_a_training_before_the_use_case_returns(story: Story) -> None:
    made = [story.run(succeeds=False) for _ in range(10)]
    before = story.ledger.position
    for run in made:
        ratings.rate(story.ledger, run, 1, actor="ada")
    followed = topics(story, before)
    assert followed.count("TaskRated") == 10
    assert {"RatingThresholdBreached", "TrainingRequested"} <= set(followed)


def test_a_run_that_is_not_there_can_neither_be_rated_nor_corrected(story: Story) -> None:
    for refused in (
        lambda: ratings.rate(story.ledger, UUID(int=1), 5, actor="ada"),
        lambda: corrections.correct(story.ledger, UUID(int=1), corrections.Answer("x"), actor="ada"),
        lambda: corrections.withdraw_correction(story.ledger, UUID(int=1), actor="ada"),
    ):
        with pytest.raises(NotFound) as error:
            refused()
        assert error.value.hint is Hint.SEE_RUNS


def test_an_answer_corrects_a_question_and_the_same_answer_is_recorded_once(story: Story) -> None:
    run = ask(story.ledger)
    first = corrections.correct(story.ledger, run, corrections.Answer("On its way."), actor="bob")
    again = corrections.correct(story.ledger, run, corrections.Answer("On its way."), actor="bob")
    assert (first.is_new, again) == (True, replace(first, is_new=False))
    assert (first.source, first.steps, first.is_verified) == ("human", 1, False)


def test_a_page_takes_actions_and_a_question_an_answer(story: Story) -> None:
    with pytest.raises(NotPossible, match="task on a page") as on_a_page:
        corrections.correct(story.ledger, story.run(), corrections.Answer("Paris"), actor="ada")
    assert on_a_page.value.hint is Hint.GIVE_ACTIONS
    with pytest.raises(NotPossible, match="is a question; only an answer corrects it") as in_words:
        corrections.correct(story.ledger, ask(story.ledger), corrections.Actions(("CLICKbutton:Ok[1]",)), actor="ada")
    assert in_words.value.hint is Hint.GIVE_ANSWER


def test_a_withdrawn_correction_leaves_the_one_before_it(story: Story) -> None:
    run = ask(story.ledger)
    for answer in ("On Monday.", "On Tuesday."):
        corrections.correct(story.ledger, run, corrections.Answer(answer), actor="bob")
    first = corrections.withdraw_correction(story.ledger, run, reason="it was order 8", actor="ada")
    assert (first.source, first.corrected_by) == ("human", "human")
    assert corrections.withdraw_correction(story.ledger, run, actor="ada").corrected_by is None
    with pytest.raises(NotPossible, match="no correction"):
        corrections.withdraw_correction(story.ledger, run, actor="ada")


def test_a_task_is_run_where_the_traffic_goes_and_followed(tmp_path: Path) -> None:
    with ChatServer(completion("Paris")) as server:
        endpoint(tmp_path / "events.db", server.url)
        ledger = Ledger.open(tmp_path / "events.db")
        wanted = runs.TaskRequest("What is the capital of France?", seed=3)
        with Services(ledger, load_state(ledger)) as parts:
            first = runs.run_task(ledger, parts, wanted, actor="ada").outcome
            again = runs.run_task(ledger, parts, wanted, actor="ada").outcome
    assert (first.answer, first.succeeded, first.arm, first.adapter, first.seed) == ("Paris", None, "stable", None, 3)
    assert first.run != again.run
    assert are_tables_current(ledger)


def test_a_run_is_pinned_to_a_registered_adapter_alone(story: Story) -> None:
    wanted = runs.TaskRequest("click-button", adapter="lora-v9")
    before = story.ledger.position
    with Services(story.ledger, load_state(story.ledger)) as parts, pytest.raises(UnknownAdapter) as refused:
        runs.run_task(story.ledger, parts, wanted, actor="ada")
    assert refused.value.hint is Hint.SEE_ADAPTERS
    assert story.ledger.position == before


# --- improvement -----------------------------------------------------------------------------------------------------


def test_a_training_is_requested_once_and_named_by_its_id(story: Story) -> None:
    before = story.ledger.position
    asked = trainings.request_training(story.ledger, "action", reason="new corrections", actor="ada")
    assert topics(story, before) == ["CycleOpened", "TrainingRequested"]
    assert asked.training == story.training()
    assert (asked.role, asked.live, asked.position) == ("action", None, before + 1)
    with pytest.raises(NotPossible):
        trainings.request_training(story.ledger, "action", reason="again", actor="ada")
    with pytest.raises(NotFound, match="'seller' is not a role"):
        trainings.request_training(story.ledger, "seller", reason="again", actor="ada")


def test_a_setting_is_changed_once_and_unset(story: Story) -> None:
    change = settings.change_setting(story.ledger, "rating.threshold", "4.5", reason="stricter", actor="ada")
    assert (change.new, change.position) == (4.5, story.ledger.position)
    same = settings.change_setting(story.ledger, "rating.threshold", 4.5, actor="ada")
    assert (same.old, same.new, same.position) == (4.5, 4.5, None)
    unset = settings.unset_setting(story.ledger, "rating.threshold", actor="ada")
    assert (unset.old, unset.new) == (4.5, change.old)
    with pytest.raises(BadSetting):
        settings.change_setting(story.ledger, "rating.threshold", 9, actor="ada")


def test_a_rollout_under_way_that_keeps_the_setting_is_named(story: Story) -> None:
    story.prove(story.train(story.fall()))
    change = settings.change_setting(story.ledger, "canary.weight_percent", 30, actor="ada")
    assert change.not_for == ("lora-v1",)


Decide = Callable[[Ledger], rollouts.RolloutDecision]


@pytest.mark.parametrize(
    ("decide", "phase", "share", "live", "topic"),
    [
        (lambda it: rollouts.promote(it, "lora-v1", **BY), "promoted", 100, "lora-v1", "AdapterPromoted"),
        (lambda it: rollouts.roll_back(it, "lora-v1", **BY), "rolled back", 0, None, "AdapterRolledBack"),
        (lambda it: rollouts.abort(it, "lora-v1", **BY), "rolled back", 0, None, "AdapterRolledBack"),
        (lambda it: rollouts.pause(it, "lora-v1", **BY), "paused", 15, None, "RolloutPaused"),
        (lambda it: rollouts.set_share(it, "lora-v1", 30, **BY), "progressing", 30, None, "CanaryWeightSet"),
    ],
    ids=["promote", "roll_back", "abort", "pause", "set_share"],
)
def test_a_decision_on_a_rollout_says_how_it_stands_afterwards(
    story: Story, decide: Decide, phase: str, share: int, live: str | None, topic: str
) -> None:
    story.prove(story.train(story.fall()))
    decided = decide(story.ledger)
    assert (decided.adapter, decided.role, decided.phase) == ("lora-v1", "action", phase)
    assert (decided.weight_percent, decided.live) == (share, live)
    assert topic == story.ledger.at(decided.position).event.TOPIC
    assert are_tables_current(story.ledger)


def test_a_paused_rollout_resumes_and_one_that_is_over_is_rolled_forward(story: Story) -> None:
    story.prove(story.train(story.fall()))
    rollouts.pause(story.ledger, "lora-v1", reason="wait", actor="ada")
    assert rollouts.resume(story.ledger, "lora-v1", reason="go on", actor="ada").phase == "progressing"
    rollouts.abort(story.ledger, "lora-v1", reason="no", actor="ada")
    assert rollouts.roll_forward(story.ledger, "lora-v1", reason="yes", actor="ada").live == "lora-v1"
    back = rollouts.roll_back(story.ledger, "lora-v1", reason="no", actor="ada", to="base")
    assert back.live is None


def test_a_step_that_waits_for_approval_is_taken(story: Story) -> None:
    story.set("canary.approval", "promotion")
    rollout = story.prove(story.train(story.fall()))
    with pytest.raises(NotPossible):
        rollouts.approve(story.ledger, "lora-v1", reason="yes", actor="ada")
    story.assess(rollout, "promote")
    assert rollouts.approve(story.ledger, "lora-v1", reason="yes", actor="ada").live == "lora-v1"


def test_no_error_of_a_use_case_speaks_of_the_command_line(story: Story) -> None:
    ledger, said = story.ledger, list[str]()

    def refused(decide: Callable[[], object]) -> None:
        with pytest.raises(GrokputerError) as error:
            decide()
        said.append(str(error.value))

    story.prove(story.train(story.fall()))
    rollouts.promote(ledger, "lora-v1", reason="good", actor="ada")
    refused(lambda: rollouts.promote(ledger, "lora-v1", reason="again", actor="ada"))
    refused(lambda: rollouts.promote(ledger, "lora-v1", reason=" ", actor="ada"))
    refused(lambda: rollouts.promote(ledger, "lora-v9", reason="x", actor="ada"))
    refused(lambda: rollouts.pause(ledger, "lora-v1", reason="x", actor="ada"))
    refused(lambda: rollouts.roll_back(ledger, "lora-v1", reason="x", actor="ada", to="lora-v7"))
    rollouts.roll_back(ledger, "lora-v1", reason="bad", actor="ada")
    refused(lambda: rollouts.promote(ledger, "lora-v1", reason="x", actor="ada"))
    refused(lambda: rollouts.set_share(ledger, "lora-v1", 20, reason="x", actor="ada"))
    refused(lambda: rollouts.roll_back(ledger, "lora-v1", reason="again", actor="ada"))
    refused(lambda: erasures.forget(ledger, Target(story.runs[0].hex), reason=" ", actor="ada"))
    refused(lambda: corrections.correct(ledger, story.runs[0], corrections.Answer("x"), actor="ada"))
    trainings.request_training(ledger, "action", reason="x", actor="ada")
    refused(lambda: trainings.request_training(ledger, "action", reason="x", actor="ada"))
    assert len(said) == 11
    assert [line for line in said if "grokputer " in line or "--" in line] == []


# --- words and imports -----------------------------------------------------------------------------------------------


def test_words_are_forgotten_and_a_training_without_them_is_requested(story: Story) -> None:
    story.promote()
    target = Target(story.runs[0].hex)
    preview = erasures.preview_erasure(story.ledger, target)
    erased = erasures.forget(story.ledger, target, reason="asked for", actor="ada", retrain=True)
    assert preview.words.keys == erased.words.keys
    assert erased.words.adapters == ["lora-v1"]
    assert erased.requested == ("action",)
    again = erasures.forget(story.ledger, Target(story.runs[1].hex), reason="asked for", actor="ada", retrain=True)
    assert list(again.refused) == ["action"]


def test_sessions_are_imported_once_and_counted_where_that_is_set(story: Story, tmp_path: Path) -> None:
    session = {"session_id": "a", "task": "Find the invoice.", "success": True, "user_rating": 4}
    found = read_sessions([write_lines(tmp_path / "in" / "one.json", session)])
    first = sessions.import_sessions(story.ledger, found, role="action", actor="ada")
    again = sessions.import_sessions(story.ledger, found, role="action", actor="ada")
    assert (first.sessions.new, again.sessions.new, again.sessions.there) == (1, 0, 1)
    assert not first.are_counted
    assert are_tables_current(story.ledger)


def test_a_set_of_examples_is_imported_once(story: Story, tmp_path: Path) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text(json.dumps({"instruction": "Add 1 and 2.", "input": "", "output": "3"}) + "\n")
    read = read_public(str(file), "action", None)
    first = example_sets.import_examples(story.ledger, read, role="action", license="MIT", actor="ada")
    again = example_sets.import_examples(story.ledger, read, role="action", license="MIT", actor="ada")
    assert (first.is_new, first.examples, again.is_new) == (True, 1, False)
    assert are_tables_current(story.ledger)


def test_a_process_that_was_left_is_ended_before_more_is_run(story: Story) -> None:
    run = TaskRun(uuid4())
    run.start(
        story.ledger.context("ada"), role="action", arm="stable", adapter=None, rollout=None, environment="miniwob",
        task="click-button", seed=1, base="tiny", session=None, policy={},
    )  # fmt: skip
    story.ledger.store(run)
    lost: list[UUID] = []
    with Services(story.ledger, load_state(story.ledger)) as parts, pytest.raises(UnknownTask):
        runs.run_task(
            story.ledger,
            parts,
            runs.TaskRequest("", "chat"),
            actor="ada",
            progress=runs.TaskProgress(on_lost=lost.append),
        )
    assert lost == [run.id]
    assert story.ledger.get(TaskRun, run.id).ended is not None

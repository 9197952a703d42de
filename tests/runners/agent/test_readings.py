"""Runs that read their screen: which step reads, what it costs, what is found, and what role ``ocr`` learns from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from desks import Told
from panes import READ, TREE, WORDS, Pane

from grokputer.adapters.data.dataset import build_dataset
from grokputer.adapters.data.held_out import find_held_out
from grokputer.adapters.data.training_runs import collect_runs
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import GrokputerError
from grokputer.domain.events import TaskFailed, TaskSucceeded
from grokputer.domain.page.messages import Box
from grokputer.domain.page.words import Word
from grokputer.domain.ports import RoleModel
from grokputer.domain.settings.recipe import Recipe
from grokputer.runners.agent.runner import Task, TaskRunner
from grokputer.runners.feedback.doubts import propose_issues
from grokputer.runners.feedback.reviewer import review
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.corrections import Answer, correct
from grokputer.runners.use_cases.ratings import rate
from story import change

TASK = Task("pane", "save")
PRESS_SAVE = f"CLICK{READ[1]}"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger.create(tmp_path / "events.db")
    change(ledger, "run.max_resamples", 0)
    change(ledger, "run.observe", "ocr")
    return ledger


def play(ledger: Ledger, answers: Sequence[str], pane: Pane, reads: Sequence[str] = (), **options: Any) -> TaskRun:
    if reads:
        own = RoleModel(Told(reads), "reader@here")
        options["beside"] = lambda role: own if role == "ocr" else None
    runner = TaskRunner(ledger, Told(answers), lambda name: None, "told", "ada", **options)
    return runner.run(TASK, pane, process_new_events(ledger))


def kinds(run: TaskRun) -> list[tuple[str, str, str]]:
    return [(step.kind, step.role, step.found) for step in run.steps]


def text(ledger: Ledger, key: str) -> str:
    return ledger.get_content(key) or ""


def test_a_screen_is_read_before_the_first_act_and_no_model_is_asked_for_its_lines(ledger: Ledger) -> None:
    run = play(ledger, [PRESS_SAVE], Pane())
    assert isinstance(run.ended, TaskSucceeded)
    assert kinds(run) == [("read", "ocr", ""), ("act", "action", "")]
    reading, act = run.steps
    assert text(ledger, reading.answer).split("\n") == list(READ)
    assert (reading.model_ms, reading.prompt_tokens, reading.completion_tokens) == (0, None, None)
    assert json.loads(text(ledger, act.prompt))[-1]["content"].split("\n")[1:4] == list(READ)


def test_the_confidence_of_an_act_is_the_lowest_score_of_the_words_that_it_names(ledger: Ledger) -> None:
    run = play(ledger, [f"CLICK{READ[2]}", PRESS_SAVE], Pane())
    assert [step.confidence for step in run.steps] == [0.7, 0.97, 0.7]


def test_a_screen_with_the_same_words_is_not_read_again(ledger: Ledger) -> None:
    run = play(ledger, ["CLICKtext:Help[9]", f"CLICK{READ[2]}", PRESS_SAVE], Pane())
    assert [step.kind for step in run.steps] == ["read", "act", "act", "act"]


@pytest.mark.parametrize(("mode", "has_tree", "is_read"), [("tree", True, 0), ("auto", True, 0), ("auto", False, 1)])
def test_the_setting_decides_whether_a_window_is_read(ledger: Ledger, mode: str, has_tree: bool, is_read: int) -> None:
    change(ledger, "run.observe", mode)
    run = play(ledger, [f"CLICK{TREE[1]}" if not is_read else PRESS_SAVE], Pane(has_tree=has_tree))
    assert isinstance(run.ended, TaskSucceeded)
    assert [step.kind for step in run.steps].count("read") == is_read


def test_a_model_of_the_role_is_asked_with_words_and_boxes_and_its_lines_are_acted_on(ledger: Ledger) -> None:
    run = play(ledger, [f"CLICK{TREE[1]}"], Pane(), ["\n".join(TREE)])
    assert isinstance(run.ended, TaskSucceeded)
    reading = run.steps[0]
    assert (reading.role, reading.found, reading.model) == ("ocr", "", "reader@here")
    shown = json.loads(text(ledger, reading.prompt))[-1]["content"].split("\n")
    assert "text:Save all[2] 10 30 30 12 98 44 30 20 12 70" in shown


def test_an_answer_that_is_no_reading_leaves_the_lines_of_the_words(ledger: Ledger) -> None:
    run = play(ledger, [PRESS_SAVE], Pane(has_tree=False), ["I see a draft."])
    assert kinds(run) == [("read", "ocr", "unreadable"), ("act", "action", "")]
    assert isinstance(run.ended, TaskSucceeded)


def test_a_misread_screen_is_found_unlike_the_tree_and_the_reading_role_is_at_fault(ledger: Ledger) -> None:
    misread = [word._replace(text=word.text.replace("a", "o")) for word in WORDS]
    run = play(ledger, ["DONE"], Pane([*misread[:3], Word("Ouit", 0.9, Box(110, 30, 30, 12))]))
    assert run.steps[0].found == "unlike tree"
    assert isinstance(run.ended, TaskFailed) and run.ended.fault == "ocr"


def test_the_tree_teaches_the_role_and_no_other_one(ledger: Ledger) -> None:
    run = play(ledger, [PRESS_SAVE], Pane())
    [correction] = run.corrections
    assert (correction.source, correction.is_verified, correction.steps) == ("reviewer", True, 0)
    events = [event for _, event in ledger.read()]
    [example] = build_dataset(events, ledger.get_content, "ocr", 4, Recipe()).examples
    assert (example.role, example.source, example.completion.split("\n")) == ("ocr", "reviewer", list(TREE))
    assert example.messages == tuple(json.loads(text(ledger, run.steps[0].prompt)))
    assert not build_dataset(events, ledger.get_content, "action", 4, Recipe()).lessons


def test_more_of_the_first_screens_are_held_out_because_a_gate_can_make_no_new_ones(ledger: Ledger) -> None:
    play(ledger, [PRESS_SAVE], Pane())
    events = [event for _, event in ledger.read()]
    [past] = collect_runs(events, "ocr", ledger.get_content)
    read = [replace(past, id=str(seed), instance=f"pane/save#{seed}") for seed in range(50)]
    plain, early = Recipe(held_out_share=0.15), Recipe(held_out_share=0.15, held_out_early=1 / 3)
    assert find_held_out(read, events, plain) < find_held_out(read, events, early)
    acted = [replace(run, role="action") for run in read]
    assert find_held_out(acted, events, plain) == find_held_out(acted, events, early)


def test_a_window_without_a_tree_teaches_nothing(ledger: Ledger) -> None:
    assert not play(ledger, [PRESS_SAVE], Pane(has_tree=False)).corrections


def test_the_picture_of_a_reading_is_kept_where_only_those_are(ledger: Ledger) -> None:
    change(ledger, "log.screenshots", "reads")
    reading, act = play(ledger, [PRESS_SAVE], Pane()).steps
    assert reading.screen is not None and reading.screen["picture"] is not None
    assert act.screen is not None and act.screen["picture"] is None


def test_the_issue_of_a_doubtful_word_is_proposed_where_an_act_used_it_and_not_recorded(ledger: Ledger) -> None:
    policy = process_new_events(ledger).policy
    sure = play(ledger, [f"CLICK{READ[2]}", "DONE"], Pane())
    doubtful = play(ledger, [PRESS_SAVE], Pane())
    alike = play(ledger, ["CLICKtext:A1lI8[1]", "DONE"], Pane([Word("A1lI8", 1.0, Box(5, 4, 40, 12))]))
    proposed = [propose_issues(ledger, run, policy) for run in (sure, doubtful, alike)]
    assert proposed == [(), ("ocr_confidence_low",), ("ocr_confidence_low",)]
    assert not doubtful.ratings


@pytest.mark.parametrize(
    ("issues", "named", "fault"),
    [
        (["ocr_confidence_low"], {}, "ocr"),
        (["wrong_action", "timeout"], {}, "action"),
        (["wrong_action", "ocr_confidence_low"], {}, None),
        (["ocr_confidence_low"], {"step": 2}, "action"),
        (["ocr_confidence_low"], {"fault": "action"}, "action"),
    ],
)
def test_a_ticked_issue_names_the_role_at_fault_unless_the_person_names_another(
    ledger: Ledger, issues: list[str], named: dict[str, Any], fault: str | None
) -> None:
    run = play(ledger, ["DONE"], Pane())
    assert rate(ledger, run.id, 2, actor="ada", issues=issues, **named).fault == fault


def test_the_reviewer_blames_a_reading_without_kinds_and_not_one_like_the_tree(ledger: Ledger) -> None:
    plain, learnt = play(ledger, ["DONE"], Pane()), play(ledger, ["DONE"], Pane(), ["\n".join(TREE)])
    rated = [review(ledger, run, Pane()).ratings[-1] for run in (plain, learnt)]
    assert [(rating.stars, rating.step, rating.fault) for rating in rated] == [(1, 1, "ocr"), (1, None, None)]


def test_an_issue_of_a_good_rating_blames_no_role(ledger: Ledger) -> None:
    run = play(ledger, [PRESS_SAVE], Pane())
    assert rate(ledger, run.id, 4, actor="ada", issues=["ocr_confidence_low"]).fault is None


def test_a_persons_lines_correct_one_reading_and_the_others_keep_those_of_the_tree(ledger: Ledger) -> None:
    run = play(ledger, [PRESS_SAVE], Pane())
    given = correct(ledger, run.id, Answer("window:Draft\nbutton:Save\n\nbutton:Quit[9]", 1), actor="ada")
    assert (given.source, given.steps, given.is_new) == ("human", 0, True)
    assert not correct(ledger, run.id, Answer("window:Draft\nbutton:Save\nbutton:Quit", 1), actor="ada").is_new
    events = [event for _, event in ledger.read()]
    [example] = build_dataset(events, ledger.get_content, "ocr", 4, Recipe()).examples
    assert (example.source, example.completion) == ("correction", "window:Draft[1]\nbutton:Save[2]\nbutton:Quit[3]")


@pytest.mark.parametrize(
    ("step", "lines", "words"), [(1, "I see a draft", "no lines of a screen"), (2, "button:Ok", "page")]
)
def test_what_is_no_reading_is_refused_in_one_line(ledger: Ledger, step: int, lines: str, words: str) -> None:
    run = play(ledger, [PRESS_SAVE], Pane())
    with pytest.raises(GrokputerError, match=words):
        correct(ledger, run.id, Answer(lines, step), actor="ada")

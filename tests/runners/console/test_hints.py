"""A command ends with one hint about what to type next: on a terminal alone, and what it says can be typed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from command_line import call, document, output
from terminal import show_on_terminal, without_colour

from grokputer.cli import COMMANDS
from story import Story

READING = (
    "status", "runs", "show {run}", "at 60", "diff 3 60", "adapters", "rollouts", "ab", "alerts", "why lora-v1", "why {run}",
    "why rating.threshold", "lineage lora-v1", "lineage {run}", "log", "what-if", "replay", "verify", "dataset",
)  # fmt: skip


def hints(shown: str) -> list[str]:
    joined = without_colour(shown).replace("\n  ", " ")
    return [line.removeprefix("next: grokputer ") for line in joined.splitlines() if line.startswith("next: ")]


@pytest.mark.parametrize("command", READING)
def test_a_command_on_a_terminal_ends_with_one_hint_that_can_be_typed(
    log: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("GROKPUTER_DB", str(log))
    words = command.format(run=document("runs", db=log)[1]["id"][:8]).split()
    shown = show_on_terminal(words, 80, monkeypatch)
    [hint] = hints(shown)
    assert shown.rstrip().splitlines()[-1].startswith("next: grokputer ")
    typed = shlex.split(hint)
    assert typed[0] in COMMANDS
    is_left = "--follow" in typed or "--decisions" in typed  # the one goes on, and the story's verdicts are its own
    if typed[0] not in ("rate", "run", "work") and not is_left:
        untimed = ["--no-probe"] if typed[0] == "train" else []  # test_cost.py tries steps of a training
        assert call(*typed, *untimed).exit_code == 0


@pytest.mark.parametrize("command", READING[:12])
def test_piped_or_as_json_there_is_no_hint(log: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    words = command.format(run=document("runs", db=log)[1]["id"][:8]).split()
    assert "next: " not in call(*words, db=log).output
    monkeypatch.setenv("GROKPUTER_DB", str(log))
    assert "next: " not in show_on_terminal([*words, "--json"], 80, monkeypatch)


def test_the_hint_names_a_log_that_is_not_the_one_that_is_meant_anyway(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [hint] = hints(show_on_terminal(["status", "--db", str(log)], 400, monkeypatch))
    assert hint.endswith(f" --db {log}")
    monkeypatch.setenv("GROKPUTER_DB", str(log))
    [hint] = hints(show_on_terminal(["status"], 400, monkeypatch))
    assert "--db" not in hint


def test_the_hint_follows_what_the_log_waits_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.db"
    monkeypatch.setenv("GROKPUTER_DB", str(path))

    def hint(*words: str) -> str:
        [found] = hints(show_on_terminal(list(words), 120, monkeypatch))
        return found

    assert hint("init") == "run click-button"
    assert hint("status") == "run click-button"
    story = Story(path)
    run = story.run(succeeds=False)
    assert hint("runs") == f"rate {run.hex[:8]}"
    assert hint("show", run.hex) == f"rate {run.hex[:8]}"
    story.rate(run, 2)
    assert hint("runs") == f"show {run.hex[:8]}"
    assert hint("show", run.hex) == f"correct {run.hex[:8]}"
    assert hint("status") == "runs --unrated"
    story.correct(run)
    assert hint("show", run.hex) == f"why {run.hex[:8]}"
    training = story.fall()
    assert hint("status") == "work --once"
    story.assess(story.prove(story.train(training)), "inconclusive", "no data")
    assert hint("status") == "rollouts"
    assert hint("rollouts") == "why lora-v1"
    assert output("status")  # the hint is no part of what is printed

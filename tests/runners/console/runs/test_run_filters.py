"""Runs narrowed by task, arm, adapter, stars, issue, session and time, on their own and together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import call, document, output

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events.runs import Capability
from grokputer.runners.explain.run_filter import BadFilter, read_stars, read_time
from story import BEGIN, Standing, Story

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of four runs, a day after each other, of three tasks and a question, one with an issue, one of a session."""
    clock = Standing()
    story = Story(tmp_path_factory.mktemp("week") / "events.db", clock)
    for number, (task, stars) in enumerate((("click-button", 2), ("click-link", 4), ("click-button-sequence", 5))):
        run = story.run(task=task, succeeds=stars > 3, session="monday" if number == 1 else None)
        story.rate(run, stars)
        clock.move(days=1)
    ledger, context = story.ledger, story.ledger.context("ada")
    question = ledger.put("What is the capital of France?")
    ledger.write(
        TaskRun, story.runs[0].__class__(int=7),
        lambda it: it.start(
            context, role="action", arm="pinned", adapter="lora-v7", rollout=None, environment="chat", task=question, seed=1,
            base="tiny", session=None, policy={}, capabilities=(Capability.QUESTION,),
        ),
    )  # fmt: skip
    ledger.close()
    return story.path


@pytest.mark.parametrize(
    ("options", "tasks"),
    [
        (["--task", "click-button"], ["click-button"]),
        (["--task", "click-button*"], ["click-button-sequence", "click-button"]),
        (["--task", "CAPITAL of"], ["What is the capital of France?"]),
        (["--arm", "pinned"], ["What is the capital of France?"]),
        (["--adapter", "lora-v7"], ["What is the capital of France?"]),
        (["--adapter", "base", "--stars", "4..5"], ["click-button-sequence", "click-link"]),
        (["--stars", "2"], ["click-button"]),
        (["--issue", "wrong_action"], ["click-button"]),
        (["--session", "monday"], ["click-link"]),
        (["--since", "2025-03-03T12:00+00:00"], ["What is the capital of France?", "click-button-sequence"]),
        (["--until", "2025-03-02T12:00+00:00"], ["click-link", "click-button"]),
        (["--since", "2025-03-02T00:00Z", "--until", "2025-03-02T23:00Z"], ["click-link"]),
        (["--since", "2h"], []),
        (["--stars", "1..3", "--session", "monday"], []),
    ],
    ids=lambda it: " ".join(it) if it and it[0].startswith("--") else "",
)
def test_runs_are_narrowed_by_what_is_asked_for(week: Path, options: list[str], tasks: list[str]) -> None:
    assert [run["task"] for run in document("runs", *options, db=week)] == tasks


def test_an_empty_list_names_each_filter_with_its_value(week: Path) -> None:
    shown = output("runs", "--task", "no-such", "--stars", "1..3", "--since", "2h", "--failed", db=week)
    assert shown.startswith("no runs match --task no-such --stars 1..3 --since 2h --failed, none of the 4 runs")


@pytest.mark.parametrize("given", ["0", "6", "3..1", "1...3", "1..", "٣", "0_3", "a", "", "1..9"])
def test_stars_that_are_no_range_of_1_to_5_are_refused_in_one_line(week: Path, given: str) -> None:
    shown = call("runs", "--stars", given, db=week)
    assert (shown.exit_code, shown.stderr.count("\n")) == (1, 1)
    assert "1..3" in shown.stderr
    with pytest.raises(BadFilter):
        read_stars(given)


@pytest.mark.parametrize("given", ["yesterday", "", "2026-13-01", "9999999d", "999999d", "0001-01-01"])
def test_a_time_that_cannot_be_read_is_refused_in_one_line(week: Path, given: str) -> None:
    shown = call("runs", "--since", given, db=week)
    assert (shown.exit_code, shown.stderr.count("\n")) in ((1, 1), (0, 0))
    if given in ("yesterday", "", "2026-13-01", "9999999d"):
        assert "2h" in shown.stderr


def test_a_time_is_a_moment_or_so_long_ago() -> None:
    assert read_time("90min", NOW) == NOW - timedelta(minutes=90)
    assert read_time("2h", NOW) == NOW - timedelta(hours=2)
    assert read_time("3d", NOW) == NOW - timedelta(days=3)
    assert read_time("2025-03-01T13:00+01:00", NOW) == BEGIN

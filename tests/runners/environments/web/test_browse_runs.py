"""Runs of words on a page, by the Python API: what they may reach, and their words, which can be erased."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import endpoint
from chat_server import ChatServer
from command_line import document, output
from local_pages import Pages

import grokputer
from grokputer import NotPossible, OpenLog
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events import TaskStarted
from grokputer.runners.agent.runner import task_of
from grokputer.runners.feedback.corrections import BadCorrection

PAGE = "<h1>Shop</h1><iframe src='http://localhost:{port}/other' width=200 height=90></iframe>"
WORDS = "Find the secret price"


@pytest.fixture
def log(browse: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenLog]:
    """A log whose model says DONE at once."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with ChatServer("DONE") as model:
        endpoint(tmp_path / "events.db", model.url)
        with grokputer.open(tmp_path / "events.db", actor="ada") as log:
            yield log


def prompt(log: OpenLog) -> str:
    [taken] = list(log.events(topics=["StepTaken"]))[-1:]
    return log.text(taken.event.prompt) or ""  # type: ignore[attr-defined]


def test_words_are_done_on_a_page_which_reaches_the_allowed_hosts_too(log: OpenLog, server: Pages) -> None:
    server.clear(index=PAGE.format(port=server.port), other="<h2>Other host</h2>")
    assert log.run(WORDS, url=f"{server.url}/").succeeded is None
    assert "h1:Shop" in prompt(log) and "Other host" not in prompt(log)
    log.run(WORDS, url=f"{server.url}/", allow=[f"localhost:{server.port}"])
    assert "h2:Other host" in prompt(log)
    with pytest.raises(NotPossible, match="give the page by url"):
        log.run(WORDS, allow=["localhost"])


def test_actions_of_a_correction_that_nothing_judges_must_each_be_carried_out(log: OpenLog, server: Pages) -> None:
    server.clear(index="<button>Buy</button>")
    run = log.run(WORDS, url=f"{server.url}/").run
    for action, why in (("nonsense", "cannot read 'nonsense' as an action"), ("CLICKbutton:Buy[60]", "there is no")):
        with pytest.raises(BadCorrection, match=f"action 1, .*{why}.*; no correction was recorded"):
            log.correct(run, actions=[action, "DONE"])
    assert log.correct(run, actions=["CLICKbutton:Buy[2]", "DONE"]).steps == 2


def test_words_and_url_of_a_run_on_a_page_are_content_that_can_be_erased(
    log: OpenLog, server: Pages, tmp_path: Path
) -> None:
    server.clear(index="<h1>Shop</h1>")
    path, outcome = tmp_path / "events.db", log.run(WORDS, url=f"{server.url}/")
    task = f"{server.url}/ {WORDS}"
    assert outcome.task == task
    assert [run.task for run in log.runs()] == [task]
    assert document("show", outcome.run.hex, db=path)["events"][0]["task"] == task
    assert len(document("runs", "--task", "secret", db=path)) == 1
    assert document("failures", db=path)["runs"] == 1
    [started] = [it.event for it in log.events(topics=["TaskStarted"])]
    assert isinstance(started, TaskStarted)
    known = task_of(log._ledger, started)
    assert known is not None and known.task == task
    output("forget", outcome.run.hex, "--reason", "private", "--yes", db=path)
    assert b"secret" not in path.read_bytes()
    assert [run.task for run in log.runs()] == [None]


def test_words_on_a_page_in_an_early_log_are_read_as_they_stand(log: OpenLog, server: Pages) -> None:
    server.clear(index="<h1>Shop</h1>")
    run = log._ledger.get(TaskRun, log.run(WORDS, url=f"{server.url}/").run)
    assert run.started is not None
    early = TaskStarted(**{**vars(run.started), "task": f"{server.url}/ {WORDS}"})
    known = task_of(log._ledger, early)
    assert not early.is_in_words and known is not None and known.task == early.task

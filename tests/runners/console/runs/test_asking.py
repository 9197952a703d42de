"""A person at a terminal is shown the run before it is rated, and each action of a correction is checked as it is typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import ChatServer
from command_line import document, on_a_terminal, output

from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.domain.page.messages import Page
from grokputer.runners.console.runs.asking import example
from grokputer.runners.environments.browser import find_browser
from grokputer.runners.environments.sandbox.choice import find_sandbox

USERNAME, PASSWORD = "TYPEinput.text:Username[1]karrie", "TYPEinput.password:Password[2]AU"
LOGIN = "CLICKbutton:Login[3]"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh log whose model is a server that answers Paris, in two steps at most."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    path = tmp_path / "events.db"
    with ChatServer("Paris") as server:
        output("init", db=path)
        for key, value in (("backend", "openai"), ("endpoint", server.url), ("base", "tiny")):
            output("settings", "set", f"model.{key}", value, db=path)
        output("settings", "set", "run.max_steps", 2, db=path)
        yield path


@pytest.fixture
def failed(asked: Path) -> Path:
    """The same with a run that failed to log in."""
    try:
        find_browser()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    output("run", "login-user", "--seed", 0, "--no-feedback", db=asked)
    return asked


def typed(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def shown(path: Path, *words: object, lines: tuple[str, ...], exit_code: int = 0) -> str:
    """What the terminal shows to a person who types the lines, up to the hint at its end."""
    text = on_a_terminal(*words, db=path, columns=200, typed=typed(*lines), exit_code=exit_code).decode()
    return text.replace("\r\n", "\n").split("\nnext: ")[0].rstrip()


def run_of(path: Path) -> str:
    found: str = document("runs", db=path)[0]["id"]
    return found


def events(path: Path) -> list[str]:
    return [event["event"] for event in document("show", run_of(path), db=path)["events"]]


def in_order(text: str, *words: str) -> bool:
    """Whether the words stand in the text, each after the one before."""
    at = 0
    for word in words:
        at = text.find(word, at) + len(word)
        if at < len(word):
            return False
    return True


def test_the_task_the_page_the_steps_and_the_end_are_shown_before_a_rating_is_asked_for(
    failed: Path,
) -> None:
    text = shown(failed, "rate", run_of(failed)[:8], lines=("2", "", "wrong_action", "did nothing"))
    assert in_order(
        text, "task: login-user", 'Enter the username "karrie"', "the page as it was:", "| button:Login[3]",
        "what the agent did:", "1  Paris", "it failed (timeout) after 2 steps", "stars, 1 (bad) to 5 (good)",
    )  # fmt: skip
    [rating] = [it for it in document("show", run_of(failed), db=failed)["events"] if it["event"] == "TaskRated"]
    assert (rating["stars"], rating["issues"], rating["comment"]) == (2, ["wrong_action"], "did nothing")


def test_a_question_is_shown_with_its_answer_and_the_right_one_is_recorded(asked: Path) -> None:
    text = shown(asked, "run", "Capital of France?", lines=("1", "", "", "Paris, in France"))
    assert in_order(text, "task: Capital of France?", "the agent answered:", "| Paris", "stars", "the right answer")
    assert text.endswith("the rating is recorded and the correction is recorded")
    assert events(asked)[-2:] == ["TaskRated", "TaskCorrected"]


def test_without_a_right_answer_it_says_that_the_rating_alone_is_recorded(asked: Path) -> None:
    text = shown(asked, "run", "Capital of France?", lines=("1", "", "", ""))
    assert text.endswith("the rating is recorded; no correction was recorded")
    assert events(asked)[-1] == "TaskRated"


def test_a_skipped_rating_says_that_nothing_was_recorded(asked: Path) -> None:
    assert shown(asked, "run", "Capital of France?", lines=("",)).endswith("nothing was recorded")
    assert events(asked)[-1] == "TaskAnswered"


def test_the_form_of_an_action_is_shown_and_each_line_is_checked_as_it_is_typed(failed: Path) -> None:
    wrong = ("click the login button", "CLICKbutton:Login[9]", "TYPEinput.text:Username[1]")
    text = shown(failed, "correct", run_of(failed), lines=(*wrong, USERNAME, PASSWORD, LOGIN))
    assert in_order(
        text, "CLICKbutton:Ok[6]", "on this page, for example: CLICKbutton:Login[3]", "| button:Login[3]",
        "cannot read 'click the login button' as an action; it begins with one of CLICK", "as in CLICKbutton:Login[3]",
        "no element has number [9]; the page has [1] to [3]",
        "TYPE takes a text", "| input.text=karrie:Username[1]", "that does the task", "the correction is recorded",
    )  # fmt: skip
    [corrected] = [it for it in document("show", run_of(failed), db=failed)["events"] if it["event"] == "TaskCorrected"]
    assert corrected["correction"] == [USERNAME, PASSWORD, LOGIN]


def test_a_command_is_asked_for_where_the_page_takes_commands(asked: Path) -> None:
    try:
        find_sandbox()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    output("run", "shell/delete-file", "--seed", 8, "--no-feedback", db=asked)
    lines = ("rm survey.txt", "RUN cat nowhere", "RUN ls", "RUN mv survey.txt .trash/")
    text = shown(asked, "correct", run_of(asked), lines=lines)
    assert in_order(
        text, "RUN and one command line", "on this page, for example: RUN ls", "| file:survey.txt[3]",
        "cannot read 'rm survey.txt' as an action; it begins with one of RUN", "as in RUN ls",
        "that could not be done: the command ended with exit code 1 and changed nothing", "| output:cat: nowhere",
        "the page now:", "| output:survey.txt[3]", "that does the task", "the correction is recorded",
    )  # fmt: skip
    assert "CLICK" not in text.split("the page:")[0].split("give the actions")[1]
    [corrected] = [it for it in document("show", run_of(asked), db=asked)["events"] if it["event"] == "TaskCorrected"]
    assert corrected["correction"] == ["RUN ls", "RUN mv survey.txt .trash/"]


def test_actions_that_end_the_task_wrongly_begin_again(failed: Path) -> None:
    text = shown(failed, "correct", run_of(failed), lines=(LOGIN, USERNAME, PASSWORD, LOGIN))
    assert in_order(text, "begin again with action 1", "that does the task")
    assert events(failed)[-1] == "TaskCorrected"


def test_actions_that_do_not_do_the_task_are_not_recorded_and_it_says_so(failed: Path) -> None:
    text = shown(failed, "correct", run_of(failed), lines=(USERNAME, ""))
    assert "the task is not done after 1 action" in text
    assert text.endswith("no correction was recorded")
    assert "TaskCorrected" not in events(failed)


def test_an_interruption_loses_the_correction_alone_and_says_so(failed: Path) -> None:
    text = on_a_terminal(
        "correct", run_of(failed), db=failed, columns=200, typed=typed(USERNAME) + b"\x04", exit_code=1
    ).decode()
    assert "no correction was recorded" in text
    assert "TaskCorrected" not in events(failed)


@pytest.mark.parametrize(
    ("lines", "written"),
    [
        (("link:Home[1]", "button:Ok[2]"), "CLICKbutton:Ok[2]"),
        (("input.text#q[1]",), "TYPEinput.text#q[1]some text"),
        (("link:Home[1]",), "CLICKlink:Home[1]"),
        ((), "DONE"),
    ],
)
def test_the_example_is_an_action_of_the_page(lines: tuple[str, ...], written: str) -> None:
    assert example(Page("do it", lines)) == written

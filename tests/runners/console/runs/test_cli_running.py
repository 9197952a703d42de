"""Commands that run a task: a model behind an endpoint, and a person at a terminal who rates and corrects."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from command_line import call, document, output, refused


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A fresh log whose model is a server that answers Paris."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    path = tmp_path / "events.db"
    with ChatServer("Paris") as server:
        output("init", db=path)
        output("settings", "set", "model.backend", "openai", db=path)
        output("settings", "set", "model.endpoint", server.url, db=path)
        output("settings", "set", "model.base", "tiny", db=path)
        yield path


def test_a_question_is_asked_answered_recorded_and_corrected(asked: Path) -> None:
    result = call("run", "What is the capital of France?", "--seed", "3", db=asked)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Paris\n")
    assert "answered after 1 step" in result.stdout
    [run] = document("runs", db=asked)
    assert run["task"] == "What is the capital of France?"
    assert run["environment"] == "chat"
    assert run["seed"] == 3
    assert "Paris" in output("show", run["id"], db=asked)
    output("rate", run["id"], "2", db=asked)
    output("correct", run["id"], "--answer", "Paris, on the Seine", db=asked)
    assert "Paris, on the Seine" in output("show", run["id"], db=asked)
    assert "1 example" in output("train", "action", "--dry-run", db=asked)
    assert "question" in refused("correct", run["id"], "--action", "CLICKbutton:Ok[1]", db=asked)
    assert call("correct", run["id"], db=asked).exit_code == 2


def test_a_run_as_json_is_one_document_and_times_makes_several(asked: Path) -> None:
    one = document("run", "Where is Paris?", db=asked)
    assert (one["outcome"], one["succeeded"], one["implicit_stars"]) == ("answered", None, None)
    assert one["arm"] == "stable"
    several = document("run", "Where is Paris?", "--times", 3, "--seed", 5, db=asked)
    assert [run["seed"] for run in several] == [5, 6, 7]
    assert "2 answers; rate them" in output("run", "Where is Paris?", "--times", 2, db=asked)


def test_a_run_can_be_pinned_to_what_was_live_at_a_position(asked: Path) -> None:
    run = document("run", "Where is Paris?", "--as-of", 3, db=asked)
    assert run["arm"] == "pinned"
    assert run["adapter"] is None
    assert document("run", "Where is Paris?", "--adapter", "base", db=asked)["arm"] == "pinned"


def test_an_unknown_task_is_refused_before_a_model_is_loaded(log: Path) -> None:
    assert "click-button" in refused("run", "click-buton", db=log)


def test_an_unknown_adapter_cannot_be_pinned(log: Path) -> None:
    assert "lora-v9" in refused("run", "click-button", "--adapter", "lora-v9", db=log)


def test_an_endpoint_that_is_gone_ends_the_run_as_failed_and_says_so_in_one_line(asked: Path) -> None:
    output("settings", "set", "model.endpoint", "http://127.0.0.1:9", db=asked)
    result = call("run", "Where is Paris?", db=asked)
    assert result.exit_code == 1
    assert "no connection" in result.stderr.splitlines()[-1]
    assert document("runs", db=asked)[0]["reason"] == "error"


def at_a_terminal(words: list[str], typed: str) -> str:
    """What a person at a terminal sees who types this."""
    ours, theirs = pty.openpty()
    program = Path(sys.executable).with_name("grokputer")
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"}
    with subprocess.Popen([program, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        seen = b""
        try:
            while read := os.read(ours, 1 << 16):
                seen += read
        except OSError:  # how Linux says that the other end has closed
            pass
    os.close(ours)
    assert process.returncode == 0, seen
    return seen.decode()


def test_after_a_run_a_person_is_asked_for_stars_issues_comment_and_what_was_right(asked: Path) -> None:
    seen = at_a_terminal(
        ["run", "What is the capital of France?", "--db", str(asked)],
        "9\n2\nimprecise, too short\nwithout its country\nParis, in France\n",
    )
    assert "9 is not a rating" in seen
    [run] = document("runs", db=asked)
    shown = document("show", run["id"], db=asked)["events"]
    [rated] = [event for event in shown if event["event"] == "TaskRated"]
    assert (rated["stars"], rated["issues"], rated["comment"]) == (2, ["imprecise", "too short"], "without its country")
    [corrected] = [event for event in shown if event["event"] == "TaskCorrected"]
    assert corrected["correction"] == ["Paris, in France"]


def test_after_a_low_rating_of_a_run_of_several_roles_a_person_is_asked_which_step_went_wrong(asked: Path) -> None:
    output("settings", "set", "run.max_steps", "2", db=asked)
    seen = at_a_terminal(["run", "click-button", "--seed", "1", "--db", str(asked)], "1\nsecond\n7\n2\n\n\n\n")
    assert "second is not a step" in seen
    assert "no step 7" in seen
    [run] = document("runs", db=asked)
    assert (run["roles"], run["fault"]) == ("action, recovery", "recovery")


def test_enter_skips_the_rating_and_no_feedback_does_not_ask(asked: Path) -> None:
    assert "stars" in at_a_terminal(["run", "Where is Paris?", "--db", str(asked)], "\n")
    assert "Enter skips" not in at_a_terminal(["run", "Where is Paris?", "--no-feedback", "--db", str(asked)], "")
    assert {run["stars"] for run in document("runs", db=asked)} == {None}


def test_at_a_terminal_tables_and_trees_are_drawn_in_colour(log: Path) -> None:
    assert "\x1b[" in at_a_terminal(["adapters", "--db", str(log)], "")
    tree = at_a_terminal(["why", "lora-v1", "--db", str(log)], "")
    assert "└── " in tree
    assert "promoted" in tree


def test_a_display_of_a_person_is_used_by_a_desktop_alone_and_after_a_question(asked: Path) -> None:
    result = call("run", "Close the window", "--env", "desktop", "--display", ":0", db=asked)
    assert result.exit_code == 1
    assert "will see all windows of the display :0" in result.output
    assert "stdin is not a terminal" in result.output
    assert document("runs", db=asked) == []
    assert call("run", "Close the window", "--env", "shell", "--display", ":0", db=asked).exit_code == 2

"""Tasks on the command line: listing them, checking own ones, and running them by their name or path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_server import ChatServer
from command_line import call, document, output, refused

import grokputer
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.runners.environments.sandbox.choice import find_sandbox
from grokputer.runners.store.ledger import Ledger

COUNT = """
request = "How many lines has notes.txt?"
answer = 2
solution = "wc -l < notes.txt"
[files]
"notes.txt" = "a\\nb\\n"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a folder of tasks in it."""
    task = tmp_path / "my-tasks" / "count-lines"
    task.mkdir(parents=True)
    (task / "task.toml").write_text(COUNT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GROKPUTER_DB", raising=False)
    return tmp_path


@pytest.fixture
def db(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A log whose model lists the folder, in two steps at most."""
    try:
        find_sandbox()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    path = here / "events.db"
    with ChatServer("RUN ls") as server:
        output("init", db=path)
        for key, value in (("backend", "openai"), ("endpoint", server.url), ("base", "tiny")):
            output("settings", "set", f"model.{key}", value, db=path)
        output("settings", "set", "run.max_steps", 2, db=path)
        yield path


def test_all_tasks_are_listed_by_environment_within_eighty_columns(here: Path) -> None:
    shown = call("tasks")
    lines = shown.stdout.splitlines()
    assert "chat: any words are a task" in lines and "shell: 59 tasks" in lines
    assert "delete-file" in shown.stdout.split() and "click-button" in shown.stdout.split()
    assert max(map(len, lines)) <= 80
    listed = json.loads(call("tasks", "--json").stdout)
    assert {"chat", "miniwob", "shell"} <= set(listed) and "count-lines" in listed["shell"]


def test_a_folder_of_tasks_is_listed_by_its_path_and_by_its_setting(here: Path) -> None:
    assert call("tasks", "--env", "my-tasks").stdout == "my-tasks: 1 task\n  count-lines\n"
    path = here / "events.db"
    output("init", db=path)
    output("settings", "set", "environment.tasks", "my-tasks", db=path)
    assert "my-tasks: 1 task" in output("tasks", db=path)
    assert (
        "'nowhere' is not an environment; there are browse, chat, desktop, long, miniwob, my-tasks, shell, web"
        in refused("tasks", "--env", "nowhere", db=path)
    )


def test_own_tasks_are_checked_one_line_each(here: Path) -> None:
    shown = call("tasks", "check", "my-tasks")
    if "no sandbox" in shown.stderr:
        pytest.skip(shown.stderr)
    assert (shown.exit_code, shown.stdout) == (0, "count-lines: ok: not done at the start, done after its solution\n")
    bad = here / "my-tasks" / "bad"
    bad.mkdir()
    (bad / "task.toml").write_text("request = 1\nseconds = 99")
    shown = call("tasks", "check", "my-tasks", "--json")
    rows = json.loads(shown.stdout)
    assert shown.exit_code == 1
    assert [(row["task"], row["result"]) for row in rows] == [("bad", "wrong")] * 3 + [("count-lines", "ok")]
    assert call("tasks", "check", "my-tasks/count-lines").exit_code == 0
    assert call("tasks", "check", "my-tasks/nowhere").exit_code == 1
    (here / "empty").mkdir()
    assert "empty has no task; a task is a folder in it with a task.toml" in call("tasks", "check", "empty").stderr


def test_a_task_is_run_by_its_path_and_by_the_name_of_its_folder(db: Path) -> None:
    by_path = call("run", "my-tasks/count-lines", "--seed", 1, "--no-feedback", "--json", db=db)
    assert "my-tasks is a folder here" in by_path.stderr
    assert json.loads(by_path.stdout)["outcome"] == "failed"
    output("settings", "set", "environment.tasks", "my-tasks", db=db)
    by_name = call("run", "my-tasks/count-lines", "--seed", 1, "--no-feedback", "--json", db=db)
    assert by_name.exit_code == 0 and "is a folder here" not in by_name.stderr
    named = call("run", "count-lines", "--env", "my-tasks", "--seed", 1, "--no-feedback", db=db)
    assert named.exit_code == 0
    started = [it.event for it in Ledger.open(db).read(1, None, ("TaskStarted",))]
    assert [(it.environment, it.task) for it in started] == [("my-tasks", "count-lines")] * 3  # type: ignore[attr-defined]


def test_a_folder_in_the_setting_is_found_from_anywhere(
    db: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    output("settings", "set", "environment.tasks", "my-tasks", db=db)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    shown = document("run", "my-tasks/count-lines", "--seed", 1, "--reviewer", db=db)
    assert (shown["stars"], shown["corrected_by"]) == (1, "reviewer")


def test_the_python_api_names_tasks_in_the_same_way(db: Path) -> None:
    with grokputer.open(db) as log:
        outcome = log.run("my-tasks/count-lines", seed=1)
        other = log.run("delete-file", seed=8)
    assert (outcome.task, outcome.reason, other.task) == ("count-lines", "timeout", "delete-file")


def test_a_task_that_only_the_shell_has_needs_no_environment(db: Path) -> None:
    output("run", "delete-file", "--seed", 8, "--no-feedback", db=db)
    output("run", "shell/delete-file", "--seed", 8, "--no-feedback", db=db)
    started = [it.event for it in Ledger.open(db).read(1, None, ("TaskStarted",))]
    assert [(it.environment, it.task) for it in started] == [("shell", "delete-file")] * 2  # type: ignore[attr-defined]
    assert "there is no task 'delet-file'; close to it: delete-file" in refused("run", "delet-file", db=db)
    assert "there is no task 'nope'" in refused("run", "shell/nope", db=db)


def test_a_correction_is_tried_in_the_sandbox_before_it_counts(db: Path) -> None:
    id = document("run", "delete-file", "--seed", 8, "--no-feedback", db=db)["run"]
    said = refused("correct", id, "--action", "RUN rm survey.txt", db=db)
    assert "these actions do not do the task" in said
    assert "cannot read" in refused("correct", id, "--action", "mv survey.txt .trash/", db=db)
    output("correct", id, "--action", "RUN mv survey.txt .trash/", db=db)
    ledger = Ledger.open(db)
    [run] = [ledger.get(TaskRun, it.event.originator_id) for it in ledger.read(1, None, ("TaskStarted",))]
    [correction] = run.corrections
    assert (correction.source, correction.is_verified, correction.steps) == ("human", True, 1)


def test_the_reviewer_rates_and_corrects_by_the_solution(db: Path) -> None:
    shown = document("run", "delete-file", "--seed", 8, "--reviewer", "--times", 2, db=db)
    assert [(it["stars"], it["corrected_by"]) for it in shown] == [(1, "reviewer")] * 2
    id = document("run", "delete-named", "--seed", 3, "--no-feedback", db=db)["run"]
    output("correct", id, "--demonstrate", db=db)


def test_tasks_of_two_environments_are_not_compared(db: Path) -> None:
    said = refused("ab", "base", "base", "--tasks", "click-button,delete-file", "--dry-run", db=db)
    assert "the tasks are of miniwob and shell; compare on those of one" in said


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("nowhere", "there is no folder with a task in it; a task is a folder with a task.toml"),
        ("my-tasks,other/my-tasks", "two folders are called my-tasks; rename one of them"),
        ("my tasks", "the folder 'my tasks' has other signs in its name than letters, digits, dots, dashes and _"),
        ("shell", "shell is an environment of the program; rename the folder"),
    ],
)
def test_a_folder_that_cannot_be_an_environment_is_not_set(here: Path, value: str, why: str) -> None:
    path = here / "events.db"
    output("init", db=path)
    assert why in refused("settings", "set", "environment.tasks", value, db=path)


def test_a_folder_that_is_gone_later_is_one_line(db: Path) -> None:
    output("settings", "set", "environment.tasks", "my-tasks", db=db)
    (db.parent / "my-tasks").rename(db.parent / "moved")
    assert "the folder of tasks" in refused("run", "my-tasks/count-lines", db=db)
    shown = call("tasks", db=db)
    assert shown.exit_code == 0 and "my-tasks: the folder of tasks" in shown.stderr


def test_a_task_with_mistakes_is_one_line_and_records_nothing(db: Path) -> None:
    (db.parent / "my-tasks" / "count-lines" / "task.toml").write_text("request = 1\nseconds = 99")
    output("settings", "set", "environment.tasks", "my-tasks", db=db)
    said = refused("run", "my-tasks/count-lines", "--no-feedback", db=db)
    assert "task.toml: answer is missing" in said and "(and 2 more mistakes; see 'grokputer tasks check')" in said

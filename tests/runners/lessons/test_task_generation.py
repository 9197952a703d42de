"""Tasks that a teacher writes: kept where the sandbox shows that they hold, refused with a line where they do not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from command_line import call

from given import OFFERED
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.domain.settings.settings import Policy
from grokputer.runners.environments.sandbox.choice import find_sandbox
from grokputer.runners.environments.shell.folder import TaskFolder
from grokputer.runners.environments.shell.trial import try_task
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from story import change

GOOD: dict[str, Any] = {
    "name": "count-words",
    "request": ["How many words has @file@.txt?", "Count the words of @file@.txt."],
    "files": {"@file@.txt": "one two\nthree \u00e9\u007f\n"},
    "answer": 4,
    "solution": ["wc -w < @file@.txt"],
    "values": {"file": ["notes", "poem"]},
}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    try:
        find_sandbox()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    ledger = Ledger.create(tmp_path / "events.db")
    yield ledger
    ledger.close()


def fail(ledger: Ledger, environment: str = "shell", task: str = "count-lines", reason: str = "wrong") -> None:
    """A failed run, with the page that it saw and what it did."""
    context = ledger.context("ada")
    page = "task: How many lines has a.txt?\nfile:a.txt[1]\ntask: How many lines has a.txt?\ndo: "

    def play(run: TaskRun) -> None:
        run.start(
            context, role="action", arm="stable", adapter=None, rollout=None, environment=environment, task=task, seed=1,
            capabilities=OFFERED["miniwob"], base="embedded@sha256:00", session=None, policy={},
        )  # fmt: skip
        prompt = ledger.put(json.dumps([{"role": "user", "content": page}]))
        run.take_step(
            context, prompt=prompt, answer=ledger.put("RUN cat a.txt"), error="", model_ms=1, environment_ms=1,
            prompt_tokens=1, completion_tokens=1,
        )  # fmt: skip
        run.fail(reason, "", 900, -1.0, Policy(), context)

    ledger.write(TaskRun, derive_id("failed", ledger.position), play)
    process_new_events(ledger)


def generate(ledger: Ledger, replies: Sequence[Any], count: int = 1, into: str = "new-tasks") -> Any:
    """The command, with a teacher that gives these replies in turn: its result, and what the teacher was asked."""
    given = iter([reply if isinstance(reply, str) else json.dumps(reply) for reply in replies])
    with ChatServer(lambda _: next(given, "no more")) as server:
        change(ledger, "teacher.endpoint", server.url)
        change(ledger, "teacher.model", "big")
        folder = ledger.path.parent / into
        result = call("tasks", "generate", "--from-failures", "--into", folder, "--count", count, db=ledger.path)
    return result, server.asked


def names(ledger: Ledger, into: str = "new-tasks") -> list[str]:
    """All that lies in the folder."""
    folder = ledger.path.parent / into
    return sorted(place.name for place in folder.iterdir()) if folder.exists() else []


def test_a_task_that_holds_is_kept_and_can_be_played(ledger: Ledger) -> None:
    fail(ledger)
    fail(ledger)
    result, [asked] = generate(ledger, [GOOD])
    assert result.exit_code == 0
    assert result.stdout == "count-words: kept: not done at the start, done after its solution\n"
    assert "kept 1 task in" in result.stderr
    assert "refused 0, asked 1 time" in result.stderr
    assert names(ledger) == ["count-words"]
    folder = ledger.path.parent / "new-tasks"
    assert call("tasks", "check", folder).stdout == "count-words: ok: not done at the start, done after its solution\n"
    assert dict(TaskFolder(folder).make("count-words", 0).files).popitem()[1] == "one two\nthree \u00e9\u007f\n"
    assert "that it failed 2 times" in asked
    assert json.dumps("RUN cat a.txt") in asked
    assert "count-lines" in asked.partition("These names are taken: ")[2]


REFUSED = {
    "a path above": (
        GOOD | {"files": {"../x": "out"}, "values": {}, "request": "Read ../x.", "solution": "cat x"},
        "files cannot have the path '../x'; a path lies in the folder",
    ),
    "an absolute path": (
        GOOD | {"files": {"/etc/grokputer-x": "out"}, "values": {}, "request": "Read.", "solution": "cat x"},
        "files cannot have the path '/etc/grokputer-x'",
    ),
    "a path by a value": (
        GOOD | {"files": {"@file@": "out"}, "values": {"file": ["../../x"]}, "request": "Read @file@.", "solution": "cat x"},
        "files cannot have the path '../../x' with the values of seed 0",
    ),
    "a name that is a path": (GOOD | {"name": "../evil"}, "its name cannot be '../evil'"),
    "no name": ({key: value for key, value in GOOD.items() if key != "name"}, "its name cannot be None"),
    "true at the start": (
        GOOD | {"condition": "true", "answer": 4, "solution": "false"} | {"name": "always"},
        "seed 0: not done after its solution",
    ),
    "a condition that always holds": (
        {"name": "always", "request": "Do it.", "condition": "true", "solution": "true"},
        "seed 0: done at the start, before any command; its end asks for too little",
    ),
    "a condition that any output meets": (
        {"name": "any", "request": "Say it.", "condition": 'test -n "$output"', "solution": "echo it"},
        "done after 'echo grokputer', which does nothing",
    ),
    "a solution that needs the network": (
        {
            "name": "fetch",
            "request": "Fetch the page.",
            "condition": "test -s page.html",
            "solution": "timeout 2 bash -c 'exec 3<>/dev/tcp/1.1.1.1/80 && cat <&3 > page.html'",
        },
        "seed 0: not done after its solution",
    ),
    "a solution that never ends": (
        {"name": "wait", "request": "Wait.", "condition": "test -e x", "solution": "touch x; sleep 60"},
        "seed 0: a limit ended its solution; 'RUN touch x; sleep 60' ended with ended:",
    ),
    "the name of the file of a task": (GOOD | {"name": "task.toml"}, "its name cannot be 'task.toml'"),
    "no solution": ({key: value for key, value in GOOD.items() if key != "solution"}, "it has no solution"),
    "no end": ({key: value for key, value in GOOD.items() if key != "answer"}, "nothing says when it is done"),
    "the name of a task of the program": (GOOD | {"name": "Count-Lines"}, "there is a task Count-Lines already"),
    "another key": (GOOD | {"seconds": 60}, "the reply has the key 'seconds'"),
    "prose": ("Sure! Here is a task: {}", "the reply is not one JSON object"),
    "markup": ("<html>task</html>", "the reply is not one JSON object"),
    "a list": ([GOOD], "the reply is not one JSON object"),
    "an endless reply": ("x" * 40_000, "the reply has 40000 characters; it may have 32000"),
    "many files": (GOOD | {"files": {f"{n}.txt": "" for n in range(21)}}, "it is an object of at most 20 paths and texts"),
    "large files": (
        json.dumps(GOOD | {"files": {"a": "\u20ac" * 15_000, "b": "\u20ac" * 10_000}}, ensure_ascii=False),
        "its files have 75000 bytes; they may have 64000",
    ),
    "half a character": ('{"name": "x", "request": "\\ud800", "answer": 1, "solution": "echo 1"}', "its request cannot be"),
    "many commands": (GOOD | {"solution": ["true"] * 9}, "its solution has 9 texts; it takes 1 to 8"),
    "two lines in a command": (GOOD | {"solution": "true\ntouch x"}, "solution cannot be"),
    "a file where a folder is": (GOOD | {"files": {"a": "x", "a/b": "y"}, "values": {}}, "lies in a, which is a file"),
    "a null byte": (GOOD | {"condition": "true\x00"}, "condition cannot be"),
    "a number as a wording": (GOOD | {"request": [1]}, "its request cannot be 1"),
}  # fmt: skip


@pytest.mark.parametrize(("reply", "why"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_hold_is_refused_with_one_line_and_leaves_nothing(ledger: Ledger, reply: Any, why: str) -> None:
    fail(ledger)
    beside = sorted(place.name for place in ledger.path.parent.parent.iterdir())
    result, asked = generate(ledger, [reply, "no", "no"], into="deep/new-tasks")
    assert result.exit_code == 1
    first = result.stdout.splitlines()[0]
    assert ": refused: " in first
    assert why in first
    assert len(first) < 400
    assert len(asked) == 3
    assert "kept 0 tasks" in result.stderr
    assert not (ledger.path.parent / "deep").exists()
    assert sorted(place.name for place in ledger.path.parent.parent.iterdir()) == beside


def test_a_task_is_never_written_over_and_a_repeated_one_is_refused(ledger: Ledger) -> None:
    fail(ledger)
    old = ledger.path.parent / "new-tasks" / "count-words"
    old.mkdir(parents=True)
    (old / "task.toml").write_text('request = "How many words?"\nanswer = 1\n')
    again = GOOD | {"name": "again", "request": ["how many WORDS!"]}
    copy, other = GOOD | {"name": "copy", "request": "Say the number of words."}, GOOD | {"name": "other"}
    result, _ = generate(ledger, [GOOD, again, other, copy], count=2)
    assert result.stdout.splitlines()[:4] == [
        "count-words: refused: there is a task count-words already",
        "again: refused: it asks what the task count-words asks: 'how many WORDS!'",
        "other: kept: not done at the start, done after its solution",
        "copy: refused: it has the files and the solution of the task other",
    ]
    assert result.exit_code == 0
    assert (old / "task.toml").read_text() == 'request = "How many words?"\nanswer = 1\n'
    assert names(ledger) == ["count-words", "other"]


def test_an_empty_folder_or_a_dangling_link_of_that_name_is_left_alone(ledger: Ledger) -> None:
    fail(ledger)
    folder = ledger.path.parent / "new-tasks"
    (folder / "count-words").mkdir(parents=True)
    (folder / "linked").symlink_to("/nowhere/at/all")
    result, _ = generate(ledger, [GOOD, GOOD | {"name": "linked"}, "no"])
    assert result.stdout.count("already") == 2
    assert result.exit_code == 1
    assert names(ledger) == ["count-words", "linked"]


def test_a_stop_by_ctrl_c_keeps_whole_tasks_alone(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(ledger)
    tried: list[str] = []

    def stop_at_the_second(tasks: Any, task: str, seeds: int) -> Any:
        tried.append(task)
        if len(tried) == 2:
            raise KeyboardInterrupt
        return try_task(tasks, task, seeds)

    monkeypatch.setattr("grokputer.runners.lessons.task_generation.try_task", stop_at_the_second)
    second = GOOD | {
        "name": "second",
        "request": "Another one?",
        "files": {"b.txt": "x"},
        "values": {},
        "solution": "cat b.txt",
    }
    result, _ = generate(ledger, [GOOD, second], count=2)
    assert result.exit_code == 130
    assert "kept 1 task in" in result.stderr
    assert names(ledger) == ["count-words"]


def test_a_teacher_that_is_away_ends_the_command_with_one_line(ledger: Ledger) -> None:
    fail(ledger)
    with ChatServer(b"") as server:
        change(ledger, "teacher.endpoint", server.url)
        change(ledger, "teacher.model", "big")
        result = call("tasks", "generate", "--from-failures", "--into", ledger.path.parent / "new", db=ledger.path)
    assert result.exit_code == 1
    assert result.stdout.startswith("reply 1: no answer: the teacher is not asked again: model big at")
    assert len(server.asked) == 1


def test_what_is_missing_is_one_line(ledger: Ledger) -> None:
    db, into = ledger.path, ledger.path.parent / "new"

    def said(*words: object) -> str:
        result = call("tasks", "generate", *words, db=db)
        assert result.exit_code in (1, 2)
        return str(result.stderr)

    assert "give --from-failures" in said("--into", into)
    assert said("--from-failures", "--into", into) == (
        "grokputer: no teacher is set; set teacher.endpoint and teacher.model\n"
    )
    assert "its name has other signs" in said("--from-failures", "--into", ledger.path.parent / "my tasks")
    fail(ledger, "miniwob", "click-button")
    fail(ledger, reason="environment")
    result, asked = generate(ledger, [GOOD])
    assert result.stderr == (
        "grokputer: no run of role action has failed in the shell or in a folder of tasks; run some first\n"
    )
    assert asked == []


def test_the_kinds_take_turns_and_those_of_own_folders_are_among_them(ledger: Ledger) -> None:
    own = ledger.path.parent / "own"
    (own / "read-it").mkdir(parents=True)
    (own / "read-it" / "task.toml").write_text('request = "Read it."\nanswer = 1\n')
    change(ledger, "environment.tasks", "own")
    for _ in range(2):
        fail(ledger)
    fail(ledger, "own", "read-it")
    result, asked = generate(ledger, ["no", "no", GOOD])
    assert result.exit_code == 0
    assert ["failed 2 times" in each for each in asked] == [True, False, True]
    assert "read-it" in asked[0].partition("These names are taken: ")[2]

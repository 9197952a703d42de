"""Tasks as plain files: what they say, when they are done, and one line for each mistake in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from grokputer.domain.errors import EnvironmentUnavailable, UnknownTask
from grokputer.runners.environments.sandbox.choice import find_sandbox
from grokputer.runners.environments.sandbox.room import Room
from grokputer.runners.environments.sandbox.tree import Entry
from grokputer.runners.environments.shell.environment import Shell
from grokputer.runners.environments.shell.folder import TaskFolder, is_task_folder, mistakes_in
from grokputer.runners.environments.shell.task_file import BadTask, read_task
from grokputer.runners.environments.shell.trial import try_task

COUNT = """
request = ["How many lines has notes.txt?", "Count the lines of notes.txt."]
answer = 3
solution = "wc -l < notes.txt"

[files]
"notes.txt" = "one\\ntwo\\nthree\\n"
"""


def write(folder: Path, name: str, text: str, files: Mapping[str, str] = {}) -> Path:
    """A task folder with this ``task.toml`` and these files."""
    place = folder / name
    place.mkdir(parents=True)
    (place / "task.toml").write_text(text)
    for path, content in files.items():
        (place / "files" / path).parent.mkdir(parents=True, exist_ok=True)
        (place / "files" / path).write_text(content)
    return place


@pytest.fixture
def needs_sandbox() -> None:
    try:
        find_sandbox()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))


def trial(folder: Path, name: str, seeds: int = 3) -> tuple[bool, str]:
    made = try_task(TaskFolder(folder), name, seeds)
    return made.is_right, made.found


def test_a_folder_of_tasks_is_named_by_its_folders(tmp_path: Path) -> None:
    write(tmp_path, "b", COUNT)
    write(tmp_path, "a", COUNT)
    (tmp_path / "notes").mkdir()
    assert TaskFolder(tmp_path).names() == ("a", "b")
    assert is_task_folder(tmp_path) and not is_task_folder(tmp_path / "notes") and not is_task_folder(tmp_path / "no")
    with pytest.raises(UnknownTask, match="there is no task 'c'; there are a, b and more"):
        TaskFolder(tmp_path).make("c", 0)


def test_the_wordings_take_turns(tmp_path: Path) -> None:
    write(tmp_path, "count", COUNT)
    tasks = TaskFolder(tmp_path)
    assert [tasks.make("count", seed).request[:5] for seed in range(4)] == ["How m", "Count", "How m", "Count"]


@pytest.mark.usefixtures("needs_sandbox")
def test_an_answer_is_what_the_last_command_prints(tmp_path: Path) -> None:
    write(tmp_path, "count", COUNT)
    assert trial(tmp_path, "count") == (True, "not done at the start, done after its solution")


@pytest.mark.usefixtures("needs_sandbox")
def test_a_condition_is_a_command_that_looks_and_changes_nothing(tmp_path: Path) -> None:
    text = """
        request = "Make the folder docs, and say ok."
        condition = 'touch docs/spoilt 2>/dev/null; test -d docs && test "$output" = ok && test ! -e docs/spoilt'
        solution = ["mkdir docs", "echo ok"]
    """
    write(tmp_path, "docs", text)
    assert trial(tmp_path, "docs")[0]


@pytest.mark.usefixtures("needs_sandbox")
def test_a_condition_that_hangs_or_attacks_is_not_met(tmp_path: Path) -> None:
    write(tmp_path, "hangs", 'request = "Wait."\ncondition = "sleep 67.5"\nseconds = 0.5\nsolution = "true"\n')
    write(tmp_path, "writes", 'request = "Go."\ncondition = "touch /usr/x || touch here"\nsolution = "true"\n')
    assert not trial(tmp_path, "hangs", 1)[0] and not trial(tmp_path, "writes", 1)[0]
    assert not Path("/usr/x").exists()


@pytest.mark.usefixtures("needs_sandbox")
def test_expected_files_are_compared_by_their_text_but_for_line_breaks_at_the_end(tmp_path: Path) -> None:
    text = """
        request = "Write hello to out.txt and remove old.txt."
        solution = ["printf hello > out.txt", "rm old.txt"]
        [expect]
        "out.txt" = "hello\\n"
        "old.txt" = false
        "kept/" = ""
    """
    write(tmp_path, "hello", text, {"old.txt": "x", "kept/here.txt": "y"})
    assert trial(tmp_path, "hello")[0]


@pytest.mark.usefixtures("needs_sandbox")
def test_files_of_the_folder_are_laid_out_with_their_right_to_be_run(tmp_path: Path) -> None:
    place = write(
        tmp_path,
        "run",
        'request = "Run go.sh."\nanswer = "went"\nsolution = "./go.sh"',
        {"go.sh": "#!/bin/sh\necho went"},
    )
    (place / "files" / "go.sh").chmod(0o700)
    (place / "files" / "blob").write_bytes(b"\xff\x00")
    assert trial(tmp_path, "run")[0]
    shell = Shell(TaskFolder(tmp_path))
    assert shell.reset("run", 0).lines == ("file:blob[1]", "file*:go.sh[2]")
    shell.close()


@pytest.mark.usefixtures("needs_sandbox")
def test_values_make_another_page_of_each_seed(tmp_path: Path) -> None:
    text = """
        request = "Delete @name@.txt; keep me@home.org."
        condition = "test ! -e @name@.txt && test -e keep.txt"
        solution = "rm @name@.txt"
        [values]
        name = ["anna", "bob", 7]
        [files]
        "@name@.txt" = "of @name@"
        "keep.txt" = ""
    """
    write(tmp_path, "gone", text)
    tasks = TaskFolder(tmp_path)
    made = [tasks.make("gone", seed) for seed in range(20)]
    assert {it.request for it in made} == {f"Delete {name}.txt; keep me@home.org." for name in ("anna", "bob", "7")}
    assert tasks.make("gone", 3).files == made[3].files
    assert trial(tmp_path, "gone")[0]


@pytest.mark.usefixtures("needs_sandbox")
def test_a_task_that_is_done_at_its_start_or_never_is_told(tmp_path: Path) -> None:
    write(tmp_path, "done", 'request = "Do nothing."\ncondition = "true"\nsolution = "true"')
    write(tmp_path, "never", 'request = "Count."\nanswer = 3\nsolution = ["true", "wc -l < no.txt"]')
    write(tmp_path, "unsolved", 'request = "Count."\nanswer = 3')
    assert trial(tmp_path, "done") == (
        False,
        "seed 0: done at the start, before any command; its end asks for too little",
    )
    is_right, found = trial(tmp_path, "never")
    assert not is_right and found.startswith(
        "seed 0: not done after its solution; 'RUN wc -l < no.txt' ended with exit:1"
    )
    assert trial(tmp_path, "unsolved") == (True, "not done at the start; it has no solution to try")


@pytest.mark.usefixtures("needs_sandbox")
@pytest.mark.usefixtures("needs_sandbox")
def test_a_long_solution_that_does_not_do_the_task_is_told_by_its_beginning(tmp_path: Path) -> None:
    write(tmp_path, "t", f'request = "Do it."\ncondition = "false"\nsolution = "true {"a" * 10_000}"')
    is_right, found = trial(tmp_path, "t")
    assert not is_right and "'RUN true aaa" in found and len(found) < 400


def test_a_task_without_a_solution_has_no_demonstration(tmp_path: Path) -> None:
    write(tmp_path, "count", 'request = "Count."\nanswer = 3')
    with pytest.raises(UnknownTask, match="there is no demonstration of 'count': it has no solution"):
        Shell(TaskFolder(tmp_path)).demonstrate("count")


GOOD = 'request = "x"\nanswer = "y"\n'


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("", ["answer is missing, and so are condition and expect; give at least one", "request is missing; say what"]),
        ("request = ", ["is not TOML: Invalid value"]),
        (GOOD + "answr = 1", ["answr is no key; keys are request, files, answer, condition, expect, solution, values"]),
        ('request = ""\nanswer = "y"', ["request cannot be ''; it is one line of text or a list of such lines"]),
        ('request = "a\\nb"\nanswer = "y"', ["request cannot be 'a\\nb'; it is one line"]),
        ('request = "a\\u001bb"\nanswer = "y"', ["request cannot be 'a\\x1bb'; it is one line"]),
        ("request = []\nanswer = 1", ["request cannot be []; it is one line"]),
        ("request = [1]\nanswer = 1", ["request cannot be [1]; it is one line"]),
        ('request = "x"\nanswer = true', ["answer cannot be True; it is a text that is not empty"]),
        ('request = "x"\ncondition = ["a"]', ["condition cannot be ['a']; it is a text"]),
        (GOOD + "solution = 5", ["solution cannot be 5; it is one line of text or a list"]),
        (GOOD + "seconds = 0", ["seconds cannot be 0; it is a number over 0 and up to 60"]),
        (GOOD + "seconds = 2024-01-01", ["seconds cannot be datetime.date(2024, 1, 1); it is a number"]),
        (GOOD + "files = 3", ["files cannot be 3; it is a table, as in [files]"]),
        (GOOD + '[files]\n"../x" = "y"', ["files cannot have the path '../x'; a path lies in the folder"]),
        (GOOD + '[files]\n"/etc/x" = "y"', ["files cannot have the path '/etc/x'"]),
        (GOOD + '[files]\n"a" = 1', ["files.a cannot be 1; it is the text of the file"]),
        (GOOD + '[files]\n"a" = ""\n"a/b" = ""', ["files.a/b lies in a, which is a file; rename one of them"]),
        (GOOD + f'[files]\n"a" = "{"x" * (1 << 20)}x"', ["files have 1048577 bytes; at most 1048576 are laid out"]),
        (GOOD + '[expect]\n"a" = true', ["expect.a cannot be True; it is a text, or false where nothing may be"]),
        (GOOD + '[expect]\n"." = ""', ["expect cannot have the path '.'"]),
        (GOOD + "[values]\nname = []", ["values.name cannot be []; it is a list of texts, under a name of one word"]),
        (GOOD + '[values]\nname = ["a"]', ["values.name is used nowhere; write @name@ where it should stand"]),
        (
            'request = "@who@ and @name@"\nanswer = 1\n[values]\nname = ["a"]',
            ["values.who is missing; give the values of @who@ as a list"],
        ),
    ],
)
def test_each_mistake_is_one_line_with_file_key_value_and_what_is_allowed(
    tmp_path: Path, text: str, mistakes: list[str]
) -> None:
    place = write(tmp_path, "task", text)
    found = mistakes_in(place)
    assert len(found) == len(mistakes), found
    for line, mistake in zip(found, mistakes, strict=True):
        assert line.startswith(f"{place / 'task.toml'}") and mistake in line and "\n" not in line
    with pytest.raises(BadTask) as told:
        TaskFolder(tmp_path).make("task", 0)
    assert str(told.value).startswith(found[0])


def test_a_folder_that_is_no_task_and_files_that_are_none_are_told(tmp_path: Path) -> None:
    place = write(tmp_path, "task", GOOD + '[files]\n"a" = ""', {"a": "twice"})
    (place / "files" / "link").symlink_to("/etc/passwd")
    assert mistakes_in(place) == [
        f"{place}/files/link is neither a file nor a folder; files and folders of up to 1048576 bytes are laid out",
        f"{place}/task.toml: files.a is also in the folder files; leave one of them out",
    ] or sorted(mistakes_in(place))[1].endswith("leave one of them out")
    (place / "task.toml").write_bytes(b'request = "\xff"')
    assert "is not UTF-8 text: byte 11 cannot be read" in mistakes_in(place)[0]
    (place / "task.toml").unlink()
    assert mistakes_in(place)[0].endswith("has no task.toml; write one, see docs/own-tasks.md")
    with pytest.raises(BadTask):
        read_task(place)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("answer = " + "[" * 20_000, "is nested too deep"),
        ("answer = " + "1" * 5_000, "cannot be read: Exceeds the limit"),
    ],
)
def test_a_task_file_that_the_parser_cannot_take_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    place = write(tmp_path, "t", text)
    [line] = mistakes_in(place)
    assert line.startswith(f"{place / 'task.toml'} {told}") and len(line) < 300


def test_a_task_file_that_is_a_pipe_is_told_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    os.mkfifo(tmp_path / "t" / "task.toml")
    [line] = mistakes_in(tmp_path / "t")
    assert line == f"{tmp_path / 't' / 'task.toml'} is no ordinary file; write the task in one, see docs/own-tasks.md"


def test_files_that_are_a_link_to_a_folder_are_one_mistake_however_much_lies_there(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for number in range(3):
        (elsewhere / f"link-{number}").symlink_to(tmp_path)
    place = write(tmp_path, "t", COUNT)
    (place / "files").symlink_to(elsewhere)
    assert mistakes_in(place) == [f"{place / 'files'} is a link; put the files themselves into a folder of this name"]


def test_a_name_that_cannot_stand_in_a_command_is_a_mistake(tmp_path: Path) -> None:
    place = write(tmp_path, "my task", GOOD)
    assert "the name 'my task' has other signs than letters" in mistakes_in(place)[0]
    assert TaskFolder(tmp_path).names() == ()


@pytest.mark.parametrize("value", ["../../outside.txt", "/tmp/grokputer-outside.txt", "a/../../b", "a\\u0000b", "a//b"])
def test_a_value_that_leads_a_path_out_of_the_folder_is_refused_before_anything_is_written(
    tmp_path: Path, value: str
) -> None:
    text = f"""
        request = "Read it."
        answer = 1
        [values]
        where = ["{value}"]
        [files]
        "@where@" = "out"
    """
    write(tmp_path, "leave", text)
    with pytest.raises(EnvironmentUnavailable, match=r"files cannot have the path .*with the values of seed 0"):
        TaskFolder(tmp_path).make("leave", 0)


def test_a_room_writes_nothing_outside_its_folder_whatever_it_is_given() -> None:
    with Room() as room:
        for path in ("../out.txt", "/tmp/out.txt", "a/../../out.txt"):
            with pytest.raises(EnvironmentUnavailable, match="leaves the folder"):
                room.lay_out({path: Entry("file", 0o644, b"out")})
        assert sorted(place.name for place in room.folder.parent.iterdir()) == ["work"]

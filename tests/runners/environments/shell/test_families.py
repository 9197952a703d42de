"""Every family of tasks: not done at its start, done by its own solution, asked for in eight wordings."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest

from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.domain.page.messages import Page
from grokputer.runners.environments.sandbox.choice import find_sandbox
from grokputer.runners.environments.shell.environment import Shell
from grokputer.runners.environments.shell.families import OWN
from grokputer.runners.environments.shell.families.permissions import MOST_UNPACKED, pack, unpack
from grokputer.runners.environments.shell.family import PHRASINGS, phrasing_of
from grokputer.runners.environments.shell.instance import is_answer

TASKS = OWN.names()
STEPS = 6
"""More than any solution has."""


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    try:
        find_sandbox()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    shell = Shell(OWN)
    yield shell
    shell.close()


def play(shell: Shell, task: str, seed: int) -> tuple[Page, list[str]]:
    """The page after the solution, and its actions."""
    script, page = shell.demonstrate(task), shell.reset(task, seed)
    actions: list[str] = []
    while not page.is_done and len(actions) < STEPS:
        assert len(actions) < len(OWN.make(task, seed).solution), (actions, page)
        action = script(page, actions)
        page = shell.act(action)
        actions.append(action)
        assert not page.error, (action, page)
    return page, actions


def check(shell: Shell, task: str, seed: int) -> None:
    shell.reset(task, seed)
    assert shell.act("DONE").reward == 0
    page, actions = play(shell, task, seed)
    assert (page.is_done, page.reward) == (True, 1.0), (actions, page)


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_not_done_at_its_start_and_done_by_its_solution(shell: Shell, task: str) -> None:
    check(shell, task, 6)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_not_done_at_its_start_and_done_by_its_solution_from_more_seeds(shell: Shell, task: str) -> None:
    for seed in (13, *range(100, 110)):
        check(shell, task, seed)


def test_there_are_enough_families_of_one_command_and_of_several(shell: Shell) -> None:
    several = [task for task in TASKS if len(OWN.make(task, 0).solution) > 1]
    assert len(TASKS) - len(several) >= 15 and len(several) >= 15


@pytest.mark.parametrize("task", TASKS)
def test_eight_wordings_say_the_same_in_different_words(task: str) -> None:
    requests = [OWN.make(task, seed).request for seed in range(PHRASINGS)]
    assert not [it for it in requests if "{" in it or "}" in it or not it.isprintable()]
    family = OWN.find(task)
    assert len(family.phrasings) == PHRASINGS
    for one, other in combinations(family.phrasings, 2):
        own, others = set(one.lower().split()), set(other.lower().split())
        assert len(own & others) / len(own | others) < 0.75, (one, other)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_seed_gives_the_same_task_and_another_seed_another_one(task: str) -> None:
    once, again, other = OWN.make(task, 3), OWN.make(task, 3), OWN.make(task, 3 + PHRASINGS)
    assert (once.request, once.files) == (again.request, again.files)
    assert (once.request, once.files) != (other.request, other.files)


def test_the_wording_follows_from_the_seed_alone() -> None:
    assert [phrasing_of(seed) for seed in (0, 7, 8, 1_000_006)] == [0, 7, 0, 6]
    assert OWN.make("delete-file", 8).request.startswith("Delete ")
    assert OWN.make("delete-file", 7).request.startswith("Please do away with ")


@pytest.mark.parametrize(
    ("task", "command"),
    [
        ("delete-file", "rm {}"),
        ("back-up", "cp {0} backup-{0}"),
        ("add-note", 'echo "{}" >> notes.md'),
        ("copy-as", "true"),
    ],
)
def test_what_goes_against_the_rules_of_the_house_does_not_do_the_task(shell: Shell, task: str, command: str) -> None:
    page = shell.reset(task, 8)
    name = page.task.split()[1].strip(".")
    page = shell.act(f"RUN {command.format(name)}")
    assert not page.is_done
    assert shell.act("DONE").reward == 0


def test_a_task_that_ruins_another_file_is_not_done(shell: Shell) -> None:
    shell.reset("count-lines", 0)
    _, [command] = play(shell, "count-lines", 0)
    shell.reset("count-lines", 0)
    assert not shell.act(f"{command}; rm *").is_done


@pytest.mark.parametrize(
    ("output", "is_one"),
    [
        ("12\n", True),
        ("12 log.txt\n", True),
        ("  12  ", True),
        ("1\n12\n", False),
        ("112\n", False),
        ("a b 12\n", False),
    ],
)
def test_an_answer_is_one_line_with_at_most_one_word_beside_it(output: str, is_one: bool) -> None:
    assert is_answer(output, "12") is is_one


def test_an_archive_is_looked_into_with_bounds() -> None:
    inside = {"docs/a.txt": "one\n", "docs/b.txt": "two\n"}
    assert unpack(pack(inside)) == inside
    assert unpack(b"no archive") == {} and unpack(b"") == {}
    assert unpack(pack({"big": "x" * (2 * MOST_UNPACKED)})) == {}

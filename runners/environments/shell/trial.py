"""Trying a task out: it must not be done at its start, and must be done by its solution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ....domain.errors import UnknownTask
from ....domain.page.messages import Page
from .environment import Shell
from .instance import Tasks

MOST_SHOWN = 200
"""Characters of a command that a line shows; chosen: about two lines of a terminal."""


@dataclass(frozen=True)
class Trial:
    """What came of trying one task."""

    is_right: bool
    found: str
    """In words; what to do where it is not right."""


def try_task(tasks: Tasks, task: str, seeds: int, open_: Callable[[Tasks], Shell] = Shell) -> Trial:
    """Play the task from the seeds 0, 1, ...: once doing nothing, once by its solution.

    Raises ``EnvironmentUnavailable`` without a sandbox, and for a task with mistakes.
    """
    shell = open_(tasks)
    try:
        for seed in range(seeds):
            shell.reset(task, seed)
            if shell.act("DONE").reward:
                return Trial(False, f"seed {seed}: done at the start, before any command; its end asks for too little")
            try:
                page, command = _play(shell, task, seed)
            except UnknownTask:
                return Trial(True, "not done at the start; it has no solution to try")
            if _is_stopped(page):
                return Trial(False, f"seed {seed}: a limit ended its solution; {_ending(page, command)}")
            if not page.reward:
                return Trial(False, f"seed {seed}: not done after its solution; {_ending(page, command)}")
    finally:
        shell.close()
    return Trial(True, "not done at the start, done after its solution")


def _play(shell: Shell, task: str, seed: int) -> tuple[Page, str]:
    """The page after the solution, or after a command of it that a limit ended; and that last command."""
    script, page = shell.demonstrate(task), shell.reset(task, seed)
    history: list[str] = []
    while not page.is_done and not _is_stopped(page):
        try:
            action = script(page, history)
        except ValueError:
            break
        page = shell.act(action)
        history.append(action)
    return page, history[-1]


def _is_stopped(page: Page) -> bool:
    """Whether a limit ended the last command, which may have done the task before that."""
    return any(line.startswith("ended:") for line in page.lines)


def _ending(page: Page, command: str) -> str:
    """How the last command ended, as the page shows it."""
    how = [line.rpartition("[")[0] for line in page.lines if line.startswith(("exit:", "ended:", "output:"))][:3]
    shown = command if len(command) <= MOST_SHOWN else f"{command[:MOST_SHOWN]}..."
    return f"{shown!r} ended with {', '.join(how) or 'nothing'}"

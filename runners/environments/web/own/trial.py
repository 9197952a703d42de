"""Trying a task on a page out: it must not be done at its start, and must be done by its solution."""

from __future__ import annotations

from .....domain.errors import UnknownTask
from ...shell.trial import Trial
from ..environment import Web


def try_page_task(web: Web, task: str, seeds: int) -> Trial:
    """Play the task from the seeds 0, 1, ...: once doing nothing, once by its solution.

    Raises ``EnvironmentUnavailable`` without a browser, for a page that cannot be opened, and for a task with mistakes.
    """
    for seed in range(seeds):
        page = web.reset(task, seed)
        if page.is_done or web.act("DONE").reward:
            return Trial(False, f"seed {seed}: done at the start, before any action; its end asks for too little")
        try:
            script = web.demonstrate(task)
        except UnknownTask:
            return Trial(True, "not done at the start; it has no solution to try")
        page, history = web.reset(task, seed), list[str]()
        while not page.is_done:
            try:
                history.append(script(page, history))
            except ValueError as error:
                return Trial(False, f"seed {seed}: after {len(history)} moves {error}")
            page = web.act(history[-1])
            if page.error:
                return Trial(False, f"seed {seed}: {history[-1][:200]!r}: {page.error}")
        if not page.reward:
            return Trial(False, f"seed {seed}: not done after its solution")
    return Trial(True, "not done at the start, done after its solution")

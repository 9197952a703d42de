"""Detours: own successes that took more steps than anybody needed who showed how the task is done.

An agent that tries until it succeeds has mostly wandered; taught to do so, it wanders. Where nobody has shown a task, all that
succeeds is as good as any.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from .training_runs import Content, PastRun, learning_from

SHOWN_BY = ("human", "reviewer")
"""Whose corrections show how a task is done; a teacher model tries until it succeeds, too."""


class Detours:
    """The longest way to each task's end that was shown, and what is longer."""

    def __init__(self, runs: Iterable[PastRun], content: Content) -> None:
        self._content = content
        self._longest: dict[str, int] = {}
        for run in runs:
            if run.correction is not None and run.correction.source in SHOWN_BY:
                with learning_from(run):
                    steps = self._corrected_way(run)
                self._longest[run.family] = max(self._longest.get(run.family, 0), steps or 0)

    def took(self, run: PastRun) -> bool:
        """Whether the run took one."""
        return self._is_longer(run, run.steps_done)

    def teaches(self, run: PastRun) -> bool:
        """Whether the run was corrected by one: by an own success in another try."""
        if run.correction is None or run.correction.source != "retry":
            return False
        return self._is_longer(run, self._corrected_way(run) or 0)

    def _is_longer(self, run: PastRun, steps: int) -> bool:
        return 0 < self._longest.get(run.family, 0) < steps

    def _corrected_way(self, run: PastRun) -> int | None:
        """The steps of the corrected run that could be carried out: those before the correction, and its own.

        A way out that was shown beside it, for who recovers, counts as one of its own. None where the role has no step with the
        page that it begins with, or a text was erased.
        """
        assert run.correction is not None
        kept = self._content(run.correction.correction)
        rows = json.loads(kept) if kept is not None else []
        for step in run.steps if rows else ():
            prompt = self._content(step.prompt)
            if prompt is not None and json.loads(prompt) == rows[0]["messages"]:
                before = sum(not it.error for it in run.way if it.step < step.step)
                return before + run.correction.steps
        return None

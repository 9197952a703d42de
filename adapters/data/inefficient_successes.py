"""Inefficient successes: retries that succeeded in more steps than every demonstration of their task.

An agent that tries until it succeeds has mostly wandered, and a model trained on wandering wanders. Where a task has no
demonstration, every success counts as efficient.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from .training_runs import Content, PastRun, learning_from

SHOWN_BY = ("human", "reviewer")
"""The sources of corrections that demonstrate a task; a teacher model also tries until it succeeds."""


class Detours:
    """The longest demonstration of each task, and the runs that are longer."""

    def __init__(self, runs: Iterable[PastRun], content: Content) -> None:
        self._content = content
        self._longest: dict[str, int] = {}
        for run in runs:
            if run.correction is not None and run.correction.source in SHOWN_BY:
                with learning_from(run):
                    steps = self._corrected_way(run)
                self._longest[run.family] = max(self._longest.get(run.family, 0), steps or 0)

    def took(self, run: PastRun) -> bool:
        """Whether the run took more steps than the longest demonstration."""
        return self._is_longer(run, run.steps_done)

    def teaches(self, run: PastRun) -> bool:
        """Whether the run's correction, a success of a retry, took more steps than the longest demonstration."""
        if run.correction is None or run.correction.source != "retry":
            return False
        return self._is_longer(run, self._corrected_way(run) or 0)

    def _is_longer(self, run: PastRun, steps: int) -> bool:
        return 0 < self._longest.get(run.family, 0) < steps

    def _corrected_way(self, run: PastRun) -> int | None:
        """The steps of the corrected run that were carried out: those before the correction, and its own.

        Steps of another role inside the correction count too. None where no step of the role has the page that the
        correction begins with, or a text was erased.
        """
        assert run.correction is not None
        text = self._content(run.correction.correction)
        rows = json.loads(text) if text is not None else []
        for step in run.steps if rows else ():
            prompt = self._content(step.prompt)
            if prompt is not None and json.loads(prompt) == rows[0]["messages"]:
                before = sum(not earlier.error for earlier in run.way if earlier.step < step.step)
                return before + run.correction.steps
        return None

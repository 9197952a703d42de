"""The roles of a run asked again: each turn with the model, the adapter and the settings that the run recorded for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...domain.aggregates.run import TaskRun
from ...domain.errors import GrokputerError, NotPossible
from ...domain.page.messages import Completion, Message
from ...domain.rules.routing import Route
from ...domain.settings.settings import Policy
from .inputs import media_in
from .preface import recorded_preface
from .runner import ActiveRun, TaskRunner, task_of

if TYPE_CHECKING:
    from .episode import Actor, Episode

SEED_STEP = 1000
"""Difference between the sampling seeds of two attempts: more than the steps of one."""


def ask_again(runner: TaskRunner, run: TaskRun, policy: Policy, temperature: float = 0.0, attempt: int = 0) -> Actor:
    """An actor that asks the roles of the ended run. Raises ``NotPossible`` where the words of the run were erased."""
    started = run.started
    assert started is not None
    task = task_of(runner.ledger, started)
    if task is None:
        raise NotPossible(f"the task of run {run.id.hex} was erased; it cannot be tried again")
    routes = {
        assigned["role"]: Route(assigned["arm"], assigned["adapter"], assigned["rollout"])
        for assigned in started.assignments
    }
    alone = frozenset(role for role in routes if runner.beside(role) is not None)
    active = ActiveRun(run, task, routes, policy, recorded_preface(runner.ledger, run), alone)

    def act(episode: Episode, messages: Sequence[Message]) -> Completion:
        request, resamples = runner.request(active, episode)
        seed = request.seed + SEED_STEP * attempt
        shown = media_in(runner.ledger, messages)
        asked = replace(
            request, messages=messages, media=shown, temperature=max(temperature, request.temperature), seed=seed
        )
        [answer] = runner.answer([(episode, asked, resamples)])
        if isinstance(answer, GrokputerError):
            raise answer
        return answer

    return act

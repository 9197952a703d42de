"""Retries: failed tasks are repeated with sampling, many in parallel; the first success of each becomes its correction.

Attempts of different runs are parallel, so that the model answers in batches. Attempts of one run follow each other and
stop at the first success. The first half of the attempts is the model's own; in the later half some steps are explored:
random actions that the page allows.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from ...domain.aggregates.run import TaskRun
from ...domain.errors import EnvironmentUnavailable, GrokputerError, LogError, NotPossible
from ...domain.page.messages import Completion, Request
from ...domain.ports import Environment, Model
from ...domain.rules.coordination import recorded_bounds
from ..agent.batch import WIDTH
from ..agent.episode import Episode, Step, is_success
from ..agent.inputs import media_of
from ..agent.preface import Preface, recorded_preface
from ..agent.runner import Beside, task_of
from ..agent.sampling import answer_by_role
from ..agent.sight import Sight, sight_again
from ..feedback.corrected_steps import record_lessons
from ..feedback.trials import answers_before, longest_episode
from ..store.ledger import Ledger
from .exploration import can_explore, explore, rewrite

LOSSES = 2
"""Times that a run may lose its browser; chosen: a lost browser affects all parallel runs, and most did not cause it."""
SEED_STEP = 1000
"""Difference between the sampling seeds of two attempts: more than the steps of one."""


@dataclass(frozen=True)
class RetryPolicy:
    """How a task is retried: the adapter, the most attempts, and the sampling."""

    adapter: str | None
    attempts: int
    temperature: float
    exploration: float = 0.0
    """The share of random steps in the later half of the attempts, in [0, 1]."""
    role: str = "action"
    """The role of the adapter."""
    others: Mapping[str, str | None] = field(default_factory=dict)
    """The adapters of the other roles, for planned tasks. A role without one is asked with that of the run's role."""

    def adapter_of(self, turn: str, own: str) -> str | None:
        """The adapter of the role's turn in a planned run of the role ``own``."""
        adapters = {**self.others, self.role: self.adapter}
        return adapters.get(turn) or adapters.get(own)


def correct_by_retries(
    ledger: Ledger,
    failed: Iterable[tuple[TaskRun, int]],
    environment: Environment,
    model: Model,
    sampling: RetryPolicy,
    actor: str,
    *,
    on_fault: Callable[[GrokputerError], None] | None = None,
    width: int = WIDTH,
    beside: Beside = lambda role: None,
) -> Iterator[TaskRun]:
    """Repeat each failed run's task from its step (from 1) on, and yield the corrected runs.

    A run that cannot be repeated here raises ``GrokputerError``; with ``on_fault``, that gets the error, and the other
    runs continue. ``LogError`` is always raised.
    """
    waiting = iter(failed)
    playing: list[_Retry] = []
    while True:
        for run, first in islice(waiting, width - len(playing)):
            playing.append(_Retry(ledger, run, first, environment, {attempt.seat for attempt in playing}))
        if not playing:
            return
        for retry in playing:
            retry.explore(sampling)
        asking = [attempt for attempt in playing if not attempt.is_over]
        answers = _answer(model, beside, [(attempt.playing, attempt.request(sampling)) for attempt in asking])
        for retry, answer in zip(asking, answers, strict=True):
            retry.take(answer)
        for retry in [attempt for attempt in playing if attempt.has_succeeded]:
            retry.shorten()
            yield record_lessons(ledger, retry.run, retry.lessons, "retry", actor)
        before, playing = (
            playing,
            [attempt for attempt in playing if not attempt.has_succeeded and attempt.goes_on(sampling.attempts)],
        )
        for fault in (attempt.fault for attempt in before if attempt.fault is not None):
            if on_fault is None:
                raise fault
            on_fault(fault)


def _answer(
    model: Model, beside: Beside, asked: Sequence[tuple[Episode, Request]]
) -> list[Completion | GrokputerError]:
    """The answers, each by the model of the role whose turn it is; a role's own model is asked without adapters."""
    own = {episode.turn: beside(episode.turn) for episode, _ in asked}
    models = {role: model if apart is None else apart.model for role, apart in own.items()}
    requests = [
        (episode, request if own[episode.turn] is None else replace(request, adapter=None), 0)
        for episode, request in asked
    ]
    return answer_by_role(models.__getitem__, requests)


class _Retry:
    """A failed run that is being retried, attempt after attempt."""

    def __init__(
        self, ledger: Ledger, run: TaskRun, first: int, environment: Environment, taken: set[tuple[str, int]]
    ) -> None:
        assert run.started is not None
        self.run, self.task = run, run.started.task
        self.seat = next((self.task, n) for n in range(len(taken) + 1) if (self.task, n) not in taken)
        self.place = environment.beside(self.seat[1])
        self.max_steps, self.bounds = longest_episode(run), recorded_bounds(run.started.policy)
        self.max_tokens = int(run.started.policy.get("run.max_tokens", 256))
        self.own: Sequence[str] = ()
        self.own_acts = 0
        self.preface: Preface = {}
        self.media: Mapping[str, str] = {}
        self.attempt, self.losses, self.explored = 0, 0, 0
        self.episode: Episode | None = None
        self.fault: GrokputerError | None = None
        """Why the run cannot be retried here; None while it can."""
        self._steps: list[Step] = []
        with self._possibly_at_fault():
            self.own = answers_before(ledger, run, first)
            self.own_acts = sum(act.step < first for act in run.acts)
            self.asked = task_of(ledger, run.started)
            self.preface = recorded_preface(ledger, run)
            self.media = media_of(ledger, run)
            self._begin()

    @property
    def is_over(self) -> bool:
        return self.fault is not None or self.episode is None or self.episode.is_over

    @property
    def playing(self) -> Episode:
        """The episode of the present attempt."""
        assert self.episode is not None
        return self.episode

    @property
    def has_succeeded(self) -> bool:
        return self.fault is None and self.episode is not None and bool(self.lessons) and is_success(self.episode.page)

    @property
    def lessons(self) -> Sequence[Step]:
        """The attempt's steps, without the run's own steps before it."""
        return self._steps[len(self.own) :]

    def request(self, sampling: RetryPolicy) -> Request:
        """The next request to the model."""
        assert self.episode is not None
        seed = SEED_STEP * self.attempt + len(self.episode.history)
        is_planned = self.bounds is not None
        adapter = sampling.adapter_of(self.episode.turn, self.episode.role) if is_planned else sampling.adapter
        tokens, temperature = self.max_tokens, sampling.temperature
        return Request(self.episode.ask(), adapter, tokens, temperature, seed, media=self.media)

    def explore(self, sampling: RetryPolicy) -> None:
        """Take the random steps that come next, in attempts with exploration."""
        while not self.is_over and 2 * self.attempt > sampling.attempts:
            assert self.episode is not None
            draw = random.Random(f"{self.run.id}/{self.attempt}/{len(self.episode.history)}")
            if draw.random() >= sampling.exploration or self.bounds or not can_explore(self.episode.page):
                return
            self.explored += 1
            self.take(Completion(explore(self.episode.page, self.episode.history, draw), None, None, 0))

    def shorten(self) -> None:
        """Remove unnecessary steps of an explored success: the episode is repeated without each step in turn, except
        the last."""
        step = 0
        while self.explored and step < len(self.lessons) - 1:
            if not self._replays([other.answer for index, other in enumerate(self.lessons) if index != step]):
                step += 1

    def _replays(self, answers: Sequence[str]) -> bool:
        """Repeat the episode with these answers; whether they do the task. If not, the earlier state is restored."""
        before = self.episode, self._steps
        with contextlib.suppress(EnvironmentUnavailable):
            self._restart()
            for answer in answers:
                written = None if self.is_over or self.episode is None else rewrite(answer, self.episode.page)
                if written is None or self.episode is None:
                    break
                self._steps.append(self.episode.take(self.episode.ask(), Completion(written, None, None, 0)))
            else:
                if self.has_succeeded:
                    return True
        self.episode, self._steps = before
        return False

    def take(self, answer: Completion | GrokputerError) -> None:
        """Carry out the answer."""
        assert self.episode is not None
        with self._possibly_at_fault():
            if isinstance(answer, GrokputerError):
                raise answer
            self._steps.append(self.episode.take(self.episode.ask(), answer))

    def goes_on(self, attempts: int) -> bool:
        """Whether it is still active; after a failed attempt the next one begins, at most ``attempts``."""
        if self.fault is None and self.is_over and self.attempt < attempts:
            with self._possibly_at_fault():
                self._begin()
        return not self.is_over

    def _begin(self) -> None:
        if self.asked is None:
            raise NotPossible(f"the task of run {self.run.id.hex} was erased; it cannot be tried again")
        self.attempt += 1
        self.explored = 0
        self._restart()

    def _restart(self) -> None:
        """Begin the task again, with the run's own steps before the one that went wrong."""
        assert self.asked is not None
        page = self.place.reset(self.asked.task, self.asked.seed)
        most, role, sight = self.own_acts + self.max_steps, self.asked.role, self._sight()
        self.episode = Episode(self.place, page, most, role, self.preface, self.bounds, sight, self.asked.inputs)
        self._steps = []
        for answer in self.own:
            if not self.episode.is_over:
                self._steps.append(self.episode.take(self.episode.ask(), Completion(answer, None, None, 0)))

    def _sight(self) -> Sight | None:
        assert self.run.started is not None
        return sight_again(self.run.started.policy)

    @contextlib.contextmanager
    def _possibly_at_fault(self) -> Iterator[None]:
        try:
            yield
        except LogError:
            raise
        except GrokputerError as error:
            self.losses += isinstance(error, EnvironmentUnavailable)
            if not isinstance(error, EnvironmentUnavailable) or self.losses >= LOSSES:
                self.fault = error
            elif self.episode is not None:  # repeat the same attempt
                self.episode, self.attempt = None, self.attempt - 1

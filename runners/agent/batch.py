"""Many runs at a time: the model answers their questions in batches, and what a round leads to is stored together.

A benchmark or a gate plays hundreds of episodes. One by one, a sixth of the time goes into waiting for the disk and most
of the rest into a model that reads one short page at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from ...domain.aggregates.run import TaskRun
from ...domain.errors import GrokputerError
from ...domain.page.messages import Request
from ...domain.ports import Environment
from ...domain.rules.routing import Route
from ...projections.state.state import State
from .episode import Episode
from .runner import ActiveRun, Task, TaskRunner
from .sampling import answer_episodes

WIDTH = 16
"""Episodes at a time; chosen: what the model answers in one batch."""


@dataclass(frozen=True)
class RunSpec:
    """A run that is to be made: under which id, and on which route where that is not left to the traffic."""

    task: Task
    id: UUID
    pinned: Route | None = None


@dataclass
class _Playing:
    """One of the runs under way."""

    underway: ActiveRun
    episode: Episode
    seat: tuple[str, int]
    fault: GrokputerError | None = None

    @property
    def is_over(self) -> bool:
        return self.fault is not None or self.episode.is_over


def run_batch(
    runner: TaskRunner, wanted: Sequence[RunSpec], environment: Environment, state: State, width: int = WIDTH
) -> Iterator[TaskRun]:
    """Run them all, ``width`` at a time and each task in tabs of its own, and yield each run when it has ended.

    A run is stored whole when it ends: killed before that, nothing of it is in the log. In a batch the rounding of bf16 may
    turn a choice between two nearly equal tokens. Raises what ``TaskRunner.run`` raises before a run begins.
    """
    waiting = _Waiting(wanted)
    playing: list[_Playing] = []
    while playing or waiting:
        while waiting and len(playing) < width:
            playing.append(_begin(runner, waiting.next(playing), playing, environment, state))
        _play_round(runner, [run for run in playing if not run.is_over])
        ended = [run for run in playing if run.is_over]
        playing = [run for run in playing if not run.is_over]
        for it in ended:
            runner.end(it.underway, it.episode, it.fault)
        runner.ledger.store(*(run.underway.run for run in ended))
        yield from (run.underway.run for run in ended)


class _Waiting:
    """The runs still to be made. Those of many tasks go side by side, so that each needs but one tab."""

    def __init__(self, wanted: Sequence[RunSpec]) -> None:
        self._by_task: dict[str, list[RunSpec]] = {}
        for spec in reversed(wanted):
            self._by_task.setdefault(spec.task.task, []).append(spec)

    def __bool__(self) -> bool:
        return any(self._by_task.values())

    def next(self, playing: Sequence[_Playing]) -> RunSpec:
        """The next one of the task that is played least now; among those, the one with most to come."""
        now = Counter(run.seat[0] for run in playing)
        left = [task for task, those in self._by_task.items() if those]
        return self._by_task[min(left, key=lambda task: (now[task], -len(self._by_task[task])))].pop()


def _begin(
    runner: TaskRunner, wanted: RunSpec, playing: Sequence[_Playing], environment: Environment, state: State
) -> _Playing:
    name = wanted.task.task
    taken = {run.seat for run in playing}
    seat = next(number for number in range(len(taken) + 1) if (name, number) not in taken)
    place = environment.beside(seat)
    page = place.reset(name, wanted.task.seed)
    underway = runner.begin(wanted.task, place.capabilities, state, wanted.pinned, wanted.id)
    return _Playing(underway, Episode(place, page, underway.max_steps, wanted.task.role), (name, seat))


def _play_round(runner: TaskRunner, playing: Sequence[_Playing]) -> None:
    """One step of each."""
    asking: list[tuple[_Playing, Request, int]] = []
    for it in playing:
        try:
            asking.append((it, *runner.request(it.underway, it.episode)))
        except GrokputerError as error:
            it.fault = error
    answers = answer_episodes(runner.model, [(run.episode, request, resamples) for run, request, resamples in asking])
    for (it, request, _), answer in zip(asking, answers, strict=True):
        try:
            if isinstance(answer, GrokputerError):
                raise answer
            runner.record_step(it.underway, it.episode.take(list(request.messages), answer))
        except GrokputerError as error:
            it.fault = error

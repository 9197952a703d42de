"""Many runs in parallel: the model answers their prompts in batches, and the runs that end in a round are stored together.

A benchmark or a gate plays hundreds of episodes. One by one, a sixth of the time is waiting for the disk, and most of
the rest is a model that reads one short page at a time.
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

WIDTH = 16
"""Parallel episodes; chosen: the size of a batch of the model."""


@dataclass(frozen=True)
class RunSpec:
    """A run to make: its id, and its route where the traffic does not decide."""

    task: Task
    id: UUID
    pinned: Route | None = None


@dataclass
class _Playing:
    """One of the active runs."""

    active: ActiveRun
    episode: Episode
    seat: tuple[str, int]
    fault: GrokputerError | None = None

    @property
    def is_over(self) -> bool:
        return self.fault is not None or self.episode.is_over


def run_batch(
    runner: TaskRunner, specs: Sequence[RunSpec], environment: Environment, state: State, width: int = WIDTH
) -> Iterator[TaskRun]:
    """Make all runs, ``width`` in parallel, each task in its own tabs, and yield each run when it has ended.

    A run is stored as a whole when it ends; if the process is killed before that, the log has nothing of it. In a
    batch, the rounding of bf16 may change a choice between two nearly equal tokens. Raises what ``TaskRunner.run``
    raises before a run begins.
    """
    waiting = _Waiting(specs)
    playing: list[_Playing] = []
    while playing or waiting:
        while waiting and len(playing) < width:
            playing.append(_begin(runner, waiting.next(playing), playing, environment, state))
        _play_round(runner, [run for run in playing if not run.is_over])
        ended = _end(runner, [run for run in playing if run.is_over])
        playing = [run for run in playing if not run.is_over]
        yield from ended


def _end(runner: TaskRunner, over: Sequence[_Playing]) -> list[TaskRun]:
    """End and store these runs. Nothing holds their episodes afterwards, so the next ones have their places."""
    for member in over:
        runner.end(member.active, member.episode, member.fault)
    runner.ledger.store(*(member.active.run for member in over))
    return [member.active.run for member in over]


class _Waiting:
    """The runs still to make. Runs of many tasks are mixed, so that each task needs only one tab."""

    def __init__(self, specs: Sequence[RunSpec]) -> None:
        self._by_task: dict[str, list[RunSpec]] = {}
        for spec in reversed(specs):
            self._by_task.setdefault(spec.task.task, []).append(spec)

    def __bool__(self) -> bool:
        return any(self._by_task.values())

    def next(self, playing: Sequence[_Playing]) -> RunSpec:
        """The next run of the task with the fewest active runs; among those, of the task with the most runs left."""
        now = Counter(run.seat[0] for run in playing)
        left = [task for task, specs in self._by_task.items() if specs]
        return self._by_task[min(left, key=lambda task: (now[task], -len(self._by_task[task])))].pop()


def _begin(
    runner: TaskRunner, spec: RunSpec, playing: Sequence[_Playing], environment: Environment, state: State
) -> _Playing:
    name = spec.task.task
    taken = {run.seat for run in playing}
    seat = next(number for number in range(len(taken) + 1) if (name, number) not in taken)
    place = environment.beside(seat)
    page = place.reset(name, spec.task.seed)
    active = runner.begin(spec.task, place, state, spec.pinned, spec.id)
    return _Playing(active, active.open(place, page), (name, seat))


def _play_round(runner: TaskRunner, playing: Sequence[_Playing]) -> None:
    """One step of each active run."""
    asking: list[tuple[_Playing, Request, int]] = []
    for member in playing:
        try:
            runner.read_alone(member.active, member.episode)  # what no model is asked for needs no round
            asking.append((member, *runner.request(member.active, member.episode)))
        except GrokputerError as error:
            member.fault = error
    answers = runner.answer([(run.episode, request, resamples) for run, request, resamples in asking])
    for (member, request, _), answer in zip(asking, answers, strict=True):
        try:
            if isinstance(answer, GrokputerError):
                raise answer
            runner.record_step(member.active, member.episode.take(list(request.messages), answer))
        except GrokputerError as error:
            member.fault = error

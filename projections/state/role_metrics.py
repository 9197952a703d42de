"""The shares that say how well each role works, over the latest runs.

Only what the log knows counts. A run whose first action may have been right or wrong counts for neither, as a run of
unknown success does.
"""

from __future__ import annotations

from msgspec import field

from ...domain.events import Event, TaskEnded, TaskFailed, TaskJudged, TaskRated, TaskSucceeded
from ...domain.rules.roles import GOOD_STARS
from ...domain.vocabulary import FailureReason
from .open_runs import WHOLE_SCORE, OpenRun
from .ratings import BASE
from .rings import RingBuffer
from .shards import SavedParts, StateShards, StateValue

LATEST = 1000
"""Runs that the shares are of, the newest; chosen: as many as the largest window of ratings."""

LONG_STEPS = 5
"""Steps from which on a task is long; chosen: most tasks of MiniWoB++ take fewer, and a run of 12 steps is stopped."""

SOON_MS = 10_000
"""The time within which a long task should be done. Source: operators' requirements."""


class PlayedRun(StateValue, array_like=True):
    """What one run says about the roles. It is saved without the names of its fields: there are a thousand of them."""

    steps: int
    """Its steps that acted."""
    ms: int | None
    succeeded: bool | None
    """None where it is not known."""
    is_first_right: bool | None
    """None where it is not known."""
    is_first_failed: bool
    """Whether the environment could not carry out the first action. Then no rating makes it right."""
    failed: int
    """Failed steps."""
    recovered: int
    """Failed steps after which the role that recovers made a step that did not fail."""
    adapters: dict[str, str] = field(default_factory=dict)
    """By role, the adapter that made its steps; the bare base where a role is not here."""
    first_act: int = 1
    """The number of the step that acted first."""
    read: int = 0
    """Its acts that named words which were read on a picture."""
    score: int = 0
    """The sum, over these acts, of the lowest score of the words, in ten-thousandths."""


PLAYED = list[tuple[str, PlayedRun]]
"""The form of a saved part: the run's id and what it says."""


class Share(StateValue):
    """How many of the cases were good, or how good they were together."""

    good: int = 0
    cases: int = 0
    whole: int = 1
    """What a case adds to ``good`` where nothing is better."""

    def count(self, is_good: bool) -> None:
        """Count one case."""
        self.good += is_good
        self.cases += 1

    @property
    def value(self) -> float | None:
        """The share, 0 to 1; None without a case."""
        return self.good / (self.cases * self.whole) if self.cases else None


class RoleMetrics:
    """Fold of the latest runs in an environment, whose adapter the traffic drew. Questions in words have no actions.

    A run that lost its environment says nothing.
    """

    def __init__(self) -> None:
        self._parts: StateShards[list[tuple[str, PlayedRun]]] = StateShards(form=PLAYED)
        self._runs: RingBuffer[tuple[str, PlayedRun]] | None = None

    @classmethod
    def load(cls, saved: SavedParts) -> RoleMetrics:
        """The fold that ``dump`` saved. A damaged part raises ``LogError`` when it is read."""
        metrics = cls()
        metrics._parts = saved.shards("played", PLAYED)
        return metrics

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return self._parts.dump("played")

    def end(self, event: TaskEnded, run: OpenRun) -> None:
        """Count a run that ended."""
        reason = event.reason if isinstance(event, TaskFailed) else ""
        if run.is_question or not run.is_drawn or reason == FailureReason.ENVIRONMENT:
            return
        played = PlayedRun(
            steps=run.acts,
            first_act=run.first_act,
            ms=event.duration_ms,
            succeeded=isinstance(event, TaskSucceeded) if event.is_known else None,
            is_first_right=False if run.is_first_failed else None,
            is_first_failed=run.is_first_failed,
            failed=run.failed + run.has_just_failed if run.can_recover else 0,
            recovered=run.recovered if run.can_recover else 0,
            read=run.read,
            score=run.score,
            adapters={role: adapter for role, adapter in run.adapters.items() if adapter != BASE},
        )
        if run.acts and reason in ("", FailureReason.WRONG):
            _conclude(played)
        self._played.append((event.originator_id.hex, played))

    def apply(self, event: Event) -> None:
        """Take over a judgement or a rating of a run. One that is no longer among the latest has no effect."""
        if not isinstance(event, TaskJudged | TaskRated):
            return
        for _, played in self._played.of(event.originator_id.hex):
            if isinstance(event, TaskJudged):
                played.succeeded = event.succeeded
                _conclude(played)
            elif not played.is_first_failed and played.steps:
                if event.step is not None:
                    played.is_first_right = event.step != played.first_act
                elif event.stars >= GOOD_STARS:
                    played.is_first_right = True

    def scores(self, adapter: str | None = None) -> Share:
        """Of the acts that named words which were read on a picture, the mean of the lowest score of these words."""
        runs = self._latest("ocr", adapter)
        return Share(sum(run.score for run in runs), sum(run.read for run in runs), WHOLE_SCORE)

    def first_actions(self, adapter: str | None = None) -> Share:
        """Of the runs in which it is known, how many began with a right action.

        - Wrong: the environment could not carry it out; a rating names step 1 as the one that went wrong; or the task was
          not done, and the run had this one step.
        - Right: the run succeeded, a rating names a later step, or a rating of four stars or more finds no fault.
        - The latest rating decides, but an action that could not be carried out stays wrong.

        With an ``adapter``, or ``base`` for the bare base, only its runs of the role count; so in the two that follow.
        """
        share = Share()
        for run in self._latest("action", adapter):
            if run.is_first_right is not None:
                share.count(run.is_first_right)
        return share

    def long_tasks(self, adapter: str | None = None) -> Share:
        """Of the runs of ``LONG_STEPS`` steps or more with known success and time, how many succeeded within ``SOON_MS``."""
        share = Share()
        for run in self._latest("decomposition", adapter):
            if run.steps >= LONG_STEPS and run.succeeded is not None and run.ms is not None:
                share.count(run.succeeded and run.ms <= SOON_MS)
        return share

    def recoveries(self, adapter: str | None = None) -> Share:
        """Of the failed steps of runs with a role ``recovery``, after how many its next step did not fail.

        A failed step that was the run's last was not recovered from. A failed step of ``recovery`` is a case of its own.
        """
        runs = self._latest("recovery", adapter)
        return Share(sum(run.recovered for run in runs), sum(run.failed for run in runs))

    def _latest(self, role: str, adapter: str | None) -> list[PlayedRun]:
        """The latest runs; with an adapter those of them in which it made the steps of the role."""
        runs = [run for _, run in self._played.newest(LATEST)]
        return runs if adapter is None else [run for run in runs if run.adapters.get(role, BASE) == adapter]

    @property
    def _played(self) -> RingBuffer[tuple[str, PlayedRun]]:
        if self._runs is None:
            self._runs = RingBuffer(self._parts, "runs", LATEST)
        return self._runs


def _conclude(played: PlayedRun) -> None:
    """Say from the run's success whether its first action was right, where nothing has said so before."""
    if played.is_first_right is None and played.succeeded:
        played.is_first_right = bool(played.steps)
    elif played.is_first_right is None and played.succeeded is False and played.steps == 1:
        played.is_first_right = False

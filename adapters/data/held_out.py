"""The held-out split: the task instances that are never trained on, so that an adapter can be judged by them.

The split is by instance and not by example or run: the steps of one run resemble each other, and so do two runs of one
instance. It is a matter of the log alone, and nothing ever crosses from one side to the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...domain.events import TaskFailed, TaskSucceeded
from ...domain.vocabulary import OWN_FAULTS
from .examples import Example
from .training_runs import PastRun

FIRST_INSTANCES = 10
"""So many instances that a role meets first are never held out: a new user's few corrections are all learnt from. As many
as the ratings under which no training is asked for; chosen."""

Outcome = Literal["failed", "worked"]


@dataclass(frozen=True)
class HeldOut:
    """A run whose instance is held out: what the adapter must do better (``failed``) or not forget (``worked``).

    ``task`` and ``seed`` are those of its ``TaskStarted``. ``examples`` are the right answers where they are known: of a
    failed run its correction's, of one that worked its own.
    """

    run_id: str
    environment: str
    task: str
    seed: int
    outcome: Outcome
    examples: Sequence[Example]
    instance: str
    role: str = "action"
    """The run's own, which may be another than the one that the adapter is trained for."""
    is_repeatable: bool = False
    """Whether its environment gives the task again from any seed, and judges it."""


def is_held_out(instance: str, share: float) -> bool:
    """Whether the instance falls under the share in [0, 1] that is held out: always the same answer for the same instance.

    The first instances of a role are learnt from all the same; see ``find_held_out``.
    """
    fraction = int.from_bytes(hashlib.sha256(instance.encode()).digest()[:8], "big") / 2**64
    return fraction < share


def find_held_out(runs: Iterable[PastRun], share: float) -> frozenset[str]:
    """The held-out instances of a role, from all its runs in the order they began.

    The hash decides, but not over the ``FIRST_INSTANCES``. Which those are is settled when they are first met, before
    anything is learnt from them, so whatever is trained on once is never held out later, nor the other way round.
    """
    met = list(dict.fromkeys(run.instance for run in runs))
    return frozenset(instance for instance in met[FIRST_INSTANCES:] if is_held_out(instance, share))


def judge_outcome(run: PastRun, below_stars: int, good_stars: int) -> Outcome | None:
    """How the run went, None where that cannot be said.

    An environment that verifies says it itself, unless a person thinks little of a success. Elsewhere, as with an answer in
    words, a run is as good as its rating.
    A run that was lost to a fault, failed by another role's, or was pinned to an adapter by hand, says nothing of the task.
    """
    if run.ended is None or run.started.arm == "pinned":
        return None
    stars = run.stars
    if isinstance(run.ended, TaskFailed) and run.ended.reason not in OWN_FAULTS:
        return None
    if run.fault not in (None, run.role):
        return None
    if not run.started.is_verified:
        if stars is None or below_stars <= stars < good_stars:
            return None
        return "failed" if stars < below_stars else "worked"
    if isinstance(run.ended, TaskSucceeded):
        return None if stars is not None and stars < below_stars else "worked"
    return "failed"


def in_turn(held_out: Sequence[tuple[str, HeldOut]]) -> list[HeldOut]:
    """The held-out runs of (task family, run), oldest first, as they are best used: each family's newest, then its next.

    An instance is in it once, by its newest run. Runs that failed and runs that worked take turns of their own, so each kind
    alone is in such an order too.
    """
    newest = {it.instance: (family, it) for family, it in held_out}
    queues: dict[tuple[str, str], list[HeldOut]] = {}
    latest_first = [pair for pair in reversed(held_out) if newest[pair[1].instance][1] is pair[1]]
    for family, it in latest_first:
        queues.setdefault((family, it.outcome), []).append(it)
    ordered: list[HeldOut] = []
    for turn in range(max(map(len, queues.values()), default=0)):
        ordered += [queue[turn] for queue in queues.values() if turn < len(queue)]
    return ordered

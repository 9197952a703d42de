"""The held-out split: task instances that are never trained on, so that an adapter can be judged by them.

The split is by instance, not by example or run: the steps of one run resemble each other, and so do two runs of one
instance. It is a function of the log alone, and no instance ever changes sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...domain.events import Event, TaskFailed, TaskStarted, TaskSucceeded, TrainingRequested
from ...domain.settings.recipe import Recipe
from ...domain.vocabulary import OWN_FAULTS
from .examples import Example
from .training_runs import PastRun

FIRST_INSTANCES = 10
"""The first instances of a role are never held out, so that a new user's few corrections are all learnt from. As many
as the fewest ratings of a breach; chosen."""

EARLY_INSTANCES = 40
"""The number of instances after the first ones of which a larger share is held out; see ``Recipe.held_out_early``."""

Outcome = Literal["failed", "worked"]


@dataclass(frozen=True)
class HeldOut:
    """A run of a held-out instance, which the adapter must improve (``failed``) or must not forget (``worked``).

    ``task`` and ``seed`` are those of its ``TaskStarted``. ``examples`` are the right answers where they are known: of
    a failed run its correction, of one that worked its own answers.
    """

    run_id: str
    environment: str
    task: str
    seed: int
    outcome: Outcome
    examples: Sequence[Example]
    instance: str
    role: str = "action"
    """The run's own role, which may differ from the role that the adapter is trained for."""
    is_repeatable: bool = False
    """Whether its environment can repeat the task from any seed, and judge it."""
    inputs: tuple[str, ...] = ()
    """Content keys of the pictures and sounds that came with the task."""
    is_planned: bool = False
    """Whether the run made plans, so that its success takes several roles."""


def is_held_out(instance: str, share: float) -> bool:
    """Whether the instance's hash falls into the held-out share, in [0, 1].

    The first instances of a role are exempt; see ``find_held_out``.
    """
    fraction = int.from_bytes(hashlib.sha256(instance.encode()).digest()[:8], "big") / 2**64
    return fraction < share


def find_held_out(runs: Iterable[PastRun], events: Iterable[Event], recipe: Recipe) -> frozenset[str]:
    """The held-out instances of a role, from all its runs in the order they began.

    The hash decides, except for the ``FIRST_INSTANCES``. Those are fixed when they first occur, before anything is
    learnt from them. So an instance that was trained on is never held out later, or the other way round. Of the next
    ``EARLY_INSTANCES``, the larger of both shares is held out where the task cannot be played from another seed, and of
    screens that were read: a gate can make new pages of the others. Instances that were there for a training without an
    early share keep the plain one. ``events`` are those that the runs were collected from, with the ``TrainingRequested``
    among them.
    """
    runs = list(runs)
    settled = _settled_runs(events, runs[0].role) if runs else frozenset[str]()
    share, early = recipe.held_out_share, max(recipe.held_out_share, recipe.held_out_early)
    held_out, seen = set[str](), set[str]()
    for run in runs:
        if run.instance in seen:
            continue
        seen.add(run.instance)
        if len(seen) <= FIRST_INSTANCES:
            continue
        is_early = len(seen) <= FIRST_INSTANCES + EARLY_INSTANCES and run.id not in settled
        has_fresh = run.started.is_repeatable and not run.is_of_readings
        if is_held_out(run.instance, early if share and is_early and not has_fresh else share):
            held_out.add(run.instance)
    return frozenset(held_out)


def _settled_runs(events: Iterable[Event], role: str) -> frozenset[str]:
    """The runs that began before the role's last training by a recipe without an early share."""
    begun, settled = list[str](), frozenset[str]()
    for event in events:
        if isinstance(event, TaskStarted):
            begun.append(event.originator_id.hex)
        elif isinstance(event, TrainingRequested) and event.role == role and not event.recipe.get("held_out_early"):
            settled = frozenset(begun)
    return settled


def judge_outcome(run: PastRun, below_stars: int, good_stars: int) -> Outcome | None:
    """The outcome of the run; None where it says nothing about the task.

    An environment that verifies decides, except that a low rating by a person overrules a success. Elsewhere the rating
    decides, as for an answer in words. A run says nothing about the task if it was lost to a fault, failed by another
    role, or was pinned to an adapter by hand.
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
    """The held-out runs of (task family, run), oldest first, in the order of use: each family's newest, then its next.

    Each instance occurs once, by its newest run. Failed runs and runs that worked are interleaved separately, so each
    kind alone has this order too.
    """
    newest = {held.instance: (family, held) for family, held in held_out}
    queues: dict[tuple[str, str], list[HeldOut]] = {}
    latest_first = [pair for pair in reversed(held_out) if newest[pair[1].instance][1] is pair[1]]
    for family, run in latest_first:
        queues.setdefault((family, run.outcome), []).append(run)
    ordered: list[HeldOut] = []
    for turn in range(max(map(len, queues.values()), default=0)):
        ordered += [queue[turn] for queue in queues.values() if turn < len(queue)]
    return ordered

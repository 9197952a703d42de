"""The learning benchmark: the loop once for each kind of feedback and seed, each on its own log.

<out>/plan.json                the arguments, so that a later start cannot use different ones
<out>/corrections-1/events.db  feedback ``corrections``, seed 1
<out>/learning.json, .md, .png the results of all logs
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from ...adapters.training.child import die_with
from ...domain.errors import GrokputerError, Hint
from ...domain.events import Capability
from ...domain.ports import Reviewer
from ...projections.bench import FEEDBACKS
from ..environments.miniwob.environment import BASE_TASKS, UNSEEN_TASKS
from ..environments.names import MINIWOB
from ..feedback.reviewer import load_reviewer
from ..store.ledger import Ledger
from ..wiring.environments import open_environment
from .arguments import keep_plan, read_plan, read_settings
from .loop import Display, Lines, play
from .plan import SHORT_ANSWERS, Plan, Reasoned

ACTOR = "bench"

CANARY = 30
"""Rated runs of an episode budget that are reserved for the canary: enough for ten runs on its arm in 49 of 50 cases."""

LEAST_FEEDBACK = 20
"""Fewest rated runs before a training."""

COMMON: Reasoned = {
    "run.max_tokens": SHORT_ANSWERS,
    "canary.weight_percent": (50, "its runs count as feedback, so half of them go to the canary"),
    "canary.min_runs": (10, "few runs decide: ten of the canary and as many of the stable arm"),
    "rating.rule": (
        "threshold",
        "the base fails most unseen tasks from the start, and a rolling mean shows it soonest",
    ),
    "canary.rule": ("relative", "the base fails most unseen tasks, so the stable arm itself is under the bars"),
    "canary.bake_s": (0, "traffic comes in minutes, not hours; the number of runs decides"),
    "canary.interval_s": (0, "a check after every few runs"),
}

BY_FEEDBACK: dict[str, Reasoned] = {
    "corrections": {
        "training.practice": (24, "unrated pages: practice of what a few corrections show"),
        "training.retries": (
            8,
            "failures in practice are retried; rated failures are corrected by the reviewer",
        ),
    },
    "ratings": {"training.retries": (8, "successes of retries are the only targets")},
    "preferences": {
        "training.retries": (0, "ratings alone, no targets"),
        "training.kto_weight": (1.0, "good and bad answers as they were rated"),
        "training.sft_weight": (0.0, "ratings alone, no targets"),
    },
}
"""The settings for each kind of feedback, with the reasons that the log records."""


@dataclass(frozen=True)
class Arguments:
    """The arguments of the benchmark. Those in ``GROWS`` may grow at a later start; the others are fixed."""

    feedback: Sequence[str] = FEEDBACKS
    seeds: int = 3
    cycles: int = 4
    episodes: int = 150
    """Rated runs in each cycle, including the canary's."""
    measure: int = 20
    """Runs of each task, before the first and after each cycle."""
    tasks: Sequence[str] = UNSEEN_TASKS
    old_tasks: Sequence[str] = BASE_TASKS
    canary: bool = True
    reviewer: str | None = None
    settings: Sequence[str] = ()
    """``key=value``; they override the benchmark's own settings."""
    environment: str = MINIWOB
    """The environment of the tasks; it must judge runs and have seeds."""

    def __post_init__(self) -> None:
        for feedback in self.feedback:
            if feedback not in FEEDBACKS:
                raise GrokputerError(f"{feedback!r} is not a kind of feedback; there are {', '.join(FEEDBACKS)}")
        place = open_environment(self.environment)
        if not {Capability.SEEDS, Capability.VERIFIES} <= place.capabilities:
            raise GrokputerError(
                f"{self.environment} does not give the same page again and judge it; give another --env"
            )
        for task in (*self.tasks, *self.old_tasks):
            place.check_task(task)
        if both := set(self.tasks) & set(self.old_tasks):
            raise GrokputerError(
                f"{', '.join(sorted(both))} cannot be both a task to learn and an old one; leave it out of one list"
            )
        if not self.tasks:
            raise GrokputerError("a benchmark needs at least one task to learn", hint=Hint.GIVE_TASKS)
        least = LEAST_FEEDBACK + CANARY * self.canary
        if self.episodes < least:
            raise GrokputerError(f"{self.episodes} episodes a cycle are too few; give at least {least}")
        read_settings(self.settings)

    def plan(self, feedback: str, seed: int) -> Plan:
        """The plan of the loop for this feedback and seed."""
        canary = CANARY if self.canary else 0
        seeded: Reasoned = {"training.seed": (seed, "each seed of the benchmark trains with its own")}
        return Plan(
            name=feedback,
            seed=seed,
            tasks=self.tasks,
            old_tasks=self.old_tasks,
            environment=self.environment,
            cycles=self.cycles,
            feedback=self.episodes - canary,
            canary=canary,
            measured=self.measure,
            measured_old=self.measure,
            corrected=("feedback", "canary") if feedback == "corrections" else (),
            settings={**COMMON, **seeded, **BY_FEEDBACK[feedback], **read_settings(self.settings)},
        )


GROWS = ("feedback", "seeds", "cycles")


def run_bench(out: Path, arguments: Arguments, display: Display, jobs: int = 1) -> None:
    """Run every loop to its end, seed by seed, so that early results compare the kinds of feedback.

    With several jobs this many loops run in parallel, each in its own process with a share of the cores. A finished or
    killed loop continues from its log. Raises ``GrokputerError``.
    """
    reviewer = _load_reviewer(arguments)
    out.mkdir(parents=True, exist_ok=True)
    keep_arguments(out, arguments)
    loops = [(feedback, seed) for seed in range(1, arguments.seeds + 1) for feedback in arguments.feedback]
    if jobs == 1:
        for feedback, seed in loops:
            display.phase(f"== {feedback}, seed {seed} of {arguments.seeds}")
            _play(out, arguments, feedback, seed, display, reviewer)
        return
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin_job, (jobs, os.getpid()))
    try:
        playing = {pool.submit(_play_aside, out, arguments, *loop): loop for loop in loops}
        for done in as_completed(playing):
            done.result()
            display.say("{}-{} is finished".format(*playing[done]))
    except BrokenProcessPool:
        raise GrokputerError("the process of a loop was killed; start again to continue from its log") from None
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()  # a later start continues its log and its training
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _play(
    out: Path, arguments: Arguments, feedback: str, seed: int, display: Display, reviewer: Reviewer | None
) -> None:
    log = out / f"{feedback}-{seed}" / "events.db"
    log.parent.mkdir(exist_ok=True)
    play(Ledger.create(log), arguments.plan(feedback, seed), ACTOR, display, reviewer)


def _begin_job(jobs: int, parent: int) -> None:
    die_with(parent)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))


def _play_aside(out: Path, arguments: Arguments, feedback: str, seed: int) -> None:
    _play(out, arguments, feedback, seed, Lines(f"{feedback}-{seed}"), _load_reviewer(arguments))


def _load_reviewer(arguments: Arguments) -> Reviewer | None:
    return load_reviewer(arguments.reviewer) if arguments.reviewer else None


def keep_arguments(out: Path, arguments: Arguments) -> None:
    """Write the arguments beside the logs. Raises ``GrokputerError`` where the folder has different ones."""
    # 0.1.0 did not write the environment.
    keep_plan(out, asdict(arguments), GROWS, {"environment": MINIWOB})


def earlier_arguments(out: Path) -> Arguments:
    """The arguments of the folder's last start. Raises ``GrokputerError``."""
    return Arguments(**read_plan(out))

"""How often runs fail: by task family, issue, role at fault, adapter and step.

A rate is the share of failures among the runs whose outcome is known: an environment or a rating says whether they
succeeded. A run that nothing has judged is no success, so it is part of no rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ....domain.ab.intervals import wilson
from .ended_run import EndedRun


@dataclass(frozen=True)
class FailureRate:
    """The failures among some runs."""

    failures: int
    """All failures, also those that count in no rate: errors where nothing judges the runs that end well."""
    failed: int
    """The failures among the runs with a known outcome."""
    known: int
    """The runs with a known outcome; those are what the failures are compared with."""

    @property
    def rate(self) -> float | None:
        """``failed / known``, to four places; None where no outcome is known."""
        return round(self.failed / self.known, 4) if self.known else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the rate (Wilson), to four places; None where no outcome is known."""
        low, high = wilson(self.failed, self.known)
        return (round(low, 4), round(high, 4)) if self.known else None

    def to_json(self) -> dict[str, Any]:
        """The counts with rate and interval, JSON-plain."""
        interval = None if self.interval is None else [*self.interval]
        return {
            "failures": self.failures,
            "failed": self.failed,
            "known": self.known,
            "rate": self.rate,
            "interval": interval,
        }


@dataclass(frozen=True)
class FailureCount:
    """The failures under one name: of a family, an issue, a role, an adapter or a step."""

    name: str | None
    """None for failures whose issue, role or step is not known."""
    rate: FailureRate

    def to_json(self) -> dict[str, Any]:
        """The name with the counts, JSON-plain."""
        return {"name": self.name, **self.rate.to_json()}


def rate_of(failures: Iterable[EndedRun], runs: Iterable[EndedRun]) -> FailureRate:
    """The rate of these failures among the runs that they are compared with."""
    failures = list(failures)
    return FailureRate(len(failures), sum(run.is_known for run in failures), sum(run.is_known for run in runs))


def count_families(runs: Sequence[EndedRun]) -> tuple[FailureCount, ...]:
    """By task family, among the family's runs."""
    known = Counter[str | None](run.family for run in runs if run.is_known)
    return _count(runs, lambda run: [run.family], lambda name: known[name])


def count_adapters(runs: Sequence[EndedRun]) -> tuple[FailureCount, ...]:
    """By the adapter of the run's own role, among the runs under that adapter."""
    known = Counter[str | None](run.adapter for run in runs if run.is_known)
    return _count(runs, lambda run: [run.adapter], lambda name: known[name])


def count_roles(runs: Sequence[EndedRun]) -> tuple[FailureCount, ...]:
    """By the role at fault, among the runs in which the role made a step. None is for an unknown fault, among all runs."""
    everything = _known(runs)
    known = Counter[str | None](role for run in runs if run.is_known for role in run.roles)
    return _count(runs, lambda run: [run.fault], lambda name: everything if name is None else known[name])


def count_issues(runs: Sequence[EndedRun]) -> tuple[FailureCount, ...]:
    """By issue, among the rated runs: only a rating names issues. None is for failures without an issue, among all runs.

    A failure with several issues counts for each of them.
    """
    everything, rated = _known(runs), sum(run.stars is not None for run in runs)
    return _count(runs, lambda run: run.issues or [None], lambda name: everything if name is None else rated)


def count_steps(runs: Sequence[EndedRun]) -> tuple[FailureCount, ...]:
    """By the number of the step that went wrong, among the runs that took so many steps. None is for runs without steps.

    Only steps with failures are counted.
    """
    failures = [run for run in runs if run.is_failure]
    reached = Counter(run.steps for run in runs if run.is_known)
    counts = []
    for step in {run.step for run in failures}:
        wrong = [run for run in failures if run.step == step]
        known = sum(number for steps, number in reached.items() if steps >= (step or 0))
        counts.append(FailureCount(None if step is None else str(step), FailureRate(len(wrong), _known(wrong), known)))
    return _most_first(counts)


def _count(
    runs: Sequence[EndedRun], named: Callable[[EndedRun], Iterable[str | None]], known: Callable[[str | None], int]
) -> tuple[FailureCount, ...]:
    """A count for each name that failures have; ``known`` gives the known runs that a name is compared with."""
    failures, failed = Counter[str | None](), Counter[str | None]()
    for run in runs:
        if run.is_failure:
            failures.update(named(run))
            failed.update(named(run) if run.is_known else ())
    return _most_first(
        FailureCount(name, FailureRate(count, failed[name], known(name))) for name, count in failures.items()
    )


def _known(runs: Iterable[EndedRun]) -> int:
    return sum(run.is_known for run in runs)


def _most_first(counts: Iterable[FailureCount]) -> tuple[FailureCount, ...]:
    """The most failures first; among equals by name."""
    return tuple(sorted(counts, key=lambda count: (-count.rate.failures, count.name is None, count.name or "")))

"""Pairs of runs: both arms of a comparison on the same page, and what they come to, task by task and in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from .paired import PairedEstimate, compare_means, compare_shares

PEOPLE = "human"
"""The source of a rating by a person."""

MOST_STARS = 4
"""The largest difference between the stars of two runs, 1 to 5."""

Rater = tuple[str, str]
"""Source and actor of a rating."""


@dataclass(frozen=True)
class ArmResult:
    """One arm's run of a page."""

    succeeded: bool
    latency_ms: int
    """Total time of its steps, the model's answers and the environment together."""
    stars: Mapping[Rater, int] = field(default_factory=dict)
    """The latest stars of each rater."""


@dataclass(frozen=True)
class Pair:
    """Both arms' runs of one page."""

    task: str
    seed: int
    a: ArmResult
    b: ArmResult

    @property
    def raters(self) -> Sequence[Rater]:
        """The raters whose stars count: the people who rated both runs, else the reviewer who rated both."""
        both = sorted(self.a.stars.keys() & self.b.stars.keys())
        return [rater for rater in both if rater[0] == PEOPLE] or both

    @property
    def stars(self) -> tuple[float, float] | None:
        """Each arm's mean stars, in [1, 5], by those raters; None where no rater rated both runs."""
        raters = self.raters
        if not raters:
            return None
        return fmean(self.a.stars[rater] for rater in raters), fmean(self.b.stars[rater] for rater in raters)

    @property
    def latencies(self) -> tuple[float, float]:
        """Each arm's latency, in milliseconds."""
        return self.a.latency_ms, self.b.latency_ms

    @property
    def is_done_by_both(self) -> bool:
        """Whether both arms succeeded."""
        return self.a.succeeded and self.b.succeeded


@dataclass(frozen=True)
class Summary:
    """The totals over all pairs. A metric is None where too few pairs show its spread."""

    pairs: int
    success: PairedEstimate | None
    """Shares in [0, 1]."""
    stars: PairedEstimate | None
    """Mean stars, in [1, 5], over the pairs of which one rater rated both runs."""
    latency: PairedEstimate | None
    """Milliseconds a run."""
    latency_of: str
    """``done by both``: a run that fails at its first click is not fast. ``all`` where both arms did too few pairs."""
    by_people: int
    """Pairs whose stars came from people."""
    tasks: Sequence[Mapping[str, Any]]
    """For each task its pairs, and both arms' successes, mean stars and mean milliseconds."""

    @classmethod
    def of(cls, pairs: Sequence[Pair], minimum: int) -> Summary:
        """The totals over the pairs. Latency is that of the pairs which both arms did, where there are at least
        ``minimum``."""
        done = [pair for pair in pairs if pair.is_done_by_both]
        timed = done if len(done) >= minimum else pairs
        return cls(
            len(pairs),
            _compare_success(pairs),
            compare_means([stars for pair in pairs if (stars := pair.stars) is not None], MOST_STARS),
            compare_means([pair.latencies for pair in timed]),
            "done by both" if timed is done else "all",
            sum(any(source == PEOPLE for source, _ in pair.raters) for pair in pairs),
            [_sum_up_task(task, pairs) for task in dict.fromkeys(pair.task for pair in pairs)],
        )

    def as_numbers(self) -> dict[str, Any]:
        """JSON-plain, to four digits, for the log."""
        return {
            "pairs": self.pairs,
            "success": _rounded(self.success),
            "stars": _rounded(self.stars),
            "by_people": self.by_people,
            "latency_ms": _rounded(self.latency),
            "latency_of": self.latency_of,
            "tasks": [dict(task) for task in self.tasks],
        }


def _compare_success(pairs: Sequence[Pair]) -> PairedEstimate | None:
    if not pairs:
        return None
    counts = [0, 0, 0, 0]  # neither, only A, only B, both
    for pair in pairs:
        counts[pair.a.succeeded + 2 * pair.b.succeeded] += 1
    neither, only_a, only_b, both = counts
    return compare_shares(both, only_a, only_b, neither)


def _sum_up_task(task: str, pairs: Sequence[Pair]) -> dict[str, Any]:
    own = [pair for pair in pairs if pair.task == task]
    rated = [stars for pair in own if (stars := pair.stars) is not None]
    return {
        "task": task,
        "pairs": len(own),
        "succeeded": {"a": sum(pair.a.succeeded for pair in own), "b": sum(pair.b.succeeded for pair in own)},
        "stars": _means(rated),
        "latency_ms": _means([pair.latencies for pair in own]),
    }


def _means(values: Sequence[tuple[float, float]]) -> dict[str, float] | None:
    if not values:
        return None
    return {"a": round(fmean(a for a, _ in values), 4), "b": round(fmean(b for _, b in values), 4)}


def _rounded(figure: PairedEstimate | None) -> dict[str, float] | None:
    return None if figure is None else {name: round(value, 4) for name, value in asdict(figure).items()}

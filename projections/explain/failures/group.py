"""A group of similar failures: its name, its rate under each adapter, and where a person goes from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...wording.sentences import count, short_id
from .counts import FailureCount, FailureRate
from .ended_run import EndedRun
from .grouping import group_failures, strip_traces
from .naming import Names

SHOWN_RUNS = 20
"""Runs of a group that JSON names, the newest; chosen."""


@dataclass(frozen=True)
class NextSteps:
    """The commands that lead on from a group, without the program's name; None where there is nothing to do."""

    see: str
    """Lists the group's runs."""
    rate: str | None
    """Rates the newest run without a rating."""
    correct: str | None
    """Corrects the newest run without a correction."""
    train: str
    """Requests a training of the role, with the group as its reason. It learns from all of the role's corrections."""


@dataclass(frozen=True)
class FailureGroup:
    """Failures whose pages and actions are alike."""

    name: str
    """What its failures share and others do not: words from pages, which readers must escape."""
    runs: tuple[str, ...]
    """The ids of its runs, hex, the newest first; two or more."""
    role: str
    """The role at fault in most of its failures; where the fault is unknown, the run's own role."""
    families: tuple[str, ...]
    """The task families of its failures."""
    rate: FailureRate
    """Its failures among the known runs of these families."""
    by_adapter: tuple[FailureCount, ...]
    """The same under each adapter that has known runs of these families: the group's failures under the adapter, among the
    adapter's known runs of these families."""
    corrected: int
    """Its failures that have a correction."""
    unrated: int
    """Its failures that have no rating."""
    next_steps: NextSteps

    @property
    def id(self) -> str:
        """The id of its oldest run. The id of any of its runs names the group."""
        return self.runs[-1]

    @property
    def reason(self) -> str:
        """The reason that a training requested from this group is recorded with. It quotes no page."""
        return _reason(self.runs)

    def to_json(self, runs: int = SHOWN_RUNS) -> dict[str, Any]:
        """The group, JSON-plain, with at most so many runs."""
        return {
            "id": self.id,
            "name": self.name,
            "role": self.role,
            "families": [*self.families],
            **self.rate.to_json(),
            "by_adapter": [count.to_json() for count in self.by_adapter],
            "corrected": self.corrected,
            "unrated": self.unrated,
            "reason": self.reason,
            "next": asdict(self.next_steps),
            "runs": [*self.runs[:runs]],
        }


def make_groups(runs: Sequence[EndedRun]) -> tuple[FailureGroup, ...]:
    """The groups of similar failures among the runs, the largest first."""
    failures = [run for run in runs if run.is_failure]
    traces = strip_traces(failures)
    names = Names(failures, traces)
    known = Counter((run.family, run.adapter) for run in runs if run.is_known)
    adapters: dict[str, set[str]] = {}
    for family, adapter in known:
        adapters.setdefault(family, set()).add(adapter)
    return tuple(_make(members, names.name(members), known, adapters) for members in group_failures(failures, traces))


def _make(
    members: Sequence[EndedRun], name: str, known: Counter[tuple[str, str]], adapters: dict[str, set[str]]
) -> FailureGroup:
    families = tuple(sorted({run.family for run in members}))
    here = sorted({adapter for family in families for adapter in adapters.get(family, ())})
    failures, failed = Counter(run.adapter for run in members), Counter(run.adapter for run in members if run.is_known)
    by_adapter = tuple(
        FailureCount(
            adapter, FailureRate(failures[adapter], failed[adapter], sum(known[family, adapter] for family in families))
        )
        for adapter in sorted(here, key=lambda adapter: (-failures[adapter], adapter))
    )
    newest = sorted(members, key=lambda run: -run.position)
    [(role, _)] = Counter(run.fault or run.role for run in members).most_common(1)
    return FailureGroup(
        name=name,
        runs=tuple(run.id for run in newest),
        role=role,
        families=families,
        rate=FailureRate(len(members), failed.total(), sum(each.rate.known for each in by_adapter)),
        by_adapter=by_adapter,
        corrected=sum(run.is_corrected for run in members),
        unrated=sum(run.stars is None for run in members),
        next_steps=_next_steps(newest, role),
    )


def _next_steps(newest: Sequence[EndedRun], role: str) -> NextSteps:
    unrated = next((run for run in newest if run.stars is None), None)
    uncorrected = next((run for run in newest if not run.is_corrected), None)
    return NextSteps(
        see=f"failures {short_id(newest[-1].id)}",
        rate=None if unrated is None else f"rate {short_id(unrated.id)}",
        correct=None if uncorrected is None else f"correct {short_id(uncorrected.id)}",
        train=f'train {role} --reason "{_reason([run.id for run in newest])}"',
    )


def _reason(runs: Sequence[str]) -> str:
    """Ids and a count alone: words of a page would stay in the log when the run's own are erased."""
    return f"{count(len(runs), 'failure')} like run {short_id(runs[-1])}"

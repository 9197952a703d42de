"""What fails most, which failures are alike, and where a training would pay most."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ....domain.errors import Hint, NotFound
from ....projections.explain.failures.counts import (
    FailureCount,
    FailureRate,
    count_adapters,
    count_families,
    count_issues,
    count_roles,
    count_steps,
    rate_of,
)
from ....projections.explain.failures.group import FailureGroup, make_groups
from ....projections.wording.sentences import count, short_id
from ...explain.failed_runs import LOST, RUNNING, TRIALS, examine
from ...explain.run_filter import RunFilter
from ..lookups import require_role
from .advice import RoleAdvice, advise

if TYPE_CHECKING:
    from uuid import UUID

    from ...store.log import Log

LAST = 10_000
"""The newest runs that are examined unless another number is given; chosen: they are read in a few seconds."""


@dataclass(frozen=True)
class LeftOutRuns:
    """The matching runs that are not counted."""

    running: int
    """They have not ended."""
    lost: int
    """They were lost to a fault of the system, which is no failure of an agent."""
    trials: int
    """The program played them to judge or to train an adapter."""


@dataclass(frozen=True)
class Failures:
    """The failures among the newest runs that meet the conditions.

    A failure is a run that failed, was judged a failure, or has a newest rating under four stars.
    """

    examined: int
    """The runs that were read."""
    left_out: LeftOutRuns
    runs: int
    """The runs that are counted: all examined ones but those left out."""
    unknown: int
    """The counted runs whose outcome nothing has said. They are part of no rate."""
    rate: FailureRate
    """All failures, among all counted runs."""
    families: tuple[FailureCount, ...]
    """By task family. As in the four that follow, the name with the most failures comes first."""
    issues: tuple[FailureCount, ...]
    """By issue that a rating names; None where no rating names one. A failure may have several."""
    roles: tuple[FailureCount, ...]
    """By role at fault; None where that is unknown."""
    adapters: tuple[FailureCount, ...]
    """By adapter of the run's own role; ``base`` for the bare base."""
    steps: tuple[FailureCount, ...]
    """By the number of the step that went wrong; None for runs without steps. It is the step that a low rating names, else
    the first with an error, else the last."""
    groups: tuple[FailureGroup, ...]
    """Similar failures, the largest group first."""
    alone: int
    """The failures that are like no other."""
    erased: int
    """The failures whose page or action was erased. They are in no group."""
    advice: tuple[RoleAdvice, ...]
    """For each role, the one where a training would pay most first. Empty where it was not asked for."""

    def group_of(self, run: UUID) -> FailureGroup:
        """The group that the run is in. Raises ``NotFound``."""
        for group in self.groups:
            if run.hex in group.runs:
                return group
        examined = count(self.examined, "run")
        raise NotFound(
            f"run {short_id(run.hex)} is in no group of similar failures among the {examined} examined",
            hint=Hint.SEE_FAILURES,
        )

    def to_json(self) -> dict[str, Any]:
        """The failures, JSON-plain; groups with their newest runs."""
        by = ("families", "issues", "roles", "adapters", "steps")
        named = (self.families, self.issues, self.roles, self.adapters, self.steps)
        return {
            "examined": self.examined,
            "left_out": asdict(self.left_out),
            "runs": self.runs,
            "unknown": self.unknown,
            **self.rate.to_json(),
            **{name: [each.to_json() for each in counts] for name, counts in zip(by, named, strict=True)},
            "groups": [group.to_json() for group in self.groups],
            "alone": self.alone,
            "erased": self.erased,
            "advice": [each.to_json() for each in self.advice],
        }


def view_failures(log: Log, wanted: RunFilter | None = None, last: int = LAST, *, with_advice: bool = True) -> Failures:
    """The failures among the newest ``last`` runs that meet the conditions.

    The advice counts corrections and low ratings of the whole log, and failures of the examined runs. Without ``with_advice``
    there is none, which saves the time to build datasets. Raises ``NotFound`` for an unknown role, and ``LogError``.
    """
    wanted = wanted or RunFilter()
    if wanted.role is not None:
        require_role(wanted.role)
    examined = examine(log, last, wanted)
    runs, left_out = examined.runs, examined.left_out
    failures, groups = [run for run in runs if run.is_failure], make_groups(runs)
    erased = sum(run.trace is None for run in failures)
    return Failures(
        examined=len(runs) + left_out.total(),
        left_out=LeftOutRuns(left_out[RUNNING], left_out[LOST], left_out[TRIALS]),
        runs=len(runs),
        unknown=sum(not run.is_known and not run.has_failed for run in runs),
        rate=rate_of(failures, runs),
        families=count_families(runs),
        issues=count_issues(runs),
        roles=count_roles(runs),
        adapters=count_adapters(runs),
        steps=count_steps(runs),
        groups=groups,
        alone=len(failures) - erased - sum(len(group.runs) for group in groups),
        erased=erased,
        advice=advise(log, runs, groups) if with_advice else (),
    )

"""The metric of each role with its target, in figures and in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...domain.rules.attribution import READER
from ...domain.settings.settings import ROLES
from ..state.role_metrics import LONG_STEPS, SOON_MS, RoleMetrics, Share
from .sentences import count


@dataclass(frozen=True)
class RoleMetric:
    """How well one role works, over the latest runs of the log, of all its adapters or of one."""

    name: str
    """Its subject in words, such as ``first action right``."""
    target: float
    """The least share that is good, 0 to 1. Source: operators' requirements."""
    value: float | None
    """The share, 0 to 1, to four places; None where nothing counts yet."""
    cases: int
    """How many runs, or failed steps, it is a share of."""
    of: str
    """Its cases in words, such as ``40 runs``; without any, why there are none."""

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None without a case."""
        return None if self.value is None else self.value >= self.target


_SUBJECTS = {
    "ocr": ("score of the words used", 0.92),
    "action": ("first action right", 0.85),
    "decomposition": (f"runs of {LONG_STEPS} steps or more done within {SOON_MS // 1000} s", 0.8),
    "recovery": ("failed steps recovered from", 0.75),
}
"""By role, its metric's name and target."""

_SHARES: dict[str, tuple[Callable[[RoleMetrics, str | None], Share], str, str]] = {
    "ocr": (RoleMetrics.scores, "act", "no act has named words that were read"),
    "action": (RoleMetrics.first_actions, "run", "no run says yet whether its first action was right"),
    "decomposition": (
        RoleMetrics.long_tasks,
        "run",
        f"no run of {LONG_STEPS} steps or more has ended with known success",
    ),
    "recovery": (RoleMetrics.recoveries, "failed step", "no step has failed in a run with this role"),
}
"""By role, its share, what a case of it is, and why there may be none."""


def role_metric(metrics: RoleMetrics, role: str, adapter: str | None = None) -> RoleMetric:
    """The metric of the role, one of ``ROLES``; with an adapter, or ``base``, over its own of the latest runs."""
    name, target = _SUBJECTS[role]
    compute, case, without = _SHARES[role]
    share = compute(metrics, adapter)
    value = None if share.value is None else round(share.value, 4)
    return RoleMetric(name, target, value, share.cases, count(share.cases, case) if share.cases else without)


def role_metrics(metrics: RoleMetrics) -> dict[str, RoleMetric]:
    """The metric of every role, by role."""
    return {role: role_metric(metrics, role) for role in ROLES}


def describe_metric(role: str, metric: RoleMetric) -> str:
    """The metric in one line."""
    if metric.value is None:
        return f"{role}, {metric.name}: -, {metric.of}"
    over = "over" if role == READER else "of"  # a mean, and shares
    return f"{role}, {metric.name}: {metric.value:.1%} {over} {metric.of}, target {metric.target:.0%}".replace(
        "%", " %"
    )

"""Settings of rollouts: the gate before traffic, the canary, and comparisons of two adapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..vocabulary import Approval, Rule, Unit
from .forms import DRY_RUN, RAMP
from .setting import OPERATORS, Group, setting


@dataclass(frozen=True)
class GateSettings(Group):
    """What a proven adapter must show on held-out instances, before any traffic."""

    PREFIX: ClassVar[str] = "gate"

    enabled: bool = setting(True, "Whether an adapter must pass the gate before its canary starts.")
    margin: float = setting(
        0.1,
        "Share of the instances that worked which may be lost.",
        source="chosen: at 93 % success, an adapter that is no worse loses up to 7 % of instances picked because they worked",
        unit="of 1",
        low=0,
        high=0.99,
    )
    runs: int = setting(
        40,
        "Held-out failures, and as many successes, that both arms repeat. Fresh pages of the same tasks fill up the "
        "number.",
        source="chosen: a minute or two; an adapter that is no worse loses more than a tenth of 40 once in 30 times",
        unit="runs",
        low=1,
        high=10_000,
    )
    minimum: int = setting(
        10,
        "Held-out instances that a count needs to decide.",
        source="chosen: what a mean of ratings needs",
        unit="instances",
        low=1,
        high=10_000,
    )


@dataclass(frozen=True)
class AbSettings(Group):
    """What B must show in a comparison with A on the same pages."""

    PREFIX: ClassVar[str] = "ab"

    min_rating_gain: float = setting(
        0.3,
        "Mean rating that B must be better by than A. Reaching this or ab.min_success_gain_points is enough.",
        source=OPERATORS,
        unit="stars",
        low=0,
        high=4,
    )
    min_success_gain_points: float = setting(
        10.0,
        "Success rate that B must be better by than A.",
        source=OPERATORS,
        unit="percentage points",
        low=0,
        high=100,
    )
    latency_ms: int = setting(
        500,
        "Latency of a run by which B must not be slower than A.",
        source=OPERATORS,
        unit="milliseconds",
        low=0,
        high=100_000,
    )
    min_pairs: int = setting(
        20,
        "Pairs of runs that a comparison needs to decide.",
        source="chosen: a share of 20 is known to 20 points",
        unit="pairs",
        low=5,
        high=10_000,
    )


@dataclass(frozen=True)
class CanarySettings(Group):
    """The canary's share of the runs, and what it must show."""

    PREFIX: ClassVar[str] = "canary"

    rule: str = setting(
        Rule.SEQUENTIAL.value,
        "How a canary is judged. 'sequential': by evidence that it is no worse or worse than the stable arm, valid at any "
        "look. 'threshold': by the bars as they are. 'relative': by the bars, lowered where the stable arm misses them too.",
        choices=tuple(rule.value for rule in Rule),
    )
    weight_percent: int = setting(
        15, "Share of the runs that the canary gets at first.", source=OPERATORS, unit="percent", low=1, high=99
    )
    bake_s: float = setting(
        600.0,
        "Time before a canary may be promoted.",
        source=f"{OPERATORS}: ten minutes",
        unit="seconds",
        low=0,
        high=1e12,
    )
    interval_s: float = setting(
        30.0, "Time between two scheduled checks of a canary.", source=OPERATORS, unit="seconds", low=0
    )
    deadline_s: float = setting(
        604_800.0,
        "Time after which an undecided canary is inconclusive.",
        source="chosen: a week",
        unit="seconds",
        low=0,
        high=1e12,
    )
    critical_limit: int = setting(
        0,
        "Errors of the system that a canary may have. One more rolls it back at once.",
        source=OPERATORS,
        unit="errors",
        low=0,
        high=1_000_000,
    )
    success_margin: float = setting(
        0.05,
        "Rule 'sequential': success rate that the canary may be worse by.",
        source="chosen: 5 points",
        unit="of 1",
        low=0,
        high=0.9,
    )
    rating_margin: float = setting(
        0.4, "Rule 'sequential': mean rating that the canary may be worse by.", unit="stars", low=0, high=3.9
    )
    promote_at: float = setting(
        20.0,
        "Rule 'sequential': evidence of being no worse that promotes. At most 1 in so many worse canaries is promoted.",
        low=1.01,
        high=1e9,
    )
    roll_back_at: float = setting(
        20.0,
        "Rule 'sequential': evidence of being worse that rolls back. At most 1 in so many equal canaries is rolled back.",
        low=1.01,
        high=1e9,
    )
    ramp: str = setting(
        "50:4",
        "Rule 'sequential': larger shares, each with the evidence it takes and, after a second colon, seconds; or none. The "
        "smallest comes first, and is larger than canary.weight_percent.",
        form=RAMP,
    )
    approval: str = setting(
        Approval.NONE.value,
        "What waits for a person: nothing, the promotion, or each larger share too. 'rollouts approve' lets it go on.",
        choices=tuple(approval.value for approval in Approval),
    )
    dry_run: str = setting(
        "none", "Metrics that are reported and decide nothing: success, rating, health; or none.", form=DRY_RUN
    )
    randomization_unit: str = setting(
        Unit.SESSION.value,
        "What is drawn for the canary and counts as one outcome. 'session': a whole session, which then stays on its "
        "adapter. 'run': each run. A run without a session is one by itself.",
        source="chosen: runs of a session are alike, and counted singly they prove too much",
        choices=tuple(unit.value for unit in Unit),
    )
    max_runs: int = setting(
        800,
        "Rule 'sequential': canary runs after which it is inconclusive.",
        unit="runs",
        low=1,
        high=1_000_000,
    )
    window: int = setting(
        20,
        "Rules 'threshold' and 'relative': the latest canary runs that count.",
        source=OPERATORS,
        unit="runs",
        low=1,
        high=1000,
    )
    min_runs: int = setting(
        10,
        "Rules 'threshold' and 'relative': canary runs needed to decide.",
        source=OPERATORS,
        unit="runs",
        low=1,
        high=1000,
    )
    min_success: float = setting(
        0.95,
        "Rules 'threshold' and 'relative': success rate that the canary must exceed.",
        source=OPERATORS,
        unit="of 1",
        low=0,
        high=1,
    )
    min_rating: float = setting(
        3.5,
        "Rules 'threshold' and 'relative': mean rating that the canary must exceed.",
        source=OPERATORS,
        unit="stars",
        low=1,
        high=5,
    )
    min_health: float = setting(
        0.97,
        "Rules 'threshold' and 'relative': share of runs without timeout or error of the system that it must exceed.",
        source=OPERATORS,
        unit="of 1",
        low=0,
        high=1,
    )

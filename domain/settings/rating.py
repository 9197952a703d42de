"""Settings of ratings: breaches, implicit ratings, and scheduled checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..vocabulary import Rule
from .setting import OPERATORS, Group, setting


@dataclass(frozen=True)
class RatingSettings(Group):
    """When the ratings of a role's live adapter start a training."""

    PREFIX: ClassVar[str] = "rating"

    rule: str = setting(
        Rule.SEQUENTIAL.value,
        "How a breach is found. 'sequential': evidence that the mean is under the threshold, valid at any look. 'threshold': "
        "the rolling mean of the window is under it.",
        choices=(Rule.SEQUENTIAL.value, Rule.THRESHOLD.value),
    )
    threshold: float = setting(
        3.8, "Mean rating under which the role needs improvement.", source=OPERATORS, unit="stars", low=1, high=5
    )
    average_run_length: float = setting(
        1000.0,
        "Rule 'sequential': ratings between two false alarms, on average and at least. A smaller number finds a fall sooner "
        "and is wrong more often.",
        unit="ratings",
        low=1,
        high=1e9,
    )
    success_stars: int = setting(
        0,
        "A rating by a person with at least this many stars says that an answer in words succeeded, and one with fewer that it "
        "failed. 0: stars do not judge; the success of an answer stays unknown, and ratings alone decide.",
        unit="stars",
        low=0,
        high=5,
    )
    window: int = setting(
        50, "Ratings in the window of the rolling mean.", source=OPERATORS, unit="ratings", low=1, high=1000
    )
    minimum: int = setting(
        10,
        "Ratings that the rolling mean needs to decide.",
        source=OPERATORS,
        unit="ratings",
        low=1,
        high=1000,
    )
    cooldown: int = setting(
        200,
        "Ratings after a closed cycle before the same adapter can breach again.",
        unit="ratings",
        low=0,
        high=1_000_000,
    )
    max_backoff: int = setting(
        8,
        "The cooldown doubles with each cycle that ends without a promotion, up to this many times its length.",
        unit="times",
        low=1,
        high=1000,
    )


@dataclass(frozen=True)
class SessionSettings(Group):
    """Sessions that another program recorded."""

    PREFIX: ClassVar[str] = "sessions"

    count: bool = setting(
        False,
        "Count imported sessions as runs and ratings of the bare base. They count in its window while no adapter is live, "
        "which can lead to a training, and in status.",
        source="chosen: they judge another program's model",
    )


@dataclass(frozen=True)
class ImplicitSettings(Group):
    """The program's own rating of a run: 5, 4 or 3 for a success, else 1."""

    PREFIX: ClassVar[str] = "implicit"
    IS_PER_ROLE: ClassVar[bool] = False

    five_under_s: float = setting(10.0, "A success faster than this gets 5.", source=OPERATORS, unit="seconds", low=0)
    four_under_s: float = setting(30.0, "A success faster than this gets 4.", source=OPERATORS, unit="seconds", low=0)


@dataclass(frozen=True)
class ScheduleSettings(Group):
    """Scheduled checks of ratings and canaries."""

    PREFIX: ClassVar[str] = "schedule"
    IS_PER_ROLE: ClassVar[bool] = False

    every_s: float = setting(
        14_400.0,
        "Time between two checks of the ratings of all roles and of all canaries.",
        source=f"{OPERATORS}: four hours",
        unit="seconds",
        low=60,
        high=604_800,
    )

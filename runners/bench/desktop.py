"""The demo on a desktop: a language model learns to use programs with windows from five corrections of each family.

What is measured is always drawn from seeds that feedback never has. Families that are never taught can be measured beside
those that are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..environments.names import DESKTOP
from .plan import Measured, Plan, Reasoned

ACTOR = "demo"

FAMILIES = ("fill-form", "choose-row", "append-line", "line-numbers", "delete-file", "close-window")
"""The families of the demo: dialogs, an editor, a setting, files, several windows. Each takes two or three steps."""

EACH = 5
"""Rated runs of each family before the training, and so the most corrections that it learns from; chosen: with eight
epochs all of the demo takes less than 20 minutes on two slow cores. The operators' requirements allow 60 corrections."""

TAUGHT, UNTAUGHT = "taught", "never taught"
"""The groups that are measured."""

SETTINGS: Reasoned = {
    "model.base": ("smollm2", "a language model that a package ships"),
    "environment.desktop_lines": (40, "a short page takes less time to answer and to learn from"),
    "run.max_steps": (3, "these tasks take two or three steps, and the base fails at each"),
    "run.max_tokens": (48, "the longest right answer of these families has 36 tokens"),
    "run.max_resamples": (0, "the base repeats itself in each run, and samples would take most of the time"),
    "rating.rule": ("threshold", "the base fails from the first, and a window shows it soonest"),
    "gate.runs": (12, "two more than a gate needs to decide; each is played by both arms"),
    "canary.rule": ("relative", "the base fails nearly all, so the stable arm itself is under the bars"),
    "canary.weight_percent": (50, "the traffic is made for the demo; half of it decides soonest"),
    "canary.min_runs": (12, "each run takes seconds here; the rule asks for ten"),
    "canary.bake_s": (0, "the demo's traffic comes in minutes, not hours; the number of runs decides"),
    "canary.interval_s": (0, "a look after every few runs"),
    "training.retries": (0, "the reviewer has corrected the failures"),
}
"""The demo's settings, with the reasons that the log records."""


@dataclass(frozen=True)
class DesktopPlan(Plan):
    """One cycle on desktops; ``old_tasks`` are the families that are never taught."""

    @property
    def groups(self) -> Sequence[Measured]:
        """The families to learn, and the others where there are some."""
        others = Measured(UNTAUGHT, self.old_tasks, self.measured_old)
        return [Measured(TAUGHT, self.tasks, self.measured), *([others] if self.old_tasks else [])]


def plan_desktop(
    seed: int, families: Sequence[str] = FAMILIES, untaught: Sequence[str] = (), measured: int = 3
) -> DesktopPlan:
    """One cycle on these families; with those of the demo it takes less than 20 minutes on two cores.

    ``measured`` are the runs of each family, before and after.
    """
    return DesktopPlan(
        name=ACTOR,
        seed=seed,
        tasks=families,
        old_tasks=untaught,
        feedback=EACH * len(families),
        old_share=0,
        corrected=("feedback",),
        canary=120,
        measured=measured,
        measured_old=measured,
        settings=SETTINGS,
        environment=DESKTOP,
        about="families to learn, on seeds that no feedback has",
        minutes={"before": 2, "feedback": 3, "training": 9, "canary": 2, "after": 1},
    )

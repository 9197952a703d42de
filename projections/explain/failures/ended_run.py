"""What the counts of failures need of one ended run."""

from __future__ import annotations

from dataclasses import dataclass

from ....domain.rules.roles import GOOD_STARS
from .trace import Trace


@dataclass(frozen=True)
class EndedRun:
    """One run that has ended, and was not lost to a fault of the system."""

    id: str
    """Hex."""
    position: int
    """Log position of its start."""
    family: str
    """The task with its environment, as in ``miniwob/click-link``; all questions of one environment are one family."""
    role: str
    """The run's own role."""
    roles: tuple[str, ...]
    """The roles that made a step."""
    adapter: str
    """The adapter of the run's own role; ``base`` for the bare base."""
    steps: int
    succeeded: bool | None
    """None where nothing has said whether the run succeeded."""
    has_failed: bool
    """Whether it ended as a failure, or was judged one; also where such a failure counts in no success rate."""
    stars: int | None
    """The newest rating, 1 to 5; None without one."""
    issues: tuple[str, ...]
    """The issues that its ratings name, each once."""
    fault: str | None
    """The role at fault; None where it is unknown, and without a fault."""
    is_corrected: bool
    """Whether a correction of it stands."""
    step: int | None = None
    """The step that went wrong, from 1; None for a run without steps, and for one that is no failure."""
    trace: Trace | None = None
    """The page and the action of that step; None where they were erased, and for a run that is no failure."""

    @property
    def is_failure(self) -> bool:
        """Whether it failed, was judged a failure, or has a rating under four stars."""
        return self.has_failed or (self.stars is not None and self.stars < GOOD_STARS)

    @property
    def is_known(self) -> bool:
        """Whether its outcome is known, by an environment or a rating. Only such runs are part of a rate."""
        return self.succeeded is not None or self.stars is not None

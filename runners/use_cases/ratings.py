"""Rating a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...domain.events import TaskRated
from ...domain.rules.rating import check_stars, check_words
from ..feedback import reviewer
from ..feedback.ratings import record_rating
from ..improvement.process_manager import process_new_events
from .lookups import require_run

if TYPE_CHECKING:
    from ...domain.aggregates.run import TaskRun
    from ..store.ledger import Ledger
    from ..wiring.services import Services


@dataclass(frozen=True)
class Rating:
    """A recorded rating."""

    run: UUID
    position: int
    stars: int
    step: int | None
    """The step that went wrong, if the rating names one."""
    fault: str | None
    """The role that a low rating counts for. None for a good rating, and for a low one that counts for no role."""
    event: TaskRated
    """The recorded event."""


def rate(
    ledger: Ledger,
    run: UUID,
    stars: Any,
    *,
    actor: str,
    issues: Sequence[str] = (),
    comment: str | None = None,
    step: int | None = None,
    fault: str | None = None,
) -> Rating:
    """Rate an ended run. A later rating by the same person replaces the earlier one.

    ``stars`` is a whole number from 1 to 5. ``step`` names the step that went wrong, ``fault`` the role at fault: a low
    rating counts for that role alone. Raises ``BadRating``, ``NotFound``, ``NotPossible``.
    """
    number = check_stars(stars)
    check_words(comment, issues)
    rated = record_rating(ledger, require_run(ledger, run), number, list(issues), comment, actor, step, fault)
    position = ledger.position_of_newest(rated)
    process_new_events(ledger)
    event = rated.ratings[-1]
    return Rating(run, position, event.stars, event.step, event.fault, event)


def review(ledger: Ledger, services: Services, run: TaskRun) -> TaskRun:
    """Let the reviewer rate the ended run by its reward, and correct a low rating by demonstration; the run after that.

    Raises ``NotPossible`` for a task in words, which the reviewer cannot judge.
    """
    assert run.started is not None
    reviewed = reviewer.review(ledger, run, services.environment(run.started.environment))
    process_new_events(ledger)
    return reviewed

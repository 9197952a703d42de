"""Recording a person's rating of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ...domain.aggregates.run import TaskRun
from ...domain.errors import NotEnded
from ...domain.rules.rating import ISSUES, propose_fault
from ...domain.rules.roles import GOOD_STARS
from ...projections.wording.sentences import short_id

if TYPE_CHECKING:
    from ..store.ledger import Ledger


def record_rating(
    ledger: Ledger,
    run: TaskRun,
    stars: int,
    issues: list[str],
    comment: str | None,
    actor: str,
    step: int | None = None,
    fault: str | None = None,
    *,
    cause: str | None = None,
) -> TaskRun:
    """Record a person's rating; with a ``cause``, the reference of an event, once for each cause.

    A low rating without a ``step`` and a ``fault`` is attributed to the role that its issues speak of, if they agree on one.

    Raises ``NotPossible``, and ``BadText`` for text that is not valid Unicode.
    """
    ended = require_ended(run)
    if step is None and fault is None and stars < GOOD_STARS:
        fault = propose_fault(issues, run.roles)
    run.attribute(stars, step, fault)
    key = ledger.put(comment, "the comment") if comment else None
    named = keep_issues(ledger, issues)
    context = ledger.context(actor, cause or ended.reference)

    def decide(run: TaskRun) -> None:
        if cause is None or all(rating.caused_by != cause for rating in run.ratings):
            run.rate(stars, "human", named, key, context, step=step, fault=fault)

    return ledger.write(TaskRun, run.id, decide)


def keep_issues(ledger: Ledger, issues: Iterable[str]) -> list[str]:
    """The issues as an event names them: those of ``ISSUES`` by name, others by the content keys of their texts."""
    words = filter(None, (issue.strip() for issue in issues))
    return [word if word in ISSUES else ledger.put(word, "the issue") for word in words]


def require_ended(run: TaskRun) -> Any:
    """The event that ended the run. Raises ``NotEnded`` where it has not ended."""
    if run.ended is None:
        raise NotEnded(
            f"run {short_id(run.id.hex)} has not ended; it can be rated and corrected after that", [run.id.hex]
        )
    return run.ended

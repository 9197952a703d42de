"""Running an A/B comparison of two adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...improvement.ab.comparison import Count, compare
from ...improvement.process_manager import process_new_events

if TYPE_CHECKING:
    from ....domain.aggregates.comparison import Design
    from ....domain.ports import Reviewer
    from ...store.ledger import Ledger
    from ...wiring.services import Services


def play_comparison(
    ledger: Ledger, services: Services, design: Design, *, actor: str, reviewer: Reviewer | None, progress: Count
) -> None:
    """Run the missing pairs of the design, and conclude. A stopped comparison continues from the log.

    After an error the recorded runs are still processed. A second error, in that, is a note on the first one.
    """
    try:
        compare(ledger, services, design, actor, reviewer, progress)
    except BaseException as error:
        try:
            process_new_events(ledger)
        except Exception as another:
            error.add_note(f"what was recorded is processed by the next command that writes: {another}")
        raise
    process_new_events(ledger)

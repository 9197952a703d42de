"""The issues that are proposed for the rating of a run. A person sends them or not; nothing is recorded here."""

from __future__ import annotations

from ...domain.aggregates.run import TaskRun
from ...domain.rules.observing import is_doubtful
from ...domain.settings.settings import Policy
from ..store.log import Log

UNREADABLE = "ocr_confidence_low"


def propose_issues(log: Log, run: TaskRun, policy: Policy) -> tuple[str, ...]:
    """The issues for the run: ``ocr_confidence_low`` where an act used words whose reading is doubtful."""
    least = policy.read.min_confidence
    used = ((act, log.get_content(act.answer)) for act in run.acts if act.confidence is not None)
    return (UNREADABLE,) if any(is_doubtful(answer or "", act.confidence, least) for act, answer in used) else ()

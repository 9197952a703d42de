"""The reviewer, who stands in for the person in demo and benchmark: rates from the task's reward, corrects by demonstration.

Its ratings and corrections say so: actor and source are ``reviewer``.
"""

from __future__ import annotations

from ..domain.errors import NotPossible, UnknownTask
from ..domain.events import TaskSucceeded
from ..domain.ports import Environment
from ..domain.run import TaskRun
from .corrections import correct_by_demonstration
from .ledger import Ledger

REVIEWER = "reviewer"

ISSUES = {"wrong": "wrong_action", "timeout": "timeout", "error": "system_error", "environment": "system_error"}
"""The issue that is ticked for each reason a run fails for."""


def review(ledger: Ledger, run: TaskRun, environment: Environment | None = None) -> TaskRun:
    """Rate the ended run, 5 for a success and 1 for a failure; with an environment, correct a failure as well."""
    ended, started = run.ended, run.started
    assert ended is not None and started is not None
    if started.environment == "chat":
        raise NotPossible("the reviewer cannot judge an answer in words; rate it yourself with 'grokputer rate'")
    succeeded = isinstance(ended, TaskSucceeded)
    context = ledger.context(REVIEWER, ended.reference)
    issues = [] if isinstance(ended, TaskSucceeded) else [ISSUES.get(ended.reason, ended.reason)]
    rated = ledger.write(TaskRun, run.id, lambda it: it.rate(5 if succeeded else 1, REVIEWER, issues, None, context))
    if succeeded or environment is None:
        return rated
    try:
        return correct_by_demonstration(ledger, rated, environment, REVIEWER) or rated
    except UnknownTask:
        return rated  # There is no demonstration of this task: the rating is all the reviewer can say.

"""The answers that a judge model is to grade next, in the order of the log: those that no person has rated.

Where grades make success known (``judge.success_stars``), the others follow: whether the success of a run is known must not
depend on whether a person was moved to rate it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from ...domain.aggregates.base import ACTOR
from ...domain.aggregates.run import TaskRun
from ...domain.errors import GrokputerError, MissingExtra, ModelError, NotPossible
from ...domain.events import TaskAnswered, TaskGraded, TaskRated
from ...domain.page.grading import NoVerdict
from ...domain.settings.settings import ROLES
from ...domain.vocabulary import Arm
from ..feedback.judge import grade_run, has_answer, make_judge, name_judge

if TYPE_CHECKING:
    from ..store.ledger import Ledger
    from ..wiring.services import Services

TOPICS = (TaskAnswered.TOPIC, TaskRated.TOPIC, TaskGraded.TOPIC)

MOST_TRIES = 3
"""Replies of one judge without a verdict, after which it is not asked again about a run by this worker; chosen."""

MOST_SILENCES = 10
"""Requests about one run that a judge did not answer, after which this worker leaves the run; chosen: with the pauses, about
two hours of a judge that is away."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 60.0, 900.0
"""Seconds before a judge that did not answer is asked again, and the most after further silences; chosen."""


@dataclass
class _Pause:
    """A judge that did not answer."""

    until: float
    """By the monotonic clock."""
    length_s: float


class GradingQueue:
    """Lets judge models grade answers, one at a step, the oldest first. One worker's; it keeps its place in the log.

    A reply that is no verdict is asked for again, ``MOST_TRIES`` times in all. A judge that does not answer is left alone
    for a while, and the run goes to the end of the queue, so that one run cannot hold up the others.
    """

    def __init__(
        self, ledger: Ledger, say: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.ledger, self.say, self.monotonic = ledger, say, monotonic
        self._position = 0
        self._waiting: dict[UUID, str] = {}
        """The runs to grade, in their order, with their roles."""
        self._rated: dict[UUID, str] = {}
        """The same of runs that a person has rated."""
        self._tries: dict[UUID, int] = {}
        """By run, the replies without a verdict."""
        self._silences: dict[UUID, int] = {}
        """By run, the requests without a reply."""
        self._pauses: dict[str, _Pause] = {}
        """By judge."""

    def step(self, services: Services) -> bool:
        """Grade the next answer, if its role has a judge. False when there was none to grade now."""
        policy = services.state.policy
        judges = {role: name for role in ROLES if (name := name_judge(policy, role)) is not None}
        if not judges:
            return False
        self._follow(services.state.position)
        ready = {role: name for role, name in judges.items() if not self._is_paused(name)}
        ready_for_all = {role: name for role, name in ready.items() if policy.judge(role).success_stars}
        for waiting, names in ((self._waiting, ready), (self._rated, ready_for_all)):
            run = next((run for run, role in waiting.items() if role in names), None) if names else None
            if run is not None:
                self._grade(services, waiting, run, names[waiting[run]])
                return True
        return False

    def _follow(self, until: int) -> None:
        """Read the events since the last step."""
        for _, event in self.ledger.read(self._position + 1, until, TOPICS):
            if isinstance(event, TaskAnswered) and event.arm != Arm.PINNED:
                self._waiting[event.originator_id] = event.role
            elif isinstance(event, TaskRated) and event.originator_id in self._waiting:
                self._rated[event.originator_id] = self._waiting.pop(event.originator_id)
            elif isinstance(event, TaskGraded):
                self._leave(event.originator_id)
        self._position = max(self._position, until)

    def _is_paused(self, name: str) -> bool:
        pause = self._pauses.get(name)
        return pause is not None and self.monotonic() < pause.until

    def _leave(self, id: UUID) -> None:
        """Take the run out of the queue."""
        for by_run in (self._waiting, self._rated, self._tries, self._silences):
            by_run.pop(id, None)

    def _grade(self, services: Services, waiting: dict[UUID, str], id: UUID, name: str) -> None:
        """Grade the run, or say why not."""
        policy, run, role = services.state.policy, self.ledger.get(TaskRun, id), waiting[id]
        if not has_answer(self.ledger, run):  # its words were erased
            self._leave(id)
            return
        try:
            model = services.judge(policy, role)
            assert model is not None
            graded = grade_run(self.ledger, run, make_judge(self.ledger, model, policy, role), ACTOR)
        except NoVerdict as error:
            self._note_reply_without_verdict(id, name, error)
            return
        except NotPossible as error:
            self._leave(id)
            self.say(f"not graded: {error}")
            return
        except (ModelError, MissingExtra) as error:
            self._note_silence(waiting, id, name, error)
            return
        self._leave(id)
        self._pauses.pop(name, None)
        self.say(f"run {id.hex[:8]} is graded {graded.grades[-1].stars} by {name}")

    def _note_reply_without_verdict(self, id: UUID, name: str, error: NoVerdict) -> None:
        tries = self._tries[id] = self._tries.get(id, 0) + 1
        after = "it is asked again" if tries < MOST_TRIES else f"asked {tries} times, it is left ungraded"
        if tries >= MOST_TRIES:
            self._leave(id)
        self.say(f"run {id.hex[:8]} is not graded: {name} gave no verdict, {error}; {after}")

    def _note_silence(self, waiting: dict[UUID, str], id: UUID, name: str, error: GrokputerError) -> None:
        before = self._pauses.get(name)
        length_s = FIRST_PAUSE_S if before is None else min(2 * before.length_s, LONGEST_PAUSE_S)
        self._pauses[name] = _Pause(self.monotonic() + length_s, length_s)
        self._silences[id] = self._silences.get(id, 0) + 1
        if self._silences[id] < MOST_SILENCES:
            waiting[id] = waiting.pop(id)
        else:
            self._leave(id)
            self.say(f"run {id.hex[:8]} is left ungraded: {name} did not answer {MOST_SILENCES} times")
        self.say(f"run {id.hex[:8]} is not graded: {error}; {name} is asked again in {length_s:g} s")

"""An open log, whose methods correspond to the commands of the same names.

Each method returns a typed value and raises ``GrokputerError``, or a subclass, for errors of the caller: ``BadArgument``
for an argument of the wrong type or outside its range. A log belongs to the thread that opened it.

A run is given as its id, a ``UUID``, or as text: the id in hex digits or its beginning. Ids are returned as ``UUID``,
times as ``datetime`` with a time zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self
from uuid import UUID

from ..domain.aggregates.run import LARGEST_SEED
from ..domain.errors import BadArgument, NotFound, NotPossible
from ..domain.events import EVENTS
from ..domain.events.base import KEY
from ..domain.page.media import AUDIO, IMAGE
from ..domain.ports import Clock
from ..projections.explain.agreement import JudgeAgreement
from ..projections.wording.sentences import short_text
from ..runners.agent.inputs import load_media
from ..runners.archive.erasure import Target
from ..runners.explain.explanation import Explanation, explain
from ..runners.explain.run_filter import RunFilter
from ..runners.feedback.corrections import parse_calls
from ..runners.sessions.program_runs import ProgramRun
from ..runners.store.codec import Recorded
from ..runners.store.ledger import Ledger
from ..runners.store.place import read_place
from ..runners.store.states import load_state
from ..runners.use_cases import (
    corrections,
    erasures,
    judgements,
    overview,
    ratings,
    runs,
    sessions,
    settings,
    trainings,
)
from ..runners.use_cases.intake.recordings import RecordedRun, RunRecorder
from ..runners.use_cases.lookups import find_position, find_run, name_actor, require_run
from ..runners.use_cases.reading import failures
from ..runners.wiring.services import Services
from .access import Access
from .arguments import Between, Text, checked
from .batch import Batch
from .rollouts import Rollouts

RunId = UUID | str
"""A run: its id, or at least the first four hex digits of it."""

Positive = Annotated[int, Between(1)]
"""A position, a step or a limit: a whole number from 1."""


@checked
def open(path: str | Path, *, create: bool = False, actor: Text | None = None, clock: Clock | None = None) -> OpenLog:
    """Open the log at the path, or at the URL of a database; with ``create``, create it where it does not exist.

    ``actor`` is the name that decisions are recorded with; None for the user's name. Raises ``LogError``, and
    ``NotPossible`` for one of the program's own names.
    """
    if "\0" in str(path):
        raise BadArgument(f"open: path cannot be {str(path)!r}; no file has such a name")
    location, name = read_place(str(path)), name_actor(actor)
    return OpenLog(Ledger.create(location, clock) if create else Ledger.open(location, clock), name)


class OpenLog:
    """One log, opened for reading and writing by one thread. Close it, or use it as a context manager.

    Another thread opens its own: any number of threads and processes may write to one log. A method called from a
    thread that did not open it raises ``WrongThread``.
    """

    def __init__(self, ledger: Ledger, actor: str) -> None:
        self._access = Access(ledger, actor)
        self._recorders: dict[str, RunRecorder] = {}
        self._opened: Services | None = None

    @property
    def _ledger(self) -> Ledger:
        return self._access.ledger

    def close(self) -> None:
        """Close the log, the model and the environments. Idempotent."""
        if not self._access.is_open:
            return
        self._access.require()
        try:
            if self._opened is not None:
                self._opened.close()
        finally:
            self._access.close()
            self._opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @checked
    def run(
        self,
        task: Text,
        *,
        environment: Text | None = None,
        seed: Annotated[int, Between(0, LARGEST_SEED)] | None = None,
        role: str = "action",
        session: Text | None = None,
        adapter: Text | None = None,
        as_of: int | datetime | None = None,
        images: Sequence[str | Path | bytes] = (),
        sounds: Sequence[str | Path | bytes] = (),
        url: Text | None = None,
        allow: Sequence[Text] = (),
        actor: Text | None = None,
    ) -> runs.RunOutcome:
        """Run the task with the model in the settings, and return the outcome. Abandoned runs are ended first.

        By default ``environment`` is ``chat`` for a task with a space in it, else the one that has the task, or the one
        named before a slash, as in ``shell/delete-file``. ``adapter`` pins the run to an adapter or to ``base``;
        ``as_of`` pins it to the adapter that was live then. Without either, the traffic decides.
        ``images`` and ``sounds`` come with the task: files by their paths, or their bytes.
        With ``url`` the task is done on that page of the web. Its host can be reached, and the hosts in ``allow``.
        """
        if allow and url is None:
            raise NotPossible("allow has hosts that a page may reach beside its own; give the page by url too")
        inputs = (*(load_media(it, IMAGE) for it in images), *(load_media(it, AUDIO) for it in sounds))
        hosts = tuple(allow)
        request = runs.TaskRequest(task, environment, seed, role, session, adapter, as_of, url, hosts, inputs=inputs)
        return runs.run_task(self._ledger, self._services(), request, actor=self._access.name(actor)).outcome

    @checked
    def record(self, run: ProgramRun, *, actor: Text | None = None) -> RecordedRun:
        """Record a run that another program made; use ``batch`` for many."""
        [recorded] = self._recorder(actor).record([run])
        return recorded

    @checked
    def batch(self, *, actor: Text | None = None) -> Batch:
        """A context manager that collects runs of another program, and records them in one transaction at its end."""
        return Batch(self._access, self._recorder(actor))

    @checked
    def rate(
        self,
        run: RunId,
        stars: int | str,
        *,
        issues: Sequence[str] = (),
        comment: str | None = None,
        step: Positive | None = None,
        fault: Text | None = None,
        actor: Text | None = None,
    ) -> ratings.Rating:
        """Rate an ended run, 1 to 5 stars. ``step`` names the step that went wrong, ``fault`` the role at fault."""
        by = self._access.name(actor)
        return ratings.rate(
            self._ledger, self._find(run), stars, actor=by, issues=issues, comment=comment, step=step, fault=fault
        )

    @checked
    def judge(self, run: RunId, *, actor: Text | None = None) -> judgements.Graded:
        """Let the judge model in the settings grade an answer that nothing else judges. One judge grades a run once."""
        return judgements.judge_run(self._ledger, self._services(), self._find(run), actor=self._access.name(actor))

    def agreement(self) -> list[JudgeAgreement]:
        """How far each judge model, with each text of its criteria, agrees with people's stars."""
        return judgements.view_agreement(self._ledger)

    @checked
    def rate_session(self, session: Text, stars: int | str, *, actor: Text | None = None) -> sessions.SessionRating:
        """Rate every ended run of the session that this person has not rated, 1 to 5 stars."""
        return sessions.rate_session(self._ledger, session, stars, actor=self._access.name(actor))

    @checked
    def correct(
        self,
        run: RunId,
        answer: Text | None = None,
        *,
        tool_calls: Sequence[Any] = (),
        actions: Sequence[Text] = (),
        step: Positive | None = None,
        actor: Text | None = None,
    ) -> corrections.Correction:
        """Correct an ended run: give the right ``answer`` to a task in words, or the ``actions`` that do a task.

        ``tool_calls`` are the right calls of functions, beside the answer or in its place: each ``{"name": ...,
        "arguments": {...}}``, or in OpenAI's form. ``step`` is the step that the answer is for, or the first step that the
        actions replace.
        """
        is_answer = answer is not None or len(tool_calls) > 0
        if is_answer == bool(actions):
            raise NotPossible("a correction is either an answer or actions; give one of them")
        way: corrections.Way = corrections.Actions(tuple(actions), step or 1)
        if is_answer:
            way = corrections.Answer(answer or "", step, parse_calls(tool_calls))
        ledger, id = self._ledger, self._find(run)
        return corrections.correct(ledger, id, way, actor=self._access.name(actor), services=self._services())

    @checked
    def withdraw(self, run: RunId, *, reason: str = "", actor: Text | None = None) -> corrections.Withdrawal:
        """Withdraw the run's latest correction: no later dataset uses it."""
        return corrections.withdraw_correction(
            self._ledger, self._find(run), reason=reason, actor=self._access.name(actor)
        )

    @checked
    def train(self, role: str = "action", *, reason: Text, actor: Text | None = None) -> trainings.RequestedTraining:
        """Request a training; a worker runs it."""
        return trainings.request_training(self._ledger, role, reason=reason, actor=self._access.name(actor))

    @checked
    def set(self, key: str, value: Any, *, reason: str = "", actor: Text | None = None) -> settings.SettingChange:
        """Change a setting."""
        return settings.change_setting(self._ledger, key, value, reason=reason, actor=self._access.name(actor))

    @checked
    def unset(self, key: str, *, reason: str = "", actor: Text | None = None) -> settings.SettingChange:
        """Remove the value of a setting, so that its default applies again."""
        return settings.unset_setting(self._ledger, key, reason=reason, actor=self._access.name(actor))

    @property
    def rollouts(self) -> Rollouts:
        """Decisions on rollouts."""
        self._access.require()
        return Rollouts(self._access)

    @checked
    def forget(
        self,
        *,
        run: RunId | None = None,
        person: Text | None = None,
        reason: Text,
        retrain: bool = False,
        actor: Text | None = None,
    ) -> erasures.Erasure:
        """Delete the words of a run or of a person for good."""
        if (run is None) == (person is None):
            raise NotPossible("the words of a run or of a person can be deleted; give either run or person")
        ledger = self._ledger
        target = Target(None if run is None else require_run(ledger, self._find(run)).id.hex, person)
        return erasures.forget(ledger, target, reason=reason, actor=self._access.name(actor), retrain=retrain)

    @property
    def position(self) -> int:
        """The position of the newest event; 0 in an empty log."""
        return self._ledger.position

    def status(self) -> overview.Status:
        """The present status of all roles, adapters and rollouts."""
        return overview.view_status(self._ledger)

    @checked
    def state_at(self, moment: int | datetime) -> overview.Status:
        """The status at a position, or at a time: after the last event that is not later. Raises ``NotFound``.

        A time needs a time zone.
        """
        ledger = self._ledger
        return overview.view_status(ledger, find_position(ledger, moment))

    @checked
    def runs(
        self, limit: Positive = 20, *, role: str | None = None, failed: bool = False, unrated: bool = False
    ) -> list[overview.RunSummary]:
        """The newest runs, at most ``limit``: of the role; only failed ones; only ended ones without a rating."""
        wanted = RunFilter(role=role, is_failed=failed, is_unrated=unrated)
        return overview.summarize_runs(self._ledger, limit, wanted)

    @checked
    def failures(
        self,
        last: Positive = failures.LAST,
        *,
        role: str | None = None,
        task: Text | None = None,
        adapter: Text | None = None,
        with_advice: bool = True,
    ) -> failures.Failures:
        """The failures among the newest ``last`` runs: of the role, of the task, with the adapter or ``base``.

        They are counted by task family, issue, role at fault, adapter and step, and similar ones form groups. Each role has
        advice whether a training would pay, unless ``with_advice`` is False, which saves the time to build datasets.
        """
        wanted = RunFilter(role=role, task=task, adapter=adapter)
        return failures.view_failures(self._ledger, wanted, last, with_advice=with_advice)

    @checked
    def why(self, name: RunId) -> Explanation:
        """The explanation of an adapter, a rollout, a run or a setting: its tree of causes. Raises ``NotFound``.

        ``name`` is a name, or the id of a run or rollout: a ``UUID``, or the beginning of its hex digits.
        """
        ledger = self._ledger
        return explain(ledger, load_state(ledger), name.hex if isinstance(name, UUID) else name)

    @checked
    def events(
        self, first: Positive = 1, last: Annotated[int, Between(0)] | None = None, topics: Sequence[str] = ()
    ) -> Iterator[Recorded]:
        """The events between two positions, inclusive, in order; with topics only those, such as ``TaskRated``.

        Content keys of names and short texts are replaced by the texts. Raises ``NotFound`` for an unknown topic.
        """
        for topic in topics:
            if topic not in EVENTS:
                raise NotFound(f"{short_text(topic, 40)!r} is not a topic of events; {_close_to(topic)}")
        self._access.require()
        return self._read(first, last, topics)

    def _read(self, first: int, last: int | None, topics: Sequence[str]) -> Iterator[Recorded]:
        """The events; each step checks the thread, and that the log is still open."""
        for recorded in self._ledger.read(first, last, topics):
            yield self._ledger.reveal(recorded)

    @checked
    def text(self, key: str) -> str | None:
        """The text under a content key of an event, such as a prompt or an answer; None where it was erased.

        Raises ``BadArgument`` for text that is no content key.
        """
        ledger = self._ledger
        if not KEY.fullmatch(key):
            raise BadArgument(
                f"text: key cannot be {short_text(key, 40)!r}; it takes a content key, as the events of prompts have"
            )
        return ledger.get_content(key)

    def _find(self, run: RunId) -> UUID:
        return run if isinstance(run, UUID) else find_run(self._ledger, run)

    def _recorder(self, actor: str | None) -> RunRecorder:
        """The recorder for this actor; it keeps the state from one run to the next."""
        ledger, name = self._ledger, self._access.name(actor)
        return self._recorders.setdefault(name, RunRecorder(ledger, name))

    def _services(self) -> Services:
        """The model and the environments, which stay open until the log is closed, with the present state."""
        ledger = self._ledger
        state = load_state(ledger)
        if self._opened is None:
            self._opened = Services(ledger, state)
        self._opened.state = state
        return self._opened


def _close_to(topic: str) -> str:
    """The topics that are written most like this one, else some."""
    close = get_close_matches(topic, EVENTS, n=3) or ["TaskStarted", "TaskRated", "AdapterPromoted"]
    return f"there are for instance {', '.join(close)}"

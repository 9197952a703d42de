"""Running the gate: a proven adapter against its parent on held-out instances, before any traffic.

Both arms play instances of an environment, and new pages of the same tasks, on the same seed, greedily, as pinned runs.
Run ids are derived from adapter, instance and arm: after a killed worker the gate continues, and every number comes
from recorded runs. Where the environment does not judge, the right answers are scored; those of failed runs with plans also
where neither arm succeeds on any. The failures come first: where they refuse the adapter, nothing else is measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, TypedDict
from uuid import UUID

from ...adapters.data.media_files import keys_in_examples
from ...domain.aggregates.adapter import Adapter
from ...domain.aggregates.base import ACTOR, derive_id
from ...domain.aggregates.run import LARGEST_SEED, TaskRun
from ...domain.aggregates.training import TrainingJob
from ...domain.errors import DamagedWeights, EnvironmentUnavailable, ModelError
from ...domain.events import TaskFailed, TaskSucceeded
from ...domain.page.media import complain_of_untaken, kinds_of
from ...domain.ports import ScoringModel, takes_of
from ...domain.rules.attribution import READER
from ...domain.rules.gate import HeldOutResult, Lines, Losses, Runs, judge_held_out
from ...domain.rules.routing import Route
from ...domain.settings.settings import Policy
from ...domain.verdict import Verdict
from ...domain.vocabulary import Arm, Decision, GateReason
from ...projections.bench import is_lost
from ..agent.attempts import find_runs
from ..agent.batch import RunSpec, run_batch
from ..agent.inputs import read_media
from ..agent.runner import Task, TaskRunner
from ..lessons.datasets import rebuild_dataset
from ..store.ledger import Ledger
from ..wiring.services import Services
from .process_manager import process_new_events
from .read_screens import ReadRow, read_screens

if TYPE_CHECKING:
    from ...adapters.data.examples import Example
    from ...adapters.data.held_out import HeldOut

ARMS = ("adapter", "parent")
OUTCOMES = ("failed", "worked")
"""The sides of what is held out, in the order in which they are measured."""

Found = Mapping[str, tuple[TaskRun | None, UUID | None]]
"""By arm, its run of an instance, or the id of the next attempt."""


class PlayedRow(TypedDict):
    """How both arms did on one instance that was played, as it is recorded."""

    outcome: str
    """Of the run that the instance comes from: ``failed`` or ``worked``."""
    by: Literal["runs"]
    instance: str
    is_fresh: bool
    """Whether no recorded run was of this instance."""
    adapter: str
    """The run of the arm."""
    parent: str
    succeeded: dict[str, bool]
    """By arm."""


class ScoredRow(TypedDict):
    """The losses of both arms on the right answers of one instance, as they are recorded."""

    outcome: str
    by: Literal["loss"]
    instance: str
    is_fresh: bool
    adapter: float
    """The mean loss of the arm, nats per token."""
    parent: float


Row = PlayedRow | ScoredRow | ReadRow
"""What was measured on one instance."""

Count = Callable[[int, int], None]
"""Called with the number of runs or answers done, and their total."""


def judge(
    ledger: Ledger,
    services: Services,
    name: str,
    on_count: Count = lambda done, total: None,
    say: Callable[[str], None] = lambda line: None,
) -> Adapter:
    """Compare the proven adapter with its parent and record the verdict, or a rejection.

    ``say`` gets the instances that could not be scored, with reasons. Raises ``EnvironmentUnavailable`` or
    ``UnknownTask`` when an environment was lost or no longer has a task: finished runs are kept, and the next call
    continues.
    """
    known = services.state.registry.adapters[name]
    id, role, policy = known.uuid, known.role, services.state.policy
    up_to, held_out = _held_out(ledger, UUID(known.training))
    if not policy.gate(role).enabled:
        return _record(ledger, id, Verdict(Decision.PASS, GateReason.OFF, "the gate was switched off", {}), [], up_to)
    try:
        services.prepare(name)
    except (DamagedWeights, ModelError) as error:
        reason, context = str(error), ledger.context(ACTOR, f"{id}/1")
        return ledger.write(Adapter, id, lambda adapter: adapter.reject(reason, context))
    limit = policy.gate(role).runs
    chosen = add_fresh(list(choose(held_out, limit)), limit, id)
    bench = _Bench(ledger, services, name, on_count, say)
    rows = list[Row]()
    for outcome in OUTCOMES:
        rows += bench.measure([held for held in chosen if held.outcome == outcome])
        in_force = process_new_events(ledger).policy  # the present bars: the runs may have taken hours
        verdict = judge_rows(rows, in_force, role)
        if verdict.verdict == Decision.REJECT:
            break  # whatever it does on the rest: see ``judge_held_out``
    return _record(ledger, id, verdict, rows, up_to)


def judge_rows(rows: Sequence[Row], policy: Policy, role: str) -> Verdict:
    """The verdict from the measurements."""
    return judge_held_out(sum_up(rows, "failed"), sum_up(rows, "worked"), policy, role)


def _held_out(ledger: Ledger, training: UUID) -> tuple[int, Sequence[HeldOut]]:
    """The position up to which the job's dataset was built, and its held-out runs."""
    job = ledger.get(TrainingJob, training)
    assert job.dataset is not None
    return job.dataset.up_to, rebuild_dataset(ledger, job).held_out


def _record(ledger: Ledger, id: UUID, judgement: Verdict, rows: Sequence[Row], up_to: int) -> Adapter:
    key = ledger.put(json.dumps(rows))
    return ledger.write(
        Adapter,
        id,
        lambda adapter: adapter.judge(judgement, key, up_to, ledger.context(ACTOR, f"{id}/{adapter.version}")),
    )


def sum_up(rows: Sequence[Row], outcome: str) -> HeldOutResult:
    """The counts and means of the rows with this outcome."""
    played = [row for row in rows if row["by"] == "runs" and row["outcome"] == outcome]
    scored = [row for row in rows if row["by"] == "loss" and row["outcome"] == outcome]
    succeeded = {arm: sum(row["succeeded"][arm] for row in played) for arm in ARMS}
    fresh = sum(row["is_fresh"] for row in played)
    losses = Losses(
        len(scored),
        adapter=fmean(row["adapter"] for row in scored) if scored else 0.0,
        parent=fmean(row["parent"] for row in scored) if scored else 0.0,
    )
    read = [row for row in rows if row["by"] == "lines" and row["outcome"] == outcome]
    lines = Lines(
        len(read),
        adapter=fmean(row["adapter"] for row in read) if read else 0.0,
        parent=fmean(row["parent"] for row in read) if read else 0.0,
    )
    return HeldOutResult(Runs(len(played), **succeeded, fresh=fresh), losses, lines)


def add_fresh(chosen: Sequence[HeldOut], limit: int, adapter: UUID) -> list[HeldOut]:
    """The chosen instances, filled up with new pages of the repeatable ones until each side has ``limit``.

    The pages are of the same tasks, in turn, except of those that came with pictures or sounds, which belong to one page.
    A dozen instances cannot distinguish an adapter that loses a tenth from one that loses nothing. New pages are not selected
    by an earlier outcome, so both arms show their true quality on them.
    """
    filled = list(chosen)
    for outcome in OUTCOMES:
        there = [held for held in chosen if held.outcome == outcome and held.is_repeatable]
        known = [held for held in there if not held.inputs]
        for number in range(limit - len(there) if known else 0):
            like = known[number % len(known)]
            seed = derive_id("gate page", adapter.hex, outcome, number).int % LARGEST_SEED
            instance = f"{like.environment}/{like.task}#{seed}"
            filled.append(replace(like, run_id="", seed=seed, examples=(), instance=instance))
    return filled


def choose(held_out: Sequence[HeldOut], limit: int) -> Iterator[HeldOut]:
    """The first ``limit`` of each side, of the repeatable instances and of those to score; others are left out."""
    counts: dict[tuple[str, bool], int] = {}
    for held in held_out:
        kind = (held.outcome, held.is_repeatable)
        if counts.get(kind, 0) < limit and (held.is_repeatable or held.examples):
            counts[kind] = counts.get(kind, 0) + 1
            yield held


def repeated_task(ledger: Ledger, held: HeldOut, session: str) -> Task | None:
    """The instance as a task, with the pictures and sounds that its run had; None where one was erased."""
    inputs = read_media(ledger, held.inputs)
    if len(inputs) < len(set(held.inputs)):
        return None
    return Task(held.environment, held.task, held.seed, held.role, session, inputs=inputs)


def unheard(chosen: Sequence[HeldOut], rows: Sequence[Row]) -> list[HeldOut]:
    """The failures of runs with plans whose right answers are to be scored as well, because neither arm succeeded on any."""
    if any(row["by"] == "runs" and row["outcome"] == "failed" and any(row["succeeded"].values()) for row in rows):
        return []
    return [held for held in chosen if held.is_planned and held.outcome == "failed" and held.examples]


class _Bench:
    """Both arms on the same instances."""

    def __init__(
        self, ledger: Ledger, services: Services, name: str, on_count: Count, say: Callable[[str], None]
    ) -> None:
        known = services.state.registry.adapters[name]
        self.ledger, self.services, self.on_count, self.say = ledger, services, on_count, say
        self.id, self.role, self.session = known.uuid, known.role, f"gate/{name}"
        self.arms: dict[str, str | None] = {"adapter": name, "parent": known.parent}
        # Greedy, whatever the settings of traffic: this compares weights, without chance. Only where a run would repeat
        # itself an answer is sampled, as in traffic, by the page's seed: so a repetition gives the same.
        self.state = services.state.imagine({"run.temperature": 0.0})

    def measure(self, chosen: Sequence[HeldOut]) -> list[Row]:
        """How both arms do on the instances: played, scored by their right answers, or read."""
        screens = [
            held for held in chosen if self.role == READER != held.role
        ]  # those of runs that it read for another role
        others = [held for held in chosen if held not in screens]
        rows: list[Row] = [
            *self.play([held for held in others if held.is_repeatable]),
            *self.score([held for held in others if not held.is_repeatable]),
            *self.read(screens),
        ]
        return [*rows, *self.score(unheard(others, rows))]

    def play(self, chosen: Sequence[HeldOut]) -> list[PlayedRow]:
        """Play the instances whose runs are missing; one row for each instance, from the log."""
        for environment in dict.fromkeys(held.environment for held in chosen):
            self._play_missing([held for held in chosen if held.environment == environment], environment)
        rows = list[PlayedRow]()
        for held, found in self._find_all(chosen):
            runs = {arm: run for arm in ARMS if (run := found[arm][0]) is not None}
            if len(runs) == len(ARMS):
                row: PlayedRow = {
                    "outcome": held.outcome,
                    "by": "runs",
                    "instance": held.instance,
                    "is_fresh": not held.run_id,
                    "adapter": runs["adapter"].id.hex,
                    "parent": runs["parent"].id.hex,
                    "succeeded": {arm: isinstance(run.ended, TaskSucceeded) for arm, run in runs.items()},
                }
                rows.append(row)
        return rows

    def _play_missing(self, chosen: Sequence[HeldOut], environment: str) -> None:
        wanted = []
        for held, found in self._find_all(chosen):
            for arm, adapter in self.arms.items():
                run, id = found[arm]
                if run is None and id is not None:
                    task = repeated_task(self.ledger, held, self.session)
                    if problem := self._complain_of(task):
                        self.say(f"{held.instance} does not count for the gate: {problem}")
                        break
                    assert task is not None
                    wanted.append(RunSpec(task, id, Route(Arm.PINNED, adapter, None, self.role)))
        parts = self.services
        runner = TaskRunner(self.ledger, parts.model, parts.prepare, parts.base_label, ACTOR, beside=parts.beside)
        lost = ""
        playing = run_batch(runner, wanted, self.services.environment_of_many(environment), self.state)
        for done, run in enumerate(playing, 1):
            self.on_count(done, len(wanted))
            if isinstance(run.ended, TaskFailed) and is_lost(run.ended):
                lost = self.ledger.say(run.ended.detail) or "it was lost"
        if lost:
            raise EnvironmentUnavailable(lost)

    def _complain_of(self, task: Task | None) -> str:
        """Why the task cannot be repeated with the pictures and sounds that its run had; empty where it can."""
        if task is None:
            return "one of its pictures or sounds was erased"
        return complain_of_untaken(kinds_of(task.inputs), takes_of(self.services.model), self.services.base_label)

    def _find_all(self, chosen: Sequence[HeldOut]) -> list[tuple[HeldOut, Found]]:
        """For each instance, by arm, its run, else the id of the next attempt; (None, None) where all attempts are used up."""
        wanted = [(held, arm) for held in chosen for arm in ARMS]
        ids = [partial(derive_id, "gate", self.id.hex, held.instance, arm) for held, arm in wanted]
        runs = iter(find_runs(self.ledger, ids))
        return [(held, {arm: next(runs) for arm in ARMS}) for held in chosen]

    def read(self, chosen: Sequence[HeldOut]) -> list[Row]:
        """The shares of right lines of both arms on the screens of the instances, by the model of the role."""
        if not chosen:
            return []
        own = self.services.beside(self.role)
        model = self.services.model if own is None else own.model
        rows = list[Row]()
        reading = read_screens(model, self.arms["adapter"] or "", self.arms["parent"], chosen, self.services.prepare)
        for row in reading:
            rows.append(row)
            self.on_count(len(rows), len(chosen))
        return rows

    def score(self, chosen: Sequence[HeldOut]) -> list[ScoredRow]:
        """The losses of both arms on the right answers; one row for each instance that fits the model."""
        model = self.services.model.scoring
        if model is None:
            return []
        rows = list[ScoredRow]()
        for done, held in enumerate(chosen, 1):
            try:
                row: ScoredRow = {
                    "outcome": held.outcome,
                    "by": "loss",
                    "instance": held.instance,
                    "is_fresh": not held.run_id,
                    "adapter": self._loss(model, held, "adapter"),
                    "parent": self._loss(model, held, "parent"),
                }
                rows.append(row)
            except (ModelError, DamagedWeights) as error:
                self.say(f"{held.instance} does not count for the gate: {error}")
            finally:
                self.on_count(done, len(chosen))
        return rows

    def _loss(self, model: ScoringModel, held: HeldOut, arm: str) -> float:
        """Mean loss of the instance's answers in nats per token."""
        adapter = self.arms[arm]
        self.services.prepare(adapter)
        scores = [
            model.score(example.messages, example.completion, adapter=adapter, **_further(example, self.ledger))
            for example in held.examples
        ]
        return -sum(score for score, _ in scores) / sum(tokens for _, tokens in scores)


def _further(example: Example, ledger: Ledger) -> dict[str, Any]:
    """The arguments of ``score`` for an example with tools or pictures; none for others, so that any model with ``score``
    takes them. Raises ``ModelError`` where a picture was erased."""
    keys = keys_in_examples([example])
    media = read_media(ledger, keys)
    if len(media) < len(keys):
        raise ModelError("one of its pictures was erased")
    tools = {"tools": example.tools, "tool_calls": example.tool_calls} if example.has_tools else {}
    return tools | ({"media": media} if media else {})

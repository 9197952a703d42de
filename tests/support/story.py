"""A story on a real log: runs, ratings, a breach, a training, a rollout, told through the aggregates, without any model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from given import OFFERED
from grokputer.adapters.registry.local import WeightStore
from grokputer.domain.aggregates.adapter import Adapter, adapter_id
from grokputer.domain.aggregates.base import ACTOR, derive_id
from grokputer.domain.aggregates.role import RoleImprovement, role_id
from grokputer.domain.aggregates.rollout import Rollout, rollout_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.ports import Clock
from grokputer.domain.rules.canary import ArmHealth
from grokputer.domain.rules.gate import HeldOutResult, Runs, judge_held_out
from grokputer.domain.rules.routing import route
from grokputer.domain.settings.settings import Policy
from grokputer.domain.verdict import Verdict
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import adapters_folder
from grokputer.runners.store.place import Place
from grokputer.runners.wiring.services import Services, base_of, identify_base

BEGIN = datetime(2025, 3, 1, 12, tzinfo=UTC)
PROMPT = json.dumps([{"role": "user", "content": "task: Click the button.\nbutton:Ok[1]\ndo: "}])


class Standing:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = BEGIN

    def now(self) -> datetime:
        return self.time

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


class Ticking:
    """A clock that is a second later each time it is asked."""

    def __init__(self) -> None:
        self.time = BEGIN

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


def change(ledger: Ledger, key: str, value: Any, reason: str = "tried") -> None:
    """A person changes a setting."""
    context = ledger.context("ada")
    ledger.write(Settings, SETTINGS_ID, lambda it: it.change(key, value, reason, context))
    process_new_events(ledger)


def complete_training(ledger: Ledger, parts: Services, weights: str) -> UUID:
    """A person asks for a training, and it ends with the stored weights; its id."""
    live, context, up_to = process_new_events(ledger).traffic("action").stable, ledger.context("ada"), ledger.position
    ledger.write(RoleImprovement, role_id("action"), lambda it: it.open("action", live, "try it", context))
    process_new_events(ledger)
    [*_, requested] = ledger.read(1, None, ("TrainingRequested",))

    manifest = ledger.put("[]")

    def finish(training: TrainingJob) -> None:
        training.build_dataset(
            context, dataset="sha256:dd", manifest=manifest, examples=9, by_source={}, runs=9, up_to=up_to
        )
        training.start(context)
        training.complete(
            context, weights=weights, base_hash=identify_base(base_of(parts.state.policy, parts.ledger.get_content)),
            config_hash="sha256:11", dataset="sha256:dd", steps=8, tokens=400, examples=9, left_out=0, reasons={},
            final_loss=0.2, duration_s=1.0, peak_memory_bytes=10**9, device="cpu", versions={},
        )  # fmt: skip

    ledger.write(TrainingJob, requested.event.originator_id, finish)
    return requested.event.originator_id


class Story:
    """What happens to one log, a sentence at a time."""

    def __init__(self, place: Place, clock: Clock | None = None) -> None:
        self.place = place
        self.ledger = Ledger.create(place, clock or Ticking())
        self.path = self.ledger.path
        self.runs: list[UUID] = []
        for key in ("rating.rule", "canary.rule"):
            self.set(key, "threshold", "ten low ratings tell the story sooner")

    def set(self, key: str, value: Any, reason: str = "tried") -> None:
        """A person changes a setting."""
        change(self.ledger, key, value, reason)

    def run(
        self,
        *,
        task: str = "click-button",
        succeeds: bool | None = True,
        reason: str = "wrong",
        session: str | None = None,
        id: UUID | None = None,
    ) -> UUID:
        """A run of one step on the arm its session falls on; with ``succeeds`` None, a question that is answered."""
        id = id or derive_id("story", len(self.runs))
        self.runs.append(id)
        chosen = route(process_new_events(self.ledger).traffic("action"), id.hex, session)
        context = self.ledger.context("ada")
        environment = "chat" if succeeds is None or task == "chat" else "miniwob"
        prompt, answer = self.ledger.put(PROMPT), self.ledger.put("CLICKbutton:Ok[1]")

        def play(run: TaskRun) -> None:
            run.start(
                context, role="action", arm=chosen.arm, adapter=chosen.adapter, rollout=chosen.rollout, environment=environment,
                capabilities=OFFERED[environment], task=task, seed=len(self.runs), base="embedded@sha256:00", session=session,
                policy={"run.max_steps": 12},
            )  # fmt: skip
            run.take_step(
                self._after(run), prompt=prompt, answer=answer, error="", model_ms=20, environment_ms=5,
                prompt_tokens=30, completion_tokens=8,
            )  # fmt: skip
            if succeeds is None:
                run.answer(900, self._after(run))
            elif succeeds:
                run.succeed(900, 1.0, Policy(), self._after(run))
            else:
                run.fail(reason, "", 900, -1.0, Policy(), self._after(run))

        self.ledger.write(TaskRun, id, play)
        process_new_events(self.ledger)
        return id

    def rate(self, run: UUID, stars: int, actor: str = "ada", comment: str | None = None) -> None:
        """A person's rating."""
        key = self.ledger.put(comment) if comment else None
        issues = ["wrong_action"] if stars < 3 else []
        self.ledger.write(TaskRun, run, lambda it: it.rate(stars, "human", issues, key, self._after(it, actor)))
        process_new_events(self.ledger)

    def correct(self, run: UUID) -> None:
        """A person's correction, verified."""
        step = {"messages": [{"role": "user", "content": f"task {run}"}], "completion": "CLICKbutton:Ok[1]"}
        key = self.ledger.put(json.dumps([step]))
        self.ledger.write(TaskRun, run, lambda it: it.correct("human", key, 1, True, self._after(it, "ada")))
        process_new_events(self.ledger)

    def fall(self, ratings: int = 10) -> UUID:
        """Ratings fall, by two people, until there is a breach; the training that is asked for."""
        for number in range(ratings):
            run = self.run(succeeds=number % 5 == 0)
            self.correct(run)
            self.rate(run, 4 if number % 5 == 0 else 2, "bob" if number % 2 else "ada")
        return self.training()

    def ask(self, reason: str = "many new corrections", role: str = "action") -> UUID:
        """A person asks for a training."""
        context = self.ledger.context("ada")
        live = process_new_events(self.ledger).traffic(role).stable
        self.ledger.write(RoleImprovement, role_id(role), lambda it: it.open(role, live, reason, context))
        process_new_events(self.ledger)
        return self.training()

    def training(self) -> UUID:
        """The newest training."""
        [*_, newest] = self.ledger.read(1, None, ("TrainingRequested",))
        return newest.event.originator_id

    def train(self, training: UUID, attempts: int = 1, also: Sequence[dict[str, Any]] = ()) -> UUID:
        """The training completes, with weights in the store; the adapter that is registered for it.

        ``also`` are further rows of its dataset's manifest.
        """
        manifest = [{"source": "correction", "run": run.hex, "step": 0} for run in self.runs[:6]]
        manifest += [{"source": "replay", "run": self.runs[0].hex, "step": 0}, *also]
        key = self.ledger.put(json.dumps(manifest))
        folder = self.path.parent / f"weights-{training.hex[:6]}"
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps({"training": training.hex}))
        weights = WeightStore(adapters_folder(self.path) / "weights").put(folder).hash

        def finish(job: TrainingJob) -> None:
            job.build_dataset(
                self._after(job), dataset="sha256:dd", manifest=key, examples=7, runs=6,
                by_source={"correction": 6, "replay": 1}, up_to=self.ledger.position,
            )  # fmt: skip
            for _ in range(attempts):
                job.start(self._after(job))
            job.progress(4, 8, 0.5, self._after(job))
            job.complete(
                self._after(job), weights=weights, base_hash="sha256:00", config_hash="sha256:11", dataset="sha256:dd",
                steps=8, tokens=4000, examples=30, left_out=0, reasons={},
                final_loss=0.25, duration_s=12.5, peak_memory_bytes=10**9, device="cpu", versions={},
            )  # fmt: skip

        self.ledger.write(TrainingJob, training, finish)
        process_new_events(self.ledger)
        return adapter_id(training)

    def prove(self, adapter: UUID, matches: bool = True) -> UUID:
        """The proof that it is applied, or its rejection, and the gate passed; the rollout that starts."""
        numbers = {"prompts": 4, "effect": 1.5, "error": 0.01, "rounding": 0.008, "max_difference": 0.02}
        self.ledger.write(Adapter, adapter, lambda it: it.evaluate(True, matches, numbers, self._after(it)))
        process_new_events(self.ledger)
        if matches:
            self.judge(adapter, 14)
        return rollout_id(adapter)

    def judge(self, adapter: UUID, succeeding: int) -> None:
        """The gate: the adapter succeeds on so many of 22 failures, its parent on one; both on all that worked."""
        failed, worked = HeldOutResult(Runs(22, succeeding, 1)), HeldOutResult(Runs(38, 38, 38))
        judgement = judge_held_out(failed, worked, Policy(), "action")
        ids = {"adapter": self.runs[0].hex, "parent": self.runs[1].hex}
        rows = [{"outcome": "failed", "by": "runs", "instance": "miniwob/click-link#1", "is_fresh": False, **ids}]
        key = self.ledger.put(json.dumps(rows))
        self.ledger.write(Adapter, adapter, lambda it: it.judge(judgement, key, 40, self._after(it)))
        process_new_events(self.ledger)

    def assess(self, rollout: UUID, verdict: str, reason: str = "healthy") -> None:
        """A look at the canary."""
        figures = ArmHealth(12, 1.0, 4.5, 12, 1.0, 0).as_numbers()
        numbers: dict[str, Any] = {"canary": figures, "stable": {**figures, "runs": 60, "success": 0.8}}
        said = Verdict(verdict, reason, f"the numbers say {verdict}", numbers)
        self.ledger.write(Rollout, rollout, lambda it: it.assess(said, self.ledger.position, self._after(it)))
        process_new_events(self.ledger)

    def promote(self) -> UUID:
        """Everything from falling ratings to a promotion; the adapter."""
        adapter = self.train(self.fall())
        rollout = self.prove(adapter)
        self.assess(rollout, "hold", "few runs")
        self.assess(rollout, "promote")
        return adapter

    def _after(self, it: Any, actor: str = ACTOR) -> Any:
        """In the context of a decision that follows from the aggregate's newest event."""
        return self.ledger.context(actor, f"{it.id}/{it.version}" if it.version else None)

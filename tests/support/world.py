"""Anything that people, models and workers may do to a log, in any order, for properties that hold whatever happened."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from improving import DATASET, NUMBERS, PASSED, RESULT

from given import OFFERED, STEP
from grokputer.domain.aggregates.adapter import Adapter
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.schedule import SCHEDULE_ID, Schedule
from grokputer.domain.aggregates.settings import SETTINGS_ID, Settings
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.errors import NotPossible
from grokputer.domain.events import Assignment, TaskFailed
from grokputer.domain.rules.roles import GOOD_STARS
from grokputer.domain.rules.routing import route
from grokputer.domain.vocabulary import HandDecision
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.rollouts import decide_by_hand
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.place import Place
from grokputer.runners.store.states import load_state
from story import Standing

ROLES = st.sampled_from(["action", "ocr"])
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("day"), ROLES, st.integers(1, 5)),
        st.tuples(st.just("traffic"), st.sampled_from(["canary", "stable", "neither"]), st.integers(3, 12)),
        st.tuples(st.just("answers"), st.integers(1, 5), st.integers(3, 12)),
        st.tuples(st.just("run"), ROLES, st.sampled_from(["", "wrong", "timeout", "error", "answered"])),
        st.tuples(st.just("rate"), st.integers(0, 40), st.integers(1, 5)),
        st.tuples(st.just("set"), st.sampled_from(["rating.window", "rating.minimum"]), st.integers(2, 8)),
        st.tuples(st.just("set"), st.just("judge.success_stars"), st.sampled_from([0, 3, 4])),
        st.tuples(
            st.just("train"),
            st.sampled_from(["complete", "complete", "decline", "fail"]),
            st.sampled_from([1, 1, 2, 0]),
        ),
        st.tuples(st.just("decide"), st.sampled_from(HandDecision), st.booleans()),
        st.tuples(st.just("keep"), st.sampled_from([1, 70, 20_000, 700_000]), st.just(0)),
        st.tuples(st.just("follow"), st.just(0), st.just(0)),
    ),
    min_size=10,
    max_size=40,
)
"""Days of good and bad ratings, single runs, settings, trainings, decisions by hand and looks, in any order."""

MANNERS = st.fixed_dictionaries(
    {
        "rating.rule": st.sampled_from(["sequential", "threshold"]),
        "canary.rule": st.sampled_from(["sequential", "sequential", "threshold", "relative"]),
        "canary.approval": st.sampled_from(["none", "none", "promotion", "every step"]),
        "canary.dry_run": st.sampled_from(["none", "none", "rating", "success"]),
        "canary.randomization_unit": st.sampled_from(["run", "session"]),
        "rating.success_stars": st.sampled_from(["0", "0", "4"]),
        "judge.success_stars": st.sampled_from(["0", "0", "4"]),
    }
)
"""How each log decides."""

PLAIN = {"rating.rule": "threshold", "canary.rule": "threshold"}

QUICK = {
    "rating.minimum": 3, "rating.cooldown": 4, "rating.average_run_length": 5.0, "canary.weight_percent": 40,
    "canary.min_runs": 2,
    "canary.promote_at": 2.0, "canary.roll_back_at": 2.0, "canary.ramp": "60:1.3", "canary.max_runs": 6,
}  # fmt: skip
"""Settings under which a few runs are enough to decide by."""


class World:
    """Things that people, models and workers do to a log, in any order."""

    def __init__(self, ledger: Ledger, clock: Standing, manner: dict[str, str]) -> None:
        self.ledger, self.clock = ledger, clock
        self.runs: list[UUID] = []
        for key, value in {**QUICK, **manner}.items():
            self.set(key, value)

    def begin(self) -> None:
        """Ratings fall until a training is asked for, and its adapter gets its share of the runs."""
        while process_new_events(self.ledger).rollouts.cycle("action") is None:
            self.day("action", 1)
        self.train("complete", 1)

    def day(self, role: str, stars: int) -> None:
        for _ in range(3):
            self.run(role, "" if stars > 3 else "wrong")
            self.rate(-1, stars)

    def traffic(self, failing: str, runs: int) -> None:
        """Rated runs of which those of one arm fail."""
        for _ in range(runs):
            self.run("action", failing)
            has_failed = isinstance(self.ledger.get(TaskRun, self.runs[-1]).ended, TaskFailed)
            self.rate(-1, 1 if has_failed else 5)

    def answers(self, stars: int, runs: int) -> None:
        """Rated runs that nothing but their rating judges, and a judge model some of them."""
        for number in range(runs):
            self.run("action", "answered")
            if number % 3 == 0:
                self.grade(-1, stars)
            self.rate(-1, stars if number % 2 else 5)

    def happen(self, what: str, one: object, two: object) -> None:
        getattr(self, what)(one, two)

    def run(self, role: str, reason: str) -> None:
        """A run that ends so; ``canary`` and ``stable`` fail those of that arm alone."""
        context, id = self.ledger.context("ada"), derive_id("run", len(self.runs))
        state = load_state(self.ledger)
        session = f"session {len(self.runs) // 3}" if len(self.runs) % 4 else None
        chosen = route(state.traffic(role), id.hex, session)

        def play(run: TaskRun) -> None:
            run.start(
                context, role=role, arm=chosen.arm, adapter=chosen.adapter, rollout=chosen.rollout, environment="miniwob",
                capabilities=OFFERED["miniwob"], task="click-link", seed=1, base="embedded", session=session,
                others=self.recovery(role, id.hex, session),
                policy={
                    "canary_weight_percent": state.traffic(role).weight_percent,
                    "recovery.canary_weight_percent": state.traffic("recovery").weight_percent,
                },
            )  # fmt: skip
            for made_by in ("action", "recovery")[: len(self.runs) % 3] if role == "action" else ():
                run.take_step(context, role=made_by, **STEP)
            if reason == "answered":
                run.answer(80, context)
            elif reason in ("wrong", "timeout", "error", chosen.arm):
                run.fail("wrong" if reason == chosen.arm else reason, "", 120, -1.0, state.policy, context)
            else:
                run.succeed(80, 1.0, state.policy, context)

        self.ledger.write(TaskRun, id, play)
        self.runs.append(id)

    def recovery(self, role: str, run: str, session: str | None) -> list[Assignment]:
        chosen = route(load_state(self.ledger).traffic("recovery"), run, session)
        found: Assignment = {
            "role": "recovery",
            "arm": chosen.arm,
            "adapter": chosen.adapter,
            "rollout": chosen.rollout,
        }
        return [found] if role == "action" else []

    def rate(self, which: int, stars: int) -> None:
        if self.runs:
            id, context = self.runs[which % len(self.runs)], self.ledger.context("ada")
            steps = len(self.ledger.get(TaskRun, id).steps)
            wrong = steps if steps and stars < GOOD_STARS and which % 2 else None  # sometimes the step is unknown
            self.ledger.write(TaskRun, id, lambda it: it.rate(stars, "human", [], None, context, step=wrong))

    def grade(self, which: int, stars: int) -> None:
        context = self.ledger.context("grokputer")
        fields: dict[str, Any] = {"reason": None, "judge": "big@there", "criteria": "0" * 12, "prompt": "sha256:aa"}
        run = self.runs[which % len(self.runs)]
        self.ledger.write(TaskRun, run, lambda it: it.grade(stars, context=context, **fields))

    def set(self, key: str, value: object) -> None:
        context = self.ledger.context("ada")
        self.ledger.write(Settings, SETTINGS_ID, lambda it: it.change(key, value, "", context))

    def train(self, outcome: str, standing: int) -> None:
        """``standing``: 0 is not proven, 1 is proven and passes the gate, 2 is proven and refused there."""
        context, state = self.ledger.context("grokputer"), process_new_events(self.ledger)
        for key, training in state.registry.trainings.items():
            if training.status == "requested":

                def end(job: TrainingJob) -> None:
                    if outcome == "decline":
                        job.decline("too little", 1, 5, 9, context)
                        return
                    job.build_dataset(context, **DATASET)
                    job.start(context)
                    if outcome == "fail":
                        job.fail("loss is not a number", context)
                    else:
                        job.complete(context, **RESULT)

                self.ledger.write(TrainingJob, UUID(key), end)
        for adapter in process_new_events(self.ledger).registry.adapters.values():
            if adapter.status == "registered":
                self.prove(adapter.uuid, standing)

    def prove(self, id: UUID, standing: int) -> None:
        context = self.ledger.context("grokputer")
        self.ledger.write(Adapter, id, lambda it: it.evaluate(True, bool(standing), NUMBERS, context))
        judgement = PASSED if standing == 1 else replace(PASSED, verdict="reject", reason="no gain")
        if standing:
            self.ledger.write(Adapter, id, lambda it: it.judge(judgement, "sha256:aa", 99, context))

    def decide(self, wanted: str, returns: bool) -> None:
        state = process_new_events(self.ledger)
        for rollout in list(state.rollouts):
            to = "base" if returns and wanted == "roll back" else None
            with suppress(NotPossible):
                decide_by_hand(self.ledger, state, rollout.adapter, HandDecision(wanted), "tried", "ada", to=to)

    def keep(self, seconds: int, _: object) -> None:
        self.clock.move(seconds=seconds)
        context = self.ledger.context("grokputer")
        self.ledger.write(Schedule, SCHEDULE_ID, lambda it: it.keep("tried", context))

    def follow(self, _: object, __: object) -> None:
        process_new_events(self.ledger)


@contextmanager
def world_after(
    happenings: list[tuple[str, object, object]], manner: dict[str, str] = PLAIN, place: Place | None = None
) -> Iterator[Ledger]:
    with tempfile.TemporaryDirectory() as folder:
        clock = Standing()
        ledger = Ledger.create(place or Path(folder) / "events.db", clock)
        world = World(ledger, clock, manner)
        if happenings:
            world.begin()
        for what, one, two in happenings:
            world.happen(what, one, two)
        process_new_events(ledger)
        yield ledger
        ledger.close()

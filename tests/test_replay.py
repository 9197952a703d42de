"""Replay: whatever happened, in whatever order, folding the log gives the same, at once, in pieces and again."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_improvement import DATASET, NUMBERS, PASSED, RESULT
from test_run import STEP

from grokputer.domain.adapter import Adapter
from grokputer.domain.aggregate import derive_id
from grokputer.domain.errors import LogError, NotPossible
from grokputer.domain.events import EVENTS, Lane, TaskFailed
from grokputer.domain.roles import GOOD_STARS
from grokputer.domain.rollout import Rollout
from grokputer.domain.routing import route
from grokputer.domain.run import TaskRun
from grokputer.domain.schedule import SCHEDULE_ID, Schedule
from grokputer.domain.settings import SETTINGS_ID, Settings
from grokputer.domain.training import TrainingJob
from grokputer.projections.state import State
from grokputer.runners import moments
from grokputer.runners.decisions import decide_again
from grokputer.runners.improvement import follow
from grokputer.runners.ledger import Ledger
from grokputer.runners.log import Log
from grokputer.runners.moments import load_moment
from grokputer.runners.rebuild import Replay, replay
from grokputer.runners.rollouts import WANTED, decide_by_hand
from grokputer.runners.tables import update_tables
from grokputer.runners.views import fold, load_state
from story import Standing

ROLES = st.sampled_from(["action", "ocr"])
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("day"), ROLES, st.integers(1, 5)),
        st.tuples(st.just("traffic"), st.sampled_from(["canary", "stable", "neither"]), st.integers(3, 12)),
        st.tuples(st.just("run"), ROLES, st.sampled_from(["", "wrong", "timeout", "error"])),
        st.tuples(st.just("rate"), st.integers(0, 40), st.integers(1, 5)),
        st.tuples(st.just("set"), st.sampled_from(["rating.window", "rating.minimum"]), st.integers(2, 8)),
        st.tuples(
            st.just("train"),
            st.sampled_from(["complete", "complete", "decline", "fail"]),
            st.sampled_from([1, 1, 2, 0]),
        ),
        st.tuples(st.just("decide"), st.sampled_from(WANTED), st.booleans()),
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
        "routing.unit": st.sampled_from(["run", "session"]),
    }
)
"""How each log decides."""

PLAIN = {"rating.rule": "threshold", "canary.rule": "threshold"}

QUICK = {
    "rating.minimum": 3, "rating.cooldown": 4, "rating.between_alarms": 5.0, "canary.weight_percent": 40, "canary.min_runs": 2,
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
        while follow(self.ledger).lanes.cycle("action") is None:
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

    def happen(self, what: str, one: object, two: object) -> None:
        getattr(self, what)(one, two)

    def run(self, role: str, reason: str) -> None:
        """A run that ends so; ``canary`` and ``stable`` fail those of that arm alone."""
        context, id = self.ledger.context("ada"), derive_id("run", len(self.runs))
        state = load_state(self.ledger)
        session = f"session {len(self.runs) // 3}" if len(self.runs) % 4 else None
        lane = route(state.traffic(role), id.hex, session)

        def play(run: TaskRun) -> None:
            run.start(
                context, role=role, arm=lane.arm, adapter=lane.adapter, rollout=lane.rollout, environment="miniwob",
                task="click-link", seed=1, base="embedded", session=session, others=self.recovery(role, id.hex, session),
                policy={
                    "canary_weight_percent": state.traffic(role).weight_percent,
                    "recovery.canary_weight_percent": state.traffic("recovery").weight_percent,
                },
            )  # fmt: skip
            for made_by in ("action", "recovery")[: len(self.runs) % 3] if role == "action" else ():
                run.take_step(context, role=made_by, **STEP)
            if reason in ("wrong", "timeout", "error", lane.arm):
                run.fail("wrong" if reason == lane.arm else reason, "", 120, -1.0, state.policy, context)
            else:
                run.succeed(80, 1.0, state.policy, context)

        self.ledger.write(TaskRun, id, play)
        self.runs.append(id)

    def recovery(self, role: str, run: str, session: str | None) -> list[Lane]:
        lane = route(load_state(self.ledger).traffic("recovery"), run, session)
        found: Lane = {"role": "recovery", "arm": lane.arm, "adapter": lane.adapter, "rollout": lane.rollout}
        return [found] if role == "action" else []

    def rate(self, which: int, stars: int) -> None:
        if self.runs:
            id, context = self.runs[which % len(self.runs)], self.ledger.context("ada")
            steps = len(self.ledger.get(TaskRun, id).steps)
            wrong = steps if steps and stars < GOOD_STARS and which % 2 else None  # sometimes nobody knows
            self.ledger.write(TaskRun, id, lambda it: it.rate(stars, "human", [], None, context, step=wrong))

    def set(self, key: str, value: object) -> None:
        context = self.ledger.context("ada")
        self.ledger.write(Settings, SETTINGS_ID, lambda it: it.change(key, value, "", context))

    def train(self, outcome: str, standing: int) -> None:
        """``standing``: 0 is not proven, 1 is proven and passes the gate, 2 is proven and refused there."""
        context, state = self.ledger.context("grokputer"), follow(self.ledger)
        for key, training in state.registry.trainings.items():
            if training["status"] == "requested":

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
        for adapter in follow(self.ledger).registry.adapters.values():
            if adapter["status"] == "registered":
                self.prove(UUID(adapter["id"]), standing)

    def prove(self, id: UUID, standing: int) -> None:
        context = self.ledger.context("grokputer")
        self.ledger.write(Adapter, id, lambda it: it.evaluate(True, bool(standing), NUMBERS, context))
        judgement = PASSED if standing == 1 else replace(PASSED, verdict="reject", reason="no gain")
        if standing:
            self.ledger.write(Adapter, id, lambda it: it.judge(judgement, "sha256:aa", 99, context))

    def decide(self, wanted: str, returns: bool) -> None:
        state = follow(self.ledger)
        for lane in list(state.lanes.state["rollouts"].values()):
            to = "base" if returns and wanted == "roll back" else None
            with suppress(NotPossible):
                decide_by_hand(self.ledger, state, lane["adapter"], wanted, "tried", "ada", to=to)

    def keep(self, seconds: int, _: object) -> None:
        self.clock.move(seconds=seconds)
        context = self.ledger.context("grokputer")
        self.ledger.write(Schedule, SCHEDULE_ID, lambda it: it.keep("tried", context))

    def follow(self, _: object, __: object) -> None:
        follow(self.ledger)


@contextmanager
def world_after(happenings: list[tuple[str, object, object]], manner: dict[str, str] = PLAIN) -> Iterator[Ledger]:
    with tempfile.TemporaryDirectory() as folder:
        clock = Standing()
        ledger = Ledger.create(Path(folder) / "events.db", clock)
        world = World(ledger, clock, manner)
        if happenings:
            world.begin()
        for what, one, two in happenings:
            world.happen(what, one, two)
        follow(ledger)
        yield ledger
        ledger.close()


MADE_UP = ("HeldOutJudged", "DatasetBuilt", "TrainingDeclined")
"""What this world makes up instead of measuring it."""

DECIDED = {
    "AlertRaised",
    "CanaryAssessed",
    "CycleClosed",
    "RatingThresholdBreached",
    "RolloutStarted",
    "TrainingRequested",
}

RULES = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@RULES
@given(HAPPENINGS, MANNERS, st.data())
def test_any_history_replays_to_the_same_bits(
    happenings: list[tuple[str, object, object]], manner: dict[str, str], data: st.DataObject
) -> None:
    with world_after(happenings, manner) as ledger:
        whole = fold(ledger, State())
        assert fold(ledger, State()).dump() == whole.dump()
        assert load_state(ledger).dump() == whole.dump()
        cut = data.draw(st.integers(0, ledger.position))
        first = fold(ledger, State(), cut)
        resumed = State.load(first.dump())
        assert resumed is not None
        assert fold(ledger, resumed).dump() == whole.dump()
        assert replay(ledger).is_equal


@RULES
@given(HAPPENINGS, MANNERS)
def test_every_decision_is_made_again_to_the_same_bits(
    happenings: list[tuple[str, object, object]], manner: dict[str, str]
) -> None:
    with world_after(happenings, manner) as ledger:
        assert [it for it in decide_again(ledger) if it.difference and it.kind not in MADE_UP] == []


@RULES
@given(HAPPENINGS, MANNERS)
def test_what_followed_last_done_again_changes_nothing(
    happenings: list[tuple[str, object, object]], manner: dict[str, str]
) -> None:
    with world_after(happenings, manner) as ledger:
        end = ledger.position
        decided = [it.event for it in ledger.read() if it.event.actor == "grokputer" and it.event.TOPIC in DECIDED]
        cause = max(ledger.position_of(event.caused_by or "") or 1 for event in decided)
        back = f"UPDATE tracking SET notification_id = {cause - 1} WHERE application_name = 'improvement'"
        ledger.change(lambda it: it.connection.execute(back))
        ledger.change(lambda it: it.connection.execute("DELETE FROM moments"))
        follow(ledger)
        assert {it.event.TOPIC for it in ledger.read(end + 1)} <= {"TriggerSuppressed"}


@RULES
@given(HAPPENINGS, MANNERS)
def test_at_most_one_cycle_is_open_per_role_and_every_name_is_given_once(
    happenings: list[tuple[str, object, object]], manner: dict[str, str]
) -> None:
    with world_after(happenings, manner) as ledger:
        open_cycles: dict[str, int] = {}
        names: list[str] = []
        for recorded in ledger.read(
            1, None, ("RatingThresholdBreached", "CycleOpened", "CycleClosed", "AdapterRegistered")
        ):
            event = recorded.event
            role = vars(event)["role"]
            if event.TOPIC == "AdapterRegistered":
                names.append(vars(event)["adapter"])
            else:
                open_cycles[role] = open_cycles.get(role, 0) + (-1 if event.TOPIC == "CycleClosed" else 1)
            assert set(open_cycles.values()) <= {0, 1}
        assert len(names) == len(set(names))


def test_a_view_that_was_tampered_with_is_named_and_mended() -> None:
    with world_after([("run", "action", ""), ("rate", 0, 4)]) as ledger:
        assert replay(ledger).is_equal
        with sqlite3.connect(ledger.path) as connection:
            connection.execute("UPDATE ratings SET stars = 5")
        connection.close()
        found = replay(ledger)
        assert [name for name, equal in found.equal.items() if not equal] == ["ratings"]
        assert replay(ledger).is_equal, "what differs is mended"


def test_a_view_that_was_dropped_is_built_again() -> None:
    with world_after([("run", "action", ""), ("rate", 0, 4)]) as ledger:
        with sqlite3.connect(ledger.path) as connection:
            connection.execute("DROP TABLE runs")
        connection.close()
        update_tables(ledger)
        assert replay(ledger).is_equal


def test_tables_of_an_earlier_program_are_built_again_with_the_columns_of_this_one() -> None:
    with world_after([("run", "action", "wrong"), ("rate", 0, 2)]) as ledger:
        with sqlite3.connect(ledger.path) as connection:
            connection.execute("ALTER TABLE runs DROP COLUMN fault")
        connection.close()
        update_tables(ledger)
        assert replay(ledger).is_equal


def rows(ledger: Ledger) -> list[tuple[str, int, bytes]]:
    with ledger.reading() as connection:
        return connection.execute("SELECT name, position, state FROM moments ORDER BY position, name").fetchall()


def spoil(ledger: Ledger, statement: str) -> None:
    ledger.change(lambda it: it.connection.execute(statement))


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state is kept every five events."""
    monkeypatch.setattr(moments, "EVERY", 5)


SOME_RUNS: list[tuple[str, object, object]] = [("run", "action", "wrong"), ("rate", 0, 2)] * 6


@pytest.mark.usefixtures("often")
def test_a_state_that_is_kept_for_looking_back_is_what_the_log_says_then() -> None:
    with world_after(SOME_RUNS) as ledger:
        assert len(rows(ledger)) > 20
        with ledger.reading() as connection:
            for position in range(5, ledger.position + 1):
                kept = load_moment(connection, position)
                assert kept is not None
                assert kept.position == position // 5 * 5
                assert kept.dump() == fold(ledger, State(), kept.position).dump()
        for position in range(ledger.position + 1):
            assert load_state(ledger, position).dump() == fold(ledger, State(), position).dump()


@pytest.mark.usefixtures("often")
def test_what_did_not_change_is_not_kept_again() -> None:
    with world_after(SOME_RUNS) as ledger:
        kept = rows(ledger)
        for name in {name for name, _, _ in kept} - {"head"}:
            states = [state for it, _, state in kept if it == name]
            assert all(state != before for before, state in pairwise(states)), name
        heads = [position for name, position, _ in kept if name == "head"]
        assert len([name for name, _, _ in kept if name == "registry"]) < len(heads)


@pytest.mark.usefixtures("often")
def test_a_kept_state_that_is_not_what_the_log_says_is_named_and_mended_and_one_that_is_lost_is_made() -> None:
    with world_after(SOME_RUNS) as ledger:
        kept = rows(ledger)
        damage = (
            "UPDATE moments SET state = replace(state, 'action', 'auction') WHERE name = 'ratings' AND position = 25"
        )
        ledger.change(lambda it: it.connection.execute(damage))
        assert rows(ledger) != kept
        assert [name for name, equal in replay(ledger).equal.items() if not equal] == ["moments"]
        assert rows(ledger) == kept
        ledger.change(lambda it: it.connection.execute("DELETE FROM moments WHERE position > 10"))
        assert replay(ledger).is_equal
        assert rows(ledger) == kept
        for name in ("ratings", "head", "%"):
            spoil(ledger, f"UPDATE moments SET state = x'7b' WHERE name LIKE '{name}'")
            with pytest.raises(LogError, match="run 'grokputer replay' to make it anew"):
                load_state(ledger)
            replay(ledger)
            assert rows(ledger) == kept


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("head", [b"{}", b"[]", b"null", b'{"version":"99","form":2}', b'{"version":1}'])
def test_a_head_of_another_form_is_no_traceback_and_replay_makes_it_anew(head: bytes) -> None:
    with world_after(SOME_RUNS) as ledger:
        kept = rows(ledger)
        ledger.change(lambda it: it.connection.execute("UPDATE moments SET state = ? WHERE name = 'head'", (head,)))
        with suppress(LogError):
            load_state(ledger)
        replay(ledger)
        assert rows(ledger) == kept


@pytest.mark.usefixtures("often")
def test_states_that_are_lost_under_one_who_goes_on_from_what_he_knows_are_kept_again_as_they_were() -> None:
    with world_after(SOME_RUNS[:4]) as ledger:
        known = follow(ledger)
        spoil(ledger, "DELETE FROM moments WHERE position > 5")
        rated = ledger.get(TaskRun, derive_id("run", 0))
        for stars in (1, 2, 3, 1, 2, 3):
            rated.rate(stars, "human", [], None, ledger.context("ada"))
            ledger.store(rated)
            known = follow(ledger, known)
        assert replay(ledger).is_equal


@pytest.mark.usefixtures("often")
def test_what_is_kept_while_a_replay_mends_is_not_lost() -> None:
    with world_after(SOME_RUNS[:4]) as ledger:
        known = follow(ledger)
        spoil(ledger, "UPDATE ratings SET stars = 5")

        def go_on(done: int, total: int) -> None:
            run = ledger.get(TaskRun, derive_id("run", 0))
            for stars in (1, 2, 3, 1, 2, 3):
                run.rate(stars, "human", [], None, ledger.context("ada"))
                ledger.store(run)
            follow(ledger, known)

        assert [name for name, equal in replay(ledger, go_on).equal.items() if not equal] == ["ratings"]
        assert replay(ledger).is_equal


@pytest.mark.usefixtures("often")
def test_states_that_another_program_kept_are_made_anew_and_are_no_difference() -> None:
    with world_after(SOME_RUNS) as ledger:
        kept = rows(ledger)
        other = "UPDATE moments SET state = replace(state, '\"version\":\"', '\"version\":\"9') WHERE name = 'head'"
        for anew in (follow, replay):
            ledger.change(lambda it: it.connection.execute(other))
            assert rows(ledger) != kept
            assert load_state(ledger).dump() == fold(ledger, State()).dump()
            done = anew(ledger)
            assert rows(ledger) == kept
            assert not isinstance(done, Replay) or done.is_equal


def test_a_log_of_a_program_without_kept_states_is_read_as_it_is_and_gets_them_when_it_is_replayed() -> None:
    with world_after(SOME_RUNS) as ledger:
        ledger.change(lambda it: it.connection.execute("DROP TABLE moments"))
        for read in (Log.open(ledger.path), Ledger.open(ledger.path)):
            assert load_state(read).dump() == fold(read, State()).dump()
        ledger.change(lambda it: it.connection.execute("DROP TABLE moments"))
        assert replay(Log.open(ledger.path)).is_equal
        assert follow(ledger).dump() == fold(ledger, State()).dump()


def test_every_fact_belongs_to_an_aggregate_and_has_a_topic_of_its_own() -> None:
    for topic, cls in EVENTS.items():
        assert topic == cls.TOPIC
        assert cls.AGGREGATE


def test_a_rollout_that_is_decided_by_hand_cannot_be_decided_again() -> None:
    with world_after([]) as ledger, pytest.raises(NotPossible):
        ledger.get(Rollout, UUID(int=1)).promote("why not", ledger.context("ada"))

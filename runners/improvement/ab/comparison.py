"""Running a comparison: both arms on the same pages, one run at a time, each recorded.

Runs are pinned, so they count neither for the stable arm nor for a canary. In a batch, every answer would take as long
as the whole batch; a single run measures the latency that a person experiences. With the embedded model this is no
slower: 120 runs took 14 s one by one and 15 s in batches of 16, which turned 35 ms a step into 270. Ids are derived
from the design, so a killed comparison can be continued.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from eventsourcing.persistence import IntegrityError

from ....domain.ab.decision import Bars
from ....domain.aggregates.comparison import Arm, Comparison, Design, Place, draw_seed
from ....domain.aggregates.run import TaskRun
from ....domain.errors import GrokputerError, NotPossible
from ....domain.events import Capability, TaskFailed
from ....domain.page.messages import Page
from ....domain.page.prompt import observe
from ....domain.ports import Environment, Reviewer
from ....domain.rules.roles import roles_in
from ....domain.rules.routing import Route
from ....domain.vocabulary import AdapterStatus
from ....domain.vocabulary import Arm as RunArm
from ....projections.state.ratings import BASE
from ...agent.attempts import ATTEMPTS
from ...agent.batch import RunSpec, run_batch
from ...agent.beginning import is_planned, reads_pages
from ...agent.runner import Task, TaskRunner
from ...feedback.reviewer import REVIEWER, review
from ...wiring.services import require_adapter
from .results import SYSTEM_FAULTS, count_played, find_pair, load_result, next_run, session_of

if TYPE_CHECKING:
    from ....projections.state.state import State
    from ...store.ledger import Ledger
    from ...wiring.services import Services

OWN_ROLE = "action"
"""The role of runs in which an adapter of another role makes some steps."""

IN_A_ROW = 3
"""Consecutive pairs that could not be compared, after which the comparison stops; chosen."""

Count = Callable[[int, int], None]
"""Called with the number of pairs done, and their total."""


def plan(
    state: State,
    base: str,
    a: str,
    b: str,
    place: tuple[str, Environment],
    tasks: Sequence[str],
    episodes: int,
    seed: int | None,
    reviewer: str,
) -> Design:
    """The design with these names, in the named environment.

    Raises ``UnknownAdapter``, ``UnknownTask``, and ``NotPossible`` for a comparison that is not allowed.
    """
    name, environment = place
    if not {Capability.SEEDS, Capability.VERIFIES} <= environment.capabilities:
        raise NotPossible(f"{name} cannot repeat and judge the same page; compare adapters in another environment")
    for task in tasks:
        environment.check_task(task)
    roles = [_role_of(state, name) for name in (a, b) if name != BASE]
    if len(set(roles)) > 1:
        raise NotPossible(f"{a} is for role {roles[0]} and {b} for role {roles[1]}; give two adapters of one role")
    first_arm, second_arm = (None if name == BASE else name for name in (a, b))
    first = draw_seed(first_arm, second_arm, tasks, episodes) if seed is None else seed
    role = roles[0] if roles else OWN_ROLE
    return Design(first_arm, second_arm, role, base, name, tuple(tasks), episodes, first, reviewer)


def _role_of(state: State, name: str) -> str:
    known = require_adapter(name, state.registry.adapters)
    if known.status == AdapterStatus.REJECTED:
        raise NotPossible(f"{name} was rejected ({known.reason}); only adapters that may get traffic are compared")
    return known.role


def compare(
    ledger: Ledger,
    services: Services,
    design: Design,
    actor: str,
    reviewer: Reviewer | None = None,
    on_count: Count = lambda done, total: None,
) -> UUID:
    """Make the missing runs, rate them, and conclude; the comparison's id. A concluded comparison stays unchanged.

    Raises ``DamagedWeights`` and ``ModelError`` before anything is recorded where an arm is not available, and the
    fault of the system where consecutive pairs end in it.
    """
    if ledger.get(Comparison, design.id).concluded is not None:
        return design.id
    _warm_up(services, design)
    bars, played_before = Bars.of(services.state.policy, design.role), count_played(ledger, design)
    ledger.write(
        Comparison,
        design.id,
        lambda comparison: comparison.start(design, bars.as_numbers(), played_before, ledger.context(actor)),
    )
    _play(_Bench(ledger, services, design, actor, reviewer), on_count)
    result = load_result(ledger, design.id)
    if not result.pairs:
        raise GrokputerError(f"no page was done by both arms; each lost its browser or met an error {ATTEMPTS} times")
    ledger.write(
        Comparison,
        design.id,
        lambda comparison: comparison.conclude(
            result.verdict, result.up_to, ledger.context(actor, f"{comparison.id}/{comparison.version}")
        ),
    )
    return design.id


def _warm_up(services: Services, design: Design) -> None:
    """Let each arm answer once, unrecorded, so that loading time does not count as latency."""
    for adapter in (design.a, design.b):
        services.prepare(adapter)
    page = Page("Click Ok.", ("button:Ok[1]",))
    for adapter in (design.a, design.b):
        services.model.complete(observe(page, []), adapter=adapter, max_tokens=1)


def _play(bench: _Bench, on_count: Count) -> None:
    """Each page by both arms, one after another."""
    in_a_row = 0
    for done, place in enumerate(bench.design.places(), 1):
        fault = bench.play(place)
        in_a_row = in_a_row + 1 if fault else 0
        if in_a_row == IN_A_ROW:
            raise GrokputerError(f"{fault}; the same comparison continues once that is mended")
        on_count(done, bench.design.pairs)


class _Bench:
    """The two arms and the tools to run them."""

    def __init__(
        self, ledger: Ledger, services: Services, design: Design, actor: str, reviewer: Reviewer | None
    ) -> None:
        self.ledger, self.services, self.design, self.reviewer = ledger, services, design, reviewer
        self.runner = TaskRunner(
            ledger, services.model, services.prepare, services.base_label, actor, beside=services.beside
        )
        self.environment = services.environment_of_many(design.environment)

    def play(self, place: Place) -> str:
        """Make and rate the page's missing runs; the fault that prevents the pair's comparison, empty without one."""
        fault = ""
        for arm in place.order:
            while (id := next_run(self.ledger, self.design, place, arm)) is not None:
                ended = self._run(place, arm, id).ended
                if isinstance(ended, TaskFailed) and ended.reason in SYSTEM_FAULTS:
                    fault = self.ledger.say(ended.detail)
        runs = find_pair(self.ledger, self.design, place)
        for run in runs or ():
            self._rate(run)
        return "" if runs else fault

    def _run(self, place: Place, arm: Arm, id: UUID) -> TaskRun:
        """One run alone: the model answers nothing else meanwhile, and the run is stored as a whole when it has ended."""
        design = self.design
        adapter = design.a if arm == "a" else design.b
        task = Task(design.environment, place.task, place.seed, OWN_ROLE, session_of(design.id))
        has_plan = is_planned(task, self.environment, self.services.state.policy)
        is_read = reads_pages(task, self.environment, self.services.state.policy)
        if design.role not in roles_in(OWN_ROLE, is_planned=has_plan, is_read=is_read):
            task = replace(task, role=design.role)
        specs = [RunSpec(task, id, Route(RunArm.PINNED, adapter, None, design.role))]
        try:
            [run] = run_batch(self.runner, specs, self.environment, self.services.state, width=1)
        except IntegrityError:
            raise NotPossible("another process is running the same comparison; wait until it ends") from None
        return run

    def _rate(self, run: TaskRun) -> None:
        if all(rating.actor != REVIEWER for rating in run.ratings):
            review(self.ledger, run, corrects=False, reviewer=self.reviewer)

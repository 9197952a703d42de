"""Carrying out a comparison: both arms on the same pages, one run at a time, each recorded.

Runs are pinned, so they count neither for the stable arm nor for a canary. In a batch every answer would take as long as all of
them together; alone, what its steps take is what a person waits. With the embedded model that is no slower: 120 runs took 14 s
one by one and 15 s in batches of 16, which made 35 ms a step look like 270. Ids follow from the design: killed, it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from eventsourcing.persistence import IntegrityError

from ...domain.ab.decision import Bars
from ...domain.aggregates.comparison import Arm, Comparison, Design, Place, draw_seed
from ...domain.aggregates.run import TaskRun
from ...domain.errors import GrokputerError, Hint, NotPossible, UnknownAdapter
from ...domain.events import Capability, TaskFailed
from ...domain.page.messages import Page
from ...domain.page.prompt import observe
from ...domain.ports import Environment, Reviewer
from ...domain.rules.roles import roles_in
from ...domain.rules.routing import Route
from ...domain.vocabulary import AdapterStatus
from ...domain.vocabulary import Arm as RunArm
from ...projections.state.ratings import BASE
from ..agent.attempts import ATTEMPTS
from ..agent.batch import RunSpec, run_batch
from ..agent.runner import Task, TaskRunner
from ..feedback.reviewer import REVIEWER, review
from ..wiring.services import unknown_adapter
from .results import SYSTEM_FAULTS, count_played, find_pair, load_result, next_run, session_of

if TYPE_CHECKING:
    from ...projections.state.state import State
    from ..store.ledger import Ledger
    from ..wiring.services import Services

OWN_ROLE = "action"
"""The role of runs in which an adapter of another role has its turn."""

IN_A_ROW = 3
"""Pairs in a row that could not be compared, after which something is wrong that is no difference of the arms; chosen."""

Count = Callable[[int, int], None]
"""Told how many pairs are done, and of how many."""


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
    """The design of these names, in the environment of the name. Raises ``UnknownAdapter``, ``UnknownTask``, and
    ``NotPossible`` for what is not compared.
    """
    name, environment = place
    if not {Capability.SEEDS, Capability.VERIFIES} <= environment.capabilities:
        raise NotPossible(f"{name} does not give the same page again and judge it; compare adapters elsewhere")
    for task in tasks:
        environment.check_task(task)
    roles = [_role_of(state, name) for name in (a, b) if name != BASE]
    if len(set(roles)) > 1:
        raise NotPossible(f"{a} is for role {roles[0]} and {b} for role {roles[1]}; give two adapters of one role")
    one, other = (None if name == BASE else name for name in (a, b))
    first = draw_seed(one, other, tasks, episodes) if seed is None else seed
    role = roles[0] if roles else OWN_ROLE
    return Design(one, other, role, base, name, tuple(tasks), episodes, first, reviewer)


def _role_of(state: State, name: str) -> str:
    known = state.registry.adapters
    if name not in known:
        raise UnknownAdapter(unknown_adapter(name, known), hint=Hint.SEE_ADAPTERS)
    if known[name].status == AdapterStatus.REJECTED:
        raise NotPossible(f"{name} was rejected ({known[name].reason}); only what may get traffic is compared")
    return known[name].role


def compare(
    ledger: Ledger,
    parts: Services,
    design: Design,
    actor: str,
    reviewer: Reviewer | None = None,
    on_count: Count = lambda done, total: None,
) -> UUID:
    """Make the runs that are not made yet, rate them, and conclude; the comparison's id. One that is concluded stays so.

    Raises ``DamagedWeights`` and ``ModelError`` before anything is recorded where an arm cannot be asked, and the fault of the
    system itself where pair after pair ends in it.
    """
    if ledger.get(Comparison, design.id).concluded is not None:
        return design.id
    _warm_up(parts, design)
    bars, played_before = Bars.of(parts.state.policy, design.role), count_played(ledger, design)
    ledger.write(
        Comparison,
        design.id,
        lambda it: it.start(design, bars.as_numbers(), played_before, ledger.context(actor)),
    )
    _play(_Bench(ledger, parts, design, actor, reviewer), on_count)
    found = load_result(ledger, design.id)
    if not found.pairs:
        raise GrokputerError(f"no page was done by both; each lost its browser or met an error {ATTEMPTS} times")
    ledger.write(
        Comparison,
        design.id,
        lambda it: it.conclude(found.verdict, found.up_to, ledger.context(actor, f"{it.id}/{it.version}")),
    )
    return design.id


def _warm_up(parts: Services, design: Design) -> None:
    """Let each arm answer once, unrecorded: what is loaded at the first answer is not what an answer takes."""
    for adapter in (design.a, design.b):
        parts.prepare(adapter)
    page = Page("Click Ok.", ("button:Ok[1]",))
    for adapter in (design.a, design.b):
        parts.model.complete(observe(page, []), adapter=adapter, max_tokens=1)


def _play(bench: _Bench, on_count: Count) -> None:
    """Each page by both arms, one after another."""
    in_a_row = 0
    for done, place in enumerate(bench.design.places(), 1):
        fault = bench.play(place)
        in_a_row = in_a_row + 1 if fault else 0
        if in_a_row == IN_A_ROW:
            raise GrokputerError(f"{fault}; once that is mended, the same command goes on")
        on_count(done, bench.design.pairs)


class _Bench:
    """Both arms, one page after another."""

    def __init__(self, ledger: Ledger, parts: Services, design: Design, actor: str, reviewer: Reviewer | None) -> None:
        self.ledger, self.parts, self.design, self.reviewer = ledger, parts, design, reviewer
        self.runner = TaskRunner(ledger, parts.model, parts.prepare, parts.base_label, actor)
        self.environment = parts.environment(design.environment)

    def play(self, place: Place) -> str:
        """Make and rate what is missing of the page's two runs; the fault by which they cannot be compared, where one did."""
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
        """One run on its own: nothing else is asked of the model meanwhile, and it is stored whole when it has ended."""
        design = self.design
        adapter = design.a if arm == "a" else design.b
        role = OWN_ROLE if design.role in roles_in(OWN_ROLE) else design.role
        task = Task(design.environment, place.task, place.seed, role, session_of(design.id))
        wanted = [RunSpec(task, id, Route(RunArm.PINNED, adapter, None, design.role))]
        try:
            [run] = run_batch(self.runner, wanted, self.environment, self.parts.state, width=1)
        except IntegrityError:
            raise NotPossible("another process is at this very comparison; wait until it ends") from None
        return run

    def _rate(self, run: TaskRun) -> None:
        if all(rating.actor != REVIEWER for rating in run.ratings):
            review(self.ledger, run, corrects=False, reviewer=self.reviewer)

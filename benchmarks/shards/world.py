"""The scripted world: runs whose outcomes are drawn by the quality of their adapter, and canaries that come one by one.

No model is asked. The events are those of the product's own aggregates, with texts as long as those of a real run.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from eventsourcing.persistence import PersistenceError

from grokputer.benchmarks.rollout import draw_stars
from grokputer.domain.aggregates.adapter import Adapter
from grokputer.domain.aggregates.base import ACTOR, Context, derive_id
from grokputer.domain.aggregates.rollout import Rollout, rollout_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import GrokputerError
from grokputer.domain.events import Capability
from grokputer.domain.evidence.terms import CanaryTerms
from grokputer.domain.rules.routing import EDITION, Route
from grokputer.domain.settings.settings import Policy
from grokputer.domain.vocabulary import RolloutPhase, Rule, Unit
from grokputer.projections.state.state import State
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import fold

ROLE = "action"
SHARE = "canary.weight_percent"
"""The entry of a run's settings with the share that its arm was drawn by, 0 without a rollout."""
PROMPT = (
    "task: click the button that the sentence names, then say DONE\nbutton:Ok[1]\nbutton:Cancel[2]\nlink:Help[3]\n" * 9
)
"""About a thousand bytes."""
RATED = 0.5
TASKS = ("click-button", "click-link", "enter-text", "login-user")
_POLICY = Policy()


@dataclass(frozen=True)
class Quality:
    """How good an adapter is: its success rate, and the mean of its stars."""

    success: float
    stars: float


GOOD, WORSE = Quality(0.95, 3.9), Quality(0.80, 3.3)


def quality_of(adapter: str | None) -> Quality:
    """The base and adapters of an even number are good, those of an odd number are worse by more than the margins."""
    return WORSE if adapter is not None and int(adapter.rpartition("v")[2]) % 2 else GOOD


def play(
    run: UUID, session: str, route: Route, share: int, draw: random.Random, context: Context, put: Callable[[str], str]
) -> TaskRun:
    """A run from start to end, with two steps on average, and half of them rated: 4.5 events and four texts.

    ``put`` keeps a text. The actor is the reviewer, so no name of a person is looked up.
    """
    played, quality = TaskRun(run), quality_of(route.adapter)
    played.start(
        context, role=ROLE, arm=route.arm, adapter=route.adapter, rollout=route.rollout, environment="miniwob",
        task=draw.choice(TASKS), seed=draw.randrange(2**31), base="embedded@sha256:00", session=session,
        capabilities=[Capability.VERIFIES, Capability.SEEDS],
        policy={"run.max_steps": 12, "run.max_tokens": 64, "run.temperature": 0.0, SHARE: share},
    )  # fmt: skip
    for number in range(1, draw.randint(1, 3) + 1):
        played.take_step(
            context, prompt=put(f"{PROMPT}step {number}"), answer=put(f"CLICKbutton:Ok[{number}]"), error="",
            model_ms=draw.randint(20, 90), environment_ms=draw.randint(5, 30), prompt_tokens=350, completion_tokens=9,
        )  # fmt: skip
    if draw.random() < quality.success:
        played.succeed(draw.randint(500, 9000), 1.0, _POLICY, context)
    else:
        played.fail("wrong", "", draw.randint(500, 9000), -1.0, _POLICY, context)
    if draw.random() < RATED:
        played.rate(draw_stars(quality.stars, draw), "reviewer", [], None, context)
    return played


def make_adapter(number: int, context: Context, weights: str = "sha256:00") -> Adapter:
    """The adapter of this number, as a training would have registered it."""
    made = Adapter(derive_id("fleet", "adapter", number))
    made.register(
        context, role=ROLE, adapter=f"lora-v{number}", weights=weights, dataset="sha256:dd", base="tiny",
        base_hash="sha256:00", config_hash="sha256:11", parent=None, training=derive_id("fleet", "training", number).hex,
    )  # fmt: skip
    return made


def make_rollout(number: int, stable: str | None, bake_s: float, context: Context) -> Rollout:
    """The start of that adapter's rollout, by the default terms but for its least duration.

    Each run is assigned singly, because a session that keeps its arm would need the memory of its shard.
    """
    made = Rollout(rollout_id(derive_id("fleet", "adapter", number)))
    made.start(
        context, role=ROLE, adapter=f"lora-v{number}", stable=stable, rule=Rule.SEQUENTIAL,
        weight_percent=_POLICY.canary(ROLE).weight_percent, terms=CanaryTerms(bake_s=bake_s).to_json(), unit=Unit.RUN,
        edition=EDITION,
    )  # fmt: skip
    return made


class Canaries:
    """Starts the rollout of one adapter after the other, ``every_s`` seconds apart, in a thread of its own."""

    def __init__(self, decisions: Ledger, every_s: float, bake_s: float) -> None:
        self._decisions, self._every_s, self._bake_s = decisions, every_s, bake_s
        self._state = State()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Start no more of them."""
        self._stopped.set()
        self._thread.join()

    def _go_on(self) -> None:
        due = time.monotonic()
        while not self._stopped.wait(0.1):
            try:
                fold(self._decisions, self._state)
                if time.monotonic() >= due and not self._is_busy:
                    self._begin()
                    due = time.monotonic() + self._every_s
            except (GrokputerError, PersistenceError):
                continue  # the server is down, or stored it before it said so: the fold finds out

    @property
    def _is_busy(self) -> bool:
        """Whether a rollout is progressing; one that waits for a person gives way to the next."""
        undecided = self._state.undecided.values()
        return any(rollout.phase == RolloutPhase.PROGRESSING for rollout in undecided)

    def _begin(self) -> None:
        number = sum(1 for _ in self._state.rollouts) + 1
        stable, context = self._state.traffic(ROLE).stable, self._decisions.context(ACTOR)
        adapter, rollout = make_adapter(number, context), make_rollout(number, stable, self._bake_s, context)
        self._decisions.store(adapter, rollout)

"""What models were asked for and what it took: answers, tokens, money and times, by role and adapter.

Every sum is of whole numbers, and a histogram has fixed buckets, so equal logs give equal figures in every process.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from msgspec import field

from ...domain.events import TaskEnded
from ...domain.settings.training import CostSettings
from .open_runs import OpenRun, Step
from .ratings import name_version
from .shards import SavedParts, StateShards, StateValue

MODEL_MS = (10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 40960, 81920)
"""Upper bounds of the buckets for a model's answer. Source: OpenTelemetry, ``gen_ai.client.operation.duration``."""

TOKENS = tuple(4**power for power in range(14))
"""Upper bounds of the buckets for tokens. Source: OpenTelemetry, ``gen_ai.client.token.usage``."""

RUN_MS = (100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000)
"""Upper bounds of the buckets for a whole run; chosen, with the 10 seconds of the target for long tasks."""


class Histogram(StateValue):
    """Counts of whole numbers by bucket, and their sum."""

    counts: list[int] = field(default_factory=list)
    """By bucket, the last one without an upper bound; empty before the first number."""
    sum: int = 0

    def add(self, value: int, bounds: Sequence[int]) -> None:
        """Count one number; ``bounds`` are the same at every call."""
        if not self.counts:
            self.counts = [0] * (len(bounds) + 1)
        self.counts[bisect_left(bounds, value)] += 1
        self.sum += value

    def up_to(self, bounds: Sequence[int]) -> list[int]:
        """The number of all numbers up to each bound, and at the end of all."""
        return list(accumulate(self.counts or [0] * (len(bounds) + 1)))


class VersionUsage(StateValue):
    """The usage of one adapter, or the bare base, in one role."""

    answers: int = 0
    """Steps that a model answered."""
    failed: int = 0
    """Those of them that the environment could not carry out."""
    prompt: Histogram = field(default_factory=Histogram)
    """Tokens of prompts, where they are known."""
    answer: Histogram = field(default_factory=Histogram)
    """Tokens of answers, where they are known."""
    model_ms: Histogram = field(default_factory=Histogram)
    """Time of the model for each answer, where it is known."""
    runs_ms: Histogram = field(default_factory=Histogram)
    """Time of each whole run of the role, where it is known."""
    money: dict[str, int] = field(default_factory=dict)
    """Price of the tokens by currency, in units of ``10 ** -MONEY_DIGITS``, at the prices in force at each step."""


class Usage:
    """Fold of usage, for all runs but those that another program made elsewhere. Pinned runs count too."""

    def __init__(self) -> None:
        self._versions: StateShards[VersionUsage] = StateShards(form=VersionUsage)

    @classmethod
    def load(cls, saved: SavedParts) -> Usage:
        """The fold that ``dump`` saved. A damaged part raises ``LogError`` when it is read."""
        usage = cls()
        usage._versions = saved.shards("usage", VersionUsage)
        return usage

    def dump(self) -> dict[str, bytes]:
        """The fold as saved parts, by name."""
        return self._versions.dump("usage")

    def take(self, step: Step, run: OpenRun, cost: CostSettings) -> None:
        """Count a step of the run; ``cost`` has the prices in force."""
        role = step.role or run.role
        usage = self._of(role, run.adapter_of(role))
        usage.answers += 1
        usage.failed += bool(step.error)
        if step.model_ms is not None:
            usage.model_ms.add(step.model_ms, MODEL_MS)
        if step.prompt_tokens is not None:
            usage.prompt.add(step.prompt_tokens, TOKENS)
        if step.completion_tokens is not None:
            usage.answer.add(step.completion_tokens, TOKENS)
        if paid := cost.price_of(step.prompt_tokens, step.completion_tokens):
            usage.money[cost.currency] = usage.money.get(cost.currency, 0) + paid

    def end(self, event: TaskEnded, run: OpenRun) -> None:
        """Count the time of a run that ended."""
        if event.duration_ms is not None:
            self._of(run.role, run.adapter_of(run.role)).runs_ms.add(event.duration_ms, RUN_MS)

    def rows(self) -> Iterator[tuple[str, str, VersionUsage]]:
        """The role, the adapter (``base`` for the bare base) and the usage of each."""
        for name in self._versions:
            role, _, adapter = name.partition("/")
            yield role, adapter, self._versions[name]

    def _of(self, role: str, adapter: str) -> VersionUsage:
        name = name_version(role, adapter)
        usage = self._versions.get(name)
        if usage is None:
            usage = self._versions[name] = VersionUsage()
        return usage

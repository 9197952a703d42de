"""The plan of the benchmark: which functions are tested, which are corrected, and which stand as examples in a prompt."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ....domain.errors import GrokputerError
from ....domain.page.messages import Message
from ....projections.bench import Label
from ...environments.bfcl.environment import TEST, TRAIN, name_task
from ...environments.bfcl.package import QUESTIONS
from ...environments.bfcl.split import FRESH, SPLITS, TESTED, split_entries
from ...environments.names import BFCL
from ..arguments import read_settings
from ..plan import Plan, Planned, Reasoned

MOST_TESTED = sum(TESTED.values())

SETTINGS: Reasoned = {
    "model.base": ("smollm2", "the smallest real language model that the program knows"),
    "run.max_tokens": (96, "the longest right call has 81 tokens of SmolLM2"),
    "training.retries": (0, "the reviewer has corrected the failures"),
    "gate.runs": (20, f"there are {sum(FRESH.values())} functions for new pages, so that few are played twice"),
}
"""The benchmark's settings, with the reasons that the log records. The recipe of a training is the program's default."""


@dataclass(frozen=True)
class Arguments:
    """The arguments of the benchmark. Raises ``GrokputerError`` for those that cannot be."""

    seed: int = 1
    """The number of the split, which is the seed of the training too."""
    corrections: Sequence[int] = (120, 240)
    """Corrections after which an adapter is trained, each counted from the beginning."""
    tested: int = MOST_TESTED
    """Held-out tasks that are measured, a third of them of ``multiple``."""
    shots: int = 3
    """Examples in the prompt of the base's second measurement."""
    settings: Sequence[str] = ()
    """``key=value``; they override the benchmark's own settings."""

    def __post_init__(self) -> None:
        if self.seed not in SPLITS:
            raise GrokputerError(f"there is no split {self.seed}; give a seed from {SPLITS[0]} to {SPLITS[-1]}")
        if not self.corrections or list(self.corrections) != sorted({*self.corrections} - {0}):
            given = ",".join(map(str, self.corrections))
            raise GrokputerError(f"corrections cannot be {given!r}; give growing numbers from 1, as in 120,240")
        if not 3 <= self.tested <= MOST_TESTED:
            raise GrokputerError(f"{self.tested} tasks cannot be measured; give 3 to {MOST_TESTED}")
        if not 1 <= self.shots <= 8:
            raise GrokputerError(f"{self.shots} examples cannot stand in a prompt; give 1 to 8")
        read_settings(self.settings)

    def plan(self) -> CallPlan:
        """The plan of the loop. Raises ``EnvironmentUnavailable`` where the package cannot be used."""
        seeded: Reasoned = {"training.seed": (self.seed, "the seed of the benchmark")}
        return CallPlan(
            name=BFCL,
            seed=self.seed,
            tasks=[name_task(category, TRAIN, self.seed) for category in QUESTIONS],
            old_tasks=(),
            cycles=len(self.corrections),
            canary=0,
            environment=BFCL,
            about="functions that no training sees, without and with examples in the prompt",
            corrections=self.corrections,
            tested=self.tested,
            shots=self.shots,
            settings={**SETTINGS, **seeded, **read_settings(self.settings)},
        )


@dataclass(frozen=True)
class CallPlan(Plan):
    """A plan whose pages are numbered entries of a split."""

    corrections: Sequence[int] = field(default=())
    tested: int = MOST_TESTED
    shots: int = 3

    def wanted(self, cycle: int) -> int:
        """Corrections of this cycle, from 1."""
        return self.corrections[cycle - 1] - (self.corrections[cycle - 2] if cycle > 1 else 0)

    def measurements(self, cycle: int) -> list[tuple[Reasoned, list[Planned]]]:
        """The measured runs after the cycle, always of the same tasks: those of the base also with examples."""
        return [({}, self._tested(cycle, shots)) for shots in ((0,) if cycle else (0, self.shots))]

    def _tested(self, cycle: int, shots: int) -> list[Planned]:
        label = Label(self.name, self.seed, cycle, "measure", f"{shots}-shot")
        counts = {"multiple": self.tested // 3, "simple": self.tested - self.tested // 3}
        return [
            Planned(label, name_task(category, TEST, self.seed), number)
            for category in QUESTIONS
            for number in range(counts[category])
        ]

    def rated(self, cycle: int, purpose: str) -> list[Planned]:
        """All tasks that may be trained on, in the order of the split, as the cycle's runs for the purpose."""
        return list(self._numbered(cycle, purpose))

    def _numbered(self, cycle: int, purpose: str) -> Iterator[Planned]:
        seen = dict.fromkeys(QUESTIONS, 0)
        for entry in split_entries(self.seed).train:
            label = Label(self.name, self.seed, cycle, purpose, entry.id)
            yield Planned(label, name_task(entry.category, TRAIN, self.seed), seen[entry.category])
            seen[entry.category] += 1

    def examples(self, task: str) -> tuple[Message, ...]:
        """The examples before a task, as turns of a conversation: entries of its category that may be trained on."""
        category = task.split("-")[0]
        draw = random.Random(f"{self.seed} examples of {category}")
        chosen = draw.sample(split_entries(self.seed).of(TRAIN, category), self.shots)
        return tuple(
            message
            for entry in chosen
            for message in (
                Message(role="user", content=entry.prompt),
                Message(role="assistant", content=entry.answer),
            )
        )

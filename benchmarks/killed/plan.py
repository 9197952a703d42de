"""When which part is killed: seeded times within the phases of the cycle, and a training's own kills by its progress."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from .fleet import GATEWAYS, POSTGRES, RAY, S3, TRAINING, VLLMS, WORKER


class Phase(IntEnum):
    """How far the cycle has come."""

    BEFORE = 0
    TRAINING = 1
    GATE = 2
    CANARY = 3
    DECIDED = 4


BEGINS = {
    "TrainingStarted": Phase.TRAINING,
    "AdapterRegistered": Phase.GATE,
    "RolloutStarted": Phase.CANARY,
    "AdapterPromoted": Phase.DECIDED,
    "AdapterRolledBack": Phase.DECIDED,
    "CycleClosed": Phase.DECIDED,
}
"""The event that begins each phase."""

TWICE = {
    Phase.TRAINING: (TRAINING, TRAINING, RAY, WORKER, POSTGRES, *GATEWAYS, VLLMS[0], S3),
    Phase.GATE: (WORKER, VLLMS[1]),
    Phase.CANARY: (POSTGRES, RAY, *GATEWAYS, *VLLMS, S3),
}
ONCE = {
    Phase.TRAINING: (TRAINING, POSTGRES, GATEWAYS[0], VLLMS[0], S3),
    Phase.GATE: (WORKER,),
    Phase.CANARY: (POSTGRES, RAY, *GATEWAYS[1:], VLLMS[1]),
}
"""The parts that are killed in each phase."""
DOWN_S = (2.0, 4.0)
"""The seconds before a killed part is started again."""
S3_DOWN_S = 12.0
"""The same for the way to S3: longer than the first wait of a push that failed."""
GATE_S = 6.0
"""The seconds after the registration in which the gate's kills begin."""


@dataclass(frozen=True)
class Kill:
    """A part, when it is killed, in seconds after its phase began, and for how many seconds it is down."""

    part: str
    phase: Phase
    at_s: float
    down_s: float


def is_by_progress(part: str, phase: Phase) -> bool:
    """Whether it is killed at a step of the training, and not at a time: how long a training takes is not known."""
    return phase == Phase.TRAINING and part in (TRAINING, RAY, S3)


@dataclass(frozen=True)
class Progress:
    """How the training stands."""

    is_far: bool = False
    """Whether the attempt under way has done more steps than lie between two checkpoints."""
    is_ending: bool = False
    """Whether most of its steps are done."""


@dataclass
class Plan:
    """The kills of a run, those that are left in their order."""

    left: list[Kill] = field(default_factory=list)

    @classmethod
    def draw(cls, seed: int, parts: Mapping[Phase, Sequence[str]], lengths_s: Mapping[Phase, float]) -> Plan:
        """The plan of the seed. The kills of a phase are spread over its length, one in each part of it, in a drawn order."""
        chance, kills = random.Random(f"plan/{seed}"), list[Kill]()
        for phase, names in parts.items():
            order = [*names]
            chance.shuffle(order)
            slot = lengths_s[phase] / len(order)
            for number, name in enumerate(order):
                down_s = S3_DOWN_S if name == S3 else chance.uniform(*DOWN_S)
                at_s = (number + chance.uniform(0.1, 0.9)) * slot
                kills.append(Kill(name, phase, 0.0 if is_by_progress(name, phase) else at_s, down_s))
        return cls(kills)

    def next(self, phase: Phase, since_s: float, training: Progress, away: Collection[str] = ()) -> Kill | None:
        """The kill that is due so many seconds after the phase began; None where none is. Parts that are away are not killed.

        What an earlier phase left over is due at once. A training is killed where a checkpoint has to carry it on, and not
        when it is over; so is the cluster while it trains. The way to S3 ends when there is soon something to push.
        """
        for kill in self.left:
            if kill.part in away or phase < kill.phase or (phase == kill.phase and since_s < kill.at_s):
                continue
            is_over = phase > Phase.TRAINING
            if kill.part == TRAINING and (is_over or not training.is_far):
                continue
            waits = not (training.is_ending if kill.part == S3 else training.is_far)
            if waits and is_by_progress(kill.part, kill.phase) and not is_over:
                continue
            self.left.remove(kill)
            return kill
        return None

    def counts(self) -> Counter[str]:
        """How often each part is to be killed."""
        return Counter(kill.part for kill in self.left)

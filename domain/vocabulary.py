"""The closed sets of words that verdicts, phases and statuses are made of.

The log stores the words as they are here, so a word is never changed. Fields of recorded events stay plain text: a log may be
from a program that knows fewer words.
"""

from __future__ import annotations

from enum import StrEnum


class Decision(StrEnum):
    """What a verdict decides. The first four are of a canary; the next of ratings, of the gate and of a comparison."""

    PROMOTE = "promote"
    ROLL_BACK = "roll back"
    HOLD = "hold"
    INCONCLUSIVE = "inconclusive"
    BREACH = "breach"
    PASS = "pass"
    REJECT = "reject"
    GO = "go"
    NO_GO = "no-go"


class CanaryReason(StrEnum):
    """Why a canary is judged so: by evidence, or by the plain rules' bars."""

    CRITICAL = "critical"
    WORSE = "worse"
    NO_WORSE = "no worse"
    NO_WORSE_SO_FAR = "no worse so far"
    PAUSE = "pause"
    BAKE = "bake"
    MOST_RUNS = "most runs"
    TIME = "time"
    FEW_RUNS = "few runs"
    FEW_STABLE_RUNS = "few stable runs"
    NO_DATA = "no data"
    UNRATED = "unrated"
    EVIDENCE = "evidence"
    SUCCESS = "success"
    RATING = "rating"
    HEALTH = "health"
    HEALTHY = "healthy"


class BreachReason(StrEnum):
    """Why ratings are a breach or none."""

    EVIDENCE = "evidence"
    NO_EVIDENCE = "no evidence"
    FEW_RATINGS = "few ratings"
    MEAN = "mean"


class GateReason(StrEnum):
    """Why an adapter passes the gate or does not."""

    BETTER = "better"
    NO_GAIN = "no gain"
    LOST = "lost"
    TOO_FEW = "too few"
    NOTHING_HELD_OUT = "nothing held out"
    OFF = "off"


class ComparisonReason(StrEnum):
    """Why a comparison is a go, a no-go or inconclusive."""

    BETTER = "better"
    WORSE = "worse"
    SLOWER = "slower"
    NO_GAIN = "no gain"
    FEW_PAIRS = "few pairs"
    LATENCY = "latency"
    UNDECIDED = "undecided"


class RolloutPhase(StrEnum):
    """How far a rollout is. A promoted or rolled back one is over."""

    PROGRESSING = "progressing"
    PAUSED = "paused"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"


class AdapterStatus(StrEnum):
    """How far an adapter is."""

    REGISTERED = "registered"
    PROVEN = "proven"
    JUDGED = "judged"
    REJECTED = "rejected"
    CANARY = "canary"
    LIVE = "live"
    REPLACED = "replaced"
    ROLLED_BACK = "rolled back"


class TrainingStatus(StrEnum):
    """How far a training is. The first three are open."""

    REQUESTED = "requested"
    DATASET_BUILT = "dataset built"
    TRAINING = "training"
    COMPLETED = "completed"
    DECLINED = "declined"
    FAILED = "failed"


OPEN_TRAININGS = (TrainingStatus.REQUESTED, TrainingStatus.DATASET_BUILT, TrainingStatus.TRAINING)
"""The statuses of a training that a worker has to go on with."""


class CycleOutcome(StrEnum):
    """How a cycle of improvement ended."""

    PROMOTED = "promoted"
    DECLINED = "declined"
    FAILED = "failed"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled back"


class DeliveryStatus(StrEnum):
    """How far an alert is by one channel. Only an owed delivery is attempted."""

    OWED = "owed"
    DELIVERED = "delivered"
    GIVEN_UP = "given up"
    TURNED_OFF = "turned off"
    NOT_NEEDED = "not needed"


class FailureReason(StrEnum):
    """Why a run failed. The last two are faults of the system, not of the agent."""

    WRONG = "wrong"
    TIMEOUT = "timeout"
    ERROR = "error"
    ENVIRONMENT = "environment"


OWN_FAULTS = (FailureReason.WRONG, FailureReason.TIMEOUT)
"""The failures that the agent can learn from."""


class Arm(StrEnum):
    """What a run's adapter was to it: the live one, the canary, or one that it was given."""

    STABLE = "stable"
    CANARY = "canary"
    PINNED = "pinned"


class RatingSource(StrEnum):
    """Who gave a rating."""

    HUMAN = "human"
    REVIEWER = "reviewer"


class CorrectionSource(StrEnum):
    """Who or what showed what should have been done."""

    HUMAN = "human"
    REVIEWER = "reviewer"
    RETRY = "retry"
    TEACHER = "teacher"

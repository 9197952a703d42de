"""The closed sets of words for verdicts, phases and statuses.

The log stores these words, so a word is never changed. Fields of recorded events stay plain text, because the log may
come from a program with fewer words.
"""

from __future__ import annotations

from enum import StrEnum


class Decision(StrEnum):
    """The decision of a verdict. The first four are about a canary; the others about ratings, the gate and a comparison."""

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
    """The reason of a verdict on a canary: by evidence, or by the plain rules' bars."""

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


class StepKind(StrEnum):
    """What a step did."""

    ACT = "act"
    PLAN = "plan"
    READ = "read"
    CHECK = "check"


class Screenshots(StrEnum):
    """The steps whose pictures are kept."""

    ALL = "all"
    READS = "reads"
    NONE = "none"


class PlanMode(StrEnum):
    """Whether a run makes a plan: setting ``run.plan``."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Observe(StrEnum):
    """How a run sees its pages: setting ``run.observe``."""

    TREE = "tree"
    """By the elements that the environment tells."""
    OCR = "ocr"
    """By reading their pictures."""
    AUTO = "auto"
    """By reading where the elements are missing."""


class Finding(StrEnum):
    """What was found after a step."""

    REACHED = "reached"
    """The goal: it was visible on the page, or a check said so."""
    NOT_REACHED = "not reached"
    """The goal, though the actor or the check had been asked to finish it."""
    REPEATED = "repeated"
    """The action was done before, and the page did not change."""
    UNLIKE_TREE = "unlike tree"
    """The reading differs from what the program's own description of its window says."""
    UNREADABLE = "unreadable"
    """The answer had not the form that was asked for."""


class BreachReason(StrEnum):
    """The reason of a verdict on ratings."""

    EVIDENCE = "evidence"
    NO_EVIDENCE = "no evidence"
    FEW_RATINGS = "few ratings"
    MEAN = "mean"


class GateReason(StrEnum):
    """The reason of the gate's verdict."""

    BETTER = "better"
    NO_GAIN = "no gain"
    LOST = "lost"
    TOO_FEW = "too few"
    NOTHING_HELD_OUT = "nothing held out"
    OFF = "off"


class ComparisonReason(StrEnum):
    """The reason of a comparison's verdict."""

    BETTER = "better"
    WORSE = "worse"
    SLOWER = "slower"
    NO_GAIN = "no gain"
    FEW_PAIRS = "few pairs"
    LATENCY = "latency"
    UNDECIDED = "undecided"


class RolloutPhase(StrEnum):
    """The phase of a rollout. After promotion or rollback it is over."""

    PROGRESSING = "progressing"
    PAUSED = "paused"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"


class AdapterStatus(StrEnum):
    """The status of an adapter."""

    REGISTERED = "registered"
    PROVEN = "proven"
    ANSWERED = "answered"
    """A model that an endpoint tuned, which answers there by its name: less than proven."""
    JUDGED = "judged"
    REJECTED = "rejected"
    CANARY = "canary"
    LIVE = "live"
    REPLACED = "replaced"
    ROLLED_BACK = "rolled back"


UNJUDGED = (AdapterStatus.REGISTERED, AdapterStatus.PROVEN, AdapterStatus.ANSWERED)
"""The statuses of an adapter that a worker must prove or judge."""
FOR_THE_GATE = (AdapterStatus.PROVEN, AdapterStatus.ANSWERED)
"""The statuses of an adapter whose gate comes next."""


class TrainingStatus(StrEnum):
    """The status of a training. The first five are open."""

    REQUESTED = "requested"
    DATASET_BUILT = "dataset built"
    HELD = "held"
    CARRIED = "carried"
    TRAINING = "training"
    COMPLETED = "completed"
    DECLINED = "declined"
    FAILED = "failed"


OPEN_TRAININGS = (TrainingStatus.REQUESTED, TrainingStatus.DATASET_BUILT, TrainingStatus.TRAINING)
"""The statuses of a training that a worker must continue."""


class Place(StrEnum):
    """Where a training runs: setting ``training.launcher``."""

    PROCESS = "process"
    """In a process of the worker's machine."""
    COMMAND = "command"
    """Where a command of the user's starts it: by ssh, Slurm, Kubernetes."""
    RAY = "ray"
    CARRY = "carry"
    """On a machine without a connection: people carry its files there and back."""
    OPENAI = "openai"
    """At the endpoint that serves the model, by its fine-tuning API: the dataset leaves, and the weights stay there."""


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
    """The arm of a run: the live adapter, the canary, or an adapter chosen by hand."""

    STABLE = "stable"
    CANARY = "canary"
    PINNED = "pinned"


class RatingSource(StrEnum):
    """The source of a rating. A judge model's rating is a grade: an event of its own, which no window of ratings has."""

    HUMAN = "human"
    REVIEWER = "reviewer"
    JUDGE = "judge"


class CorrectionSource(StrEnum):
    """The source of a correction."""

    HUMAN = "human"
    REVIEWER = "reviewer"
    RETRY = "retry"
    TEACHER = "teacher"


NEXT_SHARE = "next_weight_percent"
"""The name, among a verdict's stored numbers, of the larger share that it asks for. Code reads ``next_share`` instead."""


class RolloutCause(StrEnum):
    """The cause of a decision on a rollout. Events of the oldest programs have none: an empty text."""

    PERSON = "person"
    CANARY = "canary"
    """The verdict on the canary decided."""
    FORWARD = "forward"
    """A person made the adapter live after its rollout was over."""
    COMPARISON = "comparison"
    """The adapter that the canary was compared with is no longer live."""
    UNDECIDED = "undecided"
    """No decision was reached in time."""
    APPROVAL = "approval"
    """A step waits for a person."""


class Rule(StrEnum):
    """The rule that judges ratings or a canary: by evidence, or by plain bars. Ratings have no rule ``relative``."""

    SEQUENTIAL = "sequential"
    THRESHOLD = "threshold"
    RELATIVE = "relative"


class Unit(StrEnum):
    """The randomization unit: assigned to an arm as a whole, and counted as one outcome."""

    RUN = "run"
    SESSION = "session"


class Backend(StrEnum):
    """The program's own model backends. Plug-ins may add others under other names."""

    LOCAL = "local"
    ENDPOINT = "openai"
    VLLM = "vllm"
    """At vLLM servers, which load this log's adapters."""


class Approval(StrEnum):
    """The steps of a rollout that wait for a person's approval."""

    NONE = "none"
    PROMOTION = "promotion"
    EVERY_STEP = "every step"


class HandDecision(StrEnum):
    """The decisions that a person can make on a rollout."""

    PROMOTE = "promote"
    ROLL_BACK = "roll back"
    ABORT = "abort"
    PAUSE = "pause"
    RESUME = "resume"
    APPROVE = "approve"
    SHARE = "share"
    FORWARD = "forward"


class AlertKind(StrEnum):
    """The kind of an alert."""

    BREACH = "breach"
    LOW_MEAN = "low mean"
    CANARY_FAILED = "canary failed"
    CANARY_INCONCLUSIVE = "canary inconclusive"
    APPROVAL_NEEDED = "approval needed"
    ROLLOUT_PAUSED = "rollout paused"
    ROLLOUT_ENDED = "rollout ended"
    ROLLED_BACK = "rolled back"
    ROLLED_FORWARD = "rolled forward"
    ADAPTER_REJECTED = "adapter rejected"
    TRAINING_FAILED = "training failed"
    TRAINING_HELD = "training held"
    TRAINING_PENDING = "training pending"
    WEIGHTS_MISSING = "weights missing"
    PUSH_FAILED = "push failed"
    NOT_SERVED = "not served"


class Severity(StrEnum):
    """How urgent an alert is. ``info`` needs no action."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Scope(StrEnum):
    """What an access key allows."""

    INFER = "infer"
    """To ask models."""
    FEEDBACK = "feedback"
    """To rate and correct runs, and to read them."""
    RATE = "rate"
    """To use the pages for rating."""
    ADMIN = "admin"
    """To decide on rollouts and settings."""
    METRICS = "metrics"
    """To read the metrics."""

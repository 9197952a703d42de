"""The status that an event gives to an adapter, a rollout or a training, for the state and the SQL tables."""

from __future__ import annotations

from ...domain.events import (
    AdapterAnswered,
    AdapterEvaluated,
    AdapterPromoted,
    AdapterRegistered,
    AdapterRejected,
    AdapterRolledBack,
    AttemptInterrupted,
    DatasetBuilt,
    Event,
    HeldOutJudged,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
    TrainingApproved,
    TrainingCompleted,
    TrainingDeclined,
    TrainingFailed,
    TrainingHeld,
    TrainingRequested,
    TrainingStarted,
)
from ...domain.vocabulary import AdapterStatus, Place, RolloutCause, RolloutPhase, TrainingStatus

_ADAPTERS: dict[type[Event], AdapterStatus] = {
    AdapterRegistered: AdapterStatus.REGISTERED,
    AdapterEvaluated: AdapterStatus.PROVEN,
    AdapterAnswered: AdapterStatus.ANSWERED,
    HeldOutJudged: AdapterStatus.JUDGED,
    AdapterRejected: AdapterStatus.REJECTED,
    RolloutStarted: AdapterStatus.CANARY,
    AdapterPromoted: AdapterStatus.LIVE,
    AdapterRolledBack: AdapterStatus.ROLLED_BACK,
}
"""The status of the adapter that the event is about."""

_ROLLOUTS: dict[type[Event], RolloutPhase] = {
    RolloutStarted: RolloutPhase.PROGRESSING,
    RolloutPaused: RolloutPhase.PAUSED,
    RolloutResumed: RolloutPhase.PROGRESSING,
    AdapterPromoted: RolloutPhase.PROMOTED,
    AdapterRolledBack: RolloutPhase.ROLLED_BACK,
}

_TRAININGS: dict[type[Event], TrainingStatus] = {
    TrainingRequested: TrainingStatus.REQUESTED,
    DatasetBuilt: TrainingStatus.DATASET_BUILT,
    TrainingHeld: TrainingStatus.HELD,
    TrainingApproved: TrainingStatus.DATASET_BUILT,
    TrainingStarted: TrainingStatus.TRAINING,
    AttemptInterrupted: TrainingStatus.TRAINING,
    TrainingCompleted: TrainingStatus.COMPLETED,
    TrainingDeclined: TrainingStatus.DECLINED,
    TrainingFailed: TrainingStatus.FAILED,
}


def adapter_status(event: Event) -> AdapterStatus | None:
    """The new status of the event's own adapter; None where the event does not change it."""
    return _ADAPTERS.get(type(event))


def status_of_another(event: Event, *, was_live: bool | None = None) -> tuple[str, AdapterStatus] | None:
    """The other adapter whose status the event changes, and its new status: replaced, or live again.

    ``was_live`` says whether the event's own adapter was live before. Only then does a rollback make another adapter live.
    Where that is unknown (None), the recorded cause decides.
    """
    match event:
        case AdapterPromoted(replaced=str(replaced)):
            return replaced, AdapterStatus.REPLACED
        case AdapterRolledBack(stable=str(stable)):
            is_given_back = event.cause != RolloutCause.COMPARISON if was_live is None else was_live
            return (stable, AdapterStatus.LIVE) if is_given_back else None
    return None


def rollout_phase(event: Event) -> RolloutPhase | None:
    """The new phase of the event's rollout; None where the event does not change it."""
    return _ROLLOUTS.get(type(event))


def training_status(event: Event) -> TrainingStatus | None:
    """The new status of the event's training; None where the event does not change it."""
    if isinstance(event, TrainingStarted) and event.launcher == Place.CARRY:
        return TrainingStatus.CARRIED
    return _TRAININGS.get(type(event))

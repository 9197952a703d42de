"""Every event that the log can hold. This module re-exports all event classes; they are defined in one module per aggregate.

An event is in the past tense, frozen, JSON-plain and self-sufficient: an auditor can read one without today's
configuration. A topic is never renamed and a field never changes its meaning; a new meaning is a new ``VERSION`` and an
upcaster. Texts and names of people (tasks in words, prompts, answers, comments, corrections) are not in events. They
are in the content store, under the key that the event carries.
"""

from __future__ import annotations

from .access import AccessKeyIssued as AccessKeyIssued
from .access import AccessKeyRevoked as AccessKeyRevoked
from .adapters import AdapterAnswered as AdapterAnswered
from .adapters import AdapterEvaluated as AdapterEvaluated
from .adapters import AdapterEvent as AdapterEvent
from .adapters import AdapterPushed as AdapterPushed
from .adapters import AdapterPushFailed as AdapterPushFailed
from .adapters import AdapterRegistered as AdapterRegistered
from .adapters import AdapterRejected as AdapterRejected
from .adapters import AdapterServed as AdapterServed
from .adapters import AdapterUnserved as AdapterUnserved
from .adapters import HeldOutJudged as HeldOutJudged
from .adapters import WeightsFound as WeightsFound
from .adapters import WeightsMissed as WeightsMissed
from .alerts import AlertDelivered as AlertDelivered
from .alerts import AlertDeliveryFailed as AlertDeliveryFailed
from .alerts import AlertEvent as AlertEvent
from .alerts import AlertRaised as AlertRaised
from .alerts import AlertResolved as AlertResolved
from .alerts import DeliveryEvent as DeliveryEvent
from .base import EVENTS as EVENTS
from .base import Event as Event
from .base import Timestamped as Timestamped
from .base import fact as fact
from .comparisons import ComparisonConcluded as ComparisonConcluded
from .comparisons import ComparisonEvent as ComparisonEvent
from .comparisons import ComparisonStarted as ComparisonStarted
from .erasures import ContentErased as ContentErased
from .examples import ExamplesImported as ExamplesImported
from .examples import ExamplesSynthesized as ExamplesSynthesized
from .feedback import FeedbackGiven as FeedbackGiven
from .roles import CycleClosed as CycleClosed
from .roles import CycleOpened as CycleOpened
from .roles import RatingThresholdBreached as RatingThresholdBreached
from .roles import RoleEvent as RoleEvent
from .roles import TriggerSuppressed as TriggerSuppressed
from .rollouts import AdapterPromoted as AdapterPromoted
from .rollouts import AdapterRolledBack as AdapterRolledBack
from .rollouts import CanaryAssessed as CanaryAssessed
from .rollouts import CanaryWeightSet as CanaryWeightSet
from .rollouts import RolloutEvent as RolloutEvent
from .rollouts import RolloutPaused as RolloutPaused
from .rollouts import RolloutResumed as RolloutResumed
from .rollouts import RolloutStarted as RolloutStarted
from .runs import Assignment as Assignment
from .runs import Capability as Capability
from .runs import CorrectionWithdrawn as CorrectionWithdrawn
from .runs import PicturesKept as PicturesKept
from .runs import RunEvent as RunEvent
from .runs import Screen as Screen
from .runs import StepTaken as StepTaken
from .runs import TaskAnswered as TaskAnswered
from .runs import TaskCorrected as TaskCorrected
from .runs import TaskEnded as TaskEnded
from .runs import TaskFailed as TaskFailed
from .runs import TaskGraded as TaskGraded
from .runs import TaskJudged as TaskJudged
from .runs import TaskRated as TaskRated
from .runs import TaskStarted as TaskStarted
from .runs import TaskSucceeded as TaskSucceeded
from .sessions import SessionImported as SessionImported
from .settings import PolicyChanged as PolicyChanged
from .settings import ScheduleKept as ScheduleKept
from .trainings import AttemptInterrupted as AttemptInterrupted
from .trainings import DatasetBuilt as DatasetBuilt
from .trainings import DatasetSent as DatasetSent
from .trainings import SentDatasetDeleted as SentDatasetDeleted
from .trainings import TrainingApproved as TrainingApproved
from .trainings import TrainingCompleted as TrainingCompleted
from .trainings import TrainingDeclined as TrainingDeclined
from .trainings import TrainingEvent as TrainingEvent
from .trainings import TrainingFailed as TrainingFailed
from .trainings import TrainingHeld as TrainingHeld
from .trainings import TrainingPending as TrainingPending
from .trainings import TrainingProgressed as TrainingProgressed
from .trainings import TrainingRequested as TrainingRequested
from .trainings import TrainingStarted as TrainingStarted
from .trainings import TuningSubmitted as TuningSubmitted

SCHEMA = sum(kind.VERSION for kind in EVENTS.values())
"""The version of the event schema that this program reads, as one number; it grows with every new event and every new
version of one. State saved by a program with another schema may depend on events that this program does not know."""

"""Grokputer: an agent that improves itself. ``grokputer.open`` is the Python API; ``docs/python-api.md`` describes it.

Importing the package loads nothing: each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.access import WrongThread as WrongThread
    from .api.batch import Batch as Batch
    from .api.client.async_client import AsyncChatStream as AsyncChatStream
    from .api.client.async_client import AsyncClient as AsyncClient
    from .api.client.async_client import AsyncClientSession as AsyncClientSession
    from .api.client.client import ChatStream as ChatStream
    from .api.client.client import Client as Client
    from .api.client.client import ClientSession as ClientSession
    from .api.client.results import AnswerBroken as AnswerBroken
    from .api.client.results import ChatAnswer as ChatAnswer
    from .api.client.results import GatewayError as GatewayError
    from .api.client.results import GatewayModel as GatewayModel
    from .api.client.results import GatewayRun as GatewayRun
    from .api.client.results import GatewayUnreachable as GatewayUnreachable
    from .api.client.results import GivenFeedback as GivenFeedback
    from .api.client.results import KeyRefused as KeyRefused
    from .api.client.results import RateLimited as RateLimited
    from .api.log import OpenLog as OpenLog
    from .api.log import RunId as RunId
    from .api.log import open as open
    from .api.rollouts import Rollouts as Rollouts
    from .domain.errors import BadArgument as BadArgument
    from .domain.errors import BadPlugin as BadPlugin
    from .domain.errors import BadRating as BadRating
    from .domain.errors import BadText as BadText
    from .domain.errors import DamagedWeights as DamagedWeights
    from .domain.errors import EnvironmentUnavailable as EnvironmentUnavailable
    from .domain.errors import GrokputerError as GrokputerError
    from .domain.errors import Hint as Hint
    from .domain.errors import InvalidRecipe as InvalidRecipe
    from .domain.errors import LogError as LogError
    from .domain.errors import MissingExtra as MissingExtra
    from .domain.errors import ModelError as ModelError
    from .domain.errors import NotFound as NotFound
    from .domain.errors import NotPossible as NotPossible
    from .domain.errors import NotServed as NotServed
    from .domain.errors import UnknownAdapter as UnknownAdapter
    from .domain.errors import UnknownTask as UnknownTask
    from .domain.events import Event as Event
    from .domain.evidence.agreement import Agreement as Agreement
    from .domain.page.grading import NoVerdict as NoVerdict
    from .domain.page.messages import Message as Message
    from .domain.page.tools import Tool as Tool
    from .domain.page.tools import ToolCall as ToolCall
    from .domain.rules.imported import UNKNOWN as UNKNOWN
    from .domain.rules.imported import Unknown as Unknown
    from .domain.settings.setting import BadSetting as BadSetting
    from .domain.vocabulary import AdapterStatus as AdapterStatus
    from .domain.vocabulary import Arm as Arm
    from .domain.vocabulary import CorrectionSource as CorrectionSource
    from .domain.vocabulary import FailureReason as FailureReason
    from .domain.vocabulary import RolloutPhase as RolloutPhase
    from .projections.explain.agreement import JudgeAgreement as JudgeAgreement
    from .projections.explain.failures.counts import FailureCount as FailureCount
    from .projections.explain.failures.counts import FailureRate as FailureRate
    from .projections.explain.failures.group import FailureGroup as FailureGroup
    from .projections.explain.failures.group import NextSteps as NextSteps
    from .projections.explain.standing.imported import ImportedSummary as ImportedSummary
    from .projections.explain.standing.summary import CanarySummary as CanarySummary
    from .projections.explain.standing.summary import CycleSummary as CycleSummary
    from .projections.explain.standing.summary import GradesSummary as GradesSummary
    from .projections.explain.standing.summary import RoleSummary as RoleSummary
    from .projections.explain.standing.summary import WindowSummary as WindowSummary
    from .projections.explain.standing.waits import Wait as Wait
    from .projections.explain.standing.waits import WaitsOn as WaitsOn
    from .projections.explain.tree import Node as Node
    from .projections.wording.role_metrics import RoleMetric as RoleMetric
    from .runners.archive.erasure import Words as Words
    from .runners.explain.explanation import Explanation as Explanation
    from .runners.feedback.corrections import BadCorrection as BadCorrection
    from .runners.improvement.tuning.elsewhere import CopyElsewhere as CopyElsewhere
    from .runners.sessions.program_runs import ProgramRun as ProgramRun
    from .runners.sessions.program_runs import ProgramStep as ProgramStep
    from .runners.store.codec import Recorded as Recorded
    from .runners.use_cases.corrections import Correction as Correction
    from .runners.use_cases.corrections import Withdrawal as Withdrawal
    from .runners.use_cases.erasures import Erasure as Erasure
    from .runners.use_cases.intake.recordings import RecordedRun as RecordedRun
    from .runners.use_cases.judgements import Graded as Graded
    from .runners.use_cases.overview import AdapterSummary as AdapterSummary
    from .runners.use_cases.overview import AlertSummary as AlertSummary
    from .runners.use_cases.overview import MissingWeights as MissingWeights
    from .runners.use_cases.overview import RunSummary as RunSummary
    from .runners.use_cases.overview import Status as Status
    from .runners.use_cases.ratings import Rating as Rating
    from .runners.use_cases.reading.advice import RoleAdvice as RoleAdvice
    from .runners.use_cases.reading.failures import Failures as Failures
    from .runners.use_cases.reading.failures import LeftOutRuns as LeftOutRuns
    from .runners.use_cases.rollouts import RolloutDecision as RolloutDecision
    from .runners.use_cases.runs import RunOutcome as RunOutcome
    from .runners.use_cases.sessions import SessionRating as SessionRating
    from .runners.use_cases.settings import SettingChange as SettingChange
    from .runners.use_cases.trainings import RequestedTraining as RequestedTraining

_HOMES = {
    ".api.access": ("WrongThread",),
    ".api.batch": ("Batch",),
    ".api.client.async_client": ("AsyncChatStream", "AsyncClient", "AsyncClientSession"),
    ".api.client.client": ("ChatStream", "Client", "ClientSession"),
    ".api.client.results": (
        "AnswerBroken",
        "ChatAnswer",
        "GatewayError",
        "GatewayModel",
        "GatewayRun",
        "GatewayUnreachable",
        "GivenFeedback",
        "KeyRefused",
        "RateLimited",
    ),
    ".api.log": ("OpenLog", "RunId", "open"),
    ".api.rollouts": ("Rollouts",),
    ".domain.errors": (
        "BadArgument",
        "BadPlugin",
        "BadRating",
        "BadText",
        "DamagedWeights",
        "EnvironmentUnavailable",
        "GrokputerError",
        "Hint",
        "InvalidRecipe",
        "LogError",
        "MissingExtra",
        "ModelError",
        "NotFound",
        "NotPossible",
        "NotServed",
        "UnknownAdapter",
        "UnknownTask",
    ),
    ".domain.settings.setting": ("BadSetting",),
    ".domain.events": ("Event",),
    ".domain.page.messages": ("Message",),
    ".domain.page.tools": ("Tool", "ToolCall"),
    ".domain.evidence.agreement": ("Agreement",),
    ".domain.page.grading": ("NoVerdict",),
    ".domain.rules.imported": (
        "UNKNOWN",
        "Unknown",
    ),
    ".domain.vocabulary": (
        "AdapterStatus",
        "Arm",
        "CorrectionSource",
        "FailureReason",
        "RolloutPhase",
    ),
    ".projections.explain.standing.waits": (
        "Wait",
        "WaitsOn",
    ),
    ".projections.explain.standing.summary": (
        "CanarySummary",
        "CycleSummary",
        "GradesSummary",
        "RoleSummary",
        "WindowSummary",
    ),
    ".projections.explain.agreement": ("JudgeAgreement",),
    ".projections.explain.failures.counts": ("FailureCount", "FailureRate"),
    ".projections.explain.failures.group": ("FailureGroup", "NextSteps"),
    ".projections.explain.standing.imported": ("ImportedSummary",),
    ".projections.wording.role_metrics": ("RoleMetric",),
    ".projections.explain.tree": ("Node",),
    ".runners.archive.erasure": ("Words",),
    ".runners.explain.explanation": ("Explanation",),
    ".runners.feedback.corrections": ("BadCorrection",),
    ".runners.store.codec": ("Recorded",),
    ".runners.use_cases.corrections": (
        "Correction",
        "Withdrawal",
    ),
    ".runners.improvement.tuning.elsewhere": ("CopyElsewhere",),
    ".runners.use_cases.erasures": ("Erasure",),
    ".runners.use_cases.overview": (
        "AdapterSummary",
        "AlertSummary",
        "MissingWeights",
        "RunSummary",
        "Status",
    ),
    ".runners.use_cases.judgements": ("Graded",),
    ".runners.use_cases.ratings": ("Rating",),
    ".runners.sessions.program_runs": ("ProgramRun", "ProgramStep"),
    ".runners.use_cases.intake.recordings": ("RecordedRun",),
    ".runners.use_cases.reading.advice": ("RoleAdvice",),
    ".runners.use_cases.reading.failures": ("Failures", "LeftOutRuns"),
    ".runners.use_cases.rollouts": ("RolloutDecision",),
    ".runners.use_cases.runs": ("RunOutcome",),
    ".runners.use_cases.sessions": ("SessionRating",),
    ".runners.use_cases.settings": ("SettingChange",),
    ".runners.use_cases.trainings": ("RequestedTraining",),
}
"""The public names by the module that each is in."""

_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "UNKNOWN",
    "AdapterStatus",
    "AdapterSummary",
    "Agreement",
    "AlertSummary",
    "AnswerBroken",
    "Arm",
    "AsyncChatStream",
    "AsyncClient",
    "AsyncClientSession",
    "BadArgument",
    "BadCorrection",
    "BadPlugin",
    "BadRating",
    "BadSetting",
    "BadText",
    "Batch",
    "CanarySummary",
    "ChatAnswer",
    "ChatStream",
    "Client",
    "ClientSession",
    "CopyElsewhere",
    "Correction",
    "CorrectionSource",
    "CycleSummary",
    "DamagedWeights",
    "EnvironmentUnavailable",
    "Erasure",
    "Event",
    "Explanation",
    "FailureCount",
    "FailureGroup",
    "FailureRate",
    "FailureReason",
    "Failures",
    "GatewayError",
    "GatewayModel",
    "GatewayRun",
    "GatewayUnreachable",
    "GivenFeedback",
    "Graded",
    "GradesSummary",
    "GrokputerError",
    "Hint",
    "ImportedSummary",
    "InvalidRecipe",
    "JudgeAgreement",
    "KeyRefused",
    "LeftOutRuns",
    "LogError",
    "MissingExtra",
    "MissingWeights",
    "ModelError",
    "NextSteps",
    "NoVerdict",
    "Node",
    "NotFound",
    "NotPossible",
    "NotServed",
    "OpenLog",
    "ProgramRun",
    "ProgramStep",
    "RateLimited",
    "Rating",
    "Recorded",
    "RecordedRun",
    "RequestedTraining",
    "RoleAdvice",
    "RoleMetric",
    "RoleSummary",
    "RolloutDecision",
    "RolloutPhase",
    "Rollouts",
    "RunId",
    "RunOutcome",
    "RunSummary",
    "SessionRating",
    "SettingChange",
    "Status",
    "Unknown",
    "UnknownAdapter",
    "UnknownTask",
    "Wait",
    "WaitsOn",
    "WindowSummary",
    "Withdrawal",
    "Words",
    "WrongThread",
    "open",
]


def __getattr__(name: str) -> Any:
    """The public name, loaded now."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

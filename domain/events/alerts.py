"""The events of an alert: raised, delivered or not, and resolved."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Event, fact


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class AlertEvent(Event):
    AGGREGATE = "Alert"


@fact("AlertRaised")
class AlertRaised(AlertEvent):
    """Something that people should look at. Before version 2 this event was part of its rollout's history."""

    VERSION = 3
    WORDS = ("actor", "by")
    QUOTES = ("message",)

    kind: str
    """A stable word: ``breach``, ``canary failed``, ``canary inconclusive``, ``approval needed``, ``adapter rejected``,
    ``training failed``, ``low mean``, since version 2; ``rollout paused``, ``rolled back``, ``rolled forward``,
    ``rollout ended``, ``weights missing``, since version 3; later ``training held``, ``training pending``, ``not served``."""
    severity: str
    """``warning`` or ``critical``; since version 3 also ``info``: no action is needed."""
    role: str
    adapter: str | None
    """The adapter that the alert is about; None for the bare base and for a training without an adapter."""
    message: str
    """One line with the numbers."""
    by: str
    """Actor of the event that the alert is about: a person, or ``grokputer``. Empty in events stored before version 3;
    such an alert is never resolved."""


@fact("AlertResolved")
class AlertResolved(AlertEvent):
    """The reason for the alert is gone; the channels that sent the alert send this too."""

    QUOTES = ("message",)

    message: str
    """How it ended, one line."""


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class DeliveryEvent(AlertEvent):
    channel: str
    """``webhook`` or ``email``."""
    to: str
    """The URL or the addresses as set; the name of the environment variable where the URL is a secret."""
    delivery: str
    """The id that was sent with it, hex: the same at every attempt, so that a receiver can deduplicate."""
    attempt: int
    """From 1."""


@fact("AlertDelivered")
class AlertDelivered(DeliveryEvent):
    answer: str
    """The receiver's answer, such as ``HTTP 204``."""


@fact("AlertDeliveryFailed")
class AlertDeliveryFailed(DeliveryEvent):
    reason: str
    again_in_s: float | None
    """Seconds until the next attempt; None where the delivery was given up."""

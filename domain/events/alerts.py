"""The facts of an alert: that it was raised, and how telling people of it went; see ``events.py``."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Event, fact


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class AlertEvent(Event):
    AGGREGATE = "Alert"


@fact("AlertRaised")
class AlertRaised(AlertEvent):
    """Before version 2 it stood in its rollout's history, and a rollout was all that it could be about."""

    VERSION = 3
    WORDS = ("actor", "by")
    QUOTES = ("message",)

    kind: str
    """A stable word: ``breach``, ``canary failed``, ``canary inconclusive``, ``approval needed``, ``adapter rejected``,
    ``training failed``, ``low mean``, since version 2; ``rollout paused``, ``rolled back``, ``rolled forward``,
    ``rollout ended``, ``weights missing``, since version 3."""
    severity: str
    """``warning`` or ``critical``, since version 3 also ``info``: nothing needs to be done."""
    role: str
    adapter: str | None
    """The adapter it is about, None for the bare base and for a training that ended without one."""
    message: str
    """One line with the numbers."""
    by: str
    """Who did what it is about, as in ``actor``: a person, or ``grokputer``. Empty where it was stored before version 3; people
    do not hear of the end of such an alert."""


@fact("AlertResolved")
class AlertResolved(AlertEvent):
    """What the alert is about is over; the channels that were told of it are told so."""

    QUOTES = ("message",)

    message: str
    """How it came to its end, one line."""


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class DeliveryEvent(AlertEvent):
    channel: str
    """``webhook`` or ``email``."""
    to: str
    """The URL or the addresses as set; the name of the environment's variable where the URL is a secret."""
    delivery: str
    """The id that was sent with it, hex: the same at every attempt, so that a receiver knows it again."""
    attempt: int
    """From 1."""


@fact("AlertDelivered")
class AlertDelivered(DeliveryEvent):
    answer: str
    """What the receiver said, such as ``HTTP 204``."""


@fact("AlertDeliveryFailed")
class AlertDeliveryFailed(DeliveryEvent):
    reason: str
    again_in_s: float | None
    """Seconds from now to the next attempt; None where it was given up."""

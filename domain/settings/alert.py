"""Settings of alerts, and of the channels by which people hear of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .forms import ADDRESS, ADDRESSES, SERVER, WEBHOOK
from .setting import OPERATORS, Group, setting


@dataclass(frozen=True)
class AlertSettings(Group):
    """When people are alerted."""

    PREFIX: ClassVar[str] = "alert"

    min_mean_rating: float = setting(
        3.5,
        "Mean of the live adapter's ratings under which people are alerted. They are alerted once, until the mean is a "
        "quarter star over it.",
        source=OPERATORS,
        unit="stars",
        low=1,
        high=5,
    )


@dataclass(frozen=True)
class ChannelSettings(Group):
    """The channels of alerts, the same for all roles."""

    PREFIX: ClassVar[str] = "alert"
    IS_PER_ROLE: ClassVar[bool] = False

    webhook: str | None = setting(
        None, "URL that alerts are posted to. 'env': it is a secret and comes from GROKPUTER_WEBHOOK_URL.", form=WEBHOOK
    )
    email_to: str | None = setting(
        None, "Addresses that alerts are mailed to, with commas between them.", form=ADDRESSES
    )
    email_from: str | None = setting(
        None, "Address that alerts are mailed from. Where it is not set: the first of alert.email_to.", form=ADDRESS
    )
    smtp: str | None = setting(None, "The mail server, host:port.", form=SERVER)
    smtp_security: str = setting(
        "starttls",
        "How the connection to the mail server is encrypted. 'none' takes no user name.",
        choices=("starttls", "tls", "none"),
    )
    smtp_user: str | None = setting(
        None, "User name at the mail server. The password comes from GROKPUTER_SMTP_PASSWORD."
    )
    timeout_s: float = setting(
        15.0,
        "Time that an attempt may take.",
        source="Standard Webhooks 1.0.0 recommends 15 to 30",
        unit="seconds",
        low=0.1,
        high=60,
    )
    max_attempts: int = setting(
        10,
        "Attempts after which an alert is given up on a channel.",
        source="chosen: three days",
        unit="attempts",
        low=1,
        high=100,
    )
    retry_s: float = setting(
        10.0,
        "Time to the second attempt. Each further wait is four times the last, up to a day.",
        unit="seconds",
        low=1,
        high=86_400,
    )

    @property
    def targets(self) -> dict[str, str]:
        """Where each channel that is on leads to, by the channel's name."""
        return {name: target for name, target in (("webhook", self.webhook), ("email", self.email_to)) if target}

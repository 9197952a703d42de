"""Opening an alert channel by its name."""

from __future__ import annotations

import os

from ...domain.ports import Channel
from ...domain.settings.settings import Policy


def open_channel(name: str, policy: Policy) -> Channel:
    """The alert channel from the settings, with its secrets from the environment. Raises ``ChannelNotReady``."""
    if name == "webhook":
        from .webhook import Webhook

        return Webhook.from_settings(policy, os.environ)
    from .mail import Mail

    return Mail.from_settings(policy, os.environ)

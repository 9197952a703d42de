"""The environment variables that choose something for one process, whatever the settings in the log say.

A container is started with them. ``grokputer doctor`` shows each value with its source.
"""

from __future__ import annotations

import os
from typing import NamedTuple
from urllib.parse import urlsplit

from ...domain.errors import BadArgument
from ...domain.settings.forms import KEY_VARIABLES, complain_of_url
from ...domain.settings.running import REGISTRY_URL
from ...domain.settings.settings import SETTINGS, BadSetting, Policy

LORA_VERSION = "LORA_VERSION"
"""The adapter that answers for its role in this process, or ``base``."""
LORA_REGISTRY_URL = "LORA_REGISTRY_URL"
"""The registry in place of the setting ``registry.url``."""
XAI_API_KEY = "XAI_API_KEY"
"""The key for endpoints of xAI."""
XAI_HOST = "api.x.ai"


class Effective(NamedTuple):
    """A value in force, and where it comes from."""

    value: str | None
    source: str


def pinned_adapter() -> str | None:
    """The adapter that this process is pinned to, ``base`` for the base; None where the traffic decides."""
    return os.environ.get(LORA_VERSION) or None


def registry_url(policy: Policy) -> Effective:
    """The registry that adapters are published in. Raises ``BadArgument`` for a variable of another form."""
    given = os.environ.get(LORA_REGISTRY_URL)
    if not given:
        return Effective(policy.registry.url, REGISTRY_URL if policy.registry.url else "default")
    try:
        SETTINGS[REGISTRY_URL].check(LORA_REGISTRY_URL, given)
    except BadSetting as error:
        raise BadArgument(str(error)) from None
    return Effective(given, LORA_REGISTRY_URL)


class Key(NamedTuple):
    """Where the key of an endpoint comes from."""

    variable: str
    is_set: bool


def find_key(endpoint: str | None, general: str = KEY_VARIABLES["model.endpoint"]) -> Key:
    """Where the key for the agent's model at the endpoint comes from. The key itself stays where it is."""
    variable = key_variable(endpoint, general, general)
    return Key(variable, bool(os.environ.get(variable)))


def key_variable(endpoint: str | None, own: str, general: str) -> str:
    """The variable with the key for the endpoint: its ``own`` where that is set, xAI's at xAI, else the ``general`` one."""
    if own != general and os.environ.get(own):
        return own
    is_xai = endpoint is not None and not complain_of_url(endpoint) and urlsplit(endpoint).hostname == XAI_HOST
    return XAI_API_KEY if is_xai and os.environ.get(XAI_API_KEY) else general

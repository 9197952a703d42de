"""The keys of settings: which role one is for, and which are for all roles alone."""

from __future__ import annotations

ROLES = ("action", "ocr", "decomposition", "recovery")

FOR_ALL_ROLES = (
    *("model.", "implicit.", "cost."),
    *("alert.webhook", "alert.email", "alert.smtp", "alert.timeout", "alert.tries", "alert.retry"),
)
"""Settings that are of the whole system: one base is held for all roles, on one machine, and people are told once."""


def without_role(key: str) -> str:
    """The key without the role that it may be set for alone."""
    role, _, rest = key.partition(".")
    return rest if role in ROLES else key


def role_of(key: str) -> str | None:
    """The role that the key is for alone, None where it is for all."""
    return None if without_role(key) == key else key.partition(".")[0]

"""The keys of settings: which role one is for, and what a key was called before."""

from __future__ import annotations

ROLES = ("action", "ocr", "decomposition", "recovery")

RENAMED = {
    "run.retakes": "run.max_resamples",
    "training.copies": "training.max_duplicates",
    "training.below_stars": "training.learn_below_stars",
    "training.lineage": "training.init_from",
    "training.detours": "training.keep_inefficient",
    "rating.between_alarms": "rating.average_run_length",
    "routing.unit": "canary.randomization_unit",
    "canary.give_up_s": "canary.deadline_s",
    "alert.mean": "alert.min_mean_rating",
    "alert.tries": "alert.max_attempts",
    "ab.stars": "ab.min_rating_gain",
    "ab.points": "ab.min_success_gain_points",
    "ab.minimum": "ab.min_pairs",
}
"""Keys of earlier versions and what they are called now. Each keeps its meaning and its values for ever."""


def without_role(key: str) -> str:
    """The key without the role that it may be set for alone."""
    role, _, rest = key.partition(".")
    return rest if role in ROLES else key


def role_of(key: str) -> str | None:
    """The role that the key is for alone, None where it is for all."""
    return None if without_role(key) == key else key.partition(".")[0]


def current_key(key: str) -> str:
    """The key as it is called now, with its role if it has one. Unknown keys stay as they are."""
    bare = without_role(key)
    return key.removesuffix(bare) + RENAMED.get(bare, bare)

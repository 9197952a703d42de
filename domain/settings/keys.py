"""The keys of settings: the role of a key, and the earlier names of keys."""

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
"""Earlier keys and their current names. Each keeps its meaning and its values for ever."""

RETIRED = {
    "training.engine": "was removed: the releases of unsloth need older libraries than this program, so TRL trains alone",
}
"""Keys that are settings no more, and why. Old logs and recipes hold them, and they have no effect."""


RENAMED_PRESETS = {"seed": "large"}
"""Earlier values of ``training.preset``, and the current ones."""


def without_role(key: str) -> str:
    """The key without its role."""
    role, _, rest = key.partition(".")
    return rest if role in ROLES else key


def role_of(key: str) -> str | None:
    """The role in the key; None where the key is for all roles."""
    return None if without_role(key) == key else key.partition(".")[0]


def current_key(key: str) -> str:
    """The key's current name, with its role if it has one. Unknown keys stay as they are."""
    bare = without_role(key)
    return key.removesuffix(bare) + RENAMED.get(bare, bare)

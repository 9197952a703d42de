"""The list of settings: each with its value, its declaration and its subject, JSON-plain."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Any

from .keys import RENAMED, ROLES
from .recipe import Recipe
from .setting import BadSetting, Group, declared
from .settings import ALL_SETTINGS, GROUPS, SETTINGS, Policy, current_key, role_of, without_role


def setting_rows(policy: Policy) -> list[dict[str, Any]]:
    """One row per setting, by subject, then per setting of one role alone."""
    own = sorted(key for key in policy.changed if without_role(key) != key and without_role(key) in ALL_SETTINGS)
    return [setting_row(key, policy) for key in (*ALL_SETTINGS, *own)]


def setting_row(key: str, policy: Policy) -> dict[str, Any]:
    """The setting as JSON-plain values; the default of a figure of the recipe is that of the preset in force."""
    bare, role = without_role(key), role_of(key)
    setting = ALL_SETTINGS[bare]
    default = setting.default if bare in SETTINGS else policy.preset_figure(bare, role)
    value = policy.get(bare, role)
    return {
        "key": key,
        "value": default if value is None else value,
        "default": default,
        "takes": setting.allowed(),
        "help": setting.help if role is None else f"For role {role} alone. {setting.help}",
        "is_changed": key in policy.changed,
        "type": setting.type.__name__,
        "unit": setting.unit,
        "low": setting.low if math.isfinite(setting.low) else None,
        "high": setting.high if math.isfinite(setting.high) else None,
        "choices": list(setting.choices),
        "source": setting.source,
        "is_per_role": setting.is_per_role,
        "former_keys": [old for old, new in RENAMED.items() if new == bare],
    }


def choose(rows: Iterable[dict[str, Any]], only: str | None) -> list[dict[str, Any]]:
    """The rows whose key begins with the word, with or without its role; else those that contain it. Raises ``BadSetting``."""
    rows = list(rows)
    if not only:
        return rows
    wanted = current_key(only)
    chosen = [row for row in rows if row["key"].startswith(wanted) or without_role(row["key"]).startswith(wanted)]
    chosen = chosen or [row for row in rows if wanted in row["key"]]
    if not chosen and only not in ROLES:
        raise BadSetting(f"no setting has {only!r} in its key; see 'grokputer settings'")
    return chosen


def subject_of(key: str) -> str:
    """The subject of the setting, in a line."""
    return _titles()[key] if without_role(key) == key else "Settings of one role alone."


@cache
def _titles() -> dict[str, str]:
    """The subject of each setting of all roles."""
    groups: tuple[type[Group], ...] = (*GROUPS, Recipe)
    return {setting.key: _title(group) for group in groups for setting in declared(group).values()}


def _title(group: type[Group]) -> str:
    title = "The recipe of a training." if group is Recipe else (group.__doc__ or "").splitlines()[0]
    return f"{group.PREFIX}: {title}"

"""How settings are listed: as rows for programs, and as text of 80 columns for people."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from typing import Any

from ....domain.settings.keys import RENAMED, ROLES
from ....domain.settings.recipe import Recipe
from ....domain.settings.setting import BadSetting, Group, declared
from ....domain.settings.settings import ALL_SETTINGS, GROUPS, SETTINGS, Policy, current_key, role_of, without_role
from ....projections.wording.sentences import say_value
from ..rendering import print_line, print_text

WIDTH = 80
INDENT = "    "


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


def print_rows(rows: Iterable[dict[str, Any]], empty: str = "all settings are at their defaults") -> None:
    """Print the settings under their subjects, each with its value, help and range, and its default if that differs."""
    titles, title = _titles(), ""
    for row in rows:
        bare = without_role(row["key"])
        own = titles[bare] if bare == row["key"] else "Settings of one role alone."
        if own != title:
            print_text("\n".join(["", *textwrap.wrap(own, WIDTH)] if title else textwrap.wrap(own, WIDTH)))
            title = own
        default = "" if row["value"] == row["default"] else f"  (default {say_value(row['default'])})"
        print_line(f"  {row['key']} = {_with_unit(row['value'], row['unit'])}{default}")
        _print_wrapped(f"{row['help']} {_sentence(row['takes'])}")
    if not title:
        print_line(empty)


def print_setting(row: dict[str, Any], policy: Policy) -> None:
    """Print everything about one setting."""
    key, bare = row["key"], without_role(row["key"])
    print_line(f"{key} = {_with_unit(row['value'], row['unit'])}")
    _print_wrapped(row["help"])
    others = [
        (role_of(key), value) for key, value in policy.changed.items() if without_role(key) == bare and key != bare
    ]
    example = f"for one role: grokputer settings set action.{bare} VALUE"
    facts = {
        "takes": row["takes"],
        "default": f"{_with_unit(row['default'], row['unit'])} ({row['source']})",
        "roles": example if row["is_per_role"] else "the same for all roles",
        "set for": ", ".join(f"{role}: {say_value(value)}" for role, value in others),
        "formerly": ", ".join(row["former_keys"]),
        "history": f"grokputer why {key}",
    }
    for name, fact in facts.items():
        if fact:
            _print_wrapped(f"{name + ':':<10}{fact}", " " * 14)


def complete_key(incomplete: str) -> list[tuple[str, str]]:
    """The keys that begin so, each with its help, for a shell; after a role and a dot only those that a role may have alone."""
    role = role_of(incomplete + "x")
    begins = f"{role}." if role is not None else ""
    return [
        (begins + key, setting.help)
        for key, setting in ALL_SETTINGS.items()
        if (begins + key).startswith(incomplete) and (setting.is_per_role or not begins)
    ]


def _titles() -> dict[str, str]:
    """The subject of each setting, in a line."""
    groups: tuple[type[Group], ...] = (*GROUPS, Recipe)
    return {setting.key: _title(group) for group in groups for setting in declared(group).values()}


def _title(group: type[Group]) -> str:
    title = "The recipe of a training." if group is Recipe else (group.__doc__ or "").splitlines()[0]
    return f"{group.PREFIX}: {title}"


def _with_unit(value: Any, unit: str) -> str:
    shown = say_value(value)
    return f"{shown} {unit}" if unit and value is not None else shown


def _sentence(words: str) -> str:
    return f"Takes {words}."


def _print_wrapped(text: str, indent: str = INDENT) -> None:
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=INDENT, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    print_text("\n".join(lines))

"""How settings are listed for people: as text of 80 columns, and as completions of a shell."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

from ....domain.settings.listing import subject_of
from ....domain.settings.settings import ALL_SETTINGS, Policy, role_of, without_role
from ....projections.wording.sentences import say_value
from ..rendering import print_line, print_text

WIDTH = 80
INDENT = "    "


def print_rows(rows: Iterable[dict[str, Any]], empty: str = "all settings are at their defaults") -> None:
    """Print the settings under their subjects, each with its value, help and range, and its default if that differs."""
    title = ""
    for row in rows:
        own = subject_of(row["key"])
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

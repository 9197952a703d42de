"""A setting's history: each change with its time, actor, values and reason, and how long it was in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...domain.events import PolicyChanged
from ...domain.settings.settings import ALL_SETTINGS, RECIPE_SETTINGS, ROLES, Policy, without_role
from ..wording.sentences import say_value
from .tree import Lookup, Node, node_of


@dataclass(frozen=True)
class Changes:
    """The changes of one setting, oldest first, and its value after the last of them."""

    key: str
    value: Any
    default: Any
    """The default. For a figure of the recipe, the value in the preset in force."""
    nodes: list[Node]

    @property
    def title(self) -> str:
        """The present value and the default, in one line."""
        setting = ALL_SETTINGS.get(without_role(self.key))
        title = f"{self.key} is {say_value(self.value)}"
        title += ", its default" if self.value == self.default else f"; its default is {say_value(self.default)}"
        title += f" (source: {setting.source})" if setting is not None else ""
        return title if self.nodes else f"{title}; it was never changed"


def trace_setting(log: Lookup, key: str) -> Changes:
    """All changes that affect the setting. For a key of all roles, also those for single roles, and the other way round.

    ``until`` in a node's data is the position of the next change of the same key; None while the change is in force.
    """
    bare = without_role(key)
    names = [bare, *(f"{role}.{bare}" for role in ROLES)] if key == bare else [bare, key]
    changed: dict[str, Any] = {}
    presets: dict[str, Any] = {}
    nodes: list[Node] = []
    newest: dict[str, Node] = {}
    for placed in log.read(1, None, (PolicyChanged.TOPIC,)):
        event = placed.event
        if isinstance(event, PolicyChanged) and without_role(event.key) == "training.preset":
            event.bring_up(presets)
        if not isinstance(event, PolicyChanged) or event.key not in names:
            continue
        node = node_of(log, placed)
        node.data |= {"until": None, "kept": _kept(event.key, changed)}
        if event.key in newest:
            newest[event.key].data["until"] = placed.position
        event.bring_up(changed)
        newest[event.key] = node
        nodes.append(node)
    for node in nodes:
        node.text += _in_force(node.data)
    role = None if key == bare else key.partition(".")[0]
    value, default = Policy(changed).get(bare, role), Policy().get(bare)
    if bare in RECIPE_SETTINGS:
        default = Policy(presets).preset_figure(bare, role)
        value = default if value is None else value
    return Changes(key, value, default, nodes)


def _kept(key: str, changed: dict[str, Any]) -> dict[str, Any]:
    """The roles with their own values, which a change for all roles does not affect."""
    if without_role(key) != key:
        return {}
    return {other.partition(".")[0]: value for other, value in changed.items() if other != key}


def _in_force(data: dict[str, Any]) -> str:
    until = "in force since" if data["until"] is None else f"in force until {data['until']}"
    kept = (f"role {role} kept its own {say_value(value)}" for role, value in data["kept"].items())
    return "; ".join(["", until, *kept])

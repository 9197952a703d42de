"""The registries of adapter weights that ``weights.registry`` names: a folder beside the log, and those of plug-ins."""

from __future__ import annotations

from pathlib import Path

from ...domain.errors import BadPlugin
from ...domain.ports import WeightRegistry
from ...domain.settings.settings import Policy
from ..store.log import adapters_folder
from .plugins import find_plugin, list_plugins

LOCAL = "local"
OWN = (LOCAL,)
"""The registries that come with the program. No plug-in takes the place of one."""


def registry_names() -> list[str]:
    """The names of all registries that there are here, sorted."""
    return sorted({*OWN, *(plugin.name for plugin in list_plugins("registry"))})


def open_registry(policy: Policy, log: Path) -> WeightRegistry:
    """The registry that the settings name, for the log at the path.

    A plug-in is given the settings and a folder of this log where it may keep copies. Raises ``BadPlugin`` for a name
    that there is not here and for a plug-in that cannot be loaded: both say nothing of any weights.
    """
    from ...adapters.registry.local import WeightStore

    name, folder = policy.weights.registry, adapters_folder(log)
    if name == LOCAL:
        return WeightStore(folder / "weights")
    plugin = find_plugin("registry", name)
    if plugin is None:
        there = ", ".join(registry_names())
        raise BadPlugin(f"weights.registry is {name!r}; there are {there}; set it to one of them")
    registry: WeightRegistry = plugin.make(policy, folder / "fetched")
    return registry

"""The registries of adapter weights for ``weights.registry``: a folder beside the log, and those of plug-ins."""

from __future__ import annotations

from pathlib import Path

from ...domain.errors import BadPlugin
from ...domain.ports import WeightRegistry
from ...domain.settings.settings import Policy
from ..store.log import adapters_folder
from .plugins import find_plugin, list_plugins

LOCAL = "local"
OWN = (LOCAL,)
"""The program's own registries. No plug-in can replace one."""


def registry_names() -> list[str]:
    """The names of all installed registries, sorted."""
    return sorted({*OWN, *(plugin.name for plugin in list_plugins("registry"))})


def open_registry(policy: Policy, log: Path) -> WeightRegistry:
    """The registry in the settings, for the log at the path.

    A plug-in gets the settings and a folder of this log for its copies. Raises ``BadPlugin`` for an unknown name and
    for a plug-in that cannot be loaded: this says nothing about any weights.
    """
    from ...adapters.registry.local import WeightStore

    name, folder = policy.weights.registry, adapters_folder(log)
    if name == LOCAL:
        return WeightStore(folder / "weights")
    plugin = find_plugin("registry", name)
    if plugin is None:
        names = ", ".join(registry_names())
        raise BadPlugin(f"weights.registry is {name!r}; there are {names}; set it to one of them")
    registry: WeightRegistry = plugin.make(policy, folder / "fetched")
    return registry

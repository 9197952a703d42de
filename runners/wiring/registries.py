"""The registries of adapter weights for ``weights.registry``, a folder beside the log or a plug-in's, and the one that
adapters are published in, by the URL in ``registry.url``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...domain.errors import BadPlugin
from ...domain.ports import PublishedAdapters, WeightRegistry
from ...domain.settings.settings import Policy
from ..store.log import adapters_folder
from .extras import require
from .plugins import find_plugin, list_plugins
from .variables import registry_url

if TYPE_CHECKING:
    from ...projections.state.registry import Adapter
    from ...projections.state.state import State

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


def open_published(policy: Policy) -> PublishedAdapters | None:
    """The registry that adapters are published in; None where none is set.

    Raises ``MissingExtra``, ``RegistryError`` and ``BadArgument``.
    """
    url = registry_url(policy).value
    if url is None:
        return None
    if (folder := published_folder(url)) is None:
        require("registry")
    if url.startswith("hf://"):
        from ...adapters.publishing.hub import HubRegistry

        return HubRegistry(url)
    from ...adapters.publishing.objects import Bucket, Folder
    from ...adapters.publishing.registry import ObjectRegistry

    return ObjectRegistry(Bucket(url) if folder is None else Folder(folder))


def published_folder(url: str) -> Path | None:
    """The folder that the URL of a registry names; None for a bucket and for the Hub."""
    scheme, has_scheme, path = url.partition("://")
    return Path(path if has_scheme else url) if not has_scheme or scheme == "file" else None


def obtain_weights(state: State, log: Path, adapter: Adapter) -> Path:
    """The folder with the adapter's weights, pulled from where they are published if this machine does not have them.

    Raises ``DamagedWeights``, and as ``open_published``.
    """
    store = open_registry(state.policy, log)
    if not store.has(adapter.weights) and (published := open_published(state.policy)) is not None:
        from ...adapters.publishing.exchange import pull

        return pull(published, store, adapter.name, adapter.weights, adapters_folder(log))
    return store.path(adapter.weights)

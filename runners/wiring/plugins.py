"""Plug-ins: environments, models and registries that other packages offer through entry points.

A package lists them in its metadata, in the group of their kind. A plug-in's code is loaded only when it is requested
by name, so a broken plug-in stops nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ...domain.errors import BadPlugin, GrokputerError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Kind = Literal["environment", "model", "registry"]

GROUPS: dict[Kind, str] = {
    "environment": "grokputer.environments",
    "model": "grokputer.models",
    "registry": "grokputer.registries",
}
"""The entry point group of each kind."""

NEEDS: dict[Kind, tuple[str, ...]] = {
    "environment": (
        "capabilities",
        "tasks",
        "check_task",
        "suggest_tasks",
        "reset",
        "act",
        "demonstrate",
        "beside",
        "close",
    ),
    "model": ("complete", "complete_many", "scoring", "adapters", "is_on_gpu", "close"),
    "registry": ("place", "put", "path", "has", "hashes"),
}
"""The members that a plug-in of each kind must have: those of its port, which provides most of them by inheritance."""


@dataclass(frozen=True)
class Plugin:
    """A plug-in of an installed package."""

    kind: Kind
    name: str
    package: str
    """The package's name and version."""
    point: EntryPoint

    def load(self) -> Callable[..., Any]:
        """The object that the entry point names. Raises ``BadPlugin`` with the package's name."""
        try:
            factory: Callable[..., Any] = self.point.load()
        except (Exception, SystemExit) as error:  # foreign code may raise anything
            raise self._bad(f"cannot be loaded: {_first_words(error)}") from error
        if not callable(factory):
            raise self._bad(f"is {self.point.value}, which is neither a class nor a function")
        return factory

    def make(self, *arguments: Any) -> Any:
        """The plug-in's instance: the entry point's object, called with the arguments. Raises ``BadPlugin`` with the
        package's name."""
        factory = self.load()
        try:
            instance = factory(*arguments)
        except GrokputerError:
            raise  # its message is for people already
        except (Exception, SystemExit) as error:
            raise self._bad(f"cannot be created: {_first_words(error)}") from error
        if missing := [name for name in NEEDS[self.kind] if not hasattr(instance, name)]:
            raise self._bad(f"lacks {', '.join(missing)}; it needs the members of the port {self.kind}")
        return instance

    def _bad(self, problem: str) -> BadPlugin:
        return BadPlugin(
            f"{self.kind} {self.name!r} of package {self.package} {problem}; mend or uninstall the package"
        )


def _first_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def list_plugins(kind: Kind) -> Iterator[Plugin]:
    """All plug-ins of the kind in installed packages, by name. Nothing of the packages is loaded."""
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=GROUPS[kind]), key=lambda plugin: plugin.name):
        yield Plugin(kind, point.name, _name_package(point), point)


def _name_package(point: EntryPoint) -> str:
    if point.dist is None or "Name" not in (metadata := point.dist.metadata):
        return "unknown"
    return f"{metadata['Name']} {metadata['Version']}" if "Version" in metadata else metadata["Name"]


def find_plugin(kind: Kind, name: str) -> Plugin | None:
    """The plug-in of this name; None without one. Raises ``BadPlugin`` where several packages offer it."""
    plugins = [plugin for plugin in list_plugins(kind) if plugin.name == name]
    if len({plugin.package for plugin in plugins}) > 1:
        packages = " and ".join(plugin.package for plugin in plugins)
        raise BadPlugin(f"{kind} {name!r} is offered by {packages}; uninstall all but one of them")
    return plugins[0] if plugins else None

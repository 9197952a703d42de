"""Parts of other packages: environments, models and registries that they offer through entry points.

A package names them in its metadata, under the group of their kind. Nothing of a package is loaded until its part is asked
for by name, so one that is broken stops nothing else.
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
    "environment": ("capabilities", "tasks", "check_task", "reset", "act", "demonstrate", "beside", "close"),
    "model": ("complete", "complete_many", "scoring", "adapters", "is_on_gpu", "close"),
    "registry": ("place", "put", "path", "has", "hashes"),
}
"""What a part of each kind must have: the names in its port, which gives most of them to a class that inherits it."""


@dataclass(frozen=True)
class Plugin:
    """A part that an installed package offers."""

    kind: Kind
    name: str
    package: str
    """The package's name and version."""
    point: EntryPoint

    def load(self) -> Callable[..., Any]:
        """What the entry point names. Raises ``BadPlugin``, naming the package."""
        try:
            factory: Callable[..., Any] = self.point.load()
        except (Exception, SystemExit) as error:  # Foreign code may raise anything.
            raise self._bad(f"cannot be loaded: {_first_words(error)}") from error
        if not callable(factory):
            raise self._bad(f"is {self.point.value}, which is no class or function")
        return factory

    def make(self, *arguments: Any) -> Any:
        """The part: what the entry point names, called with the arguments. Raises ``BadPlugin``, naming the package."""
        factory = self.load()
        try:
            found = factory(*arguments)
        except GrokputerError:
            raise  # In words for people already.
        except (Exception, SystemExit) as error:
            raise self._bad(f"cannot be made: {_first_words(error)}") from error
        if lacking := [name for name in NEEDS[self.kind] if not hasattr(found, name)]:
            raise self._bad(f"lacks {', '.join(lacking)}; it must have what the port {self.kind} names")
        return found

    def _bad(self, what: str) -> BadPlugin:
        return BadPlugin(f"{self.kind} {self.name!r} of package {self.package} {what}; mend or uninstall the package")


def _first_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def list_plugins(kind: Kind) -> Iterator[Plugin]:
    """All parts of the kind that installed packages offer, by name. Nothing of the packages is loaded."""
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=GROUPS[kind]), key=lambda plugin: plugin.name):
        yield Plugin(kind, point.name, _name_package(point), point)


def _name_package(point: EntryPoint) -> str:
    if point.dist is None or "Name" not in (metadata := point.dist.metadata):
        return "unknown"
    return f"{metadata['Name']} {metadata['Version']}" if "Version" in metadata else metadata["Name"]


def find_plugin(kind: Kind, name: str) -> Plugin | None:
    """The part of this name, None where no package offers one. Raises ``BadPlugin`` where several packages do."""
    found = [plugin for plugin in list_plugins(kind) if plugin.name == name]
    if len({plugin.package for plugin in found}) > 1:
        packages = " and ".join(plugin.package for plugin in found)
        raise BadPlugin(f"{kind} {name!r} is offered by {packages}; uninstall all but one of them")
    return found[0] if found else None

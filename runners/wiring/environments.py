"""The registry of environments: the program's own and those of plug-ins, by name."""

from __future__ import annotations

from collections.abc import Callable

from ...domain.errors import BadPlugin, EnvironmentUnavailable
from ...domain.events import Capability
from ...domain.ports import Environment
from ..environments.names import CHAT, MINIWOB
from .extras import require
from .plugins import find_plugin, list_plugins


def _open_chat() -> Environment:
    from ..environments.chat import Chat

    return Chat()


def _open_miniwob() -> Environment:
    require("browser")
    from ..environments.miniwob.environment import MiniWob

    return MiniWob()


OWN: dict[str, Callable[[], Environment]] = {CHAT: _open_chat, MINIWOB: _open_miniwob}
"""The program's own environments. No plug-in can replace one."""


def environment_names() -> list[str]:
    """The names of all environments that are installed, sorted."""
    return sorted({*OWN, *(plugin.name for plugin in list_plugins("environment"))})


def open_environment(name: str) -> Environment:
    """The named environment; its resources, such as a browser, start at first use.

    Raises ``EnvironmentUnavailable`` for an unknown name, and for a plug-in that cannot be loaded.
    """
    if name in OWN:
        return OWN[name]()
    try:
        plugin = find_plugin("environment", name)
        if plugin is not None:
            environment: Environment = plugin.make()
            if unknown := sorted(set(environment.capabilities) - set(Capability)):
                raise BadPlugin(
                    f"environment {name!r} of package {plugin.package} declares {', '.join(unknown)}; "
                    f"capabilities are {', '.join(Capability)}"
                )
            return environment
    except BadPlugin as error:
        raise EnvironmentUnavailable(str(error)) from error
    raise EnvironmentUnavailable(f"{name!r} is not an environment; there are {', '.join(environment_names())}")


def guess_environment(task: str) -> str:
    """The environment of a task without a named one: text with spaces is a question."""
    return CHAT if any(letter.isspace() for letter in task) else MINIWOB

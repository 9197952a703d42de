"""The registry of environments: the program's own, folders of tasks, and those of plug-ins, by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from ...domain.errors import BadPlugin, EnvironmentUnavailable, GrokputerError, NotPossible, UnknownTask
from ...domain.events import Capability
from ...domain.ports import Environment
from ..environments.desktop.options import Options
from ..environments.names import BFCL, BROWSE, BROWSERGYM, CHAT, DESKTOP, LONG, MINIWOB, SHELL, WEB
from .extras import require
from .plugins import find_plugin, list_plugins
from .task_folders import find_task_folder, name_of

USUAL = Options()


def _open_chat() -> Environment:
    from ..environments.chat import Chat

    return Chat()


def _open_miniwob() -> Environment:
    require("browser")
    from ..environments.miniwob.environment import MiniWob

    return MiniWob()


def _open_shell() -> Environment:
    from ..environments.shell.environment import Shell
    from ..environments.shell.families import OWN as FAMILIES

    return Shell(FAMILIES)


def _open_long() -> Environment:
    from ..environments.long.environment import Long
    from ..environments.shell.families import OWN as FAMILIES

    return Long(FAMILIES, lambda name: OWN[name]() if name in PARTS_OF_LONG else _refuse_part(name))


def _refuse_part(name: str) -> Environment:
    raise UnknownTask(f"a long task has no parts of {name!r}; they are of {', '.join(sorted({SHELL, *PARTS_OF_LONG}))}")


def _open_desktop(options: Options = USUAL) -> Environment:
    require(DESKTOP)
    from ..environments.desktop.screen.borrowed import check_library

    check_library()
    from ..environments.desktop.environment import Desktop
    from ..environments.desktop.personal import PersonalDesktop

    return PersonalDesktop(options) if options.display else Desktop(options)


def _open_bfcl() -> Environment:
    from ..environments.bfcl.environment import Bfcl
    from ..environments.bfcl.package import find_package

    find_package()
    return Bfcl()


def _open_browsergym() -> Environment:
    from ..environments.web.gym.environment import BrowserGym
    from ..environments.web.gym.process import find_python

    find_python()
    return BrowserGym()


def _open_web(*, is_headed: bool = False) -> Environment:
    from ..environments.web.environment import Web
    from ..environments.web.site.families import SiteTasks

    return Web(SiteTasks(), is_headed=is_headed)


def _open_browse(*, is_headed: bool = False) -> Environment:
    from ..environments.web.environment import Browse

    return Browse(is_headed=is_headed)


OWN: dict[str, Callable[[], Environment]] = {
    CHAT: _open_chat,
    MINIWOB: _open_miniwob,
    SHELL: _open_shell,
    WEB: _open_web,
    BROWSE: _open_browse,
    DESKTOP: _open_desktop,
    LONG: _open_long,
}
"""The program's own environments. No plug-in and no folder can replace one."""

ELSEWHERE = (MINIWOB, SHELL, WEB, DESKTOP, LONG)
"""The environments that machines of a cluster can play: they need nothing of the machine that asks."""

PARTS_OF_LONG = (MINIWOB, WEB, DESKTOP)
"""The environments, beside the shell, whose tasks a long task may have as parts."""

FOR_BENCHMARKS: dict[str, Callable[[], Environment]] = {BFCL: _open_bfcl, BROWSERGYM: _open_browsergym}
"""Those that only a benchmark plays: they have a name, and no list of tasks shows them."""

WITH_WINDOW: dict[str, Callable[..., Environment]] = {WEB: _open_web, BROWSE: _open_browse}
"""Those that can show their window, with ``is_headed``."""

NO_FOLDERS: Mapping[str, Path] = {}


def environment_names(folders: Mapping[str, Path] = NO_FOLDERS) -> list[str]:
    """The names of all environments that are installed, and of the folders of tasks, sorted."""
    return sorted({*OWN, *folders, *(plugin.name for plugin in list_plugins("environment"))})


def open_environment(
    name: str, folders: Mapping[str, Path] = NO_FOLDERS, desktop: Options = USUAL, *, is_headed: bool = False
) -> Environment:
    """The named environment; its resources, such as a browser, start at first use.

    ``folders`` are the folders of tasks in the settings; another folder is named by its path. ``desktop`` are the options of a
    desktop. With ``is_headed`` its window is shown, where it has one. Raises ``EnvironmentUnavailable`` for an unknown name,
    and for a plug-in that cannot be loaded.
    """
    if name == DESKTOP:
        return _open_desktop(desktop)
    if is_headed and name in WITH_WINDOW:
        return WITH_WINDOW[name](is_headed=True)
    if name in OWN:
        return OWN[name]()
    if name in folders:
        return _open_folder(folders[name], is_headed=is_headed)
    if name in FOR_BENCHMARKS:
        return FOR_BENCHMARKS[name]()
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
    if (folder := find_task_folder(name, folders)) is not None:
        return _open_folder(folder, is_headed=is_headed)
    raise EnvironmentUnavailable(
        f"{name!r} is not an environment; there are {', '.join(environment_names(folders))}, and it is no folder of tasks here"
    )


def _open_folder(folder: Path, *, is_headed: bool = False) -> Environment:
    from ..environments.shell.environment import Shell
    from ..environments.shell.folder import TaskFolder
    from ..environments.web.environment import Web
    from ..environments.web.own.folder import PageFolder, is_page_folder

    if is_page_folder(folder):
        return Web(PageFolder(folder), is_headed=is_headed)
    return Shell(TaskFolder(folder))


def locate_task(task: str, folders: Mapping[str, Path] = NO_FOLDERS) -> tuple[str, str]:
    """The environment and the task that are meant, where no environment is named.

    Text with spaces is a question; ``NAME/task`` names an environment or a folder of tasks. Otherwise it is the first of the
    program's environments that has the task, or the one with the task that is called most like it.
    """
    if any(letter.isspace() for letter in task):
        return CHAT, task
    place, slash, name = task.rpartition("/")
    if slash and name:
        place = name_of(place, folders)
        known = {*environment_names(folders), *FOR_BENCHMARKS}
        if place in known or find_task_folder(place, folders) is not None:
            return place, name
    tasks = {place: known for place, known in list_tasks(OWN).items() if known}
    has_it = next((place for place, known in tasks.items() if task in known), None)
    if has_it is not None:
        return has_it, task
    close = difflib.get_close_matches(task, [name for known in tasks.values() for name in known], n=1)
    return next((place for place, known in tasks.items() if close and close[0] in known), MINIWOB), task


def locate_page(environment: str | None, url: str, words: str, hosts: Sequence[str]) -> tuple[str, str]:
    """The environment and the task of words that are done on a page, which may also reach the hosts.

    Raises ``NotPossible`` for an environment without pages of the web, ``BadAddress``.
    """
    from ..environments.web.words import join_task

    if environment not in (None, WEB, BROWSE):
        raise NotPossible(
            f"a URL goes with a task in words, and {environment} has tasks of its own; leave one of them out"
        )
    return BROWSE, join_task(url, words, hosts)


def list_tasks(
    names: Iterable[str],
    folders: Mapping[str, Path] = NO_FOLDERS,
    on_fault: Callable[[str, GrokputerError], None] = lambda name, error: None,
) -> dict[str, Sequence[str]]:
    """The tasks of these environments by name; ``on_fault`` is told which one cannot be had here, and why."""
    found: dict[str, Sequence[str]] = {}
    for name in names:
        try:
            with closing(open_environment(name, folders)) as environment:
                found[name] = environment.tasks()
        except GrokputerError as error:
            on_fault(name, error)
    return found

"""Settings of programs and of the desktop's look."""

from __future__ import annotations

from ....shell.draw import Draw
from ..family import Group
from ..instance import Goal, Made, Program
from ..steps import click, key, select
from .editor import editor

GROUP = Group()

KEYFILE = ".config/glib-2.0/settings/keyfile"
"""Where GTK's programs keep their settings."""


def _is_set(line: str, file: str = KEYFILE) -> Goal:
    return lambda moment: line in moment.hidden.get(file, "").splitlines()


@GROUP.family(
    "Let the editor show line numbers.",
    "Turn line numbers on in the editor.",
    "I want to see the number of each line in the editor.",
    "In the editor's View menu, switch the line numbers on.",
)
def line_numbers(draw: Draw) -> Made:
    """Switch a setting on by a menu."""
    file = draw.file()
    solution = [click("menu", "View"), click("menu-item", "Line Numbers")]
    return Made({}, [editor(file)], _is_set("show-line-numbers=true"), solution, {file: draw.text(3)})


@GROUP.family(
    "Let the editor wrap long lines.",
    "Turn word wrap on in the editor.",
    "Long lines should be wrapped in the editor.",
    "In the editor's Document menu, switch Word Wrap on.",
)
def word_wrap(draw: Draw) -> Made:
    """Switch another setting on by a menu."""
    file = draw.file()
    solution = [click("menu", "Document"), click("menu-item", "Word Wrap")]
    return Made({}, [editor(file)], _is_set("word-wrap=true"), solution, {file: draw.text(3)})


@GROUP.family(
    "Let the file manager show hidden files.",
    "Make hidden files visible in the file manager.",
    "I want to see the hidden files in this window.",
    "Switch Show Hidden on in the file manager's View menu.",
)
def show_hidden(draw: Draw) -> Made:
    """Show the hidden files of a folder."""
    name = f".{draw.name()}"
    solution = [key("ctrl+h")]
    goal: Goal = lambda moment: name in moment.texts  # noqa: E731
    return Made({}, [Program(("pcmanfm", "."))], goal, solution, {name: draw.text(1), draw.file(): draw.text(1)})


STYLES = {
    "Icons only": "GTK_TOOLBAR_ICONS",
    "Text only": "GTK_TOOLBAR_TEXT",
    "Text beside icons": "GTK_TOOLBAR_BOTH_HORIZ",
}


@GROUP.family(
    'Set the toolbar style to "{style}" and apply it.',
    'Toolbars should look so: "{style}". Apply that setting.',
    'On the tab Other, choose "{style}" for the toolbars; then Apply.',
    'Change the style of toolbars to "{style}" and press Apply.',
)
def toolbar_style(draw: Draw) -> Made:
    """Choose a setting from a list, and apply it."""
    style = draw.one_of(sorted(STYLES))
    solution = [click("tab", "Other"), select(style), click("button", "Apply")]
    goal = _is_set(f"gtk-toolbar-style={STYLES[style]}", ".gtkrc-2.0")
    return Made({"style": style}, [Program(("lxappearance",))], goal, solution)

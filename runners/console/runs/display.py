"""The question before an agent works on a person's own display."""

from __future__ import annotations

import sys

import typer

from ....domain.errors import NotPossible
from ...environments.names import DESKTOP
from ..rendering import say

WARNING = (
    "the agent will see all windows of the display {display}, and press and type in them as you do; close what is private, "
    "and stop it with Ctrl-C"
)


def ask_for_display(display: str, env: str | None) -> str:
    """The display, once the person has agreed. Raises ``NotPossible`` where the person does not, or cannot be asked."""
    if env != DESKTOP:
        raise typer.BadParameter(f"--display goes with --env {DESKTOP} alone")
    say(WARNING.format(display=display))
    if not sys.stdin.isatty():
        raise NotPossible("--display asks before it begins, and stdin is not a terminal; run it in a terminal")
    if not typer.confirm("may it begin?", err=True):
        raise NotPossible("nothing was begun")
    return display

"""The families of tasks that come with the program."""

from __future__ import annotations

from ..family import Families
from . import dialogs, editor, files, settings, windows

OWN = Families((files.GROUP, editor.GROUP, dialogs.GROUP, settings.GROUP, windows.GROUP))
"""All of them."""

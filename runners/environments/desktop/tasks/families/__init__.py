"""The families of tasks that come with the program."""

from __future__ import annotations

from ..family import Families
from . import dialogs, editor

OWN = Families((editor.GROUP, dialogs.GROUP))
"""All of them."""

"""The families of tasks that come with the program: those that one command does, and those that take several.

Some follow rules of a house that no request names, so that only feedback can teach them: to delete a file is to move it to
``.trash/``, a backup of ``X`` is ``X.bak``, and a note is a line that begins with ``- ``.
"""

from __future__ import annotations

from ..family import Families
from . import answers, changes, files, permissions, questions, rules, steps, texts

OWN = Families(
    (
        *(answers.GROUP, questions.GROUP, files.GROUP, texts.GROUP, rules.GROUP, permissions.GROUP),
        *(changes.GROUP, steps.GROUP),
    )
)
"""All of them."""

"""A desktop that is read: a window that tells nothing of what is in it is acted on by its words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("rapidocr")

from grokputer.domain.page.action import write_action
from grokputer.domain.page.words import lay_out
from grokputer.domain.rules.observing import is_bare
from grokputer.runners.environments.desktop.episode import Episode
from grokputer.runners.environments.desktop.tasks.instance import Program, printed
from grokputer.runners.environments.senses.reader import Reader

Begin = Callable[..., Episode]

SILENT = ("env", "GTK_MODULES=", "NO_AT_BRIDGE=1")
"""Before a program, so that it tells no tree of its windows."""


@pytest.mark.slow
def test_a_window_without_a_tree_is_read_typed_into_and_clicked(begin: Begin) -> None:
    asked = Program((*SILENT, "zenity", "--entry", "--title=Code", "--text=Write the code"), "answer")
    episode = begin(asked, goal=printed("answer", "plum"))
    assert is_bare(episode.page) and episode.page.picture is not None
    seen = lay_out(Reader().read(episode.page.picture))
    page = episode.see(seen.lines, seen.boxes)
    [label] = [line for line in page.lines if "Write the code" in line]
    assert not episode.act(write_action("TYPE", label, "plum")).error
    episode.see(seen.lines, seen.boxes)
    [ok] = [line for line in seen.lines if line.startswith("text:OK[")]
    page = episode.act(write_action("CLICK", ok))
    assert page.reward == 1, page

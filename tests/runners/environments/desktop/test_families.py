"""The families of tasks on a desktop, without a screen: what they draw, and how a demonstration is followed."""

from __future__ import annotations

import pytest

from grokputer.domain.errors import UnknownTask
from grokputer.domain.page.messages import Page
from grokputer.runners.environments.desktop.tasks.families import OWN
from grokputer.runners.environments.desktop.tasks.instance import Moment, has_files
from grokputer.runners.environments.desktop.tasks.steps import PATIENCE, click, fill, follow, key, window
from grokputer.runners.environments.sandbox.tree import Entry, Tree

STEPS = [fill("Bob", "entry", "Name"), key("ctrl+s"), click("button", "OK")]


def page(*lines: str, error: str = "") -> Page:
    return Page("task", lines, error=error)


def test_there_are_thirty_families_with_four_wordings_each() -> None:
    assert len(OWN.names()) >= 30
    for name in OWN.names():
        assert len(set(OWN.find(name).wordings)) == 4, name


@pytest.mark.parametrize("name", OWN.names())
def test_a_seed_draws_the_same_task_each_time_and_four_seeds_use_four_wordings(name: str) -> None:
    family = OWN.find(name)
    requests = [family.instance(seed).request for seed in range(8)]
    assert requests == [family.instance(seed).request for seed in range(8)]
    assert len(set(requests)) >= 4
    assert family.instance(3).made.files == family.instance(3).made.files


def test_an_unknown_task_is_refused_with_those_that_are_called_like_it() -> None:
    with pytest.raises(UnknownTask, match="rename-file"):
        OWN.find("rename-fil")


def test_a_demonstration_takes_step_after_step() -> None:
    shown = page("entry:Name[1]", "button:OK[2]")
    first = follow(STEPS, shown, [])
    assert first == "TYPEentry:Name[1]Bob"
    assert follow(STEPS, shown, [first]) == "KEY ctrl+s"
    assert follow(STEPS, shown, [first, "WAIT", "KEY ctrl+s"]) == "CLICKbutton:OK[2]"


def test_a_demonstration_waits_for_what_is_not_there_yet_and_then_gives_up() -> None:
    assert follow(STEPS, page("button disabled:OK[1]"), []) == "WAIT"
    with pytest.raises(ValueError, match="no entry Name"):
        follow(STEPS, page(), ["WAIT"] * PATIENCE)


def test_a_demonstration_stops_where_its_step_was_refused() -> None:
    with pytest.raises(ValueError, match="the element is gone"):
        follow(STEPS, page("entry:Name[1]", error="the element is gone"), ["TYPEentry:Name[1]Bob"])


def test_a_window_is_found_by_the_beginning_of_its_title() -> None:
    assert (
        window("~/a.txt")(page("window*:b[1]", "window:~/a.txt - Mousepad[2]")) == "CLICKwindow:~/a.txt - Mousepad[2]"
    )


@pytest.mark.parametrize(
    ("text", "is_done"), [("one\ntwo\n", True), ("one\ntwo", True), ("one\ntwo\n\n", True), ("one\n", False)]
)
def test_files_are_right_but_for_empty_lines_at_their_end(text: str, is_done: bool) -> None:
    tree = Tree({"a.txt": Entry("file", content=text.encode()), "docs": Entry("folder")})
    assert has_files({"a.txt": "one\ntwo\n", "docs": None})(Moment(tree, {}, [], [])) is is_done


def test_a_file_that_nobody_asked_for_is_wrong() -> None:
    tree = Tree({"a.txt": Entry("file", content=b"one"), "b.txt": Entry("file", content=b"")})
    assert not has_files({"a.txt": "one"})(Moment(tree, {}, [], []))

"""Actions as they are written, and the lines that they name."""

import pytest

from grokputer.domain.page.action import (
    ALL_VERBS,
    BROWSER_VERBS,
    COMMAND_VERBS,
    DESKTOP_VERBS,
    TAKES,
    VERBS,
    Action,
    explain_unreadable,
    parse_action,
    write_action,
    write_command,
    write_drag,
    write_key,
)
from grokputer.domain.page.line import Line, read, write
from grokputer.domain.page.messages import Page
from grokputer.domain.page.prompt import observe


@pytest.mark.parametrize(
    ("written", "action"),
    [
        (write_action("CLICK", "button:Ok[6]"), Action("CLICK", 6)),
        (write_action("DOUBLE", "icon:a.txt[2]"), Action("DOUBLE", 2)),
        (write_action("RIGHT", "icon:a.txt[2]"), Action("RIGHT", 2)),
        (write_action("TYPE", "entry:Name[3]", "Bob [4]"), Action("TYPE", 3, "Bob [4]")),
        (write_action("SELECT", "option:Red[4]"), Action("SELECT", 4)),
        (write_drag("icon:a.txt[4]", "icon:docs[7]"), Action("DRAG", 4, target=7)),
        (write_key("ctrl+s"), Action("KEY", text="ctrl+s")),
        ("SCROLLlist:Results[9]down", Action("SCROLL", 9, "down")),
        ("SCROLL up", Action("SCROLL", text="up")),
        (write_command("wc -l < a.txt"), Action("RUN", text="wc -l < a.txt")),
        ("WAIT", Action("WAIT")),
        ("DONE", Action("DONE")),
    ],
)
def test_each_verb_is_read_as_it_is_written(written: str, action: Action) -> None:
    assert parse_action(written, ALL_VERBS) == action


@pytest.mark.parametrize(
    "written",
    ["", "click button", "CLICKbutton:Ok", "DRAGicon:a[1]", "KEY", "KEY a b", "RUN", "WAIT 3", "SCROLL", "DONE."],
)
def test_what_is_no_action_is_not_read_as_one(written: str) -> None:
    assert parse_action(written, ALL_VERBS) is None


@pytest.mark.parametrize(
    ("written", "verbs"),
    [
        ("RUN ls", VERBS),
        ("RUN ls", BROWSER_VERBS),
        ("KEY ctrl+s", VERBS),
        ("CLICKbutton:Ok[6]", COMMAND_VERBS),
        ("WAIT", COMMAND_VERBS),
    ],
)
def test_a_verb_that_the_page_does_not_take_is_not_read(written: str, verbs: tuple[str, ...]) -> None:
    assert parse_action(written, verbs) is None


def test_a_line_is_written_so_that_it_reads_back_whatever_its_words_are() -> None:
    line = write(3, "entry", "Name [2]\nof the guest", "Bob\t[9] " + "x" * 300, is_on=True)
    assert line.startswith("entry*=Bob (9) xx") and line.endswith("...:Name (2) of the guest[3]")
    assert parse_action(write_action("TYPE", line, "Ann [5]")) == Action("TYPE", 3, "Ann [5]")
    assert read(Page("", (write(1, "button", "Ok"),))) == [Line("button:Ok[1]", "button", False, "", "Ok")]


@pytest.mark.parametrize(
    ("verbs", "words"),
    [(VERBS, "web page"), (COMMAND_VERBS, "shell"), (BROWSER_VERBS, "browser"), (DESKTOP_VERBS, "computer")],
)
def test_the_prompt_says_what_is_operated_and_names_each_verb_of_the_page(verbs: tuple[str, ...], words: str) -> None:
    instructions = observe(Page("do it", ("button:Ok[1]",), verbs=verbs), [])[0]["content"]
    assert words in instructions
    assert [verb for verb in verbs if verb not in instructions] == []


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("WAIT 5", "WAIT stands alone"),
        ("KEY", "KEY takes a space and keys that are joined by +, as in KEY ctrl+s"),
        ("SCROLL", "SCROLL takes one whole line of the page or none, and then up, down, left or right"),
        ("DRAGbutton:Go[1]", "DRAG takes two whole lines of the page, each with its number"),
        ("CLICK the button", "CLICK takes one whole line of the page, and ends with its number"),
        ("RUN ls", f"it begins with one of {', '.join(BROWSER_VERBS)}"),
    ],
)
def test_what_is_no_action_says_what_its_verb_takes_or_which_verbs_there_are(written: str, why: str) -> None:
    assert parse_action(written, BROWSER_VERBS) is None
    assert explain_unreadable(written, BROWSER_VERBS) == f"cannot read {written!r} as an action; {why}"


def test_each_verb_says_what_it_takes() -> None:
    assert set(TAKES) == set(ALL_VERBS)

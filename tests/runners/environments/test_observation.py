"""What the agent sees of a page: one line per element, each text once, nothing hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.domain.page.action import parse_action
from grokputer.domain.page.messages import Page
from grokputer.domain.page.prompt import LONGEST_ACTION, observe
from grokputer.runners.environments.browser import Browser, Tab, find_browser
from grokputer.runners.environments.miniwob.environment import page_script

See = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def see(tmp_path_factory: pytest.TempPathFactory) -> Iterator[See]:
    """The lines of a page with the given body."""
    try:
        find_browser()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    browser = Browser()
    tab, page = Tab(browser), Path(tmp_path_factory.mktemp("page")) / "page.html"
    tab.inject(page_script())

    def see(body: str) -> list[str]:
        page.write_text(f"<!DOCTYPE html><body>{body}", encoding="utf-8")
        tab.navigate(page.as_uri())
        return list(tab.evaluate("grokputer.observe()"))

    yield see
    browser.close()


def test_a_field_carries_its_label_and_its_value(see: See) -> None:
    assert see("<div><label for=a>Name</label> <input id=a></div>") == ["input.text:Name[1]"]
    assert see("<p><span>City:</span><input value=Rome></p><p><input type=password><b>Secret</b></p>") == [
        "input.text=Rome:City[1]",
        "input.password:Secret[2]",
    ]
    assert see("<table><tr><th>Age<td><input></table><input placeholder=Search>") == [
        "input.text:Age[1]",
        "input.text:Search[2]",
    ]
    assert see("<label><input type=checkbox checked> News</label> <input type=radio>yes<input id=q>") == [
        "input.checkbox*:News[1]",
        "input.radio:yes[2]",
        "input.text#q[3]",
    ]


def test_a_list_shows_its_options_and_which_is_chosen(see: See) -> None:
    assert see("Country <select><option>Peru<option selected>Chad</select>") == [
        "select:Country[1]",
        "option:Peru[2]",
        "option*:Chad[3]",
    ]


def test_running_text_is_one_line_and_what_can_be_pressed_in_it_another(see: See) -> None:
    assert see("<h1>Sign up</h1><p>Price: <b>5</b> and <i>more</i> <button>ok</button></p>") == [
        "h1:Sign up[1]",
        "p:Price: 5 and more[2]",
        "button:ok[3]",
    ]


def test_an_element_that_only_listens_does_not_swallow_what_lies_inside_it(see: See) -> None:
    listen = "<script>addEventListener.call(box, 'click', () => 0)</script>"
    assert see(f"<ul id=box><li>one</li><li>two</li></ul>{listen}") == ["li:one[1]", "li:two[2]"]
    assert see(f"<div id=box class=final>Submit</div>{listen}") == ["div.final:Submit[1]"]


def test_roles_and_states_are_shown(see: See) -> None:
    assert see("<ul><li role=tab aria-selected=true><a role=presentation href=#>First</a></ul>") == ["tab*:First[1]"]
    assert see("<details><summary>More</summary>later</details><button disabled>Old</button>") == [
        "summary:More[1]",
        "button disabled:Old[2]",
    ]


def test_what_has_no_words_is_told_by_its_class_shape_size_and_color(see: See) -> None:
    icon = "style='display:inline-block;width:9px;height:9px'"
    assert see(f"<span class='icon trash' onclick=1 {icon}></span><button aria-label=Close></button>") == [
        "span.trash[1]",
        "button:Close[2]",
    ]
    assert see("<svg><rect width=10 height=10 fill=#f00 /><circle r=40 cx=50 cy=50 fill=green /></svg>") == [
        "rect small red[1]",
        "circle large green[2]",
    ]
    assert see("<div style='background:navy;width:50px;height:50px'></div>") == ["div navy[1]"]


def test_hidden_elements_are_left_out_of_the_page(see: See) -> None:
    assert see(
        "<p>seen</p><p style='display:none'>a</p><p style='visibility:hidden'>b</p>"
        "<p style='position:absolute;left:-999px'>c</p><p style='height:0;overflow:hidden'>d</p>"
    ) == ["p:seen[1]"]


def test_a_number_in_brackets_in_a_text_is_not_taken_for_the_lines_own(see: See) -> None:
    (line,) = see("<button>Item [2]</button>")
    assert line == "button:Item (2)[1]"
    action = parse_action("CLICK" + line)
    assert action is not None
    assert action.number == 1


def test_of_more_than_64_elements_those_that_can_be_pressed_come_first(see: See) -> None:
    lines = see("<p>text</p>" * 40 + "<button>ok</button>" * 40)
    assert len(lines) == 64
    assert sum(line.startswith("button") for line in lines) == 40
    assert lines[0] == "p:text[1]"
    assert lines[-1] == "button:ok[64]"


def test_a_past_answer_that_ran_on_is_cut_and_does_not_crowd_the_page_out() -> None:
    shown = observe(Page("Do it.", ("button:Ok[1]",)), ["x" * 5000, "CLICKbutton:Ok[1]"])[-1]["content"]
    assert shown.split("\n")[2:4] == ["did: " + "x" * LONGEST_ACTION, "did: CLICKbutton:Ok[1]"]

"""Pages of the web that are read: what is drawn on a canvas has lines, and a press goes where they were read."""

from __future__ import annotations

import pytest
from local_pages import Pages

from grokputer.domain.page.messages import Box, Page
from grokputer.domain.page.words import lay_out
from grokputer.domain.rules.observing import is_bare
from grokputer.runners.environments.web.environment import Browse

CANVAS = """<!doctype html><title>Game</title><body style="margin:0"><canvas width=400 height=200></canvas><p id=said></p>
<script>
const canvas = document.querySelector("canvas"), pen = canvas.getContext("2d");
let said = "";
const draw = () => { pen.clearRect(0, 0, 400, 200); pen.font = "20px sans-serif"; pen.fillText("Start game", 40, 60);
  pen.fillText("Quit", 40, 140); };
draw();
canvas.onclick = (event) => { document.title = event.offsetY < 100 ? "started" : "ended"; };
canvas.tabIndex = 0;
addEventListener("message", () => { pen.clearRect(0, 0, 400, 200); pen.fillText("Moved", 200, 60); });
</script>"""


@pytest.fixture
def drawn(browse: Browse, server: Pages) -> Page:
    pytest.importorskip("rapidocr")
    server.clear(index=CANVAS)
    return browse.reset(f"{server.url} play", 0)


def read(browse: Browse) -> Page:
    layout = lay_out(browse.words())
    return browse.see(layout.lines, layout.boxes)


def test_a_canvas_is_read_and_pressed_where_a_line_was_read(browse: Browse, drawn: Page) -> None:
    assert is_bare(drawn)
    assert [line for line in drawn.lines if line.startswith("canvas")]
    page = read(browse)
    assert page.lines == ("text:Start game[1]", "text:Quit[2]")
    assert browse.act("SELECTtext:Quit[2]").error == "cannot SELECT [2]: it is not an option of a list"
    read(browse)
    assert browse.act("CLICKtext:Quit[2]").error == ""
    assert title(browse) == "ended"


def test_nothing_is_pressed_where_the_page_has_changed_since_the_reading(browse: Browse, drawn: Page) -> None:
    read(browse)
    run(browse, "dispatchEvent(new MessageEvent('message'))")
    assert browse.act("CLICKtext:Quit[2]").error == "cannot CLICK [2]: what was read there has changed"
    assert title(browse) == "Game"


def test_a_line_whose_words_are_not_on_the_picture_cannot_be_pressed(browse: Browse, drawn: Page) -> None:
    browse.see(["button:Buy[1]"], [None])
    assert "it is only there to be read" in browse.act("CLICKbutton:Buy[1]").error


def test_a_page_with_elements_is_bare_only_where_a_canvas_has_most_of_its_place() -> None:
    lines, texts = ("canvas[1]", "button:Ok[2]", "text:Hi[3]"), (Box(0, 90, 40, 10), Box(60, 90, 40, 10))
    assert is_bare(Page("", lines, boxes=(Box(0, 0, 100, 90), *texts)))
    assert not is_bare(Page("", lines, boxes=(Box(0, 0, 30, 30), *texts)))
    assert is_bare(Page("", ("address:http://a.test[1]", "button:Ok[2]"), boxes=(None, texts[0])))


def title(browse: Browse) -> str:
    return str(run(browse, "document.title"))


def run(browse: Browse, script: str) -> object:
    answer = browse._playing().visit.ask("Runtime.evaluate", expression=script)
    assert answer is not None
    return answer["result"].get("value")

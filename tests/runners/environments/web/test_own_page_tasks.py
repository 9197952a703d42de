"""Tasks on pages as plain files: what they say is checked, and mistakes are told in lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from local_pages import Pages

from grokputer.domain.events import Capability
from grokputer.runners.environments.shell.folder import mistakes_in
from grokputer.runners.environments.web.environment import Browse, Web
from grokputer.runners.environments.web.own.folder import PageFolder, is_page_folder
from grokputer.runners.environments.web.own.task_file import read_page_task
from grokputer.runners.environments.web.own.trial import try_page_task
from grokputer.runners.wiring.environments import open_environment

SHOP = """<title>Shop</title><label>Name <input id=n></label><label><input type=checkbox> Agree</label>
<button onclick="location = '/thanks?name=' + n.value">Send</button><a href="data:text/csv,a,b" download="list.csv">List</a>
<input type=file aria-label=Photo>"""

TASK = """request = ["Send the form for @who@.", "Fill in @who@ and send it."]
url = "{url}/"
{goal}
solution = [{moves}]

[values]
who = ["Ada", "Bob"]

[files]
"photo.txt" = "a photo"
"""


def written(folder: Path, text: str) -> Path:
    place = folder / "tasks" / "send"
    place.mkdir(parents=True, exist_ok=True)
    (place / "task.toml").write_text(text)
    return place.parent


@pytest.fixture
def web_of(browse: Browse) -> Callable[[Path], Web]:
    """The environment of a folder in the browser of the other tests."""

    def open_(folder: Path) -> Web:
        web = Web(PageFolder(folder))
        web._browsing = browse._browsing
        return web

    return open_


SENDING = '"TYPE input.text:Name | @who@", "CLICK button:Send"'
LISTING = '"CLICK a:List"'


@pytest.mark.parametrize(
    ("goal", "moves", "found"),
    [
        ('visible = "Thank you, @who@"', SENDING, "done after its solution"),
        ('address = "*/thanks?name=@who@"', SENDING, "done after its solution"),
        ('element = "input.checkbox*:Agree"', '"CLICK input.checkbox:Agree"', "done after its solution"),
        ('download = {"list.csv" = "a,b"}', LISTING, "done after its solution"),
        ('condition = "grep -q b list.csv && test -e photo.txt"', LISTING, "done after its solution"),
        ('visible = "Agree"', SENDING, "done at the start"),
        ('visible = "Nothing"', SENDING, "not done after its solution"),
        ('visible = "Thank you"', '"CLICK button:Buy"', "after 0 moves the page has no line 'button:Buy'"),
    ],
)
def test_a_task_is_done_where_the_page_is_as_its_file_says(
    web_of: Callable[[Path], Web],
    server: Pages,
    tmp_path: Path,
    goal: str,
    moves: str,
    found: str,
) -> None:
    server.clear(
        index=SHOP, thanks="<p id=p><script>p.textContent = 'Thank you, ' + location.search.split('=')[1]</script>"
    )
    folder = written(tmp_path, TASK.format(url=server.url, goal=goal, moves=moves))
    assert found in try_page_task(web_of(folder), "send", 1).found


def test_a_folder_with_a_url_is_an_environment_that_verifies(tmp_path: Path) -> None:
    folder = written(tmp_path, TASK.format(url="https://a.test", goal='visible = "x"', moves=SENDING))
    assert is_page_folder(folder) and not is_page_folder(tmp_path) and not is_page_folder(tmp_path / "none")
    environment = open_environment(str(folder))
    assert Capability.VERIFIES in environment.capabilities
    assert environment.tasks() == ("send",)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('request = "a"\nurl = "file:///x"\nvisible = "x"', "url: 'file:///x' is no page of the web"),
        (
            'request = "a"\nurl = "http://a.test"',
            "visible is missing, and so are address, download, element and condition",
        ),
        (
            'request = "a"\nurl = "http://a.test"\nanswer = 3\nvisible = "x"',
            "answer is no key; keys of a task with a url are",
        ),
        (
            'request = "a"\nurl = "http://a.test"\nvisible = "x"\nallow = "a b"',
            "allow: 'a b' has no host that can be reached",
        ),
        ('request = "a"\nurl = "http://a.test"\nvisible = "x"\nsolution = "PUSH x"', "a move begins with one of CLICK"),
        (
            'request = "a"\nurl = "http://a.test"\nvisible = "x"\n[files]\n"a/b" = "x"',
            "a page is given files by their names",
        ),
        ('request = "a"\nurl = "http://a.test"\n[download]\n"../x" = true', "cannot have the path '../x'"),
        ('request = "a"\nurl = "http://a.test"\n[download]\n"x" = 3', "download.x cannot be 3"),
    ],
)
def test_each_mistake_is_one_line_with_what_is_allowed(tmp_path: Path, text: str, mistake: str) -> None:
    [line] = mistakes_in(written(tmp_path, text) / "send", read_page_task)
    assert mistake in line and "\n" not in line

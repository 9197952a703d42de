"""A page that does not answer, does not end or breaks ends the run with its reason, within a bound, and leaves nothing."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from local_pages import Answer, Pages, do, texts

from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.runners.environments.web.browser import folder as folders
from grokputer.runners.environments.web.browser import visit
from grokputer.runners.environments.web.browser.browsing import check_display
from grokputer.runners.environments.web.environment import Browse


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds of a second or two."""
    for bound in ("ANSWER_S", "LOAD_S", "SETTLE_S"):
        monkeypatch.setattr(visit, bound, 1.5)
    monkeypatch.setattr(visit, "MOST_DIALOGS", 3)


@pytest.fixture
def waiting() -> Iterator[threading.Event]:
    """Set at the end: answers that wait for it end then."""
    waiting = threading.Event()
    yield waiting
    waiting.set()


def assert_that_the_next_run_is_fine(browse: Browse, server: Pages) -> None:
    server.clear(index="<p>fine")
    assert texts(browse.reset(f"{server.url}/ Look", 0)) == ["p:fine"]


@pytest.mark.parametrize(
    "page", ["<p>here<script>while (true) {}</script>", "<button onclick='while (true) {}'>Go</button>"]
)
def test_a_script_that_does_not_end_ends_the_run_with_its_reason(
    browse: Browse, server: Pages, page: str, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.clear(index=page)
    with pytest.raises(EnvironmentUnavailable, match="did not answer"):
        do(browse, browse.reset(f"{server.url}/ Wait", 0), "CLICK", "button:Go")
    monkeypatch.undo()
    assert_that_the_next_run_is_fine(browse, server)


@pytest.mark.usefixtures("short")
def test_a_server_that_never_answers_is_said_at_the_start(
    browse: Browse, server: Pages, waiting: threading.Event
) -> None:
    def wait(handler: BaseHTTPRequestHandler) -> None:
        waiting.wait(20)

    server.clear(index=wait)
    with pytest.raises(EnvironmentUnavailable, match=r"cannot open http://127.*: .* did not answer within 1.5 s"):
        browse.reset(f"{server.url}/ Wait", 0)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("is_in_a_frame", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_link_to_a_server_that_never_answers_is_the_error_of_the_step_and_the_page_stays(
    browse: Browse, server: Pages, waiting: threading.Event, is_in_a_frame: bool
) -> None:
    def wait(handler: BaseHTTPRequestHandler) -> None:
        waiting.wait(20)

    link = "<p>here<p><a href=/never>Go</a>"
    frame = f"<iframe src=http://localhost:{server.port}/inner></iframe>"
    server.clear(index=frame if is_in_a_frame else link, inner=link, never=wait)
    page = browse.reset(f"{server.url}/ +localhost:{server.port} Wait", 0)
    page = do(browse, page, "CLICK", "a:Go")
    place = "localhost" if is_in_a_frame else "127.0.0.1"
    assert page.error == f"{place}:{server.port} did not answer within 1.5 s"
    assert texts(page) == ["p:here", "a:Go"]
    assert not browse.act("WAIT").error


def half(waiting: threading.Event) -> Answer:
    """A page whose second half never comes."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", "2000")
        handler.end_headers()
        handler.wfile.write(b"<p>first half</p>" + b" " * 1100)
        waiting.wait(20)

    return answer


@pytest.mark.usefixtures("short")
def test_a_page_that_loads_for_ever_is_shown_as_far_as_it_is_there(
    browse: Browse, server: Pages, waiting: threading.Event
) -> None:
    server.clear(index=half(waiting))
    page = browse.reset(f"{server.url}/ Wait", 0)
    assert texts(page) == ["status:still loading", "p:first half"]


@pytest.mark.usefixtures("short")
def test_dialogs_without_end_end_the_run(browse: Browse, server: Pages) -> None:
    server.clear(index="<button onclick=\"while (true) alert('again')\">Go</button>")
    page = do(browse, browse.reset(f"{server.url}/ Wait", 0), "CLICK", "button:Go")
    for _ in range(2):
        page = do(browse, page, "CLICK", "button:OK")
    with pytest.raises(EnvironmentUnavailable, match="opened more than 3 dialogs"):
        do(browse, page, "CLICK", "button:OK")


def test_a_tab_that_crashes_ends_the_run_and_not_the_next_one(browse: Browse, server: Pages) -> None:
    server.clear(index="<p>here")
    browse.reset(f"{server.url}/ Wait", 0)
    assert browse._episode is not None
    seen = browse._episode.visit
    assert seen.tab.main is not None
    seen.connection.send("Page.crash", seen.tab.main.id)
    with pytest.raises(EnvironmentUnavailable, match="its page crashed"):
        browse.act("WAIT")
    with pytest.raises(EnvironmentUnavailable, match="no episode is running"):
        browse.act("WAIT")
    assert_that_the_next_run_is_fine(browse, server)


def test_a_browser_that_ends_is_started_again_by_the_next_run(server: Pages) -> None:
    server.clear(index="<p>fine")
    with Browse() as own:
        own.reset(f"{server.url}/ Wait", 0)
        assert own._browsing._connection is not None
        own._browsing._connection.process.kill()
        with pytest.raises(EnvironmentUnavailable, match="lost the browser"):
            own.act("WAIT")
        assert_that_the_next_run_is_fine(own, server)


def test_the_folder_of_a_run_goes_with_it_and_that_of_a_killed_process_with_the_next(
    browse: Browse, server: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / f"{folders.PREFIX}left"
    left.mkdir()
    (left / "lock").touch()
    running, lock = folders.make_folder()
    assert not left.exists()
    other, other_lock = folders.make_folder()
    assert running.exists(), "its process runs on"
    lock.close()
    other_lock.close()
    server.clear(index="<p>fine")
    browse.reset(f"{server.url}/ Look", 0)
    assert [path for path in tmp_path.iterdir() if path not in (running, other)]
    browse.act("DONE")
    assert not list(tmp_path.iterdir())


def test_a_window_without_a_display_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(EnvironmentUnavailable, match=r"^no window can be shown: DISPLAY is not set[^\n]*$"):
        check_display()

"""Downloads go into the folder of the run, within bounds; a page is given files of that folder and no other."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from local_pages import Pages, do, texts

from grokputer.runners.environments.web.browser import downloads as module
from grokputer.runners.environments.web.browser.downloads import Downloads
from grokputer.runners.environments.web.environment import Browse


def attachment(size: int, sent: int, go_on: threading.Event | None = None):  # type: ignore[no-untyped-def]
    """A file of that size of which so many bytes are sent at once."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/octet-stream")
        handler.send_header("Content-Disposition", 'attachment; filename="my file.txt"')
        handler.send_header("Content-Length", str(size))
        handler.end_headers()
        handler.wfile.write(b"x" * sent)
        if go_on is not None:
            go_on.wait(20)

    return answer


def test_a_download_lies_in_the_folder_of_the_run_and_can_be_given_to_the_page(browse: Browse, server: Pages) -> None:
    server.clear(
        index="<a href=/get>Get</a><input type=file aria-label=Choose "
        "onchange=\"out.textContent = 'has ' + this.files[0].name\">"
        "<p id=out>-</p>",
        get=attachment(5, 5),
    )
    page = browse.reset(f"{server.url}/ Get it", 0)
    page = do(browse, page, "CLICK", "input.file")
    assert texts(page) == ["dialog:Which file? There is none in the folder of this run.", "button:Cancel"]
    page = do(browse, page, "CLICK", "button:Cancel")
    assert "there is no file '/etc/passwd'" in do(browse, page, "TYPE", "input.file", "/etc/passwd").error
    page = do(browse, page, "CLICK", "a:Get")
    assert "download=done:my file.txt" in texts(page)
    page = do(browse, page, "CLICK", "input.file")
    page = do(browse, page, "CLICK", "file:my file.txt")
    assert "p:has my file.txt" in texts(page)
    page = browse.reset(f"{server.url}/ Get it", 0)
    page = do(browse, page, "CLICK", "input.file")
    assert "none in the folder" in page.lines[1], "the next run has a folder of its own"


def test_a_download_of_two_gigabytes_is_stopped_with_its_reason(browse: Browse, server: Pages) -> None:
    go_on = threading.Event()
    server.clear(index="<a href=/get>Get</a>", get=attachment(2 << 30, 1000, go_on))
    page = browse.reset(f"{server.url}/ Get it", 0)
    try:
        page = do(browse, page, "CLICK", "a:Get")
        assert "download=stopped, it has more than 64 MB:my file.txt" in texts(page)
    finally:
        go_on.set()


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Downloads, list[str]]:
    cancelled: list[str] = []
    return Downloads(tmp_path / "files", cancelled.append), cancelled


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        (".bashrc", "bashrc"),
        ("a\nb\x00\u202e.txt", "a_b_.txt"),
        ("", "file"),
        ("..", "file"),
    ],
)
def test_a_download_keeps_no_name_that_leads_elsewhere(
    kept: tuple[Downloads, list[str]], name: str, wanted: str
) -> None:
    downloads, _ = kept
    downloads.begin("1", name)
    downloads.begin("2", name)
    assert downloads.known["1"].name == wanted
    assert len({each.name for each in downloads.known.values()}) == 2


def test_downloads_are_bounded_in_number_and_together(
    kept: tuple[Downloads, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads, cancelled = kept
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    monkeypatch.setattr(module, "MOST_ALL", 150)
    monkeypatch.setattr(module, "MOST_DOWNLOADS", 3)
    for id in "abcd":
        downloads.begin(id, "a.txt")
    downloads.progress("a", "inProgress", 10, 101)
    downloads.progress("b", "inProgress", 90, 0)
    downloads.progress("c", "inProgress", 90, 0)
    assert cancelled == ["d", "a", "c"]
    assert [each.state for each in downloads.known.values()] == ["stopped", "begun", "stopped", "stopped"]

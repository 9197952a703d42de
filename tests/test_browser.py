"""The browser starts, answers and ends; what goes wrong is said in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.runners.environments.browser import Browser, PageError, Tab, find_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        find_browser()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    browser = Browser()
    yield browser
    browser.close()


def test_a_tab_opens_a_page_and_answers_what_it_is_asked(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<title>Hello</title><script>var early = window.injected</script>")
    tab = Tab(browser)
    tab.inject("window.injected = 'before the page'")
    tab.navigate(page.as_uri())
    assert tab.evaluate("document.title") == "Hello"
    assert tab.evaluate("early") == "before the page"
    assert tab.evaluate("Promise.resolve({a: [1, 2]})") == {"a": [1, 2]}
    assert tab.evaluate("document.hasFocus()") is True
    tab.close()


def test_an_expression_that_throws_is_told_from_a_lost_browser(browser: Browser) -> None:
    tab = Tab(browser)
    with pytest.raises(PageError, match=r"^TypeError: no such thing$"):
        tab.evaluate("(() => { throw new TypeError('no such thing') })()")
    assert tab.evaluate("6 * 7") == 42
    tab.close()


def test_a_page_that_is_not_there_cannot_be_opened(browser: Browser) -> None:
    tab = Tab(browser)
    with pytest.raises(EnvironmentUnavailable, match=r"cannot open file:///nowhere\.html: net::ERR_FILE_NOT_FOUND"):
        tab.navigate("file:///nowhere.html")
    tab.close()


def test_a_missing_browser_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKPUTER_BROWSER", "/nowhere/chromium")
    with pytest.raises(EnvironmentUnavailable, match=r"^GROKPUTER_BROWSER is '/nowhere/chromium'[^\n]*$"):
        Browser()
    monkeypatch.delenv("GROKPUTER_BROWSER")
    monkeypatch.setattr("grokputer.runners.environments.browser.PROGRAMS", ("no-such-browser",))
    with pytest.raises(EnvironmentUnavailable, match=r"^no browser was found; install one \(apt-get install[^\n]*$"):
        Browser()


def test_a_program_that_is_no_browser_is_named_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\necho 'no usable sandbox' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("GROKPUTER_BROWSER", str(program))
    with pytest.raises(EnvironmentUnavailable, match=r"^cannot start the browser [^\n]*\(no usable sandbox\)[^\n]*$"):
        Browser()


@pytest.mark.usefixtures("browser")
def test_the_browser_and_its_profile_do_not_outlive_a_killed_python(tmp_path: Path) -> None:
    script = "from grokputer.runners.environments.browser import Browser; browser = Browser(); print('up', flush=True); input()"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as python:
        assert python.stdout is not None
        assert python.stdout.readline() == b"up\n"
        assert [path.name[:18] for path in tmp_path.glob("grokputer-browser-*")] == ["grokputer-browser-"]
        python.send_signal(signal.SIGKILL)
    for _ in range(200):  # The profile is removed once the browser has ended.
        if not list(tmp_path.glob("grokputer-browser-*")):
            break
        time.sleep(0.05)
    assert not list(tmp_path.glob("grokputer-browser-*"))

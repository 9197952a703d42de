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
    monkeypatch.setattr("grokputer.runners.environments.chromium.PROGRAMS", ("no-such-browser",))
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


def kill_python_with_its_browser(folder: Path, browser: str = "") -> None:
    """Start a Python that starts a browser in a temporary folder, and kill it without notice once the browser is up."""
    script = "from grokputer.runners.environments.browser import Browser; browser = Browser(); print('up', flush=True); input()"
    environment = {**os.environ, "TMPDIR": str(folder)} | ({"GROKPUTER_BROWSER": browser} if browser else {})
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as python:
        assert python.stdout is not None
        assert python.stdout.readline() == b"up\n"
        assert [path.name[:18] for path in folder.glob("grokputer-browser-*")] == ["grokputer-browser-"]
        python.send_signal(signal.SIGKILL)


def what_is_left(folder: Path) -> str:
    """The profiles in the folder, with the processes that name it, once they had a minute to go; empty when all went."""
    for _ in range(1200):
        if not list(folder.glob("grokputer-browser-*")):
            return ""
        time.sleep(0.05)
    running = subprocess.run(["ps", "-eo", "pid,ppid,stat,args"], capture_output=True, text=True, check=True).stdout
    return "\n".join([*map(str, folder.rglob("*")), *(line for line in running.split("\n") if str(folder) in line)])


@pytest.mark.usefixtures("browser")
def test_the_browser_and_its_profile_do_not_outlive_a_killed_python(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("short")  # Chromium makes a socket there, whose path may have 107 letters
    kill_python_with_its_browser(folder)
    assert what_is_left(folder) == ""


def test_the_profile_goes_even_when_a_child_of_the_browser_writes_on_after_its_end(tmp_path: Path) -> None:
    program = tmp_path / "chromium"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, os, pathlib, signal, sys, time\n"
        "profile = next(flag for flag in sys.argv if flag.startswith('--user-data-dir=')).split('=', 1)[1]\n"
        "[pathlib.Path(profile, str(n)).touch() for n in range(2000)]\n"
        "if os.fork() == 0:\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    end = time.monotonic() + 2\n"
        "    while time.monotonic() < end:\n"
        "        pathlib.Path(profile, str(time.monotonic())).touch()\n"
        "while os.read(3, 4096):\n"
        "    os.write(4, json.dumps({'id': 1, 'result': {'product': 'Slow'}}).encode() + b'\\0')\n"
    )
    program.chmod(0o755)
    kill_python_with_its_browser(tmp_path, browser=str(program))
    assert what_is_left(tmp_path) == ""

"""Tasks of BrowserGym, played by its own package in an environment of its own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from command_line import output, refused
from places import ROOT

from grokputer.domain.errors import EnvironmentUnavailable, UnknownTask
from grokputer.runners.environments.web.gym.environment import BrowserGym
from grokputer.runners.environments.web.gym.process import VARIABLE

PYTHON = ROOT / ".venv" / "gym" / "bin" / "python"

real = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="BrowserGym has no environment here; 'make gym' makes it"),
]


def peers() -> list[int]:
    """The processes of BrowserGym that this process has started."""
    tasks = Path("/proc/self/task")
    children = {int(it) for task in tasks.iterdir() for it in (task / "children").read_text().split()}
    return [it for it in children if b"gym/peer.py" in Path(f"/proc/{it}/cmdline").read_bytes()]


@pytest.fixture
def gym(monkeypatch: pytest.MonkeyPatch) -> Iterator[BrowserGym]:
    """The environment, with its real package; nothing of it is left afterwards."""
    monkeypatch.setenv(VARIABLE, str(PYTHON))
    with closing(BrowserGym()) as environment:
        yield environment
    assert peers() == []


class TestReal:
    pytestmark = real

    def test_a_form_is_filled_in_and_the_task_is_a_success(self, gym: BrowserGym) -> None:
        page = gym.reset("miniwob.login-user", 3)
        user, password = page.task.split('"')[1], page.task.split('"')[3]
        assert page.picture is not None and page.picture.startswith(b"\x89PNG")
        assert page.lines[1:] == (
            "text:Username[2]",
            "input.text[3]",
            "text:Password[4]",
            "input.text[5]",
            "button:Login[6]",
        )
        gym.act(f"TYPEinput.text[3]{user}")
        page = gym.act(f"TYPEinput.text[5]{password}")
        assert (page.lines[2], page.error, page.is_done) == (f"input.text={user}[3]", "", False)
        page = gym.act("CLICKbutton:Login[6]")
        assert (page.is_done, page.reward) == (True, 1.0)

    def test_an_option_is_selected_and_what_fails_says_why(self, gym: BrowserGym) -> None:
        page = gym.reset("miniwob.choose-list", 3)
        wanted = page.task.split()[1]
        option = next(it for it in page.lines if f":{wanted}[" in it)
        assert "no line 99" in gym.act("CLICKbutton[99]").error
        assert "is typed" in gym.act("CLICKinput.text:answer to the person[1]").error
        assert f"select={wanted}" in gym.act(f"SELECT{option}").lines[1]
        page = gym.act(f"CLICK{page.lines[-1]}")
        assert (page.is_done, page.reward) == (True, 1.0)

    def test_done_without_doing_it_is_no_success(self, gym: BrowserGym) -> None:
        gym.reset("miniwob.click-test", 1)
        page = gym.act("DONE")
        assert (page.is_done, page.reward) == (True, 0.0)

    def test_episodes_one_after_another_share_a_process(self, gym: BrowserGym) -> None:
        for seed in range(3):
            gym.beside(0).reset("miniwob.click-tab-2", seed)
        assert len(peers()) == 1
        pair = [gym.beside(0), gym.beside(1)]
        for seat in pair:
            seat.reset("miniwob.click-tab-2", 1)
        assert len(peers()) == 2

    def test_the_same_seed_gives_the_same_page_beside_it_too(self, gym: BrowserGym) -> None:
        page, other = gym.reset("miniwob.click-tab-2", 5), gym.beside(1).reset("miniwob.click-tab-2", 5)
        assert (page.task, page.lines) == (other.task, other.lines)

    def test_a_process_that_is_killed_ends_the_run_and_the_next_one_works(self, gym: BrowserGym) -> None:
        gym.reset("miniwob.click-test", 1)
        for each in peers():
            os.kill(each, signal.SIGKILL)
        with pytest.raises(EnvironmentUnavailable, match="lost BrowserGym"):
            gym.act("DONE")
        assert gym.reset("miniwob.click-test", 1).lines

    def test_a_run_is_recorded_with_its_pictures(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(VARIABLE, str(PYTHON))
        log = tmp_path / "events.db"
        output("init", db=log)
        output("run", "browsergym/miniwob.click-test", "--seed", "1", "--no-feedback", db=log)
        assert "browsergym" in output("runs", "--json", db=log)

    def test_an_unknown_task_names_some_that_are_close(self, gym: BrowserGym) -> None:
        with pytest.raises(UnknownTask, match=r"miniwob\.click-test"):
            gym.reset("miniwob.click-tset", 1)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("", "install browsergym into"),
        ("/no/such/python", "which is no program"),
        (sys.executable, "does not work: Mod"),
    ],
)
def test_without_browsergym_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, said: str
) -> None:
    monkeypatch.setenv(VARIABLE, named)
    log = tmp_path / "events.db"
    output("init", db=log)
    assert said in refused("run", "browsergym/miniwob.click-test", db=log)
    assert output("runs", "--json", db=log).strip() == "[]"

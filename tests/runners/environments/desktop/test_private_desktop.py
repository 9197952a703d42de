"""What a private desktop keeps to itself, and what is left when it or this program ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.runners.environments.desktop.environment import Desktop
from grokputer.runners.environments.desktop.eye import Eye
from grokputer.runners.environments.desktop.machine import Machine
from grokputer.runners.environments.desktop.options import Options
from grokputer.runners.environments.desktop.screen.folder import PREFIX, DesktopFolder
from grokputer.runners.environments.desktop.screen.session import Session
from grokputer.runners.environments.desktop.tasks.families import OWN
from grokputer.runners.environments.sandbox.usage import children_of

START = """
import sys
from grokputer.runners.environments.desktop.screen.session import Session
session = Session((640, 480))
session.start(["zenity", "--info"])
print(session.folder.path, flush=True)
sys.stdin.read()
"""


def processes_in(folder: Path) -> list[int]:
    """The processes that were started on the desktop with this folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (place / "environ").read_bytes() + (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def wait_until(is_so: Callable[[], bool], seconds: float = 15) -> bool:
    until = time.monotonic() + seconds
    while not is_so() and time.monotonic() < until:
        time.sleep(0.01)
    return is_so()


def printed(machine: Machine, *command: str) -> str:
    """What the command prints that runs as a program of the desktop."""
    out = machine.session.folder.path / "out" / "test"
    pid = machine.session.start(command, out)
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text())
    return out.read_text()


def test_programs_have_an_environment_of_their_own(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    machine.clear()
    shown = printed(machine, "/usr/bin/env")
    assert "HOME=" in shown and "sk-secret" not in shown


def test_programs_write_into_their_home_alone_and_are_not_root(machine: Machine, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    machine.clear()
    theirs = f"echo x > {tmp_path}/theirs; cat /proc/{os.getpid()}/environ; ls /root {tmp_path}"
    script = f"id -u; echo x > ~/mine; cat ~/mine; {theirs}"
    shown = printed(machine, "/bin/sh", "-c", script).split()
    assert shown[1:] == ["x"] and shown[0] != "0"
    assert not (tmp_path / "theirs").exists()


def test_closing_ends_all_processes_and_removes_the_folder() -> None:
    session = Session((640, 480))
    folder = session.folder.path
    session.start(["/bin/sh", "-c", "setsid sleep 1000 & setsid sh -c 'sleep 1000 & sleep 1000'"])
    assert wait_until(lambda: len(processes_in(folder)) > 6)
    session.close()
    session.close()
    assert processes_in(folder) == [] and not folder.exists()


def test_a_desktop_ends_with_the_program_that_started_it_even_where_that_is_killed() -> None:
    started = subprocess.Popen([sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None and started.stdin is not None
    folder = Path(started.stdout.readline().strip())
    assert processes_in(folder)
    started.kill()
    started.wait()
    started.stdout.close()
    started.stdin.close()
    assert wait_until(lambda: processes_in(folder) == [] and not folder.exists())


def test_a_later_start_removes_what_an_earlier_one_left(tmp_path: Path) -> None:
    left = DesktopFolder()
    os.close(left.lock)  # as if its processes had been killed at once
    kept = DesktopFolder()
    assert not left.path.exists() and kept.path.exists() and kept.path.name.startswith(PREFIX)
    kept.close()
    assert not kept.path.exists()


def test_two_desktops_at_once_have_windows_of_their_own(machine: Machine) -> None:
    machine.clear()
    with_other = Machine((800, 600))
    try:
        assert with_other.session.display != machine.session.display
        other_home = with_other.home
        with_other.session.start(["zenity", "--info", "--title=Other"])
        assert wait_until(lambda: bool(with_other.display.windows()))
        assert machine.display.windows() == []
        assert other_home != machine.home
    finally:
        with_other.close()
    assert machine.is_whole


@pytest.mark.parametrize(
    "part", ["Xvfb", pytest.param("dbus-daemon", marks=pytest.mark.slow), "at-spi-bus-laun/dbus-daemon"]
)
def test_a_lost_screen_or_bus_ends_the_episode_with_a_reason_and_the_next_has_a_new_one(part: str) -> None:
    before = set(children_of(os.getpid()))
    desktop = Desktop(Options((640, 480)))
    try:
        page = desktop.reset("enter-code", 1)
        [lost] = set(children_of(os.getpid())) - before
        for name in part.split("/"):  # of the accessibility bus, which its launcher has started
            [lost] = [pid for pid in children_of(lost) if Path(f"/proc/{pid}/comm").read_text().strip() == name]
        os.kill(lost, signal.SIGKILL)
        with pytest.raises(EnvironmentUnavailable, match="start the task again"):
            desktop.act("WAIT")
        assert desktop.reset("enter-code", 1).lines == page.lines
    finally:
        desktop.close()


def test_a_page_is_cut_to_the_lines_that_are_wanted_without_what_can_only_be_read(machine: Machine) -> None:
    instance = OWN.find("delete-file").instance(1)
    whole = machine.begin(instance.made.files, instance.made.programs).elements
    cut = Eye(machine.display, machine._reader, 22).look().elements
    assert len(cut) == 22 and {element.kind for element in whole} > {"icon", "label"}
    assert [element.text for element in cut] == [element.text for element in whole if element.kind != "label"]

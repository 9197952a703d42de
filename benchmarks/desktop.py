"""How long a desktop takes, and what it leaves behind: ``python benchmarks/desktop.py``.

Resets and looks are measured over several tasks on one desktop, actions without the wait for the screen to settle, then ten
desktops in turn: their processes, descriptors, files and sockets that are left afterwards.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from grokputer.domain.page.action import parse_action
from grokputer.runners.environments.desktop.episode import Episode
from grokputer.runners.environments.desktop.machine import Machine
from grokputer.runners.environments.desktop.screen.folder import PREFIX
from grokputer.runners.environments.desktop.tasks.families import OWN
from grokputer.runners.environments.desktop.tasks.steps import follow
from grokputer.runners.environments.sandbox.usage import children_of

TASKS = ("write-note", "rename-file", "fill-form", "calculate", "copy-number", "toolbar-style")
"""One of each subject; chosen."""


def took_ms(work: Callable[[], object]) -> float:
    """Milliseconds that the work takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def row(name: str, times: Sequence[float]) -> str:
    """A row of the table: median, and the tenth that is slowest, in ms."""
    ordered = sorted(times)
    return f"| {name} | {len(times)} | {statistics.median(ordered):.0f} | {ordered[int(len(ordered) * 0.9)]:.0f} |"


def measure(seeds: int) -> dict[str, list[float]]:
    """The times of every part, by its name."""
    times: dict[str, list[float]] = {"start of a desktop": []}
    began = time.perf_counter()
    machine = Machine()
    times["start of a desktop"].append((time.perf_counter() - began) * 1000)
    try:
        for task in TASKS:
            for seed in range(seeds):
                play(machine, task, seed, times)
    finally:
        machine.close()
    return times


def play(machine: Machine, task: str, seed: int, times: dict[str, list[float]]) -> None:
    """Demonstrate the task, and add how long each part took."""
    instance, episodes = OWN.find(task).instance(seed), list[Episode]()
    times.setdefault("reset", []).append(took_ms(lambda: episodes.append(Episode(machine, instance))))
    [episode], history = episodes, list[str]()
    while not episode.page.is_done:
        view = machine.eye.look()
        times.setdefault("look: windows and tree", []).append(took_ms(machine.eye.look))
        times.setdefault("picture", []).append(took_ms(lambda area=view.area: machine.take_picture(area)))  # type: ignore[misc]
        written = follow(instance.made.solution, episode.page, history)
        hands, action = machine.hands, parse_action(written, episode.page.verbs)
        if action is not None and action.verb in ("CLICK", "DOUBLE", "RIGHT", "KEY"):
            times.setdefault("press or key, with its checks", []).append(took_ms(partial(hands.do, action, view)))
            times.setdefault("until the screen has settled", []).append(took_ms(hands.settle))
            history.append(written)
            episode.act("WAIT")
        else:
            times.setdefault("whole action, typing or waiting", []).append(took_ms(lambda w=written: episode.act(w)))  # type: ignore[misc]
            history.append(written)


def left() -> dict[str, int]:
    """What there is now of processes, descriptors, folders and sockets."""
    return {
        "processes": len(children_of(os.getpid())),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "folders": len(list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))),
        "sockets": sum("grokputer-desktop" in line for line in Path("/proc/net/unix").read_text().splitlines()),
    }


def in_turn(count: int) -> tuple[dict[str, int], list[float], list[float]]:
    """What so many desktops leave, one after the other, and how long each took to start and to end."""
    before, starts, ends = left(), list[float](), list[float]()
    for _ in range(count):
        machines = list[Machine]()
        starts.append(took_ms(lambda made=machines: made.append(Machine())))  # type: ignore[misc]
        machines[0].begin({}, OWN.find("fill-form").instance(0).made.programs)
        ends.append(took_ms(machines[0].close))
    after = left()
    return {name: after[name] - before[name] for name in after}, starts, ends


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each of six tasks")
    parser.add_argument("--desktops", type=int, default=10, help="desktops in turn")
    given = parser.parse_args()
    print(f"machine with {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| what | times | median, ms | 9 in 10 below, ms |\n|---|---|---|---|")
    for name, times in measure(given.seeds).items():
        print(row(name, times))
    found, starts, ends = in_turn(given.desktops)
    print(row("start, in turn", starts))
    print(row("end, in turn", ends))
    print(
        f"\nleft by {given.desktops} desktops in turn: {', '.join(f'{name} {count}' for name, count in found.items())}"
    )


if __name__ == "__main__":
    main()

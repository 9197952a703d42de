"""How long a desktop takes, and what it leaves behind: ``python benchmarks/desktop.py``.

Resets and looks are measured over several tasks on one desktop, actions without the wait for the screen to settle, then ten
desktops in turn: their processes, descriptors, files and sockets that are left afterwards.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from grokputer.domain.page.action import parse_action
from grokputer.runners.environments.desktop.episode import Episode
from grokputer.runners.environments.desktop.machine import Machine
from grokputer.runners.environments.desktop.tasks.families import OWN
from grokputer.runners.environments.desktop.tasks.steps import follow
from grokputer.runners.environments.sandbox.usage import children_of

TASKS = ("write-note", "rename-file", "fill-form", "calculate", "copy-number", "toolbar-style")
"""One of each subject; chosen."""


class Took(NamedTuple):
    """Milliseconds of work: by the clock, and of this program's own processor time."""

    wall: float
    own: float


def took_ms(work: Callable[[], object]) -> Took:
    """How long the work takes."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return Took((time.perf_counter() - began) * 1000, (time.process_time() - used) * 1000)


def row(name: str, times: Sequence[Took]) -> str:
    """A row of the table: median, what nine in ten stay below, and the median of the own processor time, in ms."""
    walls = sorted(took.wall for took in times)
    own = statistics.median(took.own for took in times)
    return (
        f"| {name} | {len(times)} | {statistics.median(walls):.0f} | {walls[int(len(walls) * 0.9)]:.0f} | {own:.0f} |"
    )


def measure(seeds: int) -> dict[str, list[Took]]:
    """The times of every part, by its name."""
    times: dict[str, list[Took]] = {}
    machine = Machine()
    try:
        for task in TASKS:
            for seed in range(seeds):
                play(machine, task, seed, times)
    finally:
        machine.close()
    return times


def play(machine: Machine, task: str, seed: int, times: dict[str, list[Took]]) -> None:
    """Demonstrate the task, and add how long each part took."""
    instance, episodes = OWN.find(task).instance(seed), list[Episode]()
    times.setdefault("reset", []).append(took_ms(lambda: episodes.append(Episode(machine, instance))))
    [episode], history = episodes, list[str]()
    while not episode.page.is_done:
        view = episode.view
        times.setdefault("look: windows and tree", []).append(took_ms(machine.eye.look))
        times.setdefault("picture", []).append(took_ms(partial(machine.take_picture, view.area)))
        written = follow(instance.made.solution, episode.page, history)
        action = parse_action(written, episode.page.verbs)
        if action is not None and action.verb in ("CLICK", "DOUBLE", "RIGHT", "KEY"):
            times.setdefault("press or key, with its checks", []).append(
                took_ms(partial(machine.hands.do, action, view))
            )
            times.setdefault("until the screen has settled", []).append(took_ms(machine.hands.settle))
            history.append(written)
            episode.act("WAIT")
        else:
            times.setdefault("whole action, typing or waiting", []).append(took_ms(partial(episode.act, written)))
            history.append(written)


def left(folders: Sequence[Path]) -> dict[str, int]:
    """What there is now of processes, descriptors, and of these folders and sockets in them."""
    sockets = Path("/proc/net/unix").read_text().splitlines()
    return {
        "processes": len(children_of(os.getpid())),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "folders": sum(folder.exists() for folder in folders),
        "sockets": sum(any(str(folder) in line for folder in folders) for line in sockets),
    }


def in_turn(count: int) -> tuple[dict[str, int], list[Took], list[Took]]:
    """What so many desktops leave, one after the other, and how long each took to start and to end."""
    before, folders, starts, ends = left([]), list[Path](), list[Took](), list[Took]()
    for _ in range(count):
        machines = list[Machine]()
        starts.append(took_ms(lambda made=machines: made.append(Machine())))  # type: ignore[misc]
        folders.append(machines[0].session.folder.path)
        machines[0].begin({}, OWN.find("fill-form").instance(0).made.programs)
        ends.append(took_ms(machines[0].close))
    after = left(folders)
    return {name: after[name] - before[name] for name in after}, starts, ends


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each of six tasks")
    parser.add_argument("--desktops", type=int, default=10, help="desktops in turn")
    given = parser.parse_args()
    print(f"machine with {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| what | times | median, ms | 9 in 10 below, ms | own processor time, median, ms |\n|---|---|---|---|---|")
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

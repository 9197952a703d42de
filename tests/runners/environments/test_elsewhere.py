"""Environments as actors of a real Ray cluster on this machine: the same pages, and a lost actor is an error that says so."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from ray_cluster import Cluster, needs_ray, processes_with
from scheduler import wait_until

from grokputer.domain.errors import EnvironmentUnavailable, UnknownTask
from grokputer.domain.events import Capability
from grokputer.domain.page.messages import Page
from grokputer.domain.page.plan import parse_plan
from grokputer.runners.environments.browser import find_browser
from grokputer.runners.environments.desktop.screen.parts import check_programs
from grokputer.runners.environments.elsewhere import Actor, Elsewhere
from grokputer.runners.wiring.environments import open_environment

pytestmark = [
    pytest.mark.slow,
    needs_ray,
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]


@pytest.fixture
def shell(cluster: Cluster) -> Iterator[Elsewhere]:
    place = Elsewhere(partial(open_environment, "shell"), cluster.head, 2)
    yield place
    place.close()


def first_task() -> str:
    return open_environment("shell").tasks()[0]


def test_an_actor_shows_the_pages_that_the_environment_shows_here(shell: Elsewhere) -> None:
    here, task = open_environment("shell"), first_task()
    assert (shell.tasks(), shell.capabilities) == (here.tasks(), here.capabilities)
    assert Capability.VERIFIES in shell.capabilities
    page = shell.reset(task, 7)
    assert (page.task, page.lines) == ((same := here.reset(task, 7)).task, same.lines)
    script, own, done = shell.demonstrate(task), here.demonstrate(task), list[str]()
    while not page.is_done:
        action = script(page, done)
        assert action == own(same, done)
        page, same = shell.act(action), here.act(action)
        done.append(action)
    assert page.reward == same.reward == 1
    here.close()


def test_parallel_episodes_do_not_meet(shell: Elsewhere) -> None:
    task = first_task()
    pages = [(seat := shell.beside(number), seat.reset(task, number)) for number in range(3)]
    assert len({page.lines for _, page in pages}) > 1
    for seat, _ in pages:
        done: list[str] = []
        page = seat.reset(task, 5)
        while not page.is_done:
            done.append(seat.demonstrate(task)(page, done))
            page = seat.act(done[-1])
        assert page.reward == 1


@pytest.mark.parametrize(
    ("name", "task"),
    [("miniwob", "click-button"), ("web", "write-mail"), ("desktop", "fill-form"), ("desktop", "new-folder")],
)
def test_browsers_and_desktops_are_used_in_an_actor_and_end_with_it(cluster: Cluster, name: str, task: str) -> None:
    program = program_of(name)
    place = Elsewhere(partial(open_environment, name), cluster.head, 1)
    try:
        seats = [place.beside(number) for number in range(2)]
        begun = [seat.reset(task, number) for number, seat in enumerate(seats)]
        assert all(page.lines for page in begun)
        assert [play(seat, page, task) for seat, page in zip(seats, begun, strict=True)] == [1, 1]
        del seats
        most = len(begun_by_actors(program))
        assert most
        for seed in range(3):
            seat = place.beside(0)
            assert play(seat, seat.reset(task, seed), task) == 1
        assert len(begun_by_actors(program)) <= most, "later episodes use what the first ones started"
        mine = begun_by_actors(program)
    finally:
        place.close()
    wait_until(lambda: not {*mine} & {*processes_with(program)})


def begun_by_actors(program: str) -> list[int]:
    """The processes of the program that an actor has started, or something that it has started."""
    actors = {*processes_with("ray::Actor")}
    return [process for process in processes_with(program) if actors & {*ancestors(process)}]


def ancestors(process: int) -> Iterator[int]:
    """The process's parent, its parent, and so on."""
    while process > 1:
        try:
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return
        yield process


def program_of(name: str) -> str:
    """The program that the environment starts; without it the test is skipped."""
    try:
        if name == "desktop":
            check_programs()
            return "Xvfb"
        return str(find_browser())
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))


def play(place: Elsewhere, page: Page, task: str) -> float:
    """The reward of the demonstration, played from this page."""
    script, done = place.demonstrate(task), list[str]()
    while not page.is_done:
        done.append(script(page, done))
        page = place.act(done[-1])
    return page.reward


def test_a_plan_is_demonstrated_where_the_episode_is_played(cluster: Cluster) -> None:
    place = Elsewhere(partial(open_environment, "long"), cluster.head, 1)
    try:
        page = place.reset("two-parts", 3)
        script = place.demonstrate_plan("two-parts")
        plan = parse_plan(script.plan(page))
        assert plan is not None and len(plan) == 2
        for goal in plan:
            history: list[str] = []
            while (action := script.act(page, history, goal.words)) != "DONE" and not page.is_done:
                history.append(action)
                page = place.act(action)
        assert page.is_done and page.reward == 1
    finally:
        place.close()


def test_episodes_that_are_over_leave_their_seats(cluster: Cluster) -> None:
    place, task = Elsewhere(partial(open_environment, "shell"), cluster.head, 2), first_task()
    for _ in range(5):
        seats = [place.beside(number) for number in range(4)]
        assert len([seat.reset(task, 1) for seat in seats]) == 4
        assert [len(taken) for taken in place._pool.seats] == [2, 2]
        del seats
        assert [len(taken) for taken in place._pool.seats] == [0, 0]
    place.close()


def test_nothing_is_done_before_an_episode_begins(shell: Elsewhere) -> None:
    with pytest.raises(EnvironmentUnavailable, match="no episode is running"):
        shell.act("RUN true")


def test_an_unknown_task_is_refused_as_it_is_here(shell: Elsewhere) -> None:
    with pytest.raises(UnknownTask):
        shell.reset("no-such-task", 1)


def test_an_actor_that_is_killed_is_lost_and_a_later_episode_is_played(shell: Elsewhere) -> None:
    task = first_task()
    shell.reset(task, 1)
    for process in processes_with("ray::Actor"):
        os.kill(process, signal.SIGKILL)
    with pytest.raises(EnvironmentUnavailable, match="was lost"):
        shell.act("RUN true")
    wait_until(lambda: _can_begin(shell, task))
    assert not shell.act("RUN true").is_done


def _can_begin(shell: Elsewhere, task: str) -> bool:
    try:
        shell.reset(task, 1)
    except EnvironmentUnavailable:
        return False
    return True


def test_an_episode_of_an_actor_that_was_started_again_is_lost_and_never_begun_by_itself() -> None:
    actor = Actor(partial(open_environment, "shell"))
    assert "was started again" in str(actor.ask(0, "act", "RUN true"))

"""Environments as actors of a real Ray cluster on this machine: the same pages, and a lost actor is an error that says so."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial

import pytest
from ray_cluster import Cluster, needs_ray, processes_with
from scheduler import wait_until

from grokputer.domain.errors import EnvironmentUnavailable, UnknownTask
from grokputer.domain.events import Capability
from grokputer.runners.environments.elsewhere import Elsewhere, Seats
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


def test_an_unknown_task_is_refused_as_it_is_here(shell: Elsewhere) -> None:
    with pytest.raises(UnknownTask):
        shell.reset("no-such-task", 1)


def test_an_actor_that_is_killed_is_lost_and_a_later_episode_is_played(shell: Elsewhere) -> None:
    task = first_task()
    shell.reset(task, 1)
    for process in processes_with("ray::Seats"):
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
    seats = Seats(partial(open_environment, "shell"))
    assert "was started again" in str(seats.ask(0, first_task(), "act", "RUN true"))

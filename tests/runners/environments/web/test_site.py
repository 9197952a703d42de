"""The tasks of the site: none is done at its start, each is done by its demonstration, and nothing else does it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from local_pages import do

from grokputer.domain.page.messages import Page
from grokputer.runners.environments.web.environment import Browse, Web
from grokputer.runners.environments.web.site.families import FAMILIES, SiteTasks

STEPS = 12


@pytest.fixture(scope="module")
def web(browse: Browse) -> Iterator[Web]:
    """The site's tasks in the browser of the other tests."""
    web = Web(SiteTasks())
    web._browsing = browse._browsing
    yield web
    web._tasks.close()


def demonstrated(web: Web, task: str, seed: int) -> Page:
    page, history = web.reset(task, seed), list[str]()
    assert not page.is_done
    script = web.demonstrate(task)
    while not page.is_done and len(history) < STEPS:
        history.append(script(page, history))
        page = web.act(history[-1])
        assert not page.error
    return page


def test_parallel_episodes_of_several_tasks_do_not_meet(web: Web) -> None:
    """As a batch asks for them: each task counts its own seats."""
    tasks = ["answer-mail", "buy", "buy"]
    seats = [web.beside(seat) for seat in (0, 0, 1)]
    pages = [seat.reset(task, 3) for seat, task in zip(seats, tasks, strict=True)]
    scripts = [web.demonstrate(task) for task in tasks]
    histories = [list[str]() for _ in tasks]
    for _ in range(STEPS):
        for number, seat in enumerate(seats):
            if not pages[number].is_done:
                histories[number].append(scripts[number](pages[number], histories[number]))
                pages[number] = seat.act(histories[number][-1])
    assert [(page.is_done, page.reward) for page in pages] == [(True, 1.0)] * 3


def test_episodes_one_after_another_have_one_proxy(web: Web) -> None:
    for seed in range(3):
        web.beside(0).reset("buy", seed)
    before = threading.active_count(), len(web._browsing._proxies)
    for seed in range(5):
        web.beside(0).reset("buy", seed)
    assert (threading.active_count(), len(web._browsing._proxies)) == before


def test_there_are_eight_families_and_more() -> None:
    assert len(FAMILIES) >= 8
    assert all(len(family.phrasings) >= 4 for family in FAMILIES.values())


@pytest.mark.parametrize("task", ["answer-mail", "buy", "delete-mails", "download-invoice"])
def test_a_demonstration_does_its_task(web: Web, task: str) -> None:
    assert demonstrated(web, task, 0).reward == 1


@pytest.mark.parametrize("task", ["fill-form", "delete-mails"])
def test_doing_nothing_does_no_task(web: Web, task: str) -> None:
    web.reset(task, 0)
    page = web.act("DONE")
    assert (page.is_done, page.reward) == (True, 0)
    assert web.act("WAIT").error == "the episode is over"


def test_the_same_seed_gives_the_same_page_and_another_seed_another(web: Web) -> None:
    first, again, other = web.reset("buy", 3), web.reset("buy", 3), web.reset("buy", 4)
    assert (first.task, first.lines) == (again.task, again.lines)
    assert first.lines != other.lines
    assert first.lines[0] == "address:http://shop.test/[1]"


def test_more_than_was_asked_for_is_not_success(web: Web) -> None:
    page = web.reset("delete-mails", 1)
    for line in [line for line in page.lines if line.startswith("input.checkbox")]:
        page = web.act(f"CLICK{line}")
    page = do(web, page, "CLICK", "button:Delete selected")
    assert not page.is_done
    assert web.act("DONE").reward == 0


@pytest.mark.slow
@pytest.mark.parametrize("task", sorted(FAMILIES))
def test_ten_demonstrations_do_each_task(web: Web, task: str) -> None:
    for seed in range(10):
        web.reset(task, seed)
        assert web.act("DONE").reward == 0
        assert demonstrated(web, task, seed).reward == 1

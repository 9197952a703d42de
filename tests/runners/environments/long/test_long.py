"""Long tasks: what they are made of, that they are not done at their start, and that their demonstrations do them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from desks import CAT, TEA, Desk

from grokputer.domain.errors import EnvironmentUnavailable, UnknownTask
from grokputer.domain.page.messages import Page
from grokputer.domain.page.plan import MOST_GOALS, parse_plan
from grokputer.domain.rules.coordination import PlanBounds
from grokputer.runners.agent.episode import Step, follow_planned_script, follow_script, is_success, play
from grokputer.runners.environments.elsewhere import Actor
from grokputer.runners.environments.long.commands import CommandPart
from grokputer.runners.environments.long.environment import Long
from grokputer.runners.environments.long.parts import COUNTS, MOST_ACTS
from grokputer.runners.environments.sandbox.choice import find_sandbox
from grokputer.runners.environments.shell.families import OWN

BOUNDS = PlanBounds(1, 12)


@pytest.fixture(scope="module")
def long() -> Iterator[Long]:
    try:
        find_sandbox()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    opened = Long(OWN, lambda name: Desk())
    yield opened
    opened.close()


def planned(long: Long, task: str, seed: int) -> list[Step]:
    page = long.reset(task, seed)
    return list(play(long, page, follow_planned_script(long.demonstrate_plan(task)), 12, bounds=BOUNDS))


def check(long: Long, task: str, seed: int) -> None:
    """Not done after its reset; done by its demonstration, with a plan and without."""
    long.reset(task, seed)
    assert long.act("DONE").reward == 0
    steps = list(play(long, long.reset(task, seed), follow_script(long.demonstrate(task)), 12))
    assert is_success(steps[-1].page), (task, seed, [step.answer for step in steps])
    steps = planned(long, task, seed)
    assert is_success(steps[-1].page), (task, seed, [(step.goal, step.found, step.answer) for step in steps])


@pytest.mark.parametrize("task", ["two-parts", "five-parts"])
def test_a_long_task_is_not_done_at_its_start_and_done_by_its_demonstration(long: Long, task: str) -> None:
    check(long, task, 0)


@pytest.mark.slow
@pytest.mark.parametrize("task", COUNTS)
def test_every_long_task_is_done_by_its_demonstration_from_ten_seeds(long: Long, task: str) -> None:
    for seed in range(10):
        check(long, task, seed)


@pytest.mark.slow
def test_every_family_of_the_shell_can_be_a_part(long: Long) -> None:
    for family in OWN.names():
        check(long, f"{family}+make-folder", 3)


def test_a_task_with_several_places_is_demonstrated_step_by_step_in_an_actor() -> None:
    actor, task = Actor(lambda: Long(OWN, lambda name: Desk())), "make-folder+desk/tea-and-cat+make-file"
    for _ in range(2):
        page, history = actor.ask(0, "reset", task, 1), list[str]()
        assert isinstance(page, Page)
        while not page.is_done and len(history) < 12:
            history.append(str(actor.ask(0, "demonstrate", task, page, history)))
            page = actor.ask(0, "act", history[-1])
            assert isinstance(page, Page)
        assert (page.reward, len(history)) == (1, 5)
    actor.close()


def test_parallel_episodes_of_different_long_tasks_have_different_places(long: Long) -> None:
    seen = list[int]()

    class Seen(Desk):
        def beside(self, seat: int) -> Desk:
            seen.append(seat)
            return Desk()

    other = Long(OWN, lambda name: Seen())
    one, two = other.beside(0), other.beside(0)
    one.reset("desk/tea-and-cat+make-folder", 1)
    two.reset("desk/tea-and-cat+delete-file", 1)
    other.close()
    assert len(set(seen)) == 2


def test_folders_of_episodes_that_are_over_are_gone() -> None:
    other = Long(OWN)
    seats = [other.beside(0) for _ in range(6)]
    for seed, seat in enumerate(seats):
        seat.reset("two-parts", seed)
    rooms = other._kept.shell._shared._rooms
    assert len(rooms) == 6
    del seats, seat
    assert len(rooms) == 0
    other.close()


def test_the_goals_of_a_demonstration_are_the_words_of_the_request_in_their_order(long: Long) -> None:
    page = long.reset("three-parts", 2)
    goals = parse_plan(long.demonstrate_plan("three-parts").plan(page))
    assert goals is not None and len(goals) == 3 <= MOST_GOALS
    assert page.task == f"Do this: {' Then '.join(goal.words for goal in goals)}"


def test_every_step_of_a_demonstration_serves_its_goal(long: Long) -> None:
    steps = planned(long, "delete-file+count-lines+back-up", 1)
    assert [(str(step.kind), step.goal) for step in steps] == [
        ("plan", 0), ("act", 1), ("act", 2), ("act", 2), ("check", 2), ("act", 3),
    ]  # fmt: skip
    assert steps[1].answer.split(" && ")[1].startswith("mv ")


def test_the_same_seed_asks_for_the_same_and_another_for_something_else(long: Long) -> None:
    assert long.reset("two-parts", 1).task == long.reset("two-parts", 1).task != long.reset("two-parts", 2).task


def test_a_part_that_is_spoilt_later_is_not_done(long: Long) -> None:
    page = long.reset("make-file+make-folder", 1)
    first, second = (part for part in parse_plan(long.demonstrate_plan("make-file+make-folder").plan(page)) or ())
    script = long.demonstrate("make-file+make-folder")
    made = script(page, [])
    long.act(made)
    new = first.condition.removeprefix("file:")
    long.act(f"RUN rm {new}")
    after = long.act(script(page, [made]))
    assert second.holds_on(after) and not after.is_done
    assert is_success(long.act(made))


def test_an_answer_counts_when_it_was_given_and_what_else_is_printed_later_does_not_matter(long: Long) -> None:
    page = long.reset("count-lines+make-folder", 1)
    script = long.demonstrate("count-lines+make-folder")
    answered = script(page, [])
    long.act(answered)
    long.act("RUN echo something else")
    assert is_success(long.act(script(page, [answered])))


def test_parts_of_other_environments_come_one_after_the_other(long: Long) -> None:
    task = "make-folder+desk/tea-and-cat"
    steps = planned(long, task, 1)
    assert [step.answer for step in steps if step.answer in (TEA, CAT)] == [TEA, CAT]
    page = long.reset(task, 1)
    done = follow_script(long.demonstrate(task))
    assert is_success(list(play(long, page, done, 12))[-1].page)


def test_a_drawn_task_fits_into_a_run(long: Long) -> None:
    for task, count in COUNTS.items():
        for seed in range(6):
            parts = long._draw(task, seed)
            acts = sum(CommandPart("", OWN.make(part.task, part.seed)).acts for part in parts)
            assert len(parts) == count and acts <= MOST_ACTS


@pytest.mark.parametrize("task", ["", "delete-file", "delete-file+", "delete-file+no-such", "+".join(["back-up"] * 6)])
def test_what_is_no_long_task_is_refused(task: str) -> None:
    with pytest.raises(UnknownTask):
        Long(OWN).check_task(task)


def test_a_part_of_an_environment_that_has_none_is_refused() -> None:
    with pytest.raises(EnvironmentUnavailable, match="its parts are of the shell"):
        Long(OWN).check_task("delete-file+desk/tea-and-cat")

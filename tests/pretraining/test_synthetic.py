"""The synthetic tasks: solvable as they say, in the language of real pages, and the same for the same seed."""

from __future__ import annotations

import re
from random import Random

import pytest

from grokputer.domain.page.action import parse_action, write_action
from grokputer.pretraining import words
from grokputer.pretraining.questions import ask_questions
from grokputer.pretraining.reading import click_part, read_cell
from grokputer.pretraining.scene import Element, Scene
from grokputer.pretraining.synthetic import GOALS, Demonstration, demonstrate_synthetic

LINE = re.compile(r"[\w.#-]+( \w+)*\*?(=.*?)?(:.*)?\[\d+\]", re.DOTALL)


def demonstrations(tasks: int, difficulty: float = 1.0) -> list[Demonstration]:
    return [each for seed in range(tasks) for each in demonstrate_synthetic(Random(seed), difficulty)]


def test_the_same_seed_gives_the_same_demonstrations() -> None:
    assert list(demonstrate_synthetic(Random(7))) == list(demonstrate_synthetic(Random(7)))


def test_every_action_can_be_read_and_repeats_a_line_of_its_page() -> None:
    for each in demonstrations(300):
        action = parse_action(each.action)
        assert action is not None
        if action.verb != "DONE":
            line = each.page.lines[action.number - 1]
            assert each.action == write_action(action.verb, line, action.text)


def test_every_line_is_written_as_a_page_writes_it() -> None:
    for each in demonstrations(200):
        for number, line in enumerate(each.page.lines, 1):
            assert line.endswith(f"[{number}]")
            assert LINE.fullmatch(line), line


def test_what_is_to_be_typed_stands_in_the_task_or_on_the_page() -> None:
    for each in demonstrations(300):
        action = parse_action(each.action)
        if action is not None and action.verb == "TYPE":
            assert action.text in each.page.task or any(action.text in line for line in each.page.lines)


def test_no_page_is_longer_than_real_ones() -> None:
    assert max(len(each.page.lines) for each in demonstrations(500)) <= 90


def test_easy_tasks_are_shorter_than_hard_ones() -> None:
    easy, hard = (sum(len(each.page.lines) for each in demonstrations(200, level)) for level in (0.0, 1.0))
    assert easy < hard


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: str(goal.__name__))
def test_every_goal_acts_on_elements_of_its_scene(goal) -> None:  # type: ignore[no-untyped-def]
    for seed in range(50):
        scene = Scene()
        asked, steps = goal(Random(seed), scene)
        assert asked
        assert all(element in scene.elements for _, element, _ in steps)


def test_words_are_too_many_to_be_known_by_heart() -> None:
    rng = Random(0)
    assert len({words.syllables(rng) for _ in range(2000)}) > 1000


def test_choosing_an_option_turns_the_others_of_its_list_off() -> None:
    red, blue = Element("option", "Red", group=1, is_on=True), Element("option", "Blue", group=1)
    scene = Scene([Element("select", "Colour", group=1), red, blue])
    scene.act("SELECT", blue, "")
    assert scene.lines() == ("select:Colour[1]", "option:Red[2]", "option*:Blue[3]")


def test_typing_shows_as_the_value() -> None:
    scene = Scene([field := Element("input.text", name="#zip")])
    scene.act("TYPE", field, "1234")
    assert scene.lines() == ("input.text#zip=1234[1]",)


def test_questions_about_a_page_are_answered_by_lines_of_that_page() -> None:
    for seed in range(100):
        page = ask_questions(Random(seed))
        for task, written in page.asked:
            action = parse_action(written)
            assert action is not None
            assert written == write_action(action.verb, page.lines[action.number - 1], action.text)
            assert task


def test_a_page_is_asked_about_several_times() -> None:
    assert sum(len(ask_questions(Random(seed)).asked) for seed in range(100)) > 500


def test_the_cell_that_is_read_stands_in_its_row_and_column() -> None:
    for seed in range(100):
        scene = Scene()
        asked, ((verb, element, text),) = read_cell(Random(seed), scene)
        value = text if verb == "TYPE" else element.text
        at = [each.text for each in scene.elements].index(value)
        assert any(each.text and each.text in asked for each in scene.elements[:at])


def test_only_one_text_has_the_part_that_is_asked_for() -> None:
    for seed in range(100):
        scene = Scene()
        asked, ((_, element, _),) = click_part(Random(seed), scene)
        part = re.findall(r"(?:with|are|in|containing|has) [\"'“]?(.*?)[\"'”]?(?: in it| in its text)?$", asked)[0]
        assert [each for each in scene.elements if part.lower() in each.text.lower()] == [element]

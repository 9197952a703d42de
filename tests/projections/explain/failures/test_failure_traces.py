"""The trace of a failure: page and action of a step as words that can be compared."""

from __future__ import annotations

from typing import Any

import pytest
from failing import LOGIN, PRESS
from hypothesis import given, settings
from hypothesis import strategies as st

from grokputer.domain.page.messages import Page
from grokputer.domain.page.observation import read_observation
from grokputer.domain.page.prompt import observe
from grokputer.domain.page.tools import write_call
from grokputer.projections.explain.failures.trace import MOST_WORDS, Trace, trace_step, words_of


def trace(lines: tuple[str, ...] = LOGIN, answer: str = PRESS, error: str = "", **more: Any) -> Trace:
    return trace_step(observe(Page("Log in as bob.", lines), ["CLICKspan:Before[1]"], **more), answer, (), error)


def test_an_observation_has_the_pages_lines_without_task_past_actions_and_instructions() -> None:
    page = Page("Log in.", LOGIN, error="no element 9")
    instructions = {"role": "system", "content": "Be brief."}
    seen = read_observation(observe(page, ["CLICKspan:Before[1]"], [instructions]))  # type: ignore[list-item]
    assert (seen.lines, seen.is_page) == (LOGIN, True)


def test_the_observation_of_a_conversation_is_its_newest_question() -> None:
    turns = [
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "Capital of France?"},
        {"role": "assistant", "content": "Paris"},
        {"role": "user", "content": "And of\nPeru?"},
    ]
    seen = read_observation(turns)
    assert (seen.lines, seen.is_page) == (("And of", "Peru?"), False)


@pytest.mark.parametrize("turns", [[], [{"role": "system", "content": "x"}], [{"role": "user", "content": None}], [{}]])
def test_a_prompt_without_an_input_has_no_observation(turns: list[dict[str, Any]]) -> None:
    assert read_observation(turns).lines == ()


def test_an_action_has_its_verb_the_elements_kind_and_the_elements_words() -> None:
    told = trace(("button small red:Log In 12[1]",), "CLICKbutton small red:Log In 12[1]")
    assert (told.verb, told.target, told.said) == ("CLICK", "button", ("log", "in", "#"))
    assert told.words == {"small", "red", "log", "in", "#"}


def test_what_is_typed_and_what_fields_hold_is_no_part_of_a_trace() -> None:
    told = trace(answer="TYPEinput.text#username=bob[2]hunter2")
    assert (told.verb, told.target, told.said) == ("TYPE", "input.text#username", ())
    assert "bob" not in told.words
    assert {"<input.text#username> filled", "<input.password> empty"} <= told.shape


def test_instances_that_differ_in_numbers_alone_have_equal_traces() -> None:
    one, other = (
        trace((f"span:Order {number} of 7[1]", "button:Ok[2]"), "CLICKbutton:Ok[2]", f"no element {number}")
        for number in (12, 4711)
    )
    assert one == other


def test_a_command_has_its_program_and_its_words() -> None:
    page = Page("Count.", ("exit:0[1]", "output:3 notes.txt[2]"), verbs=("RUN", "DONE"))
    told = trace_step(observe(page, []), "RUN wc -l < notes.txt", (), "")
    assert (told.verb, told.target, told.said) == ("RUN", "wc", ("l", "notes", "txt"))


def test_an_answer_in_words_and_a_call_are_told_apart() -> None:
    question = observe(Page("Weather in Paris?", (), is_question=True), [])
    assert trace_step(question, "It rains.", (), "").verb == "ANSWER"
    called = trace_step(question, "", [write_call("get_weather", {"city": "Paris"})], "")
    assert (called.verb, called.target, called.said) == ("CALL", "get_weather", ())


def test_text_that_is_no_action_of_a_page_is_told_as_such() -> None:
    assert trace(answer="I would press the button.").verb == "NO ACTION"


def test_words_of_languages_without_spaces_are_single_characters() -> None:
    assert words_of("Über 日本 42") == ["über", "日", "本", "#"]


def test_control_and_format_characters_are_in_no_word() -> None:
    told = trace(
        ("button:\x1b]0;owned\x07 \u202eok\u200b[1]",), "CLICKbutton:\x1b]0;owned\x07 \u202eok\u200b[1]", "\x1b[2J gone"
    )
    assert all(word.isprintable() for word in (*told.words, *told.said, *told.error, *told.shape))


def test_a_page_of_a_million_characters_gives_a_trace_of_bounded_size() -> None:
    told = trace(
        tuple(
            f"p:{' '.join(f'w{chr(97 + at % 26)}{chr(97 + at // 26 % 26)}x' for at in range(999))}[{n}]"
            for n in range(1, 250)
        )
    )
    assert len(told.words) <= MOST_WORDS


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "tool", "system"]), "content": st.text()}), max_size=3
    ),
    st.one_of(st.text(), st.from_regex(r"(CLICK|TYPE|SELECT|RUN )[^\n]*\[[0-9]+\].*")),
    st.text(),
)
def test_every_prompt_and_answer_has_a_trace(messages: list[dict[str, str]], answer: str, error: str) -> None:
    told = trace_step(messages, answer, (), error)
    assert told.page_marks == told.shape | told.words
    assert f"does {told.verb}" in told.action_marks

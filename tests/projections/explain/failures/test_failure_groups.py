"""Groups of similar failures: who belongs together, what a group is called, and what its rates are."""

from __future__ import annotations

import random

import pytest
from failing import LOGIN, PRESS, failed, succeeded

from grokputer.domain.page.messages import Page
from grokputer.domain.page.prompt import observe
from grokputer.projections.explain.failures import grouping
from grokputer.projections.explain.failures.ended_run import EndedRun
from grokputer.projections.explain.failures.group import FailureGroup, make_groups
from grokputer.projections.explain.failures.grouping import MOST_GROUPS, group_failures, likeness, strip_traces
from grokputer.projections.explain.failures.naming import LONGEST_NAME
from grokputer.projections.explain.failures.trace import Trace, trace_step, trace_without_step

NAMES = (
    "Ada",
    "Bob",
    "Cleo",
    "Dan",
    "Eve",
    "Finn",
    "Gus",
    "Hal",
    "Ida",
    "Jo",
    "Kim",
    "Lea",
    "Max",
    "Nils",
    "Olga",
    "Pia",
)


def on_page(lines: tuple[str, ...], answer: str, error: str = "") -> Trace:
    return trace_step(observe(Page("Do it.", lines), []), answer, (), error)


def asked(question: str, answer: str) -> Trace:
    return trace_step(observe(Page(question, (), is_question=True), []), answer, (), "")


def pressing(number: int) -> EndedRun:
    """Of one family: each instance has other names on its page."""
    first, second = NAMES[number % 16], NAMES[(number * 7 + 3) % 16]
    lines = ("p:Choose the person[1]", f"link:{first}[2]", f"link:{second}[3]", "button:Ok[4]")
    return failed(number, on_page(lines, "CLICKbutton:Ok[4]"), family="miniwob/choose-person")


def sizes(groups: tuple[FailureGroup, ...]) -> list[int]:
    return [len(group.runs) for group in groups]


def test_instances_of_one_task_with_other_names_on_the_page_are_one_group() -> None:
    [group] = make_groups([pressing(number) for number in range(16)])
    assert group.name == "choose-person: CLICK button 'ok'"
    assert len(group.runs) == 16


def test_failures_of_one_page_with_different_actions_are_different_groups() -> None:
    typed = [failed(number, on_page(LOGIN, "TYPEinput.password[4]x")) for number in range(3)]
    pressed = [failed(number, on_page(LOGIN, PRESS)) for number in range(10, 15)]
    groups = make_groups([*typed, *pressed])
    assert [group.name for group in groups] == ["login-user: CLICK button 'login'", "login-user: TYPE input.password"]
    assert sizes(groups) == [5, 3]


def test_a_group_is_named_by_the_field_that_tells_it_from_others_of_its_family() -> None:
    filled = tuple(line.replace("password[", "password=x[") for line in LOGIN)
    lines = {"empty": LOGIN, "filled": (*filled, *(f"li:{word}[{at}]" for at, word in enumerate(NAMES, 6)))}
    runs = [failed(at, on_page(lines["empty" if at % 2 else "filled"], PRESS)) for at in range(8)]
    assert {group.name for group in make_groups(runs)} == {
        "login-user: CLICK button 'login', password empty",
        "login-user: CLICK button 'login', password filled, 'cleo'",
    }


def test_the_same_error_is_part_of_a_groups_name() -> None:
    runs = [failed(at, on_page(LOGIN, PRESS, f"element {at} is covered")) for at in range(4)]
    assert make_groups(runs)[0].name == "login-user: CLICK button 'login', element # is covered"


def test_similar_failures_of_two_families_are_one_group() -> None:
    runs = [failed(at, on_page(LOGIN, PRESS), family=f"miniwob/login-{at % 2}") for at in range(6)]
    [group] = make_groups(runs)
    assert group.name == "2 families: CLICK button 'login'"
    assert group.families == ("miniwob/login-0", "miniwob/login-1")


def test_questions_of_one_form_are_one_group_and_others_are_not() -> None:
    capitals = [
        failed(at, asked(f"What is the capital of {name}?", "London"), family="chat")
        for at, name in enumerate(NAMES[:4])
    ]
    other = failed(9, asked("Write a poem about rain in the style of a tax form.", "Drops fall"), family="chat")
    groups = make_groups([*capitals, other])
    assert sizes(groups) == [4]
    assert groups[0].name.startswith("chat: answer 'london', ")
    assert "'capital'" in groups[0].name


def test_questions_of_one_form_are_alike_whatever_was_answered_at_length() -> None:
    answers = ("It is London, as everybody who has been there knows.", "That must be Quito, high up in the mountains.")
    runs = [
        failed(at, asked(f"What is the capital of {place}?", answer), family="chat")
        for at, (place, answer) in enumerate(zip(("France", "Peru"), answers, strict=True))
    ]
    assert [group.name for group in make_groups(runs)] == ["chat: answer, 'capital', 'what', 'the'"]


def test_runs_without_a_step_are_grouped_by_their_reason() -> None:
    runs = [failed(at, trace_without_step("error" if at < 3 else "timeout"), step=None) for at in range(5)]
    assert [group.name for group in make_groups(runs)] == ["login-user: no step, error", "login-user: no step, timeout"]


def test_failures_without_a_trace_or_like_no_other_are_in_no_group() -> None:
    alone = failed(1, on_page(("canvas[1]",), "CLICKcanvas[1]"), family="miniwob/draw")
    assert make_groups([failed(0), failed(2), alone, succeeded(3)]) == ()


def test_names_are_given_once_and_have_at_most_sixty_characters() -> None:
    runs = []
    for kind in range(30):
        letter = "abcdefghij"[kind % 10]
        lines = tuple(f"{letter}kind:{letter}text{at}[{at}]" for at in range(1 + kind // 10, 9 + kind // 10))
        answer = "RUN " + "x" * 99
        runs += [failed(100 * kind + at, on_page(lines, answer), family="miniwob/" + "long" * 30) for at in range(2)]
    names = [group.name for group in make_groups(runs)]
    assert len(set(names)) == len(names) > 1
    assert max(map(len, names)) <= LONGEST_NAME


def test_under_an_adapter_a_group_is_compared_with_the_adapters_runs_of_its_families() -> None:
    wrong = [failed(at, on_page(LOGIN, PRESS), adapter="base" if at < 3 else "lora-v1") for at in range(4)]
    others = [succeeded(10 + at, adapter="lora-v1" if at < 7 else "lora-v2") for at in range(9)]
    elsewhere = [succeeded(30 + at, family="miniwob/click-tab") for at in range(50)]
    unknown = succeeded(90, succeeded=None)
    [group] = make_groups([*wrong, *others, *elsewhere, unknown])
    assert {each.name: (each.rate.failed, each.rate.known) for each in group.by_adapter} == {
        "base": (3, 3),
        "lora-v1": (1, 8),
        "lora-v2": (0, 2),
    }
    assert (group.rate.failed, group.rate.known) == (4, 13)


def test_a_group_leads_to_its_runs_to_rating_to_correction_and_to_a_training() -> None:
    runs = [
        failed(at, on_page(LOGIN, PRESS), fault="recovery", stars=None if at == 1 else 2, is_corrected=at == 3)
        for at in range(4)
    ]
    [group] = make_groups(runs)
    assert group.runs == tuple(run.id for run in reversed(runs))
    steps = group.next_steps
    assert (steps.see, steps.rate, steps.correct) == ("failures 00000000", "rate 00000000", "correct 00000000")
    assert steps.train == 'train recovery --reason "4 failures like run 00000000"'
    assert (group.id, group.corrected, group.unrated) == (runs[0].id, 1, 1)


def test_a_group_of_corrected_and_rated_failures_leads_to_no_rating_and_no_correction() -> None:
    [group] = make_groups([failed(at, on_page(LOGIN, PRESS), stars=1, is_corrected=True) for at in range(2)])
    assert (group.next_steps.rate, group.next_steps.correct) == (None, None)


def test_the_order_in_which_failures_are_given_changes_no_group() -> None:
    runs = [pressing(number) for number in range(12)]
    runs += [failed(at, on_page(LOGIN, PRESS if at % 3 else "TYPEinput.password[4]x")) for at in range(20, 40)]
    shuffled = random.Random(1).sample(runs, len(runs))
    assert make_groups(shuffled) == make_groups(runs)


def test_comparisons_of_failures_grow_with_their_number_and_not_with_its_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pages of random words, alike to nothing, are the worst case: each is compared with the first of every group."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghij", k=6)) for _ in range(5000)]
    compared: list[int] = []

    def count_and_compare(one: grouping.Marks, other: grouping.Marks) -> float:
        compared[-1] += 1
        return likeness(one, other)

    monkeypatch.setattr(grouping, "likeness", count_and_compare)
    for number in (300, 600):
        compared.append(0)
        marks = [frozenset(draw.choices(words, k=40)) for _ in range(number)]
        runs = [
            failed(at, Trace("CLICK", "button", words=each), family=f"miniwob/{at}") for at, each in enumerate(marks)
        ]
        group_failures(runs, strip_traces(runs))
    few, many = compared
    assert many - few == 300 * MOST_GROUPS
    assert few == 100 * MOST_GROUPS + sum(range(MOST_GROUPS))

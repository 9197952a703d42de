"""The tasks of BFCL in the environment: the split, the corrections and the judgement, by the real package."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import pytest
from bfcl_package import needs_bfcl

from grokputer.domain.errors import UnknownTask
from grokputer.domain.page.prompt import observe
from grokputer.runners.environments.bfcl.entries import Entry, read_entries
from grokputer.runners.environments.bfcl.environment import Bfcl, find_entry, name_task
from grokputer.runners.environments.bfcl.judge import BROKEN, NO_CALL, judge, kind_of
from grokputer.runners.environments.bfcl.split import FRESH, SPLITS, TESTED, split_entries

pytestmark = needs_bfcl


def entry(id: str) -> Entry:
    return next(entry for entry in read_entries() if entry.id == id)


@pytest.mark.parametrize("number", SPLITS)
def test_no_part_of_a_split_has_a_function_of_another_part(number: int) -> None:
    split = split_entries(number)
    parts = [split.train, split.fresh, split.test]
    names = [{name for entry in part for name in entry.names} for part in parts]
    assert not (names[0] & names[1] or names[0] & names[2] or names[1] & names[2])
    assert sorted(entry.id for part in parts for entry in part) == sorted(entry.id for entry in read_entries())
    assert Counter(entry.category for entry in split.test) == TESTED
    assert Counter(entry.category for entry in split.fresh) == FRESH
    assert len({entry.name for entry in split.test}) >= 100


def test_a_split_is_the_same_in_every_process_and_another_number_is_another_split() -> None:
    program = (
        "from grokputer.runners.environments.bfcl.split import split_entries; "
        "print(*(entry.id for entry in (*split_entries(1).test, *split_entries(1).train)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first = split_entries(1)
    assert shown.stdout.split() == [entry.id for entry in (*first.test, *first.train)]
    tests = [frozenset(entry.id for entry in split_entries(number).test) for number in SPLITS]
    assert len(set(tests)) == len(SPLITS)


def test_the_correction_of_every_task_is_judged_right_and_no_other_call_is() -> None:
    for task in read_entries():
        assert judge(task, task.answer).is_right, task.id
        assert kind_of(str(judge(task, f"no_{task.answer}"))) == "simple_function_checker:wrong_func_name"
        assert judge(task, f"{task.answer[:-1]}, surplus=1)").kind.endswith((":unexpected_param", ":wrong_func_name"))
        assert judge(task, f"[{task.answer}, {task.answer}]").kind.endswith(":wrong_count")
        assert judge(task, "I cannot do that.").kind == NO_CALL


def test_every_task_with_a_required_argument_needs_it() -> None:
    for task in read_entries():
        schema = next(function for function in task.functions if function["name"] == task.name)
        if schema["parameters"]["required"]:
            assert judge(task, f"{task.name}()").kind == "simple_function_checker:missing_required", task.id


def test_wrong_values_and_types_have_the_packages_own_names() -> None:
    area = entry("simple_python_0")
    assert area.answer == "calculate_triangle_area(base=10, height=5)"
    assert judge(area, "calculate_triangle_area(base=10, height=6)").kind == "value_error:others"
    assert judge(area, "calculate_triangle_area(base='10', height=5)").kind == "type_error:simple"
    assert judge(area, "calculate_triangle_area(base=5 * 2, height=5, unit='units')").is_right
    assert kind_of(str(judge(area, "calculate_triangle_area(base=10, height=1"))) == NO_CALL


def test_a_call_that_stops_the_checker_is_wrong_and_changes_nothing() -> None:
    stopped = 0
    for task in read_entries():
        [schema] = [function for function in task.functions if function["name"] == task.name]
        for argument, about in schema["parameters"]["properties"].items():
            too_large = re.sub(rf"\b{argument}=-?[0-9.]+", f"{argument}={10**400}", task.answer)
            if about["type"] == "float" and too_large != task.answer:
                stopped += judge(task, too_large).kind == BROKEN
                assert judge(task, task.answer).is_right
    assert stopped


def test_the_page_shows_the_request_and_whole_schemas_and_ends_with_one_answer() -> None:
    place = Bfcl()
    task = name_task("multiple", "test", 3)
    page = place.reset(task, 7)
    shown = find_entry(task, 7)
    [message] = observe(page, [])
    assert message["role"] == "user"
    assert shown.request in message["content"]
    assert all(f'"name": "{name}"' in message["content"] for name in shown.names)
    assert shown.answer not in message["content"]
    answer = place.demonstrate(task)(page, [])
    done = place.beside(1).reset(task, 7) and place.act(answer)
    assert (done.is_done, done.reward, done.error) == (True, 1.0, "")
    place.reset(task, 7)
    assert place.act("no()").reward == 0
    assert kind_of(place.act("no()").error) == "simple_function_checker:wrong_func_name"


def test_a_seed_beyond_the_training_tasks_is_a_page_that_is_neither_trained_on_nor_tested() -> None:
    task, split = name_task("simple", "train", 1), split_entries(1)
    numbered = [find_entry(task, seed) for seed in range(len(split.of("train", "simple")))]
    assert numbered == split.of("train", "simple")
    beyond = {find_entry(task, seed).id for seed in range(len(numbered), len(numbered) + 1000)}
    assert beyond == {entry.id for entry in split.of("fresh", "simple")}


def test_an_unknown_task_or_split_is_one_line() -> None:
    for task in ("simple-train-99", "parallel-train-1", "simple-fresh-1", "simple"):
        with pytest.raises(UnknownTask, match="there is no task"):
            Bfcl().check_task(task)
        with pytest.raises(UnknownTask, match="a split from 1 to 10"):
            Bfcl().reset(task, 0)

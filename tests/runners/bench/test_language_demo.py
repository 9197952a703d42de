"""The demo of a language model: what feedback shows is apart from what is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokputer.domain.events import TaskStarted
from grokputer.runners.bench.language import (
    BY_STEPS,
    BY_WORDINGS,
    EXAMPLES,
    FAMILIES,
    SEVERAL_STEPS,
    UNSEEN_NAMES,
    UNSEEN_WORDINGS,
    WITH_EXAMPLES,
    plan_language,
)
from grokputer.runners.bench.loop import Display, play
from grokputer.runners.bench.plan import Measured, Plan, Planned
from grokputer.runners.environments.shell.draw import FOLDERS, NAMES, WORDS
from grokputer.runners.environments.shell.families import OWN
from grokputer.runners.environments.shell.family import phrasing_of
from grokputer.runners.store.ledger import Ledger

PLAN = plan_language(3)


def _measured(cycle: int) -> list[Planned]:
    return [planned for _, part in PLAN.measurements(cycle) for planned in part]


def _drawn_names(planned: Planned) -> set[str]:
    values = map(str, OWN.find(planned.task).values(planned.seed).values())
    return {word.partition(".")[0] for word in values} & {*NAMES, *FOLDERS, *WORDS}


@pytest.mark.parametrize("purpose", ["feedback", "canary"])
def test_feedback_has_no_unseen_wording_and_no_unseen_name_in_request_or_folder(purpose: str) -> None:
    for planned in PLAN.rated(1, purpose):
        assert planned.task in FAMILIES
        assert phrasing_of(planned.seed) not in UNSEEN_WORDINGS
        instance = OWN.make(planned.task, planned.seed)
        words = set(
            " ".join((*instance.files, *map(str, instance.solution))).replace(".", " ").replace("/", " ").split()
        )
        assert not words & UNSEEN_NAMES


def test_every_measured_single_step_has_unseen_names_alone_and_its_groups_wordings() -> None:
    new_wordings = (BY_WORDINGS, WITH_EXAMPLES[BY_WORDINGS])
    for planned in _measured(0):
        group = planned.label.detail
        if group != BY_STEPS:
            assert _drawn_names(planned)
            assert _drawn_names(planned) <= UNSEEN_NAMES
            assert (phrasing_of(planned.seed) in UNSEEN_WORDINGS) == (group in new_wordings)


def test_examples_are_measured_before_feedback_alone_and_no_page_is_measured_twice() -> None:
    before, after = _measured(0), _measured(1)
    with_examples = [planned for planned in before if planned.label.detail in WITH_EXAMPLES.values()]
    assert len(with_examples) == 2 * len(FAMILIES) * PLAN.measured
    assert len(after) == len(before) - len(with_examples)
    feedback = {planned.seed for planned in PLAN.rated(1, "feedback")}
    assert not feedback & {planned.seed for planned in (*before, *after)}


def test_the_prompt_shows_six_solved_tasks_of_as_many_families_that_no_measurement_has() -> None:
    examples = PLAN.examples()
    assert examples.count("\ndo: RUN ") == EXAMPLES
    requests = {line.removeprefix("task: ") for line in examples.splitlines() if line.startswith("task: ")}
    assert len(requests) == EXAMPLES
    assert not requests & {OWN.make(planned.task, planned.seed).request for planned in _measured(0)}
    assert not any(name in examples for name in UNSEEN_NAMES)


def test_the_families_to_learn_take_one_command_and_the_others_more() -> None:
    for family in FAMILIES:
        assert len(OWN.make(family, 1).solution) == 1
    assert not set(FAMILIES) & set(SEVERAL_STEPS)
    assert any(len(OWN.make(family, 1).solution) > 1 for family in SEVERAL_STEPS)


class _LongerOnce(Plan):
    """Two groups, the second with a setting of its own."""

    @property
    def groups(self) -> list[Measured]:
        return [
            Measured("short", self.tasks, 1),
            Measured("long", self.tasks, 1, {"run.max_steps": (2, "two"), "run.instructions": ("Be brief.", "words")}),
        ]


def test_a_group_is_measured_with_its_own_settings_which_end_with_it(tmp_path: Path, tiny_base: Path) -> None:
    settings = {"model.base": str(tiny_base), "run.max_steps": 1, "run.max_tokens": 4, "run.max_resamples": 0}
    plan = _LongerOnce(
        tasks=("make-file",),
        cycles=0,
        environment="shell",
        settings={key: (it, "small") for key, it in settings.items()},
    )
    ledger = Ledger.create(tmp_path / "events.db")
    play(ledger, plan, "bench", Display())
    started = [recorded.event for recorded in ledger.read(1, None, (TaskStarted.TOPIC,))]
    steps = [event.policy["run.max_steps"] for event in started if isinstance(event, TaskStarted)]
    assert steps == [1, 2]
    assert ["run.instructions" in event.policy for event in started if isinstance(event, TaskStarted)] == [False, True]
    position = ledger.position
    play(ledger, plan, "bench", Display())
    assert ledger.position == position

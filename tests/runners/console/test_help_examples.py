"""Every example of every help runs as it is printed, in a folder with a small log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer
from command_line import call
from documents import Reader
from offered import WEATHER
from receivers import SECRET, Receiver

from grokputer.cli import COMMANDS, app
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.events.runs import Capability
from grokputer.domain.settings.settings import Policy
from grokputer.domain.vocabulary import HandDecision
from grokputer.runners.bench.bench import CANARY, LEAST_FEEDBACK
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.rollouts import decide_by_hand
from story import PROMPT, Story

RUN = UUID("3fa2" + "0" * 28)
"""The run that the examples name."""
EXAMPLE = {
    "source": "replay",
    "run": RUN.hex,
    "step": 0,
    "instance": "miniwob/click-color#7",
    "hash": f"sha256:{'32b09b55':0<64}",
}
"""The example that they name."""

NOT_RUN = {
    "demo": "plays a training and a canary, which takes minutes",
    "bench learn": "plays trainings, which takes hours",
    "bench bfcl": "plays trainings, which takes hours; test_function_calls.py plays a short one",
    "run ": "loads a model and a browser; test_cli_running.py does it",
    "correct 3fa2 --action": "needs a browser and a page of just these elements; test_asking.py does it",
    "correct 3fa2 --step": "needs a browser and a page of just these elements; test_gate_runs.py does it",
    "ab base lora-v1": "plays runs in a browser; test_ab.py does it",
    "ab --from-log": "needs runs that were played in a browser; test_ab.py does it",
    "alerts test --channel email": "needs a server of mail; test_channels.py does it",
    "log --follow": "goes on until it is stopped; test_watch.py does it",
    "forget --person": "asks a person first; test_erasure.py does it",
    "train action --dry-run": "tries steps of a training; test_cost.py does it",
    "train approve": "needs a training that waits; test_approvals.py has one",
    "train cancel": "needs a training under way; test_approvals.py has one",
    "train export": "needs a training that is carried; test_carried.py has one",
    "train run": "trains; test_carried.py does it",
    "train import": "needs the result of a training; test_carried.py has one",
    "work --db": "goes on until it is stopped; test_worker.py does it",
    "serve": "goes on until it is stopped; test_stopping.py starts one",
    "dataset import databricks/": "needs the network",
    "tasks generate": "asks a teacher; test_task_generation.py does it",
    "judge grade": "asks a model; test_cli_judge.py does it",
    "judge prompt 3fa2": "needs an answer that nothing judges; test_cli_judge.py does it",
    "dataset synthesize --role": "asks a teacher; test_teacher.py does it",
    "adapters export lora-v1 merged": "loads a base model; test_merging.py does it",
    "doctor": "says what this machine lacks; test_doctor.py does it",
}
"""Beginnings of examples that are not run here, each with the reason."""

BEFORE = {
    "verify --proof": ["grokputer prove 57 --out event.json"],
    "correct 3fa2 --withdraw": ["grokputer correct 3fa2 --answer Paris"],
    "keys revoke": ["grokputer keys create ada"],
    "restore": ["grokputer backup backups/monday"],
    "log import": ["grokputer log export events.jsonl"],
    "rollouts resume": ["grokputer rollouts pause lora-v1"],
    "tasks check": [
        "mkdir -p my-tasks/count-lines",
        r"""printf 'request = "Count."\nanswer = 3\n' > my-tasks/count-lines/task.toml""",
    ],
    "dataset import my-pictures/": [
        "mkdir my-pictures",
        r"""printf '\211PNG\r\n\032\n' > my-pictures/a.png""",
        """echo '{"file_name": "a.png", "text": "A dot."}' > my-pictures/metadata.jsonl""",
    ],
    "adapters push": ['grokputer settings set registry.url "$PWD/shared"'],
    "adapters pull": ['grokputer settings set registry.url "$PWD/shared"', "grokputer adapters push"],
    "alerts test": ["grokputer settings set alert.webhook WEBHOOK"],
}
"""What has to be typed before examples that begin so."""

LOGS = {
    "rollouts approve": "approval",
    "rollouts pause": "canary",
    "rollouts promote": "canary",
    "rollouts resume": "canary",
    "rollouts rollback lora-v3": "three",
    "rollouts forward": "three",
    "correct 3fa2 --answer": "question",
    "correct 3fa2 --calls": "question",
    "correct 3fa2 --withdraw": "question",
    "train action --reason": "question",
}
"""The log that examples which begin so are for; all others are for the usual one."""


def examples() -> Iterator[str]:
    """The examples of all help, without the program's name."""
    group: Any = typer.main.get_command(app)
    for name in COMMANDS:
        command = group.get_command(None, name)
        for it in (command, *getattr(command, "commands", {}).values()):
            for line in (it.help or "").splitlines():
                if line.strip().startswith("grokputer "):
                    yield line.strip().removeprefix("grokputer ")


def play(story: Story, *, is_question: bool = False) -> None:
    """The run that the examples name: four steps on a page, or a question."""
    ledger, context = story.ledger, story.ledger.context("ada")
    environment, task = ("chat", ledger.put("Capital of France?")) if is_question else ("miniwob", "click-button")
    prompt, answer = ledger.put(PROMPT), ledger.put("CLICKbutton:Ok[1]")
    tools = ledger.put(json.dumps([WEATHER])) if is_question else None

    def steps(run: TaskRun) -> None:
        run.start(
            context, role="action", arm="stable", adapter=None, rollout=None, environment=environment, task=task, seed=7,
            base="embedded@sha256:00", session=None, policy={"run.max_steps": 12},
            capabilities=(Capability.QUESTION,) if is_question else (),
        )  # fmt: skip
        for _ in range(1 if is_question else 4):
            run.take_step(
                context, prompt=prompt, answer=answer, error="", model_ms=20, environment_ms=5, prompt_tokens=30,
                completion_tokens=8, tools=tools,
            )  # fmt: skip
        run.fail("wrong", "", 900, -1.0, Policy(), context)

    ledger.write(TaskRun, RUN, steps)
    process_new_events(ledger)


def usual(story: Story) -> None:
    """A promotion, a second adapter whose rollout is paused, and many runs after it."""
    story.promote()
    play(story)
    story.assess(story.prove(story.train(story.ask(), also=[EXAMPLE])), "inconclusive", "no data")
    for _ in range(60):
        story.run()


def canary(story: Story) -> None:
    story.prove(story.train(story.fall()))


def approval(story: Story) -> None:
    story.set("canary.approval", "promotion")
    story.assess(story.prove(story.train(story.fall())), "promote")


def three(story: Story) -> None:
    for _ in range(3):
        adapter = story.train(story.ask() if story.runs else story.fall())
        story.prove(adapter)
        names = process_new_events(story.ledger).registry.adapters
        decide_by_hand(
            story.ledger, process_new_events(story.ledger), list(names)[-1], HandDecision.PROMOTE, "good", "ada"
        )


def question(story: Story) -> None:
    play(story, is_question=True)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each of the logs."""
    found = {}
    for tell in (usual, canary, approval, three, question):
        story = Story(tmp_path_factory.mktemp(tell.__name__) / "events.db")
        tell(story)
        story.ledger.close()
        found[tell.__name__] = story.path.parent
    return found


def given(table: dict[str, Any], example: str, otherwise: Any) -> Any:
    return next((it for beginning, it in table.items() if example.startswith(beginning)), otherwise)


RUN_HERE = [it for it in dict.fromkeys(examples()) if not any(it.startswith(beginning) for beginning in NOT_RUN)]


@pytest.mark.parametrize("example", RUN_HERE)
def test_an_example_of_the_help_runs_as_it_is_printed(
    logs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str
) -> None:
    import shutil

    shutil.copytree(logs[given(LOGS, example, "usual")], tmp_path, dirs_exist_ok=True)
    if " import " in example:
        bring_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GROKPUTER_DB", raising=False)
    head = json.loads(call("verify", "--json").stdout)["head"]
    with Receiver() as receiver:
        reader = Reader(tmp_path, {"GROKPUTER_WEBHOOK_SECRET": SECRET}, {"WEBHOOK": receiver.url, "96:5d0c...": head})
        for statement in [*given(BEFORE, example, []), f"grokputer {example}"]:
            code, printed = reader.type(statement)
            is_made_up = "replay --decisions" in statement  # the story's verdicts are its own
            assert code == int(is_made_up), f"{statement}\n{printed}"


def bring_files(folder: Path) -> None:
    """The files that examples name."""
    session = {"task": "Sort the invoices", "iterations": [{"response": "opened the folder"}], "user_rating": 2}
    (folder / "session.json").write_text(json.dumps(session))
    (folder / "sessions").mkdir()
    (folder / "sessions" / "session.json").write_text(json.dumps(session))
    (folder / "more.jsonl").write_text(json.dumps({**session, "session_id": "more"}) + "\n")
    row = {"instruction": "Add them", "input": "2 and 3", "output": "5"}
    (folder / "alpaca.jsonl").write_text(json.dumps(row) + "\n")


def test_each_example_that_is_not_run_is_there_and_most_are_run() -> None:
    everything = list(examples())
    assert [it for it in NOT_RUN if not any(example.startswith(it) for example in everything)] == []
    assert len(RUN_HERE) > 70


@pytest.mark.parametrize(
    "words",
    [
        ["init", "--db", "work/events.db"],
        ["backup", "deep/down/monday"],
        ["log", "export", "deep/down/log.jsonl"],
        ["runs", "export", "deep/down/sessions"],
        ["dataset", "export", "deep/down/action.jsonl"],
        ["prove", "3", "--out", "deep/down/event.json"],
        ["why", "lora-v1", "--html", "deep/down/page.html"],
    ],
    ids=" ".join,
)
def test_folders_that_are_missing_are_made_and_where_a_command_fails_taken_away(
    logs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    import shutil

    shutil.copytree(logs["usual"], tmp_path / "log")
    monkeypatch.chdir(tmp_path)
    here = [] if "--db" in words else ["--db", "log/events.db"]
    shown = call(*words, *here)
    assert shown.exit_code == 0, shown.output
    if here:
        shutil.rmtree("deep")
        assert call(*words, "--db", "none.db").exit_code == 1
        assert not Path("deep").exists()


def test_the_help_of_the_benchmark_says_the_range_that_it_takes(tmp_path: Path) -> None:
    shown = " ".join(call("bench", "learn", "--help").stdout.split())
    assert f"{LEAST_FEEDBACK + CANARY} or more, or {LEAST_FEEDBACK} with --no-canary" in shown
    refused = call("bench", "learn", "--out", tmp_path / "bench", "--episodes", LEAST_FEEDBACK + CANARY - 1)
    assert refused.exit_code == 1
    assert f"give at least {LEAST_FEEDBACK + CANARY}" in refused.stderr

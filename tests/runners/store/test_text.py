"""Text that is not valid Unicode: refused before any of it is recorded, in one line that names where it came from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from command_line import call, count, document, output

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.errors import BadText
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.improvement.trainings import run_training
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.wiring.services import Services
from story import Story

HALF = "caf\udce9"
"""What Python makes of the argument ``$'caf\\xe9'``."""


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "events.db")


def asked(story: Story, question: str = "What is it?", stars: int = 2) -> str:
    """A question that another program was asked, rated; its run."""
    file = story.path.parent / "session.json"
    file.write_text(json.dumps({"task": question, "user_rating": stars}))
    output("runs", "import", file, db=story.path)
    return str(document("runs", db=story.path)[0]["id"])


COMMANDS = [
    (["correct", "RUN", "--answer", HALF], "--answer"),
    (["rate", "RUN", "2", "--comment", HALF], "--comment"),
    (["rate", "RUN", "2", f"--comment={HALF}"], "--comment"),
    (["rate", "RUN", "2", "--issue", "timeout", "--issue", HALF], "--issue"),
    (["rate", "RUN", "2", "--as", HALF], "--as"),
    (["run", HALF], "argument 2"),
    (["run", "click-button", "--session", HALF], "--session"),
    (["settings", "set", "rating.window", "40", "--reason", HALF], "--reason"),
    (["settings", "set", "model.base", HALF], "argument 4"),
    (["train", "action", "--reason", HALF], "--reason"),
    (["forget", "RUN", "--reason", HALF], "--reason"),
    (["dataset", "import", "set.jsonl", "--license", HALF], "--license"),
]


@pytest.mark.parametrize(("words", "named"), COMMANDS, ids=lambda it: ascii(it)[:40])
def test_an_argument_that_is_not_valid_unicode_is_refused_by_its_name(
    story: Story, words: list[str], named: str
) -> None:
    run = asked(story)
    before = count(story.path)
    result = call(*(run if word == "RUN" else word for word in words), db=story.path)
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith(f"grokputer: {named} is not valid Unicode: ")
    assert "caf\\udce9' at character" in line and line.endswith("; give it in UTF-8")
    assert count(story.path) == before
    output("dataset", "--json", db=story.path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such bytes themselves")
def test_bytes_of_the_shell_that_are_no_utf8_are_refused(story: Story) -> None:
    run = asked(story)
    story.ledger.close()
    before = count(story.path)
    words: list[str | bytes] = [
        sys.executable,
        "-c",
        "from grokputer.cli import main; main()",
        "correct",
        run,
        "--answer",
    ]
    found = subprocess.run([*words, b"caf\xe9", "--db", str(story.path)], cwd="/", capture_output=True, check=False)
    assert found.returncode == 1
    assert found.stderr.decode() == (
        "grokputer: --answer is not valid Unicode: 'caf\\udce9' at character 4; give it in UTF-8\n"
    )
    assert count(story.path) == before


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such bytes themselves")
def test_a_user_name_in_the_environment_that_is_no_utf8_is_refused(story: Story) -> None:
    run = asked(story)
    story.ledger.close()
    before = count(story.path)
    words = [sys.executable, "-c", "from grokputer.cli import main; main()", "rate", run, "2", "--db", str(story.path)]
    environment = {os.fsencode(key): os.fsencode(value) for key, value in os.environ.items()} | {b"LOGNAME": b"caf\xe9"}
    found = subprocess.run(words, cwd="/", capture_output=True, check=False, env=environment)
    assert found.returncode == 1
    [line] = found.stderr.decode().splitlines()
    assert "the actor's name is not valid Unicode: 'caf\\udce9'" in line
    assert count(story.path) == before


@pytest.mark.parametrize("field", ["task", "feedback_comment", "what_went_wrong", "lora_version", "host"])
def test_a_session_that_is_not_valid_unicode_is_located_and_nothing_is_imported(story: Story, field: str) -> None:
    rows = [{"task": "first"}, {"task": "second", "user_rating": 2, field: "half \ud83d of it"}, {"task": "third"}]
    file = story.path.parent / "many.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    before = count(story.path)
    result = call("runs", "import", file, db=story.path)
    [line] = result.stderr.splitlines()
    assert result.exit_code == 1
    assert f"many.jsonl line 2: {field} is not valid Unicode: " in line
    assert "half \\ud83d of it" in line
    assert count(story.path) == before


def test_every_text_beside_the_log_must_be_valid_unicode(story: Story) -> None:
    with pytest.raises(BadText, match="the comment is not valid Unicode"):
        story.ledger.put("half \ud83d", "the comment")
    with pytest.raises(BadText, match="not valid Unicode"):
        story.ledger.context("half \ud83d")
    with pytest.raises(BadText, match="reason of PolicyChanged is not valid Unicode"):
        story.set("rating.window", 40, "half \ud83d")


def test_a_training_whose_dataset_cannot_be_built_fails_alone_and_names_the_run(story: Story) -> None:
    runs = [asked(story, f"Question {number}") for number in range(6)]
    for run in runs[1:]:
        output("correct", run, "--answer", "right", db=story.path)
    rows = [{"messages": [{"role": "user", "content": "Question 0"}], "completion": HALF}]
    poison = story.ledger.put(json.dumps(rows))  # in ASCII, as an earlier program let it through
    story.ledger.write(
        TaskRun, UUID(runs[0]), lambda it: it.correct("human", poison, 1, False, story.ledger.context("ada"))
    )
    for role in ("action", "ocr"):
        story.set(f"{role}.training.retries", 0)
    action, ocr = story.ask(), story.ask(role="ocr")
    for training in (action, ocr):
        with Services(story.ledger, process_new_events(story.ledger)) as parts:
            run_training(story.ledger, parts, training, lambda progress: None, print)
    failed = story.ledger.get(TrainingJob, action).over
    assert failed is not None and failed.TOPIC == "TrainingFailed"
    assert (
        f"its dataset cannot be built: run {runs[0][:8]} holds text that is not valid Unicode" in vars(failed)["reason"]
    )
    declined = story.ledger.get(TrainingJob, ocr).over
    assert declined is not None and declined.TOPIC == "TrainingDeclined", "the other role's training goes on"
    process_new_events(story.ledger)
    assert runs[0][:8] in call("dataset", "preview", db=story.path).stderr
    output("forget", "--yes", runs[0], "--reason", "no text", db=story.path)
    assert document("dataset", db=story.path)


@pytest.mark.parametrize("text", ["no JSON", "7", '[{"messages": []}]', '[["a"]]'])
def test_a_correction_that_no_example_can_be_made_of_is_told_with_its_run(story: Story, text: str) -> None:
    run = asked(story)
    key = story.ledger.put(text)
    story.ledger.write(TaskRun, UUID(run), lambda it: it.correct("human", key, 1, False, story.ledger.context("ada")))
    process_new_events(story.ledger)
    result = call("dataset", "preview", db=story.path)
    assert result.exit_code == 1
    assert f"run {run[:8]} holds text that is no valid example" in result.stderr


def test_the_same_correction_in_other_letters_is_known_again(story: Story) -> None:
    run = asked(story)
    rows = [{"messages": [{"role": "user", "content": "What is it?"}], "completion": "café", "role": "action"}]
    key = story.ledger.put(json.dumps(rows))  # as an earlier program wrote it, in ASCII
    story.ledger.write(TaskRun, UUID(run), lambda it: it.correct("human", key, 1, False, story.ledger.context("ada")))
    output("correct", run, "--answer", "café", db=story.path)
    assert len(Ledger.open(story.path).get(TaskRun, UUID(run)).corrections) == 1
    assert load_state(story.ledger).position

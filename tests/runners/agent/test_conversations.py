"""What stands before a question: the role's instructions, and the earlier turns of its session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer

import grokputer
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import NotPossible
from grokputer.domain.settings.setting import BadSetting
from grokputer.runners.archive.replay import replay
from grokputer.runners.use_cases.runs import TaskProgress
from grokputer.runners.use_cases.sessions import Conversation

SYSTEM = {"role": "system", "content": "Answer in one word."}


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, ChatServer]]:
    """A log whose model is a server that answers a question by the question in capitals, and that server."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with (
        ChatServer(lambda asked: asked.upper()) as server,
        grokputer.open(tmp_path / "events.db", create=True, actor="ada") as log,
    ):
        log.set("model.backend", "openai")
        log.set("model.endpoint", server.url)
        log.set("model.base", "tiny")
        yield log, server


def prompts(log: Any, run: Any) -> list[dict[str, str]]:
    """The messages of the run's only step, as they are stored."""
    [step] = log._ledger.get(TaskRun, run).steps
    return list(json.loads(log.text(step.prompt)))


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def test_instructions_stand_before_a_question_and_the_run_names_their_text(told: Any) -> None:
    log, server = told
    change = log.set("run.instructions", "Answer in one word.")
    assert log.text(change.new) == "Answer in one word."
    run = log.run("Where is Paris?").run
    assert prompts(log, run) == server.conversations[-1] == [SYSTEM, turn("user", "Where is Paris?")]
    assert log._ledger.get(TaskRun, run).started.policy["run.instructions"] == change.new


def test_without_instructions_a_prompt_is_the_question_alone_and_the_run_records_none(told: Any) -> None:
    log, _ = told
    run = log.run("Where is Paris?").run
    assert prompts(log, run) == [turn("user", "Where is Paris?")]
    assert "run.instructions" not in log._ledger.get(TaskRun, run).started.policy


def test_instructions_of_one_role_are_for_that_role_alone(told: Any) -> None:
    log, _ = told
    log.set("ocr.run.instructions", "Answer in one word.")
    assert prompts(log, log.run("Where is Paris?", role="ocr").run)[0] == SYSTEM
    assert len(prompts(log, log.run("Where is Paris?").run)) == 1


def test_instructions_come_from_a_file_that_exists(told: Any, tmp_path: Path) -> None:
    log, _ = told
    file = tmp_path / "style.txt"
    file.write_text("Answer in one word.\n", encoding="utf-8")
    first = log.set("run.instructions", str(file))
    assert log.text(first.new) == "Answer in one word."
    assert log.set("run.instructions", f"@{file}").position is None, "the same text records nothing"
    with pytest.raises(BadSetting, match="there is no such file"):
        log.set("run.instructions", "@missing.txt")
    with pytest.raises(BadSetting, match="has no words"):
        log.set("run.instructions", "  ")


def test_a_correction_teaches_the_prompt_that_was_asked_whatever_is_set_since(told: Any) -> None:
    log, _ = told
    log.set("run.instructions", "Answer in one word.")
    run = log.run("Where is Paris?").run
    log.set("run.instructions", "Answer at length.")
    log.correct(run, "France")
    [row] = json.loads(log.text(log._ledger.get(TaskRun, run).corrections[0].correction))
    assert row["messages"] == [SYSTEM, turn("user", "Where is Paris?")]


def test_a_question_is_asked_with_the_earlier_turns_of_its_session(told: Any) -> None:
    log, server = told
    first = log.run("one of them", session="talk").run
    log.correct(first, "corrected")
    log.run("another talk", session="other")
    log.run("another role", session="talk", role="ocr")
    second = log.run("two of them", session="talk").run
    turns = [turn("user", "one of them"), turn("assistant", "ONE OF THEM"), turn("user", "two of them")]
    assert prompts(log, second) == server.conversations[-1] == turns
    log.correct(second, "right")
    [row] = json.loads(log.text(log._ledger.get(TaskRun, second).corrections[0].correction))
    assert row["messages"] == turns
    assert len(prompts(log, log.run("by itself").run)) == 1


def test_a_session_remembers_as_many_turns_as_the_setting_says(told: Any) -> None:
    log, _ = told
    for question in ("turn one", "turn two", "turn three"):
        log.run(question, session='a "talk" é')
    log.set("run.memory", 1)
    asked = prompts(log, log.run("turn four", session='a "talk" é').run)
    assert [message["content"] for message in asked] == ["turn three", "TURN THREE", "turn four"]
    log.set("run.memory", 0)
    assert len(prompts(log, log.run("turn five", session='a "talk" é').run)) == 1


def test_what_is_erased_is_in_no_later_prompt_and_in_no_stored_one(told: Any) -> None:
    log, _ = told
    log.set("run.instructions", "Answer in one word.")
    secret, after = (log.run(words, session="talk").run for words in ("my number is 7", "and what else"))
    log.correct(after, "nothing")
    log.forget(run=secret, reason="asked for")
    stored = log._ledger.get(TaskRun, after)
    assert log.text(stored.steps[0].prompt) is None
    assert log.text(stored.corrections[0].correction) is None
    assert log.text(stored.steps[0].answer) == "AND WHAT ELSE"
    asked = prompts(log, log.run("go on then", session="talk").run)
    assert [message["content"] for message in asked] == [
        "Answer in one word.", "and what else", "AND WHAT ELSE", "go on then"
    ]  # fmt: skip
    assert replay(log._ledger).is_equal


def test_forgetting_a_person_erases_the_instructions_that_person_wrote_and_runs_say_so(told: Any) -> None:
    log, _ = told
    log.set("run.instructions", "Bob's own words.", actor="bob")
    run = log.run("Where is Paris?").run
    log.forget(run=run, reason="asked for")
    assert log.run("Where is Paris?").answer == "WHERE IS PARIS?", "one run's erasure spares the instructions"
    log.forget(person="bob", reason="asked for")
    with pytest.raises(NotPossible, match=r"run\.instructions was erased; set it again, or unset it"):
        log.run("Where is Paris?")
    log.unset("run.instructions")
    assert log.run("Where is Paris?").answer == "WHERE IS PARIS?"


def test_an_interrupted_answer_ends_its_run_alone_and_is_no_turn_of_the_conversation(told: Any) -> None:
    log, _ = told

    def stop(part: str) -> None:
        raise KeyboardInterrupt

    talk = Conversation(log._ledger, log._services(), actor="ada")
    with pytest.raises(KeyboardInterrupt):
        talk.ask("say all of it", TaskProgress(on_text=stop))
    parts: list[str] = []
    answered = talk.ask("say some of it", TaskProgress(on_text=parts.append))
    assert parts == ["SAY SOME OF IT"]
    assert prompts(log, answered.run) == [turn("user", "say some of it")]
    [_, interrupted] = log.runs()
    assert (interrupted.reason, interrupted.session) == ("environment", talk.session)
    assert len(log.rate_session(talk.session, 4).rated) == 1, "an interrupted run has nothing to rate"

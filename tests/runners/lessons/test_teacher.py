"""A teacher behind a real HTTP endpoint: what it does in the environment counts, and what it merely says is marked so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from chat_server import ChatServer, completion
from offered import TALK, WEATHER

from given import OFFERED
from grokputer.adapters.data.held_out import is_held_out
from grokputer.adapters.data.training_runs import TOPICS, collect_runs
from grokputer.domain.aggregates.base import derive_id
from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.aggregates.training import TrainingJob
from grokputer.domain.errors import ModelError
from grokputer.domain.settings.recipe import Recipe
from grokputer.domain.settings.settings import Policy, resolve_recipe
from grokputer.runners.feedback.corrections import parse_calls
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.lessons.gather import collect_examples, find_corrected
from grokputer.runners.sessions.imports import read_sessions
from grokputer.runners.sessions.runs import record_sessions
from grokputer.runners.use_cases.corrections import Answer, correct
from grokputer.runners.wiring.services import Services
from story import Story

PARIS = "Which city is the capital of France?"


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    story = Story(tmp_path / "events.db")
    yield story
    story.ledger.close()


def ask(story: Story, question: str, stars: int | None, correction: str = "") -> UUID:
    """A question, its bad answer, what it was rated, and perhaps what a person said the answer is."""
    ledger = story.ledger
    id = derive_id("question", ledger.position)
    context = ledger.context("ada")
    prompt = [{"role": "user", "content": question}]

    def play(run: TaskRun) -> None:
        run.start(
            context, role="action", arm="stable", adapter=None, rollout=None, environment="chat", task=ledger.put(question),
            capabilities=OFFERED["chat"], seed=0, base="embedded", session=None, policy={},
        )  # fmt: skip
        run.take_step(
            context, prompt=ledger.put(json.dumps(prompt)), answer=ledger.put("no idea"), error="", model_ms=1,
            environment_ms=1, prompt_tokens=1, completion_tokens=1,
        )  # fmt: skip
        run.succeed(10, 1.0, Policy(), context)
        if stars is not None:
            run.rate(stars, "human", [], None, context)
        if correction:
            key = ledger.put(json.dumps([{"messages": prompt, "completion": correction}]))
            run.correct("human", key, 1, False, context)

    ledger.write(TaskRun, id, play)
    return id


def gather(story: Story, server: ChatServer, **settings: Any) -> list[str]:
    """What a training does before it builds its dataset; what it says of that."""
    told = {"teacher.endpoint": server.url, "teacher.model": "big"}
    for key, value in (told | {name.replace("__", "."): value for name, value in settings.items()}).items():
        story.set(key, value)
    state = process_new_events(story.ledger)
    context = story.ledger.context("ada")
    fields: dict[str, Any] = {
        "recipe": resolve_recipe(state.policy, "action").to_json(),
        "below_stars": 4,
        "retries": 0,
    }
    job = TrainingJob(derive_id("asked for", story.ledger.position))
    job.request(context, role="action", base="embedded", revision=None, parent=None, minimum_examples=5, **fields)
    requested = job.requested
    assert requested is not None
    lines: list[str] = []
    with Services(story.ledger, state) as services:
        collect_examples(story.ledger, services, requested, state.policy, lines.append)
    return lines


def corrections(story: Story) -> list[dict[str, Any]]:
    return [vars(recorded.event) for recorded in story.ledger.read(1, None, ("TaskCorrected",))]


def made(story: Story) -> list[dict[str, Any]]:
    return [vars(recorded.event) for recorded in story.ledger.read(1, None, ("ExamplesSynthesized",))]


def test_a_task_counts_that_the_teacher_did_in_the_browser_and_so_do_its_other_seeds(story: Story) -> None:
    failed = story.run(task="click-test", succeeds=False)
    story.rate(failed, 1)
    beyond = story.run(task="enter-text", succeeds=False)
    story.rate(beyond, 1)
    with ChatServer(" CLICKbutton:Click Me![1]\n") as server:
        gather(story, server, teacher__tries=1, teacher__variations=2)
    [corrected] = corrections(story)
    assert corrected["originator_id"] == failed
    assert (corrected["source"], corrected["is_verified"]) == ("teacher", True)
    [varied] = made(story)
    assert (varied["run"], varied["teacher"], varied["is_verified"], varied["count"]) == (failed.hex, "big", True, 2)
    rows = [json.loads(line) for line in (story.ledger.get_content(varied["examples"]) or "").splitlines()]
    assert {row["completion"] for row in rows} == {"CLICKbutton:Click Me![1]"}
    assert len({row["instance"] for row in rows}) == 2
    assert not any(is_held_out(row["instance"], 0.5) for row in rows)


def test_a_question_is_not_put_to_the_teacher_unless_its_answers_are_wanted(story: Story) -> None:
    ask(story, PARIS, 1)
    with ChatServer("Paris.") as server:
        gather(story, server)
        assert server.asked == []
        gather(story, server, training__teacher_answers=True)
    [corrected] = corrections(story)
    assert (corrected["source"], corrected["is_verified"]) == ("teacher", False)


def test_neither_what_a_person_corrected_nor_what_went_well_is_put_to_the_teacher(story: Story) -> None:
    ask(story, "one", 1, "a person's answer")
    ask(story, "two", 5)
    ask(story, "three", None)
    with ChatServer("Paris.") as server:
        gather(story, server, training__teacher_answers=True)
        assert server.asked == []


def test_nothing_that_is_held_out_is_put_to_the_teacher(story: Story) -> None:
    story.set("training.held_out_share", 0.5)
    for number in range(30):
        ask(story, f"question {number}", 1)
    events = (recorded.event for recorded in story.ledger.read(1, None, TOPICS))
    runs = collect_runs(events, "action", story.ledger.get_content)
    with ChatServer("Paris.") as server:
        gather(story, server, training__teacher_answers=True)
        asked = set(server.asked)
    assert len(asked) < 30
    for number, run in enumerate(runs):
        assert (f"question {number}" in asked) == (number < 10 or not is_held_out(run.instance, 0.5))


def test_a_corrected_question_in_other_words_keeps_its_answer_and_its_instance(story: Story) -> None:
    run = ask(story, PARIS, 1, "Paris")
    said = json.dumps(["Name the capital of France.", PARIS, "What is France's capital?", "And one too many?"])
    with ChatServer(f"Here they are:\n{said}\nDone.") as server:
        gather(story, server, teacher__variations=2)
        gather(story, server)
        assert len(server.asked) == 1
    [varied] = made(story)
    assert (varied["run"], varied["is_verified"]) == (run.hex, False)
    rows = [json.loads(line) for line in (story.ledger.get_content(varied["examples"]) or "").splitlines()]
    assert [row["messages"][0]["content"] for row in rows] == [
        "Name the capital of France.",
        "What is France's capital?",
    ]
    [corrected] = find_corrected(story.ledger, "action", 4, Recipe(held_out_share=0))
    assert {(row["completion"], row["instance"]) for row in rows} == {("Paris", corrected.instance)}


def test_a_teacher_that_makes_no_sense_adds_nothing(story: Story) -> None:
    ask(story, PARIS, 1, "Paris")
    with ChatServer("I cannot [help] with that.") as server:
        gather(story, server, teacher__variations=2)
    assert made(story) == []


@pytest.mark.parametrize(
    "reply",
    [
        '["What is France\'s capital?\\ud83d", 7, null]',  # half a character, written as JSON writes it
        "[" * 100_000 + "]",
        completion("half \ud83d"),
        completion([{"type": "image_url"}]),
        completion("", choices=None),
        b"null",
    ],
)
def test_a_teacher_that_answers_no_text_adds_nothing_and_stops_no_training(story: Story, reply: str | bytes) -> None:
    ask(story, PARIS, 1, "Paris")
    ask(story, "Which city?", 1)
    with ChatServer(reply) as server:
        gather(story, server, teacher__variations=2)
    assert made(story) == []
    assert corrections(story) == [it for it in corrections(story) if it["source"] == "human"]


def test_a_teachers_key_that_cannot_be_sent_stops_no_training(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKPUTER_TEACHER_KEY", "sk 1")
    ask(story, PARIS, 1)
    with ChatServer("Paris") as server:
        gather(story, server, training__teacher_answers=True)
        assert server.asked == []


def test_a_teacher_that_does_not_answer_stops_no_training_and_the_reason_is_said(story: Story) -> None:
    ask(story, PARIS, 1)
    ask(story, "another", 1)
    server = ChatServer("")
    with server:
        pass
    [line] = gather(story, server, training__teacher_answers=True)
    assert corrections(story) == []
    assert line.startswith("the teacher is not asked again before this training: ")
    assert server.url in line


def test_a_teacher_without_a_browser_to_act_in_says_so_once_for_all_runs(
    story: Story, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GROKPUTER_BROWSER", str(tmp_path / "nowhere"))
    for _ in range(3):
        story.rate(story.run(task="click-test", succeeds=False), 1)
    with ChatServer("CLICKbutton:Click Me![1]") as server:
        [line] = gather(story, server)
    assert line.startswith("the teacher cannot do failed runs of miniwob again: ")
    assert "nowhere" in line


@pytest.mark.parametrize(
    ("own", "general", "sent"), [("sk-teacher", "sk-other", "sk-teacher"), (None, "sk-other", "sk-other")]
)
def test_the_key_comes_from_the_environment_and_stands_in_no_fact(
    story: Story, monkeypatch: pytest.MonkeyPatch, own: str | None, general: str, sent: str
) -> None:
    monkeypatch.delenv("GROKPUTER_TEACHER_KEY", raising=False)
    if own is not None:
        monkeypatch.setenv("GROKPUTER_TEACHER_KEY", own)
    monkeypatch.setenv("OPENAI_API_KEY", general)
    ask(story, PARIS, 1)
    with ChatServer("Paris.") as server:
        gather(story, server, training__teacher_answers=True)
        assert server.keys == [f"Bearer {sent}"]
    assert not any("sk-" in repr(recorded.event) for recorded in story.ledger.read())


def test_without_both_settings_there_is_no_teacher(story: Story) -> None:
    with Services(story.ledger, process_new_events(story.ledger)) as services:
        assert services.teacher(Policy({"teacher.model": "big"}), "action") is None
        with pytest.raises(ModelError, match="base URL"):
            services.teacher(Policy({"teacher.model": "big", "teacher.endpoint": "nowhere"}), "action")


def test_a_session_with_tools_is_not_given_to_a_teacher_which_cannot_call_them(story: Story, tmp_path: Path) -> None:
    row = {"task": "How warm is it in Rome?", "messages": TALK[:2], "tools": [WEATHER], "user_rating": 1}
    (tmp_path / "one.json").write_text(json.dumps({**row, "session_id": "one"}))
    (tmp_path / "two.json").write_text(json.dumps({**row, "session_id": "two", "task": "And in Bari?"}))
    record_sessions(story.ledger, read_sessions([tmp_path]), "action", "ada")
    id = next(read.id for read in read_sessions([tmp_path / "two.json"]))
    correct(
        story.ledger,
        id,
        Answer("", None, parse_calls([{"name": "weather", "arguments": {"city": "Bari"}}])),
        actor="ada",
    )
    with ChatServer("22 C") as server:
        gather(story, server, teacher__variations=2, training__teacher_answers=True)
    assert server.asked == []
    assert [corrected["source"] for corrected in corrections(story)] == ["human"]
    assert made(story) == []

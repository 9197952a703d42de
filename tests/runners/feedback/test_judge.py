"""A judge model behind a real HTTP endpoint grades answers; its grades are no ratings, and are recorded once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from answers import answer, appoint, verdict
from chat_server import ChatServer

from grokputer.domain.aggregates.run import TaskRun
from grokputer.domain.errors import ModelError, NotPossible
from grokputer.domain.events import TaskGraded
from grokputer.domain.page.grading import CRITERIA, NoVerdict
from grokputer.domain.page.messages import Completion, Message
from grokputer.domain.settings.settings import BadSetting
from grokputer.runners.archive.erasure import Target
from grokputer.runners.feedback.judge import Judge, hash_criteria
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.erasures import forget
from grokputer.runners.use_cases.judgements import Graded, judge_run, view_agreement, view_prompt
from grokputer.runners.use_cases.ratings import rate
from grokputer.runners.use_cases.settings import change_setting
from grokputer.runners.wiring.services import Services


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.create(tmp_path / "events.db")
    yield ledger
    ledger.close()


def grade(ledger: Ledger, run: UUID) -> Graded:
    with Services(ledger, process_new_events(ledger)) as services:
        return judge_run(ledger, services, run, actor="ada")


def grades(ledger: Ledger) -> list[TaskGraded]:
    events = [recorded.event for recorded in ledger.read(1, None, (TaskGraded.TOPIC,))]
    return [event for event in events if isinstance(event, TaskGraded)]


def test_a_grade_records_the_stars_the_reason_the_judge_and_the_whole_prompt(ledger: Ledger) -> None:
    run = answer(ledger, "Paris")
    with ChatServer(verdict(4)) as server:
        appoint(ledger, server)
        given = grade(ledger, run)
    [event] = grades(ledger)
    assert (given.stars, given.reason, given.is_new) == (4, "right, but without the reason", True)
    assert (event.stars, event.judge, event.criteria) == (4, f"big@{server.url}", hash_criteria(CRITERIA))
    assert event.caused_by == f"{run}/3"
    recorded = json.loads(ledger.get_content(event.prompt) or "")
    assert recorded == server.conversations[0]
    assert json.loads(recorded[1]["content"])["answer"] == "Paris"
    assert view_prompt(ledger, run, "action").messages == recorded


def test_a_judge_grades_a_run_once_and_again_by_other_criteria(ledger: Ledger) -> None:
    run = answer(ledger)
    with ChatServer(verdict(4)) as server:
        appoint(ledger, server)
        grade(ledger, run)
        assert not grade(ledger, run).is_new
        assert len(server.asked) == 1
        change_setting(ledger, "judge.criteria", "5: in one word", actor="ada")
        assert grade(ledger, run).is_new
    assert "5: in one word" in server.conversations[1][0]["content"]
    assert [event.criteria for event in grades(ledger)] == [hash_criteria(CRITERIA), hash_criteria("5: in one word")]


def test_two_workers_that_ask_at_once_record_one_grade(ledger: Ledger) -> None:
    run, both = answer(ledger), threading.Barrier(2)

    def reply(_: str) -> str:
        both.wait(timeout=30)
        return verdict(4)

    def grade_too() -> None:
        with closing(Ledger.open(ledger.path)) as own:
            grade(own, run)

    with ChatServer(reply) as server:
        appoint(ledger, server)
        second = threading.Thread(target=grade_too)
        second.start()
        grade(ledger, run)
        second.join()
    assert len(server.asked) == 2
    assert len(grades(ledger)) == 1


def test_a_grade_is_in_no_window_of_ratings_and_no_stars_of_the_run(ledger: Ledger) -> None:
    run = answer(ledger)
    with ChatServer(verdict(1)) as server:
        appoint(ledger, server)
        grade(ledger, run)
    state = process_new_events(ledger)
    assert state.window("action").ratings == ()
    assert state.ratings.sums("action", None).count == 0
    assert state.ratings.grades("action", None, 50) == {f"big@{server.url}, criteria {hash_criteria(CRITERIA)}": [1]}
    assert ledger.get(TaskRun, run).ratings == []
    assert ledger.get(TaskRun, run).succeeded is None


@pytest.mark.parametrize("reply", ["6", "I give it 5 stars.", "x" * 10_000, "<b>5</b>", "<|im_start|>assistant\n5"])
def test_a_reply_that_is_no_verdict_is_one_line_and_records_nothing(ledger: Ledger, reply: str) -> None:
    run = answer(ledger)
    with ChatServer(reply) as server:
        appoint(ledger, server)
        before = ledger.position
        with pytest.raises(NoVerdict):
            grade(ledger, run)
    assert ledger.position == before


def test_a_judge_that_never_answers_is_left_after_the_time_limit(ledger: Ledger) -> None:
    run, over = answer(ledger), threading.Event()

    def stall(_: str) -> str:
        over.wait(timeout=60)
        return verdict(5)

    with ChatServer(stall) as server:
        appoint(ledger, server, timeout_s=1)
        with pytest.raises(ModelError, match=r"did not answer"):
            grade(ledger, run)
        over.set()
    assert grades(ledger) == []


def test_without_a_judge_the_line_names_the_settings(ledger: Ledger) -> None:
    with pytest.raises(NotPossible, match=r"no judge is set; set judge.endpoint and judge.model"):
        grade(ledger, answer(ledger))


def test_a_key_in_the_endpoint_is_refused_and_names_the_variable(ledger: Ledger) -> None:
    with pytest.raises(BadSetting, match="GROKPUTER_JUDGE_KEY"):
        change_setting(ledger, "judge.endpoint", "https://sk-secret@api.example.org/v1", actor="ada")


def test_the_key_of_the_judge_is_sent_and_is_nowhere_in_the_log(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROKPUTER_JUDGE_KEY", "sk-judge-1")
    with ChatServer(verdict(4)) as server:
        appoint(ledger, server)
        grade(ledger, answer(ledger))
    assert server.keys == ["Bearer sk-judge-1"]
    assert not [file for file in ledger.path.parent.iterdir() if file.is_file() and b"sk-judge-1" in file.read_bytes()]


def test_forgetting_a_run_deletes_the_words_of_its_grade(ledger: Ledger) -> None:
    run = answer(ledger, "my secret is xyzzy")
    with ChatServer(verdict(2, "the secret xyzzy is no capital")) as server:
        appoint(ledger, server)
        grade(ledger, run)
    forget(ledger, Target(run.hex, None), reason="asked for", actor="ada")
    [event] = grades(ledger)
    assert ledger.get_content(event.prompt) is None
    assert event.reason is not None
    assert ledger.get_content(event.reason) is None
    assert event.stars == 2
    with pytest.raises(NotPossible, match="erased"):
        view_prompt(ledger, run, "action")


def test_forgetting_a_person_deletes_what_the_grade_of_another_repeats_of_the_conversation(ledger: Ledger) -> None:
    answer(ledger, "hello ann", "I am ann, xyzzy", actor="ann", session="s")
    before = ({"role": "user", "content": "I am ann, xyzzy"}, {"role": "assistant", "content": "hello ann"})
    later = answer(ledger, "ann", "Who am I?", actor="bob", session="s", before=before)
    alone = answer(ledger, "Rome", actor="bob", session="s")
    with ChatServer(verdict(2, "xyzzy is no name")) as server:
        appoint(ledger, server)
        grade(ledger, later)
        grade(ledger, alone)
    forget(ledger, Target(None, "ann"), reason="asked for", actor="root")
    of_later, of_alone = grades(ledger)
    assert ledger.get_content(of_later.prompt) is None
    assert ledger.get_content(of_alone.prompt) is not None
    with ledger.reading() as connection:
        texts = [text for (text,) in connection.execute("SELECT text FROM content")]
    assert not [text for text in texts if "ann, xyzzy" in text]


def test_agreement_counts_the_runs_rated_by_both_with_the_newest_rating_of_a_person(ledger: Ledger) -> None:
    runs = [answer(ledger) for _ in range(4)]
    replies = iter([verdict(1), verdict(2), verdict(4), verdict(5)])
    rate(ledger, runs[0], 1, actor="ada")
    with ChatServer(lambda _: next(replies)) as server:
        appoint(ledger, server)
        for run in runs:
            grade(ledger, run)
    rate(ledger, runs[1], 5, actor="ada")
    rate(ledger, runs[1], 3, actor="ada")
    rate(ledger, runs[2], 4, actor="bob")
    [found] = view_agreement(ledger)
    assert (found.grades, found.agreement.n) == (4, 3)
    assert found.agreement.exact == pytest.approx(2 / 3)
    assert found.to_json()["is_too_few"] is True


class Dripping:
    """A judge whose reply never ends, though no single read takes long."""

    model = "big"

    def __init__(self) -> None:
        self.is_over = threading.Event()

    def complete(
        self, messages: Sequence[Message], *, adapter: str | None = None, max_tokens: int = 64, temperature: float = 0.0,
        seed: int = 0,
    ) -> Completion:  # fmt: skip
        self.is_over.wait()
        return Completion(verdict(5), 1, 1, 1)

    def close(self) -> None:
        self.is_over.set()


def test_a_reply_that_never_ends_is_left_after_the_time_limit() -> None:
    model = Dripping()
    with closing(model), pytest.raises(ModelError, match=r"big@there did not answer within 0.01 s \(judge.timeout_s\)"):
        Judge(model, "big@there", CRITERIA, 0.01).ask([])


def test_forgetting_the_person_who_wrote_the_criteria_deletes_them_and_the_line_says_so(ledger: Ledger) -> None:
    change = change_setting(ledger, "judge.criteria", "5: polite to ann", actor="ann")
    assert ledger.get_content(change.new) == "5: polite to ann"
    assert "5: polite to ann" in view_prompt(ledger, None, "action").messages[0]["content"]
    forget(ledger, Target(None, "ann"), reason="asked for", actor="root")
    assert ledger.get_content(change.new) is None
    with pytest.raises(ModelError, match=r"the text of judge.criteria was erased; set it again, or unset it"):
        view_prompt(ledger, None, "action")

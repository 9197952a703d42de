"""Feedback over HTTP: it rates and corrects in the name of the key's holder, and counts once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from chat_server import ChatServer
from command_line import document, lines, output
from gateways import Served, make_key, make_log_before, serving

from grokputer.domain.aggregates.feedback import Feedback, feedback_id
from grokputer.runners.gateway.resources import feedback
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.log import Log
from grokputer.runners.use_cases.intake.feedback import ProgramFeedback, take_feedback

MakeLog = Callable[[str], Path]


def ask_model(gateway: Served, **headers: str) -> tuple[int, Any, Any]:
    body = {"model": "action", "messages": [{"role": "user", "content": "Capital of France?"}]}
    return gateway.ask("/chat/completions", body, headers=headers)


def run_of(gateway: Served) -> str:
    """A run that has ended."""
    return str(ask_model(gateway)[1]["x-grokputer-run"])


def test_feedback_rates_and_corrects_a_run_in_the_name_of_the_keys_holder_once(log_before: MakeLog) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run = ask_model(gateway)[1]["x-grokputer-run"]
            given = {
                "run": f"chatcmpl-{run}",
                "stars": 2,
                "issues": ["imprecise"],
                "comment": "no",
                "correction": "Paris",
            }
            first = gateway.ask("/feedback", given)
            again = gateway.ask("/feedback", given)
            *_, shown = gateway.ask(f"/runs/{run}")
    assert (first[0], again[0]) == (201, 200) and first[2]["position"] == again[2]["position"]
    [rated] = lines(path, "--event", "TaskRated")
    assert (rated["actor"], rated["data"]["stars"]) == ("ada", 2)
    assert Log.open(path).get_content(rated["data"]["comment"]) == "no"
    assert len(lines(path, "--event", "TaskCorrected")) == 1
    assert (shown["answer"], shown["stars"], shown["is_corrected"], shown["has_ended"]) == ("Lyon", [2], True, True)
    assert shown["messages"] == [{"role": "user", "content": "Capital of France?"}]


def test_a_session_is_rated_as_a_whole(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            for _ in range(3):
                ask_model(gateway, **{"x-session-id": "s1"})
            status, _, said = gateway.ask("/feedback", {"session": "s1", "stars": 4})
            again, *_ = gateway.ask("/feedback", {"session": "s1", "stars": 4})
    assert (status, len(said["runs"]), again) == (201, 3, 200)
    assert [run["stars"] for run in document("runs", db=path)] == [4, 4, 4]


@pytest.mark.parametrize(
    ("given", "status", "field", "words"),
    [
        ({"stars": 5}, 400, "run", "either run or session"),
        ({"run": "RUN"}, 400, "stars", "give stars"),
        ({"run": "RUN", "stars": 6}, 400, "stars", "from 1 to 5"),
        ({"run": "RUN", "stars": 2.5}, 400, "stars", "from 1 to 5"),
        ({"run": "RUN", "stars": "good"}, 400, "stars", "from 1 to 5"),
        ({"run": "RUN", "stars": ""}, 400, "stars", "'' is not a rating"),
        ({"run": "RUN", "stars": 2, "step": 9}, 400, "step", "no step 9"),
        ({"run": "RUN", "stars": 2, "step": 0}, 400, "step", "whole number from 1"),
        ({"run": "RUN", "correction": "Paris", "step": 9}, 400, "step", "no step 9"),
        ({"run": "RUN", "score": 1}, 400, "score", "'score' is no field"),
        ({"run": "RUN", "stars": 5, "comment": "\ud800"}, 400, "comment", "Unicode"),
        ({"run": "RUN", "stars": 5, "comment": "x" * 4001}, 400, "comment", "it takes 4000"),
        ({"run": "RUN", "correction": "  "}, 400, "correction", "must not be empty"),
        ({"run": "RUN", "correction": "x" * 200_001}, 400, "correction", "it takes 200000"),
        ({"run": "RUN", "issues": "slow", "stars": 1}, 400, "issues", "no list"),
        ({"run": "RUN", "issues": ["slow", " "], "stars": 1}, 400, "issues", "blank"),
        ({"run": "RUN", "issues": [""], "stars": 1}, 400, "issues", "blank"),
        ({"run": "RUN", "issues": ["slow"] * 21, "stars": 1}, 400, "issues", "takes 20"),
        ({"run": "0" * 32, "stars": 5}, 404, None, "no run"),
        ({"run": "nonsense", "stars": 5}, 404, None, "no run"),
        ({"session": "never", "stars": 5}, 404, None, "never"),
        ({"session": "s1", "stars": 5, "comment": "x"}, 400, "session", "stars alone"),
    ],
)
def test_feedback_in_the_wrong_form_says_what_is_wrong_and_in_which_field(
    waiting: tuple[Served, str], given: dict[str, Any], status: int, field: str | None, words: str
) -> None:
    gateway, run = waiting
    found, _, said = gateway.ask("/feedback", {k: run if v == "RUN" else v for k, v in given.items()})
    assert (found, said["error"]["param"], words in said["error"]["message"]) == (status, field, True), said
    assert not lines(gateway.path, "--event", "TaskRated") and not lines(gateway.path, "--event", "TaskCorrected")


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """A gateway, and a run on which nothing was said yet."""
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = make_log_before(tmp_path_factory.mktemp("waiting") / "events.db", endpoint.url)
        with serving(path) as gateway:
            yield gateway, run_of(gateway)


def test_words_that_are_longer_than_a_page_takes_are_refused_and_none_are_recorded(log_before: MakeLog) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run, root = run_of(gateway), replace(gateway, url=gateway.url.removesuffix("/v1"))

            def refused(address: str, **given: object) -> tuple[int, str]:
                status, _, said = root.ask(address, given)
                return status, said["error"]["message"]

            rated, tensorzero = {"run": run, "stars": 2}, {"inference_id": run, "metric_name": "demonstration"}
            langfuse = {"traceId": run, "name": "stars", "value": 2}
            long, longest = "x" * 4001, "the comment has 4001 characters; it takes 4000"
            correction = "the correction has 200001 characters; it takes 200000"
            assert refused("/v1/feedback", **rated, comment=long) == (400, longest)
            assert refused("/v1/feedback", **rated, comment=long, id="f1") == (400, longest)
            assert refused("/api/public/scores", **langfuse, comment=long) == (400, longest)
            issue = (400, "an issue has 101 characters; it takes 100")
            assert refused("/v1/feedback", **rated, issues=["x" * 101]) == issue
            many = (400, "there are 21 issues; a rating takes 20")
            assert refused("/v1/feedback", **rated, issues=["x"] * 21) == many
            assert refused("/v1/feedback", **rated, correction="x" * 200_001, id="f2") == (400, correction)
            assert refused("/feedback", **tensorzero, value="x" * 200_001) == (400, correction)
            for address, given in (
                ("/v1/feedback", {**rated, "comment": "x" * 2**20}),
                ("/feedback", {**tensorzero, "value": "x", "tags": {"a": "x" * 2**20}}),
                ("/api/public/scores", {**langfuse, "metadata": "x" * 2**20}),
            ):
                whole = "this address takes a body of at most 1048576 bytes"
                assert refused(address, **given) == (413, whole)
            fits = root.ask("/v1/feedback", {**rated, "comment": "x" * 4000, "issues": ["y" * 100] * 20})
        assert fits[0] == 201
    assert len(lines(path, "--event", "TaskRated")) == 1 and not lines(path, "--event", "TaskCorrected")
    assert not lines(path, "--event", "FeedbackGiven")


def test_feedback_that_says_more_than_before_is_recorded_too(log_before: MakeLog) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run = ask_model(gateway)[1]["x-grokputer-run"]
            given: list[dict[str, Any]] = [
                {"run": run, "stars": 2},
                {"run": run, "stars": 2, "comment": "that is another city"},
                {"run": run, "stars": "2", "comment": "that is another city"},
                {"run": run, "stars": 2, "issues": ["imprecise"]},
            ]
            found = [gateway.ask("/feedback", it)[0] for it in given]
    assert found == [201, 201, 200, 201]
    assert len(lines(path, "--event", "TaskRated")) == 3


GIVEN: dict[str, Any] = {"id": "f-1", "stars": 2, "issues": ["imprecise"], "comment": "no", "correction": "Paris"}


def test_feedback_with_an_id_counts_once_also_after_other_feedback_and_a_restart(log_before: MakeLog) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run = run_of(gateway)
            first = gateway.ask("/feedback", {"run": run, **GIVEN})
            gateway.ask("/feedback", {"run": run, "stars": 5, "id": "f-2"})
            again = gateway.ask("/feedback", {"run": run, **GIVEN})
        with serving(path) as gateway:
            later = gateway.ask("/feedback", {"run": run, **GIVEN})
    assert [first[0], again[0], later[0]] == [201, 200, 200]
    assert first[2] == again[2] == later[2]
    assert [rated["data"]["stars"] for rated in lines(path, "--event", "TaskRated")] == [2, 5]
    assert len(lines(path, "--event", "TaskCorrected")) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stars": 3}, "other stars"),
        ({"comment": "yes"}, "another comment"),
        ({"comment": None}, "another comment"),
        ({"issues": ["timeout"]}, "other issues"),
        ({"correction": "Rome"}, "another correction"),
        ({"correction": None}, "a correction"),
        ({"step": 1}, "another step"),
        ({"run": "OTHER"}, "another run"),
        ({"run": None, "session": "s1", "comment": None, "correction": None, "issues": None}, "something else"),
    ],
)
def test_an_id_that_comes_again_with_other_feedback_is_refused(
    log_before: MakeLog, change: dict[str, Any], words: str
) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run, other = run_of(gateway), run_of(gateway)
            gateway.ask("/feedback", {"run": run, **GIVEN})
            changed = {name: other if value == "OTHER" else value for name, value in change.items()}
            status, headers, said = gateway.ask("/feedback", {"run": run, **GIVEN, **changed})
    assert status == 422 and headers["x-should-retry"] == "false"
    assert f"f-1 came before with {words}" in said["error"]["message"]
    assert len(lines(path, "--event", "TaskRated")) == len(lines(path, "--event", "TaskCorrected")) == 1


def test_ids_of_two_holders_are_two_and_the_same_words_under_two_ids_are_two_ratings(log_before: MakeLog) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        bob = make_key(path, "feedback", holder="bob")
        with serving(path) as gateway:
            given = {"run": run_of(gateway), "stars": 4}
            asked = [(gateway.key, "1"), (bob, "1"), (gateway.key, "2"), (bob, "1")]
            found = [gateway.ask("/feedback", {**given, "id": id}, key=key)[0] for key, id in asked]
    assert found == [201, 201, 201, 200]
    assert [rated["actor"] for rated in lines(path, "--event", "TaskRated")] == ["ada", "bob", "ada"]


def test_a_session_rated_under_an_id_leaves_out_runs_that_came_later(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            for _ in range(2):
                ask_model(gateway, **{"x-session-id": "s1"})
            given = {"session": "s1", "stars": 4, "id": "f-1"}
            first = gateway.ask("/feedback", given)
            ask_model(gateway, **{"x-session-id": "s1"})
            again = gateway.ask("/feedback", given)
            other = gateway.ask("/feedback", {**given, "stars": 5})
    assert (first[0], again[0], other[0]) == (201, 200, 422)
    assert first[2] == again[2] and len(first[2]["runs"]) == 2
    assert [run["stars"] for run in document("runs", db=path)] == [None, 4, 4]


def test_feedback_on_a_session_searches_the_log_for_its_runs_once(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches, read_back = [], Log.read_back

    def count(log: Log, *topics: Any, **options: Any) -> Any:
        searches.append(options)
        return read_back(log, *topics, **options)

    monkeypatch.setattr(Log, "read_back", count)
    may_answer = threading.Event()
    with ChatServer(lambda _: "ok" if may_answer.wait(30) else "", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            asking = threading.Thread(target=lambda: ask_model(gateway, **{"x-session-id": "s1"}))
            asking.start()
            while not endpoint.asked:
                time.sleep(0.01)
            monkeypatch.setattr(feedback, "WAIT_S", 0.35)  # some looks
            early, *_ = gateway.ask("/feedback", {"session": "s1", "stars": 4, "id": "f1"})
            waiting = len(searches)
            may_answer.set()
            asking.join()
            status, _, said = gateway.ask("/feedback", {"session": "s1", "stars": 4, "id": "f1"})
    assert (early, waiting) == (409, 1)
    assert (status, len(said["runs"]), len(searches) - waiting) == (201, 1, 1)


def test_a_rating_that_a_crash_left_out_is_added_by_the_retry(log_before: MakeLog) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run = run_of(gateway)
            ledger = Ledger.open(path)
            holder, fields = ledger.name_key("ada"), {"session": None, "stars": 2, "step": None, "correction": None}
            ledger.write(
                Feedback,
                feedback_id(holder, "f-1"),
                lambda feedback: feedback.give(ledger.context("ada"), run=run, **fields),  # type: ignore[arg-type]
            )
            ledger.close()
            found = [gateway.ask("/feedback", {"run": run, "stars": 2, "id": "f-1"})[0] for _ in range(2)]
    assert found == [201, 200]
    assert len(lines(path, "--event", "TaskRated")) == len(lines(path, "--event", "FeedbackGiven")) == 1


def test_two_processes_that_take_the_same_feedback_at_once_record_it_once(log_before: MakeLog) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run = run_of(gateway)
    ledger = Ledger.open(path)
    holder = ledger.name_key("ada")
    ledger.close()
    together = threading.Barrier(4)

    def give() -> None:
        own = Ledger.open(path)
        together.wait()
        take_feedback(own, ProgramFeedback(run=UUID(run), stars=2, comment="no", id="f-1"), holder)
        own.close()

    threads = [threading.Thread(target=give) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(path, "--event", "TaskRated")) == 1


def test_feedback_stays_recognised_when_its_words_were_forgotten(log_before: MakeLog) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run = run_of(gateway)
            gateway.ask("/feedback", {"run": run, **GIVEN})
        output("forget", run, "--reason", "asked for", "--yes", db=path)
        with serving(path) as gateway:
            status, *_ = gateway.ask("/feedback", {"run": run, **GIVEN})
    assert status == 200 and len(lines(path, "--event", "TaskRated")) == 1


def test_feedback_waits_for_the_end_of_its_run_and_comes_again_where_that_takes_long(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_answer = threading.Event()

    def answer(question: str) -> str:
        may_answer.wait(30)
        return "Paris"

    with ChatServer(answer, ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            headers = {"Idempotency-Key": "k1", "x-session-id": "s1"}
            asking = threading.Thread(target=lambda: ask_model(gateway, **headers))
            asking.start()
            while not (found := lines(path, "--event", "TaskStarted")):
                pass
            run = found[0]["id"]
            monkeypatch.setattr(feedback, "WAIT_S", 0.0)
            early = [gateway.ask("/feedback", {**named, "stars": 5}) for named in ({"run": run}, {"session": "s1"})]
            monkeypatch.setattr(feedback, "WAIT_S", 30.0)
            late: list[Any] = []
            rating = threading.Thread(target=lambda: late.append(gateway.ask("/feedback", {"run": run, "stars": 5})))
            rating.start()
            may_answer.set()
            rating.join()
            asking.join()
    assert [(status, headers["retry-after"]) for status, headers, _ in early] == [(409, "1")] * 2
    messages = [said["error"]["message"] for *_, said in early]
    assert "has not ended" in messages[0] and "has no ended run yet" in messages[1]
    assert late[0][0] == 201

"""Ended runs as traces: what they have and have not, that each is sent, and that nothing waits for the endpoint."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from gateways import serving
from monitoring import until
from receivers import Receiver

from grokputer.runners.gateway.metrics import exporter
from grokputer.runners.gateway.metrics.exporter import TraceExporter
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases.settings import change_setting
from story import Story


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is read a hundred times a second."""
    monkeypatch.setattr(exporter, "EVERY_S", 0.01)
    monkeypatch.setattr(exporter, "LONGEST_WAIT_S", 0.05)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = Story(tmp_path / "events.db")
    story.run()
    return story


@contextmanager
def exporting(story: Story) -> Iterator[list[str]]:
    """An exporter on the log, and what it says."""
    said: list[str] = []
    exports = TraceExporter(story.path, lambda: load_state(story.ledger), said.append)
    exports.start()
    try:
        yield said
    finally:
        exports.stop()


def turn_on(story: Story, receiver: Receiver) -> None:
    story.set("telemetry.otlp_endpoint", f"http://127.0.0.1:{receiver.port}/otel")


def spans(receiver: Receiver) -> list[dict[str, Any]]:
    documents = [request.document["resourceSpans"][0]["scopeSpans"][0]["spans"] for request in receiver.requests]
    return [span for batch in documents for span in batch]


def traces(receiver: Receiver) -> list[str]:
    """The ids of the traces that came, in their order."""
    return [span["traceId"] for span in spans(receiver) if "parentSpanId" not in span]


def values(span: dict[str, Any]) -> dict[str, Any]:
    return {it["key"]: next(iter(it["value"].values())) for it in span["attributes"]}


def test_a_run_that_ends_is_a_trace_with_a_span_for_each_answer_and_no_words(story: Story) -> None:
    with Receiver() as receiver, exporting(story):
        turn_on(story, receiver)
        run = story.run(succeeds=False, session="s1")
        until(lambda: receiver.requests, "a trace")
    [whole, step] = spans(receiver)
    assert receiver.requests[0].path == "/otel/v1/traces"
    assert (whole["traceId"], step["traceId"], step["parentSpanId"]) == (run.hex, run.hex, whole["spanId"])
    assert (whole["name"], step["name"]) == ("invoke_agent action", "chat base")
    assert int(step["endTimeUnixNano"]) - int(step["startTimeUnixNano"]) == 20 * 10**6, "the model's time"
    assert int(whole["endTimeUnixNano"]) > int(whole["startTimeUnixNano"])
    assert values(whole)["error.type"] == "wrong"
    assert values(whole)["gen_ai.conversation.id"] == "s1"
    assert (values(step)["gen_ai.usage.input_tokens"], values(step)["gen_ai.usage.output_tokens"]) == ("30", "8")
    body = receiver.requests[0].body.decode()
    assert not [words for words in ("Click the button", "CLICKbutton", "sha256:") if words in body]


def test_runs_that_ended_while_the_export_was_off_are_not_sent(story: Story) -> None:
    with Receiver() as receiver, exporting(story):
        turn_on(story, receiver)
        first = story.run()
        until(lambda: receiver.requests, "a trace")
        story.set("telemetry.otlp_endpoint", "")
        story.run()
        turn_on(story, receiver)
        last = story.run()
        until(lambda: last.hex in traces(receiver), "the last run")
    assert traces(receiver) == [first.hex, last.hex]


def test_an_endpoint_that_fails_is_one_line_and_every_run_comes_once_when_it_answers(story: Story) -> None:
    with Receiver(503, 503, 500, 200) as receiver, exporting(story) as said:
        turn_on(story, receiver)
        runs = [story.run().hex for _ in range(5)]
        until(lambda: len(said) == 2, "two lines")
        until(lambda: set(traces(receiver)) >= set(runs), "all runs")
    endpoint = f"http://127.0.0.1:{receiver.port}/otel"
    assert said[0] == f"runs cannot be exported to {endpoint}: it answered with HTTP 503; they will be when it answers"
    assert said[1] == f"runs are exported to {endpoint} again"
    taken = [run for request in receiver.requests[3:] for run in traces_of(request.document)]
    assert taken == runs


def traces_of(document: Any) -> list[str]:
    batch = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    return [span["traceId"] for span in batch if "parentSpanId" not in span]


def test_an_endpoint_that_is_not_there_is_one_line_however_often_it_is_tried(story: Story) -> None:
    with Receiver() as receiver:
        pass
    with exporting(story) as said:
        turn_on(story, receiver)
        story.run()
        until(lambda: said, "a line")
        with Receiver() as other:
            turn_on(story, other)
            until(lambda: other.requests, "the trace, at the other endpoint")
    assert len([line for line in said if "cannot be exported" in line]) == 1


def test_a_batch_that_is_refused_for_good_does_not_stop_the_next_one(story: Story) -> None:
    with Receiver(400, 200) as receiver, exporting(story) as said:
        turn_on(story, receiver)
        story.run()
        until(lambda: said, "a line")
        last = story.run()
        until(lambda: traces(receiver)[-1:] == [last.hex], "the next run")
    assert said == ["1 run cannot be exported at all: it answered with HTTP 400"]


def test_what_ended_while_nothing_exported_is_sent_by_the_next_process_and_nothing_twice(story: Story) -> None:
    with Receiver() as receiver:
        turn_on(story, receiver)
        with exporting(story):
            first = story.run()
            until(lambda: receiver.requests, "the first run")
        second = story.run()
        with exporting(story), exporting(story):
            until(lambda: len(traces(receiver)) > 1, "the second run")
            third = story.run()
            until(lambda: third.hex in traces(receiver), "the third run")
    assert traces(receiver) == [run.hex for run in (first, second, third)]


def test_many_runs_are_sent_in_batches(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "TOGETHER", 3)
    with Receiver() as receiver:
        turn_on(story, receiver)
        runs = [story.run().hex for _ in range(7)]
        with exporting(story):
            until(lambda: len(traces(receiver)) == 7, "all runs")
    assert [len(traces_of(request.document)) for request in receiver.requests] == [3, 3, 1]
    assert traces(receiver) == runs


def test_headers_with_a_key_come_from_the_environment(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20abc, x-team = blue,nonsense")
    with Receiver() as receiver, exporting(story):
        turn_on(story, receiver)
        story.run()
        until(lambda: receiver.requests, "a trace")
    headers = receiver.requests[0].headers
    assert (headers["authorization"], headers["x-team"]) == ("Bearer abc", "blue")


def wait_for(event: threading.Event) -> None:
    event.wait()


def test_requests_are_answered_while_the_endpoint_of_traces_hangs(tmp_path: Path) -> None:
    release = threading.Event()
    path = tmp_path / "events.db"
    with ChatServer("Paris", ["tiny"]) as endpoint, Receiver(before_answer=lambda: wait_for(release)) as receiver:
        ledger = Ledger.create(path)
        settings = {
            "model.backend": "openai",
            "model.endpoint": endpoint.url,
            "model.base": "tiny",
            "telemetry.otlp_endpoint": f"http://127.0.0.1:{receiver.port}",
        }
        for key, value in settings.items():
            change_setting(ledger, key, value, actor="ada")
        ledger.close()
        body = {"model": "action", "messages": [{"role": "user", "content": "Capital of France?"}]}
        with serving(path) as gateway:
            runs = [gateway.ask("/chat/completions", body)[1]["x-grokputer-run"]]
            until(lambda: receiver.requests, "a trace")
            answered = [gateway.ask("/chat/completions", body) for _ in range(3)]
            assert [status for status, *_ in answered] == [200] * 3 and not release.is_set()
            runs += [headers["x-grokputer-run"] for _, headers, _ in answered]
            release.set()
            until(lambda: traces(receiver) == runs, "all runs")
    assert traces(receiver) == runs

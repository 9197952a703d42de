"""``/metrics``: two groups, one that is equal in every process and one of this process alone, with bounded labels."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from full_disk import full_disk
from gateways import RawUpstream, Served, make_key, serving
from monitoring import until
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from grokputer.projections.state.ratings import BASE
from grokputer.runners.gateway.metrics import page
from grokputer.runners.gateway.metrics.folded import collect_folded
from grokputer.runners.gateway.metrics.page import Collected
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.store.sqlite.locks import WriteLock
from grokputer.runners.store.states import load_state
from grokputer.runners.use_cases.settings import change_setting
from story import Story

MakeLog = Callable[[str], Path]
Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(gateway: Served, group: str = "", *, accept: str = "text/plain") -> str:
    url = gateway.url.removesuffix("/v1") + "/metrics" + (f"?group={group}" if group else "")
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {gateway.key}", "accept": accept})
    with urllib.request.urlopen(request) as response:
        return str(response.read().decode())


def read(text: str) -> Values:
    families = text_string_to_metric_families(text)
    return {(it.name, frozenset(it.labels.items())): it.value for family in families for it in family.samples}


def value(text: str, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels, perhaps among others; there must be one."""
    wanted = labels.items()
    found = [number for (known, has), number in read(text).items() if known == name and wanted <= has]
    assert found, f"no {name} with {labels}"
    return sum(found)


def ask(gateway: Served, **body: Any) -> int:
    messages = [{"role": "user", "content": "Capital of France?"}]
    return gateway.ask("/chat/completions", {"model": "action", "messages": messages, **body})[0]


@contextmanager
def asked(log_before: MakeLog, answer: str = "Paris", **body: Any) -> Iterator[Served]:
    """A gateway that has answered one request."""
    with ChatServer(answer, ["tiny"], streams=True) as endpoint, serving(log_before(endpoint.url)) as gateway:
        request = {"model": "action", "messages": [{"role": "user", "content": "Capital of France?"}], **body}
        url = f"{gateway.url}/chat/completions"
        sent = urllib.request.Request(url, json.dumps(request).encode(), {"authorization": f"Bearer {gateway.key}"})
        with urllib.request.urlopen(sent) as response:
            response.read()
        yield gateway


def test_metrics_need_a_key_with_their_scope(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        other = make_key(path, "infer", "feedback", holder="bob")
        with serving(path) as gateway:
            root = Served(gateway.url.removesuffix("/v1"), gateway.key, path)
            assert root.ask("/metrics", key=None)[0] == 401
            status, _, said = root.ask("/metrics", key=other)
            assert (status, said["error"]["message"]) == (403, "this key allows infer, feedback; this needs metrics")
            status, _, said = root.ask("/metrics?group=all")
            assert (status, said["error"]["param"]) == (400, "group")


def test_what_the_log_knows_is_equal_in_two_processes_and_after_a_restart(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.promote()
    story.set("canary.rule", "sequential")
    story.prove(story.train(story.ask()))
    for number in range(12):
        story.rate(story.run(succeeds=number % 3 > 0, session=f"s{number}"), 1 + number % 5)
    make_key(story.path, "metrics", holder="bob")
    story.ledger.close()
    with serving(story.path) as first, serving(story.path) as second:
        texts = [scrape(gateway, "log") for gateway in (first, second)]
        position = value(texts[1], "grokputer_log_position")
        while value(texts[0], "grokputer_log_position") < position:
            texts[0] = scrape(first, "log")
    log = Ledger.open(story.path)
    again = scrape_of(load_state(log, int(position)))
    assert texts[0] == texts[1] == again
    assert value(again, "grokputer_canary_evidence", adapter="lora-v2", evidence="no_worse") >= 1
    assert value(again, "grokputer_traffic_ratio", role="action", adapter="lora-v2") == 0.15
    assert value(again, "grokputer_adapter_generations", role="action") == 1


def scrape_of(state: Any) -> str:
    return generate_latest(Collected(collect_folded(state))).decode()


def test_a_run_of_the_gateway_is_counted_with_its_tokens_its_price_and_its_times(log_before: MakeLog) -> None:
    with ChatServer("Paris", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        ledger = Ledger.open(path)
        change_setting(ledger, "cost.prompt_price", "2", actor="ada")
        change_setting(ledger, "cost.answer_price", "10", actor="ada")
        ledger.close()
        with serving(path) as gateway:
            assert ask(gateway) == 200
        state = process_new_events(Ledger.open(path))
    text = scrape_of(state)
    who = {"role": "action", "adapter": BASE}
    run = next(iter(state.usage.rows()))[2]
    assert value(text, "grokputer_runs_total", **who, arm="stable") == 1
    assert value(text, "grokputer_run_outcomes", **who, outcome="unknown") == 1
    assert value(text, "grokputer_answers_total", **who) == 1
    tokens = {"gen_ai_request_model": BASE, "gen_ai_operation_name": "chat"}
    assert value(text, "gen_ai_client_token_usage_sum", **tokens, gen_ai_token_type="input") == run.prompt.sum > 0
    assert value(text, "gen_ai_client_token_usage_bucket", **tokens, le="+Inf") == 2
    assert value(text, "gen_ai_client_operation_duration_seconds_count", **tokens) == 1
    assert value(text, "grokputer_run_duration_seconds_count", **who) == 1
    paid = (run.prompt.sum * 2 + run.answer.sum * 10) / 1e6
    assert value(text, "grokputer_token_cost_total", **who, currency="EUR") == pytest.approx(paid)


def test_names_that_are_in_no_registry_are_one_label(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint, serving(log_before(endpoint.url)) as gateway:
        for number in range(5):
            assert ask(gateway, model=f"made-up-{number}") == 404
            gateway.ask(f"/nowhere/{number}")
            gateway.ask(f"/models/made-up-{number}")
        text = scrape(gateway)
    assert "made-up" not in text
    assert value(text, "grokputer_gateway_requests_total", address="other", status="404") == 5
    assert value(text, "grokputer_gateway_requests_total", address="/v1/models/{model}", status="404") == 5


def test_adapters_that_the_registry_does_not_know_are_added_up_as_other(tmp_path: Path) -> None:
    story = Story(tmp_path / "events.db")
    story.promote()
    state = load_state(story.ledger)
    before = scrape_of(state)
    known = value(before, "grokputer_runs_total", adapter=BASE)
    for name in ("lora-v7", 'odd "name"\\'):
        state.metrics._counts["action"][name] = state.metrics._counts["action"][BASE]
    text = scrape_of(state)
    assert value(text, "grokputer_runs_total", adapter="other") == 2 * known
    assert "lora-v7" not in text and "odd" not in text


@pytest.mark.parametrize("streams", [False, True])
def test_the_overhead_is_what_the_model_did_not_take(log_before: MakeLog, streams: bool) -> None:
    with asked(log_before, stream=streams) as gateway:
        text = scrape(gateway, "process")
    who = {"gen_ai_request_model": BASE, "role": "action", "error_type": ""}
    assert value(text, "grokputer_gateway_overhead_seconds_count") == 1
    assert value(text, "gen_ai_server_request_duration_seconds_count", **who) == 1
    whole = value(text, "gen_ai_server_request_duration_seconds_sum", **who)
    assert 0 < value(text, "grokputer_gateway_overhead_seconds_sum") < whole
    has_first = "gen_ai_server_time_to_first_token_seconds_count{" in text
    assert has_first is streams
    assert value(text, "grokputer_gateway_requests_total", address="/v1/chat/completions", status="200") == 1


def test_a_stream_that_breaks_off_is_an_error_although_its_status_was_200(log_before: MakeLog) -> None:
    frame = b'data: {"choices": [{"index": 0, "delta": {"content": "Par"}}]}\n\n'
    with RawUpstream(frame) as endpoint, serving(log_before(endpoint.url)) as gateway:
        url, key = f"{gateway.url}/chat/completions", {"authorization": f"Bearer {gateway.key}"}
        body = b'{"model": "action", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
        with urllib.request.urlopen(urllib.request.Request(url, body, key)) as response:
            assert b'"error"' in response.read()
        text = scrape(gateway, "process")
    assert value(text, "gen_ai_server_request_duration_seconds_count", error_type="broken") == 1


def test_parts_of_messages_are_counted_by_modality(log_before: MakeLog) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    parts = [{"type": "text", "text": "What is this?"}, picture, picture, {"type": "smell"}]
    with asked(log_before, messages=[{"role": "user", "content": parts}]) as gateway:
        text = scrape(gateway, "process")
    counts = {
        it: value(text, "grokputer_gateway_message_parts_total", modality=it) for it in ("text", "image", "other")
    }
    assert counts == {"text": 1, "image": 2, "other": 1}


def test_connections_queues_and_the_way_behind_are_those_of_the_moment(log_before: MakeLog) -> None:
    with asked(log_before) as gateway:
        text = scrape(gateway)
    assert value(text, "grokputer_gateway_connections") >= 1
    assert value(text, "grokputer_gateway_requests_in_progress") == 1, "the scrape itself"
    assert value(text, "grokputer_queue_length", queue="log") == 0
    assert value(text, "grokputer_log_writable") == 1
    assert value(text, "grokputer_worker_running") == 0
    assert value(text, "grokputer_follow_lag_events") >= 0
    assert value(text, "process_resident_memory_bytes") > 0


def test_a_log_that_cannot_be_written_is_said_until_a_change_is_stored_again(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            with full_disk(path):
                assert ask(gateway) == 503
            assert value(scrape(gateway), "grokputer_log_writable") == 0
            assert ask(gateway) == 200
            assert value(scrape(gateway), "grokputer_log_writable") == 1


def test_metrics_come_in_the_form_of_open_metrics_where_that_is_asked_for(log_before: MakeLog) -> None:
    with asked(log_before) as gateway:
        text = scrape(gateway, accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert text.endswith("# EOF\n")
    assert "# TYPE gen_ai_client_token_usage histogram" in text


def test_a_log_that_does_not_answer_leaves_what_was_known_last_and_the_process_s_own(
    log_before: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "WAIT_S", 0.05)
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            lock, asking = WriteLock(path), threading.Thread(target=lambda: ask(gateway))
            with lock:
                asking.start()
                until(lambda: "grokputer_log_writable 0.0" in scrape(gateway), "the log does not answer")
                text = scrape(gateway)
                assert value(text, "grokputer_log_position") == 4  # as it was known last
                assert value(text, "grokputer_queue_length", queue="log") >= 1
                assert value(text, "grokputer_gateway_requests_in_progress") == 2
            asking.join()
            until(lambda: "grokputer_log_writable 1.0" in scrape(gateway), "the log answers again")
            assert value(scrape(gateway), "grokputer_log_position") > 0
            lock.close()

"""Feedback in the forms of TensorZero and Langfuse: their users change the address and the key alone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from command_line import lines
from gateways import Served, serving

from grokputer.domain.errors import GrokputerError
from grokputer.runners.gateway.resources.foreign_feedback import read_langfuse, read_tensorzero, stars_of
from grokputer.runners.store.log import Log

MakeLog = Callable[[str], Path]


def run_of(gateway: Served) -> str:
    """A run of the session ``s1`` that has ended."""
    body = {"model": "action", "messages": [{"role": "user", "content": "Capital of France?"}]}
    return str(gateway.ask("/chat/completions", body, headers={"x-session-id": "s1"})[1]["x-grokputer-run"])


def root(gateway: Served) -> Served:
    return replace(gateway, url=gateway.url.removesuffix("/v1"))


@pytest.mark.parametrize(
    ("name", "value", "stars"),
    [
        ("stars", 1, 1), ("rating", 5.0, 5), ("Stars", 3, 3),
        ("thumb", True, 5), ("thumb", False, 1),
        ("accuracy", 0, 1), ("accuracy", 1, 5), ("accuracy", 0.5, 3), ("accuracy", 0.62, 3), ("accuracy", 0.63, 4),
    ],
)  # fmt: skip
def test_scores_become_stars(name: str, value: object, stars: int) -> None:
    assert stars_of(name, value) == stars


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("stars", 0, "takes 1, 2, 3, 4 or 5"), ("stars", 2.5, "takes 1, 2, 3, 4 or 5"), ("stars", True, "takes 1, 2"),
        ("accuracy", 3, "name it stars for 1 to 5"), ("accuracy", -0.1, "from 0 to 1"), ("accuracy", "good", "from 0 to 1"),
        ("accuracy", float("nan"), "from 0 to 1"), ("accuracy", None, "from 0 to 1"), ("accuracy", 10**400, "from 0 to 1"),
    ],
)  # fmt: skip
def test_a_score_that_is_no_stars_is_refused(name: str, value: object, words: str) -> None:
    with pytest.raises(GrokputerError, match=words):
        stars_of(name, value)


def test_tensorzeros_feedback_rates_comments_and_corrects_a_run(log_before: MakeLog) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run, ask = run_of(gateway), root(gateway).ask
            early = ask("/feedback", {"inference_id": run, "metric_name": "comment", "value": "no"})
            given: list[dict[str, Any]] = [
                {"inference_id": run, "metric_name": "correct", "value": False, "tags": {"user": "7"}},
                {"inference_id": run, "metric_name": "comment", "value": "another city"},
                {"inference_id": run, "metric_name": "demonstration", "value": [{"type": "text", "text": "Paris"}]},
                {"episode_id": "s1", "metric_name": "stars", "value": 4},
                {"inference_id": run, "metric_name": "correct", "value": True, "dryrun": True},
            ]
            found = [ask("/feedback", one) for one in given]
            keyed = [ask("/feedback", given[0], headers={"Idempotency-Key": "k"})[2] for _ in range(2)]
    assert early[0] == 409 and "rate it before the comment" in early[2]["error"]["message"]
    assert [status for status, *_ in found] == [200] * 5 and len({said["feedback_id"] for *_, said in found}) == 5
    assert keyed[0] == keyed[1]
    rated = [line["data"] for line in lines(path, "--event", "TaskRated")]
    assert [rating["stars"] for rating in rated] == [1, 1, 1]
    assert Log.open(path).get_content(rated[1]["comment"]) == "another city"
    assert len(lines(path, "--event", "TaskCorrected")) == 1


def test_langfuses_score_rates_a_run_with_the_key_as_the_secret_key(log_before: MakeLog) -> None:
    with ChatServer("Lyon", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        with serving(path) as gateway:
            run = run_of(gateway)

            def ask(body: Mapping[str, Any], secret: str = gateway.key) -> tuple[int, Any]:
                basic = base64.b64encode(f"pk-lf-1:{secret}".encode()).decode()
                headers = {"Authorization": f"Basic {basic}"}
                status, _, said = root(gateway).ask("/api/public/scores", body, key=None, headers=headers)
                return status, said

            score = {"id": "s-1", "traceId": run, "name": "helpful", "value": 0.25, "comment": "no", "metadata": {}}
            first, again, other = ask(score), ask(score), ask({**score, "value": 1})
            boolean = ask({"traceId": run, "name": "ok", "value": 1, "dataType": "BOOLEAN"})
            right = ask({"traceId": run, "name": "output", "value": "Paris", "dataType": "CORRECTION"})
            session = ask({"sessionId": "s1", "name": "stars", "value": 3})
            stranger, text = ask(score, "sk-lf-1"), ask({**score, "value": "good", "dataType": "CATEGORICAL"})
            elsewhere = gateway.ask(
                "/models",
                key=None,
                headers={"Authorization": f"Basic {base64.b64encode(f'x:{gateway.key}'.encode()).decode()}"},
            )
    assert first == again == (200, {"id": "s-1"}) and other[0] == 422
    assert (boolean[0], right[0], session[0], stranger[0], text[0]) == (200, 200, 200, 401, 400)
    assert elsewhere[0] == 401
    assert [line["data"]["stars"] for line in lines(path, "--event", "TaskRated")] == [2, 5]
    assert len(lines(path, "--event", "TaskCorrected")) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"metric_name": "x", "value": 1}, "either inference_id"),
        ({"inference_id": "0" * 32, "value": 1}, "metric_name is missing"),
        ({"episode_id": "s1", "metric_name": "comment", "value": "x"}, "about an inference"),
        ({"inference_id": "0" * 32, "metric_name": "demonstration", "value": {}}, "text, or a list"),
    ],
)
def test_tensorzeros_feedback_in_the_wrong_form_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(GrokputerError, match=words):
        read_tensorzero(given, "f-1")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "x", "value": 1}, "give traceId"),
        ({"traceId": "0" * 32, "value": 1}, "name is missing"),
        ({"sessionId": "s1", "name": "x", "value": 1, "comment": "y"}, "score alone"),
        ({"traceId": "0" * 32, "name": "x", "value": 2, "dataType": "BOOLEAN"}, "0 or 1"),
        ({"sessionId": "s1", "name": "x", "value": "y", "dataType": "CORRECTION"}, "needs a traceId"),
    ],
)
def test_langfuses_score_in_the_wrong_form_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(GrokputerError, match=words):
        read_langfuse(given)

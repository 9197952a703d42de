"""Who may come in: keys with scopes and limits, and hosts. Without a key only the health checks answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from gateways import make_key, serving

from grokputer.adapters.serving.reply import Reply
from grokputer.domain.errors import BadArgument
from grokputer.domain.settings.training import CostSettings
from grokputer.projections.state.access import AccessKey
from grokputer.runners.gateway.admission import Admission, is_loopback
from grokputer.runners.gateway.replies import Refused
from grokputer.runners.gateway.service.server import Place
from grokputer.runners.store.ledger import Ledger
from grokputer.runners.use_cases.access_keys import revoke_key

BODY: dict[str, Any] = {"model": "action", "messages": [{"role": "user", "content": "hello"}]}
MakeLog = Callable[[str], Path]


def test_without_a_key_only_the_health_checks_answer(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint, serving(log_before(endpoint.url)) as gateway:
        root = gateway.url.removesuffix("/v1")
        gateway.url = root
        for address, body in (
            ("/v1/models", None),
            ("/v1/chat/completions", BODY),
            ("/v1/feedback", {}),
            ("/v1/runs/1", None),
        ):
            status, headers, said = gateway.ask(address, body, key=None)
            assert (status, said["error"]["code"]) == (401, "invalid_api_key")
            assert headers["www-authenticate"] == "Bearer"
        assert gateway.ask("/v1/models", key="gp_wrong")[0] == 401
        assert gateway.ask("/health/live", key=None)[0] == gateway.ask("/health/ready", key=None)[0] == 200
    assert not endpoint.asked


def test_a_key_does_what_its_scopes_allow_and_nothing_after_it_was_revoked(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        key = make_key(path, "feedback", holder="bob")
        with serving(path) as gateway:
            assert gateway.ask("/chat/completions", BODY, key=key)[0] == 403
            assert gateway.ask("/feedback", {"run": "00", "stars": 5}, key=key)[0] == 404
            ledger = Ledger.open(path)
            revoke_key(ledger, "bob", reason="", actor="eve")
            ledger.close()
            deadline = time.monotonic() + 10
            while gateway.ask("/feedback", {"run": "00", "stars": 5}, key=key)[0] != 401:
                assert time.monotonic() < deadline
                time.sleep(0.05)


def test_a_request_for_another_host_is_refused_before_its_key_is_looked_at(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint, serving(log_before(endpoint.url)) as gateway:
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
            assert gateway.ask("/models", headers={"Host": host})[0] in (400, 403)
        assert gateway.ask("/models", headers={"Host": "localhost"})[0] == 200


def key(**limits: float) -> AccessKey:
    return AccessKey("k1", "sha256:aa", "bb", ["infer"], limits, 1, "2026-01-01T00:00:00+00:00")


def test_a_key_has_so_many_requests_and_tokens_a_day_and_the_next_day_again() -> None:
    now = [datetime(2026, 1, 1, 23, 59, tzinfo=UTC)]
    admission = Admission(dict, clock=lambda: now[0])
    two, few, poor = key(requests=2), key(tokens=10), key(money=0.5)
    few.id, poor.id = "k2", "k3"
    for _ in range(2):
        admission.count_request(two)
    with pytest.raises(Refused, match="used its 2 requests of today") as refused:
        admission.count_request(two)
    assert (refused.value.status, refused.value.headers) == (429, {"retry-after": "60"})
    prices = CostSettings(prompt_price=10_000, answer_price=200_000)
    for one, words in ((few, "used its 10 tokens"), (poor, "used its 0.5 money")):
        admission.count_request(one)
        admission.count_answer(one, Reply("text", 8, 3), prices)
        with pytest.raises(Refused, match=words):
            admission.count_request(one)
    now[0] += timedelta(minutes=2)
    admission.count_request(two)
    admission.count_request(few)


def test_a_gateway_that_strangers_reach_needs_the_names_that_it_answers_for() -> None:
    with pytest.raises(BadArgument, match="--allow-host"):
        Place("0.0.0.0")
    assert Place("0.0.0.0", names=("agents.example.org",)).names
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "agents.example.org")] == [
        *[True] * 3,
        *[False] * 3,
    ]


def test_hosts_are_compared_without_port_and_case() -> None:
    admission = Admission(dict, ["Agents.example.org"])
    allowed = ("agents.EXAMPLE.org:8484", "agents.example.org", "127.0.0.1:1", "[::1]:8484", "[::1]")
    refused = ("example.org", "agents.example.org.evil", None, "", "127.0.0.1@evil")
    assert [admission.is_allowed(host) for host in allowed] == [True] * len(allowed)
    assert [admission.is_allowed(host) for host in refused] == [False] * len(refused)


def test_limits_hold_in_all_gateways_of_a_log_and_after_a_restart(log_before: MakeLog) -> None:
    with ChatServer("ok", ["tiny"]) as endpoint:
        path = log_before(endpoint.url)
        key = make_key(path, "infer", holder="bob", requests=3)
        with serving(path) as one, serving(path) as other:
            assert [gateway.ask("/chat/completions", BODY, key=key)[0] for gateway in (one, one)] == [200, 200]
            deadline = time.monotonic() + 20  # until the other one has read the log
            while (status := other.ask("/chat/completions", BODY, key=key)[0]) == 200:
                assert time.monotonic() < deadline
                time.sleep(0.3)
        with serving(path) as later:
            again = later.ask("/chat/completions", BODY, key=key)
    assert status == again[0] == 429 and "used its 3 requests of today" in again[2]["error"]["message"]
    assert len(endpoint.asked) <= 4

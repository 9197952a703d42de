"""A gateway whose database server dies and comes back: its runs stay its own, and none is left without an end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from chat_server import ChatServer
from gateways import Served, make_log_before, serving
from monitoring import until
from stores import Server

from grokputer.domain.errors import LogError
from grokputer.domain.vocabulary import FailureReason
from grokputer.runners.agent.abandoned import end_abandoned
from grokputer.runners.gateway.upstreams.fleet import FleetUpstream
from grokputer.runners.gateway.upstreams.upstream import NoAnswer
from grokputer.runners.improvement.process_manager import process_new_events
from grokputer.runners.store.ledger import Ledger

BODY = {"model": "action", "messages": [{"role": "user", "content": "hello"}]}


class Slow(ChatServer):
    """An endpoint that keeps a question until it may answer."""

    def __init__(self) -> None:
        self.has_come, self.may_answer = threading.Event(), threading.Event()
        super().__init__(self._wait, ["tiny"])

    def _wait(self, question: str) -> str:
        self.has_come.set()
        assert self.may_answer.wait(60)
        return "ok"


@contextmanager
def asked(gateway: Served, endpoint: Slow, key: str) -> Iterator[list[Any]]:
    """A request in progress at the endpoint; the list has its status and answer after the block, in which it may answer."""
    answers: list[Any] = []
    endpoint.has_come.clear()
    endpoint.may_answer.clear()
    headers = {"Idempotency-Key": key}
    asking = threading.Thread(target=lambda: answers.append(gateway.ask("/chat/completions", BODY, headers=headers)))
    asking.start()
    assert endpoint.has_come.wait(60)
    try:
        yield answers
    finally:
        endpoint.may_answer.set()
        asking.join()


@pytest.mark.slow
def test_a_gateway_keeps_its_runs_when_the_database_died_and_ends_what_it_could_not_record(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "upstream-key")
    with ExitStack() as stack:
        endpoint = stack.enter_context(Slow())
        place: Any = own_server.place()
        make_log_before(place, endpoint.url)
        gateway = stack.enter_context(serving(place))
        with asked(gateway, endpoint, "lost") as answers:
            own_server.stop("immediate")
        assert answers[0][0] == 503
        own_server.start()
        other = Ledger.open(place)

        def runs() -> dict[str, str]:
            process_new_events(other)
            with other.reading() as rows:
                return {row[0]: row[1] for row in rows.execute("SELECT id, status FROM runs")}

        until(lambda: set(runs().values()) == {"failed"}, "the run whose end was not stored is ended")
        [failed] = other.read(1, None, ("TaskFailed",))
        assert vars(failed.event)["reason"] == FailureReason.ENVIRONMENT
        assert gateway.ask("/chat/completions", BODY, headers={"Idempotency-Key": "lost"})[0] == 409
        with asked(gateway, endpoint, "kept") as answers:
            state = process_new_events(other)
            assert end_abandoned(other, state.policy) == [], "the gateway has the lock of its runs again"
        assert answers[0][0] == 200
        run = answers[0][1]["x-grokputer-run"]
        assert runs()[run] == "answered"
        other.close()


def test_a_proof_that_cannot_be_recorded_is_no_fault_of_the_adapter() -> None:
    def model(adapter: str | None) -> Any:
        raise LogError("the log cannot be reached")

    exchange: Any = SimpleNamespace(adapter="lora-v1")
    with pytest.raises(NoAnswer) as refused:
        asyncio.run(FleetUpstream(model).answer(exchange, {}))
    assert refused.value.reason == FailureReason.ENVIRONMENT

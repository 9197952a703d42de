"""A log whose model is at two vLLM servers: proof, gate, canary and comparison, over restarts and a lie."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import document, lines, output
from fake_vllm import FakeVllm
from fleets import answered_by
from gated import SETTINGS, Finished, History
from tiny_base import Trained

from grokputer.domain.events import TaskFailed, TaskSucceeded
from grokputer.runners.archive.replay import replay
from grokputer.runners.improvement.repeated_decisions import decide_again
from grokputer.runners.wiring import services

Servers = tuple[FakeVllm, FakeVllm]


@pytest.fixture
def history(tmp_path: Path, tiny_base: Path, trained: Trained, servers: Servers) -> Iterator[History]:
    """A log in which the base has failed at two servers, and an adapter waits that learned what failed."""
    for server in servers:
        server.base = str(tiny_base)
    history = History(tmp_path / "events.db")
    where = {"model.backend": "vllm", "model.endpoint": ", ".join(server.url for server in servers)}
    history.set(**SETTINGS, **{"model.base": str(tiny_base)}, **where)
    history.feedback("miniwob", range(30))
    history.offer(trained.done.adapter)
    yield history
    history.parts.close()
    Finished.is_lost = False


def served(history: History) -> list[tuple[str, str]]:
    """The facts about endpoints, in their order: what was found, and where."""
    found = [
        *lines(history.ledger.path, "--event", "AdapterServed"),
        *lines(history.ledger.path, "--event", "AdapterUnserved"),
    ]
    return [(it["event"], it["data"]["endpoint"]) for it in sorted(found, key=lambda it: it["position"])]


def look_always(history: History) -> None:
    """The fleet believes no earlier look, because a fake starts again in no time."""
    for member in history.parts.model._members:  # type: ignore[attr-defined]
        member._look_s = 0.0


@pytest.mark.slow
def test_an_adapter_is_proven_judged_and_rolled_out_over_two_servers(
    history: History, servers: Servers, tiny_base: Path
) -> None:
    first, second = servers
    history.work()
    look_always(history)
    known = history.parts.state.registry.adapters["lora-v1"]
    assert known.status == "canary", history.said
    assert served(history) == [("AdapterServed", first.url), ("AdapterServed", second.url)]
    assert history.judgement()["verdict"] == "pass"
    name = known.weights.removeprefix("sha256:")
    assert min(answered_by(servers, name)) > 0, "the gate has asked both"
    assert min(answered_by(servers, str(tiny_base))) > 0

    history.decide("promote")
    assert all(isinstance(run.ended, TaskSucceeded) for run in history.run("miniwob", range(100, 108)))

    first.lies.add("base")  # after its next start it takes the adapter, and does not apply it
    first.restart()
    first.asked.clear()
    assert all(isinstance(run.ended, TaskSucceeded) for run in history.run("miniwob", range(110, 118)))
    assert answered_by(servers, name)[0] == 0
    assert served(history)[2:] == [("AdapterUnserved", first.url)]
    said = output("why", "lora-v1", db=history.ledger.path)
    assert f"not served by {first.url} while it is live: it changes nothing there: its outputs are the base's" in said
    assert f"served by {second.url}, proven there" in said
    [shown] = document("adapters", db=history.ledger.path)
    assert {url: it["problem"] == "" for url, it in shown["served"].items()} == {first.url: False, second.url: True}

    first.lies.clear()
    first.restart()
    history.run("miniwob", range(120, 128))
    assert served(history)[3:] == [("AdapterServed", first.url)]
    assert answered_by(servers, name)[0] > 0

    for server in servers:
        server.die()
    lost = history.run("miniwob", range(130, 132))
    assert [vars(run.ended)["reason"] for run in lost if isinstance(run.ended, TaskFailed)] == ["environment"] * 2
    assert replay(history.ledger).is_equal
    assert [it for it in decide_again(history.ledger) if it.difference and it.kind != "DatasetBuilt"] == []


@pytest.fixture
def live(history: History, servers: Servers) -> str:
    """The adapter is live, proven at both servers; its name there."""
    history.set(**{"gate.enabled": False})
    history.work()
    look_always(history)
    history.decide("promote")
    assert served(history) == [("AdapterServed", server.url) for server in servers], history.said
    return history.parts.state.registry.adapters["lora-v1"].weights.removeprefix("sha256:")


def test_a_worker_proves_a_live_adapter_at_a_server_that_starts_again_before_a_run_asks_it(
    history: History, servers: Servers, live: str
) -> None:
    first, second = servers
    first.restart()
    before = [len(server.asked) for server in servers]
    history.work()
    assert served(history)[2:] == [("AdapterServed", first.url)]
    assert [len(server.asked) for server in servers][1] == before[1], "the other one has it"
    assert live in first.paths
    proofs = len(first.asked)
    assert all(isinstance(run.ended, TaskSucceeded) for run in history.run("miniwob", range(100, 104)))
    assert min(answered_by(servers, live)) > 0
    assert not [body for _, body in first.asked[proofs:] if "logprobs" in body], "no request waited for a proof"
    second.die()
    history.work()
    assert served(history)[3:] == [], "a server that is away says nothing of the adapter"


def test_a_server_that_refuses_a_live_adapter_raises_an_alert_that_ends_when_it_serves_it(
    history: History, servers: Servers, live: str
) -> None:
    first, _ = servers
    first.lies.add("base")  # it takes the adapter, and does not apply it
    first.restart()
    history.work()
    [alert] = document("alerts", "--open", db=history.ledger.path)
    assert (alert["kind"], alert["severity"], alert["adapter"]) == ("not served", "warning", "lora-v1")
    problem = "it changes nothing there: its outputs are the base's"
    assert alert["message"] == f"{first.url} does not serve lora-v1, which is live: {problem}"
    history.work()
    assert len(document("alerts", db=history.ledger.path)) == 1, "once"
    first.lies.clear()
    first.restart()
    history.work()
    assert document("alerts", "--open", db=history.ledger.path) == []
    [resolved] = history.ledger.read(1, None, ("AlertResolved",))
    assert vars(resolved.event)["message"] == f"{first.url} serves lora-v1"
    assert replay(history.ledger).is_equal


@pytest.mark.slow
def test_a_server_that_refused_an_adapter_before_its_rollout_raises_an_alert_once_it_has_runs(
    history: History, servers: Servers
) -> None:
    first, _ = servers
    first.lies.add("base")
    history.set(**{"gate.enabled": False})
    history.work()
    assert [kind for kind, _ in served(history)] == ["AdapterUnserved", "AdapterServed", "AdapterUnserved"]
    [alert] = document("alerts", "--open", db=history.ledger.path)
    assert "which is canary" in alert["message"]
    history.set(**{"model.endpoint": servers[1].url})
    history.work()
    assert document("alerts", "--open", db=history.ledger.path) == [], "it is asked no more"


@pytest.mark.slow
def test_two_adapters_are_compared_at_the_servers(
    history: History, servers: Servers, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "open_environment", lambda *_, **__: Finished())
    for server in servers:
        server.asked.clear()
    words = ("ab", "base", "lora-v1", "--tasks", "finished", "--env", "miniwob", "--episodes", "4")
    result = document(*words, db=history.ledger.path)
    assert (result["a"], result["b"], result["numbers"]["pairs"]) == (None, "lora-v1", 4)
    assert [task["succeeded"]["b"] for task in result["numbers"]["tasks"]] == [4]
    assert min(answered_by(servers, live)) > 0 and min(answered_by(servers, history.parts.state.policy.model.base)) > 0
    servers[0].die()
    again = document(*words, "--seed", "7", db=history.ledger.path)
    assert (again["numbers"]["pairs"], again["numbers"]["left_out"]) == (4, 0), "the other server has all runs"


def test_servers_that_apply_nothing_reject_the_adapter_and_those_that_are_away_do_not(
    history: History, servers: Servers
) -> None:
    for server in servers:
        server.die()
    history.work()
    assert history.parts.state.registry.adapters["lora-v1"].status == "registered"
    assert [line for line in history.said if "lora-v1 waits: no endpoint answers" in line]
    for server in servers:
        server.start()
        server.lies.add("base")
    look_always(history)
    history.work()
    known = history.parts.state.registry.adapters["lora-v1"]
    assert (known.status, known.reason) == ("rejected", "served, it changes nothing: its outputs are the base's")


@pytest.mark.slow
def test_a_log_that_moves_to_vllm_serves_what_a_local_model_was_proven_with(
    tmp_path: Path, tiny_base: Path, trained: Trained, servers: Servers
) -> None:
    history = History(tmp_path / "events.db")
    history.set(**SETTINGS, **{"model.base": str(tiny_base)})
    history.feedback("miniwob", range(30))
    history.offer(trained.done.adapter)
    history.work()
    history.decide("promote")
    servers[0].base = str(tiny_base)
    history.set(**{"model.backend": "vllm", "model.endpoint": servers[0].url})
    assert all(isinstance(run.ended, TaskSucceeded) for run in history.run("miniwob", range(100, 104)))
    assert served(history) == [("AdapterServed", servers[0].url)]
    history.set(**{"model.quantization": "nf4"})
    [run] = history.run("miniwob", range(110, 111))
    assert isinstance(run.ended, TaskFailed), "an adapter of another base is not served"
    shutil.rmtree(tmp_path / "events.adapters")
    history.parts.close()

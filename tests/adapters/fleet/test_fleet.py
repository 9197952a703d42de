"""Several vLLM servers as one model: what is loaded where, which server is asked, and what happens when one is lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fake_vllm import FakeVllm
from fleets import Kept, answered_by, fleet_of, stored, variant
from tiny_base import Trained, click_examples

from grokputer.adapters.registry.local import WeightStore
from grokputer.adapters.serving.local import LocalModel
from grokputer.domain.errors import EnvironmentUnavailable, ModelError, UnknownAdapter
from grokputer.domain.page.messages import Completion, Request

PAGES = [example.messages for example in click_examples(8, seed=9)]
Servers = tuple[FakeVllm, FakeVllm]


def test_an_adapter_is_loaded_under_its_hash_and_proven_at_every_server(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    record = Kept()
    fleet, folder = fleet_of(*servers, record=record), stored(store, trained.done.adapter)
    fleet.load("lora-v1", folder)
    assert [server.paths for server in servers] == [{folder.name: str(folder)}] * 2
    assert [record.of(server) for server in servers] == [[True], [True]]
    proof = fleet.prove("lora-v1", folder)
    assert proof.is_applied and proof.prompts == 4
    assert proof.error < proof.effect / 10
    assert fleet.names() == ["lora-v1"]
    assert not any("load_inplace" in body for server in servers for _, body in server.asked)
    fleet.close()


def test_answers_with_and_without_the_adapter_are_those_of_a_local_model(
    servers: Servers, store: WeightStore, trained: Trained, tiny_model: LocalModel
) -> None:
    fleet = fleet_of(*servers)
    fleet.load("lora-v1", stored(store, trained.done.adapter))
    for page in PAGES[:2]:
        assert fleet.complete(page, max_tokens=8).text == tiny_model.complete(page, max_tokens=8).text
        assert fleet.complete(page, adapter="lora-v1").text == "DONE"
    parts: list[str] = []
    whole = fleet.stream(Request(PAGES[0], "lora-v1"), parts.append)
    assert (whole.text, "".join(parts), len(parts)) == ("DONE", "DONE", 2)
    fleet.close()


def test_an_answer_is_scored_as_a_local_model_scores_it(
    servers: Servers, store: WeightStore, trained: Trained, tiny_model: LocalModel
) -> None:
    fleet = fleet_of(servers[0])
    fleet.load("lora-v1", stored(store, trained.done.adapter))
    tiny_model.load("done", trained.done.adapter)
    for adapter, own in ((None, None), ("lora-v1", "done")):
        score, tokens = fleet.score(PAGES[0], "DONE", adapter=adapter)
        expected, count = tiny_model.score(PAGES[0], "DONE", adapter=own)
        assert tokens == count
        assert score == pytest.approx(expected, abs=0.05)
    with pytest.raises(ModelError, match="scores no answers about pictures"):
        fleet.score(PAGES[0], "DONE", media={"sha256:aa": "data:image/png;base64,"})
    fleet.close()


def test_many_requests_are_shared_among_the_servers_and_answered_in_order(
    servers: Servers, store: WeightStore, trained: Trained, tiny_model: LocalModel
) -> None:
    fleet, folder = fleet_of(*servers), stored(store, trained.done.adapter)
    fleet.load("lora-v1", folder)
    requests = [Request(page, adapter, 8) for page in PAGES for adapter in ("lora-v1", None)]
    requests.insert(3, Request(PAGES[0], "lora-v9"))
    answers = fleet.complete_many(requests)
    assert isinstance(answers.pop(3), UnknownAdapter)
    assert [it.text for it in answers if isinstance(it, Completion)][::2] == ["DONE"] * 8
    expected = [tiny_model.complete(page, max_tokens=8).text for page in PAGES]
    assert [it.text for it in answers if isinstance(it, Completion)][1::2] == expected
    of_each = zip(answered_by(servers, folder.name), answered_by(servers, "tiny"), strict=True)
    shared = [with_adapter + bare for with_adapter, bare in of_each]
    assert min(shared) > 0 and sum(shared) == 16
    fleet.close()


def test_a_lost_server_gets_nothing_and_is_proven_again_before_it_gets_traffic(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    record = Kept()
    fleet, folder = fleet_of(*servers, record=record), stored(store, trained.done.adapter)
    fleet.load("lora-v1", folder)
    first, second = servers
    first.die()
    assert {fleet.complete(page, adapter="lora-v1").text for page in PAGES[:4]} == {"DONE"}
    assert answered_by(servers, folder.name) == [0, 4]
    first.start()
    first.asked.clear()
    assert {fleet.complete(page, adapter="lora-v1").text for page in PAGES[:6]} == {"DONE"}
    asked = [path.rpartition("/")[2] if body.get("model") else "load" for path, body in first.asked]
    assert asked == ["load", *["completions"] * 8, *["completions"] * answered_by(servers, folder.name)[0]]
    assert answered_by(servers, folder.name)[0] > 0
    assert (record.of(first), record.of(second)) == ([True, True], [True])
    assert len({it.boot for it in record.all}) == 2
    fleet.close()


def test_an_adapter_that_was_forgotten_is_loaded_again_once(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    fleet, folder = fleet_of(servers[0]), stored(store, trained.done.adapter)
    fleet.load("lora-v1", folder)
    member = fleet._members[0]
    member._look_s = 1e9  # it believes what it saw, so that only the answer 404 can tell
    servers[0].paths.clear()
    assert fleet.complete(PAGES[0], adapter="lora-v1").text == "DONE"
    assert servers[0].paths == {folder.name: str(folder)}
    assert [path for path, _ in servers[0].asked].count("/v1/load_lora_adapter") == 2
    fleet.close()


def test_a_single_server_that_started_again_is_found_by_the_lost_connection(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    record = Kept()
    fleet = fleet_of(servers[0], record=record)
    fleet.load("lora-v1", stored(store, trained.done.adapter))
    fleet._members[0]._look_s = 1e9
    servers[0].restart()
    assert fleet.complete(PAGES[0], adapter="lora-v1").text == "DONE"
    assert record.of(servers[0]) == [True, True]
    fleet.close()


def test_a_proof_of_this_start_holds_in_another_process_too(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    record, folder = Kept(), stored(store, trained.done.adapter)
    first, second = fleet_of(servers[0], record=record), fleet_of(servers[0], record=record)
    first.load("lora-v1", folder)
    asked = len(servers[0].asked)
    second.load("lora-v1", folder)
    assert second.prove("lora-v1", folder) == first.prove("lora-v1", folder)
    assert (len(servers[0].asked), len(record.all)) == (asked, 1)
    servers[0].restart()
    second.load("lora-v1", folder)
    assert len(record.all) == 2
    servers[0].lies.add("no boot")  # it does not tell when it started, so each process proves by itself
    third = fleet_of(servers[0], record=record)
    third.load("lora-v1", folder)
    assert len(record.all) == 3
    for fleet in (first, second, third):
        fleet.close()


def test_without_a_healthy_server_the_fault_is_no_adapter_s(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    fleet = fleet_of(*servers)
    fleet.load("lora-v1", stored(store, trained.done.adapter))
    for server in servers:
        server.die()
    for adapter in (None, "lora-v1"):
        with pytest.raises(
            EnvironmentUnavailable, match=r"no endpoint answers: http.*no connection.*; http.*no connect"
        ):
            fleet.complete(PAGES[0], adapter=adapter)
    assert fleet.names() == []
    for server in servers:
        server.start()
    assert fleet.complete(PAGES[0], adapter="lora-v1").text == "DONE"
    fleet.close()


@pytest.mark.parametrize("lie", ["busy", "broken"])
def test_a_busy_server_s_requests_go_elsewhere_and_a_failure_of_a_healthy_one_is_told(
    servers: Servers, lie: str
) -> None:
    fleet = fleet_of(*servers)
    servers[0].lies.add(lie)
    servers[1].lies.update({lie} if lie == "broken" else ())
    if lie == "broken":
        with pytest.raises(ModelError, match="HTTP 500"):
            fleet.complete(PAGES[0], max_tokens=4)
        assert sum(answered_by(servers, "tiny")) == 1, "a request that breaks one server is not tried on all"
    else:
        assert all(fleet.complete(page, max_tokens=4) for page in PAGES[:4])
    fleet.close()


def test_a_slow_server_is_not_waited_for_longer_than_the_time_limit(servers: Servers) -> None:
    fleet = fleet_of(servers[0], timeout_s=0.1)
    servers[0].delay_s = 1.0
    with pytest.raises(ModelError, match=r"no answer within 0\.1 s"):
        fleet.complete(PAGES[0], max_tokens=4)
    fleet.close()


def test_a_base_of_another_name_is_told_with_what_to_do(servers: Servers) -> None:
    servers[0].base = "other"
    fleet = fleet_of(servers[0])
    servers[0].base = "tiny"
    with pytest.raises(
        EnvironmentUnavailable, match="does not serve other, but tiny; start vLLM with --served-model-name"
    ):
        fleet.complete(PAGES[0])
    fleet.close()


def test_unloading_asks_every_server_and_keeps_the_folder_while_one_may_have_it(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    fleet, folder = fleet_of(*servers), stored(store, trained.done.adapter)
    fleet.load("lora-v1", folder)
    fleet.load("lora-v2", folder)
    servers[1].die()
    fleet.unload("lora-v2")  # lora-v1 has the same weights
    with pytest.raises(EnvironmentUnavailable, match="lora-v1 may still be loaded, so keep its folder"):
        fleet.unload("lora-v1")
    servers[1].start()
    fleet.unload("lora-v1")
    assert [server.paths for server in servers] == [{}, {}]
    with pytest.raises(UnknownAdapter):
        fleet.complete(PAGES[0], adapter="lora-v1")
    fleet.close()


def test_the_least_recently_used_adapter_is_unloaded_where_there_are_too_many(
    servers: Servers, store: WeightStore, trained: Trained, tmp_path: Path
) -> None:
    fleet = fleet_of(*servers, room=2)
    folders = list[Path]()
    for number in range(3):
        named: Callable[[dict[str, Any]], dict[str, Any]] = partial(dict, revision=f"{number}")
        folders.append(stored(store, variant(trained.done.adapter, tmp_path / f"variant-{number}", config=named)))
    fleet.load("lora-v1", folders[0])
    fleet.load("lora-v2", folders[1])
    fleet.complete(PAGES[0], adapter="lora-v1")
    fleet.load("lora-v3", folders[2])
    assert fleet.names() == ["lora-v1", "lora-v3"]
    assert all(set(server.paths) == {folders[0].name, folders[2].name} for server in servers)
    fleet.load("lora-v2", folders[1])
    assert fleet.complete(PAGES[0], adapter="lora-v2").text == "DONE"
    fleet.close()


def test_closing_waits_for_the_answers_in_progress(servers: Servers) -> None:
    from threading import Thread

    fleet, answers = fleet_of(servers[0]), list[Completion]()
    servers[0].delay_s = 0.3
    asking = Thread(target=lambda: answers.append(fleet.complete(PAGES[0], max_tokens=4)))
    asking.start()
    while not fleet._members[0].open:
        pass
    fleet.close()
    asking.join()
    assert len(answers) == 1
    with pytest.raises(ModelError, match="closed"):
        fleet.complete(PAGES[0])


def test_the_servers_may_see_the_weights_elsewhere(
    servers: Servers, store: WeightStore, trained: Trained, tmp_path: Path
) -> None:
    (tmp_path / "mounted").symlink_to(tmp_path / "weights")
    fleet, folder = fleet_of(servers[0], folder=str(tmp_path / "mounted/")), stored(store, trained.done.adapter)
    fleet.load("lora-v1", folder)
    assert servers[0].paths == {folder.name: f"{tmp_path}/mounted/{folder.name}"}
    fleet.close()

"""What vLLM accepts without a word: each is refused by the proof, or cannot come about."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_vllm import FakeVllm
from fleets import Kept, answered_by, fleet_of, stored, variant
from tiny_base import Trained, click_examples

from grokputer.adapters.registry.local import WeightStore
from grokputer.domain.errors import DamagedWeights, NotServed

PAGES = [example.messages for example in click_examples(4, seed=9)]
Servers = tuple[FakeVllm, FakeVllm]
Weights = dict[str, Any]


def another_prefix(given: Weights) -> Weights:
    return {key.replace("model.layers", "language_model.layers"): value for key, value in given.items()}


def mlp_renamed(given: Weights) -> Weights:
    return {key.replace("mlp.", "feed_forward."): value for key, value in given.items()}


def mlp_missing(given: Weights) -> Weights:
    return {key: value for key, value in given.items() if ".mlp." not in key}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (another_prefix, "its outputs are the base's"),
        (mlp_renamed, "not those its trainer recorded"),
        (mlp_missing, "not those its trainer recorded"),
    ],
)
def test_an_adapter_of_which_nothing_or_half_is_applied_is_loaded_with_success_and_refused(
    servers: Servers,
    store: WeightStore,
    trained: Trained,
    tmp_path: Path,
    change: Callable[[Weights], Weights],
    why: str,
) -> None:
    record, folder = Kept(), stored(store, variant(trained.done.adapter, tmp_path / "variant", change))
    fleet = fleet_of(servers[0], record=record)
    fleet.load("lora-v1", folder)
    assert folder.name in servers[0].paths, "vLLM has taken it"
    assert not fleet.prove("lora-v1", folder).is_applied
    assert why in record.all[0].problem
    with pytest.raises(NotServed, match=f"lora-v1 is not available: .*{why}"):
        fleet.complete(PAGES[0], adapter="lora-v1")
    assert answered_by(servers, folder.name) == [0, 0]
    assert fleet.names() == []
    fleet.close()


def test_one_server_that_answers_with_the_base_gets_no_traffic_of_the_adapter(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    record, folder = Kept(), stored(store, trained.done.adapter)
    servers[1].lies.add("base")
    fleet = fleet_of(*servers, record=record)
    fleet.load("lora-v1", folder)
    assert {fleet.complete(page, adapter="lora-v1").text for page in PAGES} == {"DONE"}
    assert answered_by(servers, folder.name) == [4, 0]
    assert [record.of(server) for server in servers] == [[True], [False]]
    for page in PAGES:
        fleet.complete(page, max_tokens=4)
    assert answered_by(servers, "tiny")[1] > 0, "the base's traffic goes there all the same"
    servers[1].lies.clear()
    servers[1].restart()
    assert {fleet.complete(page, adapter="lora-v1").text for page in PAGES} == {"DONE"}
    assert record.of(servers[1]) == [False, True]
    fleet.close()


def test_a_server_that_after_its_start_has_the_name_and_not_the_weights_is_found_out(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    record, folder = Kept(), stored(store, trained.done.adapter)
    fleet = fleet_of(servers[0], record=record)
    fleet.load("lora-v1", folder)
    servers[0].restart()
    servers[0].paths[folder.name] = str(stored(store, trained.asked.adapter))  # as with --lora-modules
    with pytest.raises(NotServed, match="not those its trainer recorded"):
        fleet.complete(PAGES[0], adapter="lora-v1")
    assert record.of(servers[0]) == [True, False]
    fleet.close()


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"r": 24}, "its rank is 24; start vLLM with --max-lora-rank of at least that"),
        ({"use_dora": True}, "vLLM serves no adapter with use_dora; train without"),
        ({"modules_to_save": ["lm_head"]}, "vLLM serves no adapter with modules_to_save"),
    ],
)
def test_what_vllm_cannot_serve_is_told_with_what_to_do_and_the_server_lives(
    servers: Servers, store: WeightStore, trained: Trained, tmp_path: Path, config: Weights, why: str
) -> None:
    folder = stored(
        store, variant(trained.done.adapter, tmp_path / "variant", config=lambda given: {**given, **config})
    )
    record = Kept()
    fleet = fleet_of(servers[0], record=record)
    for _ in range(2):
        with pytest.raises(NotServed, match=why):
            fleet.load("lora-v1", folder)
    assert [path for path, _ in servers[0].asked] == ["/v1/load_lora_adapter"], (
        "a refusal is not asked for again and again"
    )
    assert record.of(servers[0]) == [False]
    assert fleet.complete(PAGES[0], max_tokens=4).completion_tokens
    fleet.close()


@pytest.mark.parametrize(
    ("lie", "why"),
    [("deaf", "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"), ("blind", "does not see this folder; mount the weights there")],
)
def test_a_server_that_cannot_load_is_told_with_what_to_do(
    servers: Servers, store: WeightStore, trained: Trained, lie: str, why: str
) -> None:
    servers[0].lies.add(lie)
    fleet = fleet_of(servers[0], folder="/not/there" if lie == "blind" else None)
    with pytest.raises(NotServed, match=why):
        fleet.load("lora-v1", stored(store, trained.done.adapter))
    fleet.close()


def test_other_weights_under_a_known_adapter_s_name_are_another_name_there(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    """vLLM keeps what it computed of a prompt by name and folder, and answers by the weights before."""
    fleet = fleet_of(servers[0])
    folders = [stored(store, it.adapter) for it in (trained.asked, trained.done)]
    for folder in folders:
        fleet.load("lora-v1", folder)
        assert fleet.prove("lora-v1", folder).is_applied
    assert servers[0].paths == {folders[1].name: str(folders[1])}, "the first is unloaded"
    assert fleet.complete(PAGES[0], adapter="lora-v1").text == "DONE"
    fleet.close()


def evict(server: FakeVllm, fleet_room: int = 1) -> None:
    server.engine.clear()


def test_an_adapter_whose_folder_is_gone_is_not_asked_for_because_that_would_end_the_server(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    fleet, folder = fleet_of(servers[0]), stored(store, trained.done.adapter)
    fleet.load("lora-v1", folder)
    evict(servers[0])
    shutil.rmtree(folder)
    with pytest.raises(DamagedWeights, match=r"have changed in .*; restore them"):
        fleet.complete(PAGES[0], adapter="lora-v1")
    assert servers[0].is_alive and servers[0].paths == {}
    assert fleet.complete(PAGES[0], max_tokens=4).completion_tokens
    fleet.close()


def test_the_fake_dies_as_vllm_does_when_an_evicted_adapter_s_folder_is_gone(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    fleet, folder = fleet_of(servers[0]), stored(store, trained.done.adapter)
    fleet.load("lora-v1", folder)
    evict(servers[0])
    shutil.rmtree(folder)
    with pytest.raises(Exception, match="no connection"):
        fleet._members[0].endpoint.complete(PAGES[0], adapter=folder.name)
    assert not servers[0].is_alive
    fleet.close()


def test_an_evicted_adapter_whose_file_was_changed_is_not_served(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    fleet, folder = fleet_of(servers[0]), stored(store, trained.done.adapter)
    fleet.load("lora-v1", folder)
    evict(servers[0])
    shutil.copyfile(trained.asked.adapter / "adapter_model.safetensors", folder / "adapter_model.safetensors")
    with pytest.raises(DamagedWeights, match="have changed"):
        fleet.complete(PAGES[0], adapter="lora-v1")
    assert answered_by(servers, folder.name) == [0, 0]
    fleet.close()


def test_an_adapter_that_the_engine_had_no_room_for_comes_back_from_its_folder(
    servers: Servers, store: WeightStore, trained: Trained
) -> None:
    servers[0].room = 1
    fleet = fleet_of(servers[0])
    fleet.load("lora-v1", stored(store, trained.done.adapter))
    fleet.load("lora-v2", stored(store, trained.asked.adapter))
    assert fleet.complete(PAGES[0], adapter="lora-v1").text == "DONE"
    assert fleet.complete(PAGES[0], adapter="lora-v2").text.startswith("CLICK")
    fleet.close()

"""Fake vLLM servers with the tiny base, and the fleet that asks them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_vllm import FakeVllm
from tiny_base import Trained

from grokputer.adapters.fleet.endpoint import VllmEndpoint
from grokputer.adapters.fleet.member import Member
from grokputer.adapters.fleet.model import VllmModel
from grokputer.adapters.registry.local import WeightStore
from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.local import LocalModel
from grokputer.domain.ports import Served, ServedRecord


class Kept(ServedRecord):
    """Keeps what was recorded, in its order."""

    def __init__(self) -> None:
        self.all: list[Served] = []

    def find(self, adapter: str, endpoint: str, boot: str) -> Served | None:
        """The latest of this start."""
        found = [it for it in self.all if (it.adapter, it.endpoint, it.boot) == (adapter, endpoint, boot)]
        return found[-1] if found else None

    def add(self, served: Served) -> None:
        """One more."""
        self.all.append(served)

    def of(self, fake: FakeVllm) -> list[bool]:
        """Whether each record of the server says that it applies its adapter."""
        return [it.is_applied for it in self.all if it.endpoint == fake.url]


@pytest.fixture(scope="module")
def tiny_model(tiny_base: Path) -> Iterator[LocalModel]:
    """The model that the servers answer with."""
    model = LocalModel(Base(str(tiny_base)))
    yield model
    model.close()


@pytest.fixture
def servers(tiny_model: LocalModel, trained: Trained) -> Iterator[tuple[FakeVllm, FakeVllm]]:
    """Two servers of the tiny base."""
    like = trained.done.adapter
    with FakeVllm(tiny_model, like) as first, FakeVllm(tiny_model, like) as second:
        yield first, second


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    """The weights of the adapters."""
    return WeightStore(tmp_path / "weights")


def fleet_of(
    *servers: FakeVllm,
    record: ServedRecord | None = None,
    timeout_s: float = 20.0,
    folder: str | None = None,
    room: int = 16,
) -> VllmModel:
    """The fleet of these servers, which looks at each before every request."""
    endpoints = [VllmEndpoint(server.url, server.base, timeout_s=timeout_s) for server in servers]
    return VllmModel([Member(each, record or Kept(), look_s=0.0) for each in endpoints], "tiny", folder, room=room)


def stored(store: WeightStore, adapter: Path) -> Path:
    """The folder of the adapter's weights in the store."""
    return store.path(store.put(adapter).hash)


def variant(
    adapter: Path,
    to: Path,
    weights: Callable[[dict[str, Any]], dict[str, Any]] = lambda given: given,
    config: Callable[[dict[str, Any]], dict[str, Any]] = lambda given: given,
) -> Path:
    """A copy of the adapter with other weights or another configuration."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(adapter, to)
    save_file(weights(load_file(to / "adapter_model.safetensors")), to / "adapter_model.safetensors")
    file = to / "adapter_config.json"
    file.write_text(json.dumps(config(json.loads(file.read_text()))))
    return to


def answered_by(servers: Sequence[FakeVllm], name: str) -> list[int]:
    """How many requests of people each server got for the name."""
    return [
        sum(
            path.endswith("completions") and body["model"] == name and "logprobs" not in body for path, body in it.asked
        )
        for it in servers
    ]

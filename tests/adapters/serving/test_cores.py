"""A long pass through the model uses all cores, a short one a single thread, and the answers are the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.decoding import cores
from grokputer.adapters.serving.decoding.cores import share_cores

SHORT, LONG = list(range(5, 9)), list(range(5, 105))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def passes(model: torch.nn.Module, tokens: list[int]) -> tuple[torch.Tensor, int]:
    """The logits of a pass, and the threads that it had."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([tokens]), use_cache=False).logits
    return logits, torch.get_num_threads()


def test_a_long_pass_uses_all_threads_and_a_short_one_a_single_one(
    two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = Base(quantization="none").load_for_serving()
    alone, _ = passes(model, LONG)
    monkeypatch.setattr(cores, "SMALL", 0)
    monkeypatch.setattr(cores, "LONG", 50 * model.num_parameters())
    assert share_cores(model, SHORT)
    assert [passes(model, tokens)[1] for tokens in (SHORT, LONG, SHORT)] == [1, 2, 1]
    together, threads = passes(model, LONG)
    torch.set_num_threads(1)
    assert threads == 2
    assert torch.equal(together, alone)
    monkeypatch.setattr(cores, "LARGE", model.num_parameters())
    assert passes(model, SHORT)[1] == 2


def test_a_small_model_uses_a_single_thread(two_threads: None) -> None:
    model, _ = Base(quantization="none").load_for_serving()
    assert not share_cores(model, SHORT)
    assert passes(model, LONG)[1] == 1


def test_where_the_bits_would_differ_one_thread_is_used(two_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = Base(quantization="none").load_for_serving()
    monkeypatch.setattr(cores, "SMALL", 0)
    monkeypatch.setattr(cores, "LONG", 50 * model.num_parameters())
    model.lm_head.register_forward_hook(lambda layer, given, out: out + torch.get_num_threads())
    assert not share_cores(model, SHORT)
    assert passes(model, LONG)[1] == 1

"""The common beginning of a batch's rows is computed once, with the losses and gradients of the rows one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny_base import quiet_libraries

from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.training import answer_loss
from grokputer.adapters.training.answer_loss import IGNORED, answer_log_probs
from grokputer.adapters.training.shared_beginning import MULTIPLE, can_share, share_beginning, typical_length

BEGINNING = list(range(20, 60))


@pytest.fixture(autouse=True)
def _quiet_libraries() -> Iterator[None]:
    with quiet_libraries():
        yield


def batch(rows: Sequence[tuple[list[int], list[int]]]) -> dict[str, Any]:
    """The padded batch of these prompts and answers."""
    import torch

    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids, labels = torch.zeros((len(rows), width), dtype=torch.long), torch.full((len(rows), width), IGNORED)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for number, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids[number, :end], mask[number, :end] = torch.tensor(prompt + answer), 1
        labels[number, len(prompt) : end] = torch.tensor(answer)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


ALIKE = [
    ([*BEGINNING, 70, 71], [5, 6, 7]),
    ([*BEGINNING, 72], [8]),
    ([*BEGINNING, 70, 73, 74, 75], [9, 5]),
]


def log_probs_and_gradient(model: Any, inputs: dict[str, Any]) -> tuple[Any, Any, Any]:
    import torch

    model.zero_grad()
    scored, rows = answer_log_probs(model, inputs)
    weighted: Any = (scored * torch.arange(1, len(scored) + 1)).sum()
    weighted.backward()
    return scored.detach(), rows, torch.cat([it.grad.flatten() for it in model.parameters() if it.grad is not None])


@pytest.mark.parametrize(("attention", "most"), [("eager", 999), ("sdpa", 999), ("eager", 41), ("sdpa", 41)])
@pytest.mark.parametrize(
    "rows",
    [
        ALIKE,
        [(BEGINNING, [5, 6]), (BEGINNING, [5, 7]), (BEGINNING, [8])],  # answers begin where prompts are still alike
        [([*BEGINNING, 70], [5]), ([*BEGINNING, 70], [5])],  # the same example twice
        [(BEGINNING, [5, 6]), ([*BEGINNING, 5, 6], [7])],  # a later turn of the first row's conversation
    ],
)
def test_log_probs_and_gradients_equal_those_of_padded_rows(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[list[int], list[int]]], attention: str, most: int
) -> None:
    import torch

    model: Any = Base(str(tiny_base), quantization="none").load()[0]
    model.float().set_attn_implementation(attention)
    inputs = batch(rows)
    monkeypatch.setattr(answer_loss, "LONGEST", {attention: most})
    passes = answer_loss._shared(model, inputs)
    assert len(passes) == 1 if most > 99 else len(passes) > 1
    shared, shared_rows, shared_gradient = log_probs_and_gradient(model, inputs)
    monkeypatch.setattr(answer_loss, "_shared", lambda model, inputs: [inputs])
    padded, padded_rows, padded_gradient = log_probs_and_gradient(model, inputs)
    torch.testing.assert_close(shared, padded, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(shared_gradient, padded_gradient, atol=1e-4, rtol=1e-3)
    assert shared_rows.tolist() == padded_rows.tolist()


def test_each_token_is_computed_once_at_its_own_place() -> None:
    [shared] = share_beginning(batch(ALIKE), IGNORED, is_added=False, most=999)
    rests = [[70, 71, 5, 6, 7], [72, 8], [70, 73, 74, 75, 9, 5]]
    tokens = len(BEGINNING) + sum(map(len, rests))
    assert shared["input_ids"][0, :tokens].tolist() == BEGINNING + [token for rest in rests for token in rest]
    places = [*range(len(BEGINNING))] + [len(BEGINNING) + place for rest in rests for place in range(len(rest))]
    assert shared["position_ids"][0, :tokens].tolist() == places
    assert shared["input_ids"].shape[1] % MULTIPLE == 0
    sees = shared["attention_mask"][0, 0]
    first, second = len(BEGINNING), len(BEGINNING) + len(rests[0])
    assert sees[first + 1].nonzero()[:, 0].tolist() == [*range(first + 2)]
    assert sees[second + 1].nonzero()[:, 0].tolist() == [*range(first), second, second + 1]


@pytest.mark.parametrize(
    "rows",
    [
        ALIKE[:1],  # a single row
        [([20, *range(30, 70)], [5]), ([21, *range(30, 70)], [5])],  # nothing in common
    ],
)
def test_rows_stay_as_they_are_where_sharing_saves_too_little(rows: list[tuple[list[int], list[int]]]) -> None:
    inputs = batch(rows)
    assert share_beginning(inputs, IGNORED, is_added=True, most=999) == [inputs]


def test_rows_that_are_too_long_together_make_several_sequences() -> None:
    rows = [(BEGINNING * 5 + [number], [5] * 50) for number in range(4)]
    passes = share_beginning(batch(rows), IGNORED, is_added=False, most=350)
    assert [each["input_ids"].shape for each in passes] == [(1, 320), (1, 320)]


def test_the_typical_sequence_has_all_rows_of_a_batch_where_they_share_their_beginning() -> None:
    assert typical_length([[*range(100), n, *range(n)] for n in (9, 29)], 4) == 100 + 4 * 20
    assert typical_length([[n, *range(100)] for n in range(3)], 4) == 101
    assert typical_length([[*range(100)]], 1) == 100


def test_a_model_whose_layers_keep_a_state_or_a_short_window_takes_padded_rows(tiny_base: Path) -> None:
    model, _ = Base(str(tiny_base), quantization="none").load()
    assert can_share(model, 64)
    model.config.sliding_window = 32
    assert can_share(model, 32) and not can_share(model, 64)
    model.config.sliding_window = None
    model.config.layer_types = ["full_attention", "linear_attention"]
    assert not can_share(model, 64)

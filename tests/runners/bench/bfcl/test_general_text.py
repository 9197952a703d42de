"""The general text on which the benchmark of function calls measures what an adapter costs elsewhere."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from tiny_base import Trained

from grokputer.adapters.serving.base_model import Base
from grokputer.adapters.serving.text_loss import WINDOW, text_losses
from grokputer.domain.errors import GrokputerError, ModelError
from grokputer.runners.bench.bfcl.text import CHARACTERS, Loss, read_losses, read_text


def test_without_a_file_the_text_is_the_beginning_of_pythons_language_reference() -> None:
    text = read_text(None)
    assert text.name.endswith(" topics of the language reference of Python " + text.name.split()[-1])
    assert CHARACTERS <= sum(map(len, text.documents)) < 2 * CHARACTERS
    assert text.hash == read_text(None).hash


def test_a_plain_file_is_one_document_and_json_lines_are_one_each(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One line.\n\nAnother one.\n")
    (tmp_path / "a.jsonl").write_text('"One line."\n\n{"text": "Another\u2028one."}\n""\n')
    assert list(read_text(tmp_path / "a.txt").documents) == ["One line.\n\nAnother one.\n"]
    assert list(read_text(tmp_path / "a.jsonl").documents) == ["One line.", "Another\u2028one."]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b" \n", "is empty; give a file with text"),
        ("a.txt", b"\xff\xfe", "cannot be read: it is not UTF-8"),
        ("a.jsonl", b'"good"\n{"words": 1}\n', "line 2 of .* is no document"),
        ("a.jsonl", b'"good"\nplain\n', "line 2 of .* is no document"),
    ],
)
def test_a_file_that_is_no_text_is_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GrokputerError, match=message):
        read_text(tmp_path / name)


def test_the_loss_is_that_of_each_token_but_the_first_of_each_window(tiny_base: Path, trained: Trained) -> None:
    base = Base(str(tiny_base), quantization="none")
    documents = ["x" * (WINDOW + 10), "Some other words."]
    losses = text_losses(base, documents, {"asked": trained.asked.adapter})
    assert {loss.tokens for loss in losses.values()} == {(WINDOW - 1) + (10 - 1) + (len(documents[1]) - 1)}
    assert losses[None].mean != losses["asked"].mean
    model, tokenizer = base.load()
    untyped: Any = tokenizer
    ids = untyped(documents[1], return_tensors="pt", add_special_tokens=False)["input_ids"]
    expected = float(model(input_ids=ids, labels=ids).loss.detach())  # as transformers computes it
    [alone] = text_losses(base, documents[1:], {}).values()
    assert math.isclose(alone.mean, expected, rel_tol=1e-3)


def test_a_document_of_one_token_predicts_nothing_and_is_one_line(tiny_base: Path) -> None:
    with pytest.raises(ModelError, match="fewer than two tokens"):
        text_losses(Base(str(tiny_base), quantization="none"), ["x"], {})


def test_damaged_losses_are_measured_again(tmp_path: Path) -> None:
    assert read_losses(tmp_path) == []
    for damaged in ("{", "[1]", '[{"text": "a"}]'):
        (tmp_path / "text.json").write_text(damaged)
        assert read_losses(tmp_path) == []
    loss = Loss("a", None, "NF4", math.log(2), 3, "x")
    assert math.isclose(loss.perplexity, 2)

"""Datasets as files of other programs: each format gives back what was written, and whatever a file holds, an import ends in
examples that can be written again or in one line."""

from __future__ import annotations

import gzip
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grokputer.adapters.data.examples import Example, encode_examples, read_examples
from grokputer.adapters.data.exports import alpaca_rows, write_set
from grokputer.adapters.data.imports.public_set import PublicSet, read_public
from grokputer.domain.errors import InvalidExamples, NotPossible

texts = st.text(max_size=12).filter(lambda text: bool(text.strip()))
turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant"]), "content": st.text(max_size=9)}
)


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """A prompt with a question, and a target with or without a rejected answer, or a judged answer."""
    before, label = draw(st.lists(turns, max_size=3)), draw(st.sampled_from(["target", "good", "bad"]))
    completion = draw(texts)
    pair = label == "target" and draw(st.booleans())
    question: Any = {"role": "user", "content": draw(texts)}
    rejected = f"not {completion}" if pair else ""
    return Example((*before, question), completion, "correction", "ocr", "run", 3, "miniwob/a#1", rejected, label)  # type: ignore[arg-type]


FORMATS = [".jsonl", ".json", ".parquet", ".jsonl.gz", ".parquet.gz", ".toon", ".toon.gz"]
quick = settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def texts_of(read: PublicSet) -> list[tuple[Any, ...]]:
    return [(example.messages, example.completion, example.rejected, example.label) for example in read.examples]


def library_of(end: str) -> None:
    if ".toon" in end:
        pytest.importorskip("toon_format", reason="the library of TOON files is not installed")


@pytest.mark.parametrize("end", FORMATS)
def test_what_is_written_comes_back_with_the_same_words_and_labels(tmp_path: Path, end: str) -> None:
    library_of(end)

    @quick
    @given(
        st.lists(examples(), min_size=1, max_size=4, unique_by=lambda it: " ".join(it.messages[-1]["content"].split()))
    )
    def check(written: list[Example]) -> None:
        path = tmp_path / f"set{end}"
        assert write_set(path, written) == len(written)
        read = read_public(str(path), "action")
        assert texts_of(read) == [
            (example.messages, example.completion, example.rejected, example.label) for example in written
        ]
        assert (read.left_out, read.form, read.unread) == (0, "examples", {})

    check()


def test_json_lines_are_the_dataset_itself_and_files_are_the_same_each_time(tmp_path: Path) -> None:
    example = Example(({"role": "user", "content": "é"},), "DONE", "correction")
    for name in ("a.jsonl", "a.jsonl.gz", "a.parquet", "a"):
        write_set(tmp_path / name, [example])
        first = (tmp_path / name).read_bytes()
        write_set(tmp_path / name, [example])
        assert (tmp_path / name).read_bytes() == first
    assert (tmp_path / "a.jsonl").read_bytes() == encode_examples([example]) == (tmp_path / "a").read_bytes()
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == encode_examples([example])


def test_a_conversation_goes_out_as_alpaca_with_its_history_and_comes_back(tmp_path: Path) -> None:
    messages: Any = [{"role": "system", "content": "Count."}, {"role": "user", "content": "2+2?"},
                     {"role": "assistant", "content": "4"}, {"role": "user", "content": "Twice?"}]  # fmt: skip
    example = Example(tuple(messages), "8", "correction")
    assert list(alpaca_rows([example])) == [
        {"instruction": "Twice?", "input": "", "output": "8", "system": "Count.", "history": [["2+2?", "4"]]}
    ]
    for name in ("a.jsonl", "a.parquet"):
        write_set(tmp_path / name, [example], "alpaca")
        assert texts_of(read_public(str(tmp_path / name), "action")) == [(tuple(messages), "8", "", "target")]


def test_a_format_that_is_not_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match=r"set\.csv has no suffix of an export format; it takes \.jsonl"):
        write_set(tmp_path / "set.csv", [])


def test_a_toon_file_that_is_cut_is_refused(tmp_path: Path) -> None:
    library_of(".toon")
    path = tmp_path / "set.toon"
    write_set(path, [Example(({"role": "user", "content": str(n)},), "DONE", "replay") for n in range(3)], "alpaca")
    assert path.read_text().splitlines()[0] == "[3]{instruction,input,output}:"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(InvalidExamples, match=r"set\.toon is not TOON: .*Declared length 3"):
        read_public(str(path), "action")


def test_without_the_library_of_toon_its_files_are_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "toon_format", None)
    (tmp_path / "set.toon").write_text("[1]{instruction,output}:\n  a,b")
    with pytest.raises(
        InvalidExamples, match=r"set\.toon needs the library toon-format.*pip install 'grokputer\[data\]'"
    ):
        read_public(str(tmp_path / "set.toon"), "action")
    with pytest.raises(InvalidExamples, match="needs the library toon-format"):
        write_set(tmp_path / "new.toon", [Example(({"role": "user", "content": "a"},), "b", "replay")])
    assert not (tmp_path / "new.toon").exists()


# Whatever a file holds


KEYS = [
    *(
        "instruction",
        "input",
        "output",
        "context",
        "response",
        "prompt",
        "completion",
        "chosen",
        "rejected",
        "label",
        "system",
    ),
    *(
        "messages",
        "conversations",
        "history",
        "role",
        "content",
        "from",
        "value",
        "weight",
        "tool_calls",
        "tools",
        "text",
        "type",
    ),
]
words = st.sampled_from(["user", "assistant", "human", "gpt", "tool", "text", "[]", "\ud800", "\0", "\x1b[31m"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | words
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=25,
)
rows = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), values, max_size=6) | values
talks = st.builds(
    lambda key, texts_of: {key: [{"role": role, "content": text} for role, text in texts_of]},
    st.sampled_from(["messages", "conversations", "prompt", "chosen"]),
    st.lists(st.tuples(st.sampled_from(["user", "assistant", "system", "tool"]), scalars), max_size=5),
)
ENDS = [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".jsonl.gz", ".toon"]


def check_import(path: Path) -> None:
    """An import of the file ends in one line, or in examples that are whole texts and can be written and read again."""
    refusal = ""
    try:
        read = read_public(str(path), "action")
    except InvalidExamples as error:
        refusal = str(error)
    assert refusal.isprintable()
    if refusal:
        return
    assert read.examples
    for example in read.examples:
        assert example.completion.strip() and any(turn["content"].strip() for turn in example.messages)
    lines = [line for first in read.first.values() for line in first]
    assert all(line.isprintable() for line in lines) and sum(read.reasons.values()) == read.left_out >= len(lines)
    written = path.with_name("written.jsonl")
    write_set(written, read.examples)
    assert read_examples(written) == list(read.examples)
    assert texts_of(read_public(str(written), "action")) == texts_of(read)
    write_set(path.with_name("written.parquet"), read.examples)
    write_set(written, read.examples, "alpaca")


@settings(quick, max_examples=150)
@given(st.lists(rows | talks, min_size=1, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_any_rows_of_json_end_in_one_line_or_in_examples(
    tmp_path: Path, values: list[Any], indent: int | None, is_list: bool
) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(values, indent=indent) if is_list else "\n".join(map(json.dumps, values)))
    check_import(path)


@settings(quick, max_examples=150)
@given(st.sampled_from(ENDS), st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_end_in_one_line_or_in_examples(tmp_path: Path, end: str, content: bytes) -> None:
    path = tmp_path / f"set{end}"
    path.write_bytes(content)
    check_import(path)


@quick
@given(st.lists(st.tuples(texts, st.none() | texts), min_size=1, max_size=3), st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_table_ends_in_one_line_or_in_examples(
    tmp_path: Path, cells: list[tuple[str, str | None]], place: int, byte: int
) -> None:
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    table = pyarrow.table({"instruction": [cell[0] for cell in cells], "output": [cell[1] for cell in cells]})
    path = tmp_path / "set.parquet"
    pyarrow.parquet.write_table(table, path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] = byte
    path.write_bytes(bytes(content))
    check_import(path)


def test_what_pandas_writes_for_an_empty_cell_is_absent_in_every_place(tmp_path: Path) -> None:
    turn = {"role": "assistant", "content": "2", "weight": math.nan, "tool_calls": math.nan}
    row = {
        "messages": [{"role": "user", "content": "Two?"}, turn],
        "label": math.nan,
        "rejected": math.nan,
        "prompt": math.nan,
    }
    (tmp_path / "set.jsonl").write_text(json.dumps(row))
    [(_, completion, rejected, label)] = texts_of(read_public(str(tmp_path / "set.jsonl"), "action"))
    assert (completion, rejected, label) == ("2", "", "target")
